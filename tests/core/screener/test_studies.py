"""One symbol as a chart shows it, on the demo's universe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from core.errors import NotFound
from core.ops.jobs import JobStatus
from core.principal import Principal
from core.screener.scans import Scan
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.fakes.jobs import finished

UNIVERSE = "sp500_2010"
LAST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def ann(made: MakeMember) -> Principal:
    return made("ann")


@pytest.fixture(scope="module")
def scan(working: Workbench, ann: Principal) -> Scan:
    """A scan whose signals have their confidences."""
    job = finished(working.queue, working.screener.scans.request(ann, UNIVERSE))
    assert job.status is JobStatus.DONE
    found = working.screener.scans.latest(ann, UNIVERSE)
    assert found is not None
    finished(working.queue, working.screener.jobs.bring_records(found.about))
    return found


def test_a_study_has_what_the_scan_found_of_the_symbol(working: Workbench, ann: Principal, scan: Scan) -> None:
    row = next(row for row in scan.results.iter_rows(named=True) if row["signals"] and row["pattern"])
    study = working.screener.studies.of(ann, row["symbol"], scan)
    assert study.bars.dates[-1] == np.datetime64(LAST)
    assert (study.about.source, study.about.is_generated) != ("", True)
    assert {signal.type for signal in study.signals if signal.state == "signal"} == set(row["signals"])
    assert {pattern.type for pattern in study.patterns} == set(row["pattern"])
    assert all(len(values) == len(study.bars) for values in study.indicators.values())
    assert study.indicators["rsi_14"][-1] == pytest.approx(row["rsi_14"])


def test_the_record_of_a_signal_stands_on_the_symbol_and_on_the_universe(
    working: Workbench, ann: Principal, scan: Scan
) -> None:
    record = working.screener.studies.record(ann, "MSFT", "breakout_20", scan)
    assert record.universe is not None
    assert set(record.here) == set(record.universe) == {1, 5, 20, 60}
    assert record.universe[20].n > record.here[20].n
    assert record.universe[20].hits <= record.universe[20].n
    with pytest.raises(NotFound):
        working.screener.studies.record(ann, "MSFT", "nothing_of_the_kind", scan)


def test_in_the_time_machine_nothing_later_is_drawn_or_counted(working: Workbench, ann: Principal, scan: Scan) -> None:
    past = replace(ann, as_of=date(2010, 4, 1))
    study = working.screener.studies.of(past, "MSFT")
    assert study.bars.dates[-1] == np.datetime64("2010-04-01")
    assert study.signals == ()
    then = working.screener.studies.record(past, "MSFT", "breakout_20")
    now = working.screener.studies.record(ann, "MSFT", "breakout_20", scan)
    assert then.universe is None
    assert then.here[20].n < now.here[20].n
    last_day = then.here[20].last_day
    assert last_day is None or last_day < date(2010, 4, 1)


def test_a_symbol_without_bars_is_not_found(working: Workbench, ann: Principal) -> None:
    with pytest.raises(NotFound, match="There are no bars of NOBARS up to Fri 20 Aug 2010"):
        working.screener.studies.of(ann, "NOBARS")
