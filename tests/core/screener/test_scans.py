"""Scans end to end: submitted, cut, computed in other processes, joined, recorded, and read by whoever may."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from core.db.instruments_dao import MemberRow
from core.db.scans_dao import SignalRow, SignalsWanted
from core.errors import Forbidden, NotEnoughData, NotFound, StaleBars
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.ops.jobs import Job, JobStatus
from core.principal import Principal, Role
from core.screener.merge import merged
from core.screener.partition import scan_partition
from core.screener.scan_jobs import WINDOW
from core.screener.version import FORMULA_VERSION
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.fakes.jobs import finished

UNIVERSE = "sp500_2010"
LAST = date(2010, 8, 20)


@pytest.fixture(scope="module")
def ann(made: MakeMember) -> Principal:
    return made("ann")


def _scanned(working: Workbench, principal: Principal, universe_id: str = UNIVERSE) -> Job:
    job = finished(working.queue, working.screener.scans.request(principal, universe_id))
    assert job.status is JobStatus.DONE, job.error
    return job


@pytest.fixture(scope="module")
def scanned(working: Workbench, ann: Principal) -> Job:
    """A scan of the default universe as of its last session."""
    return _scanned(working, ann)


def _every_signal(working: Workbench, principal: Principal, job: Job) -> list[SignalRow]:
    found: list[SignalRow] = []
    while page := working.screener.scans.signals(
        principal, job.id, SignalsWanted(after=found[-1].id if found else None), 500
    ):
        found += page
    return found


def _of(working: Workbench, universe_id: str, symbols: list[str], ann: Principal) -> str:
    """An own universe of ann's organisation with these symbols; gives its id."""
    members = [MemberRow(symbol, symbol, "", "XNYS", "USD", None, None) for symbol in symbols]
    return working.market.universes.replace(ann, universe_id, members, source="this test").id


def test_a_scan_says_what_it_read_and_whom_it_left_out(working: Workbench, ann: Principal, scanned: Job) -> None:
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    assert (scan.about.id, scan.about.as_of, scan.about.org_id) == (scanned.id, LAST, None)
    assert (scan.about.formula_version, scan.about.exchange, scan.sessions_behind) == (FORMULA_VERSION, "XNYS", 0)
    assert scan.about.scanned == scan.results.height > 400
    assert scan.about.scanned + len(scan.about.skipped or ()) == scan.about.total
    assert scanned.done == scanned.total == scan.about.total
    assert set(scan.results["day"]) == {LAST}
    assert scan.about.market is not None and scan.about.market["breadth"]["declining"] > 250  # a weak day


def test_what_was_recorded_is_what_one_process_computes_from_all_bars_at_once(
    working: Workbench, ann: Principal, scanned: Job
) -> None:
    plan = working.screener.scans.plan(ann, UNIVERSE)
    as_of = AsOf(plan.day, Reason.CHOSEN, working.market.clock.now())
    sessions = working.screener.planner.sessions(plan.exchange, plan.day)
    panel = working.market.bars.panel(plan.symbols, as_of, WINDOW)
    whole = merged([scan_partition(panel, plan.day, chart_patterns=True, sessions=sessions)], plan.members, {})
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None and scan.about.parts == 2
    plain = pl.exclude("direction", "confidence", "confidence_n", "entry", "stop", "target", "reward_risk")
    assert scan.results.select(plain).equals(whole.results.select(plain))
    kept = _every_signal(working, ann, scanned)
    assert sorted((each.symbol, each.type) for each in kept) == sorted(whole.signals.select("symbol", "type").rows())


def test_signals_get_the_confidence_of_their_types_record(working: Workbench, ann: Principal, scanned: Job) -> None:
    row = _stamped(working, ann)
    confidences = working.screener.records.confidences(UNIVERSE, LAST)
    assert confidences is not None
    kept = _every_signal(working, ann, scanned)
    assert {each.type: (each.confidence, each.confidence_n) for each in kept} == {
        each.type: (confidences[each.type].value, confidences[each.type].n) for each in kept
    }
    assert any(each.confidence is not None for each in kept)
    best = row.filter(pl.col("confidence").is_not_null()).sort("confidence")
    for symbol, confidence in best.select("symbol", "confidence").rows()[-5:]:
        own = [each.confidence or 0 for each in kept if each.symbol == symbol and each.state == "signal"]
        assert confidence == max(own)
    few = working.screener.scans.signals(ann, scanned.id, SignalsWanted(min_confidence=0.5, symbol=kept[0].symbol))
    assert all(each.confidence and each.confidence >= 0.5 and each.symbol == kept[0].symbol for each in few)


def test_where_records_are_there_a_scan_has_its_confidences_from_the_start(
    working: Workbench, ann: Principal, scanned: Job
) -> None:
    _stamped(working, ann)
    job = _scanned(working, ann)
    made = working.screener.scans.of_job(job.id)
    assert made.stamped_at is not None and made.finished_at is not None
    assert any(each.confidence is not None for each in _every_signal(working, ann, job))


def test_a_scan_without_signals_gets_its_confidences_too(working: Workbench, ann: Principal, scanned: Job) -> None:
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    quiet = scan.results.filter((pl.col("signals").list.len() == 0) & (pl.col("pattern").list.len() == 0))
    universe_id = _of(working, "Quiet", quiet["symbol"].to_list()[:1], ann)
    job = _scanned(working, ann, universe_id)
    finished(working.queue, working.screener.jobs.bring_records(working.screener.scans.of_job(job.id)))
    assert working.screener.scans.of_job(job.id).stamped_at is not None


def test_what_waits_for_confidences_goes_on_without_where_records_cannot_be_had(
    working: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, universe_id = working.screener.records.update, _of(working, "No records", ["AAPL", "MSFT"], ann)

    def refuse(of: str, *args: Any, **kwargs: Any) -> Any:
        if of == universe_id:
            raise NotEnoughData("No.")
        return update(of, *args, **kwargs)

    monkeypatch.setattr(working.screener.records, "update", refuse)
    job = _scanned(working, ann, universe_id)
    until = time.monotonic() + 30
    while working.screener.scans.of_job(job.id).stamped_at is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert all(each.confidence is None for each in _every_signal(working, ann, job))


def _stamped(working: Workbench, ann: Principal) -> pl.DataFrame:
    """The rows once the records job that follows the scan has ended."""
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    if scan.about.stamped_at is None:
        finished(working.queue, working.screener.jobs.bring_records(scan.about))
        scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None and scan.about.stamped_at is not None
    return scan.results


def test_two_who_ask_at_once_get_one_scan(working: Workbench, ann: Principal, made: MakeMember) -> None:
    bob = made("bob")
    askers = [replace(who, as_of=date(2010, 5, 3)) for who in (ann, bob) * 4]
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda who: working.screener.scans.request(who, UNIVERSE), askers))
    assert len({job.id for job in jobs}) == 1
    assert finished(working.queue, jobs[0]).status is JobStatus.DONE


def test_a_past_day_is_scanned_from_bars_up_to_it_and_sees_no_later_scan(
    working: Workbench, ann: Principal, scanned: Job
) -> None:
    past = replace(ann, as_of=date(2010, 2, 27))  # a Saturday
    assert working.screener.scans.latest(past, UNIVERSE) is None
    job = _scanned(working, past)
    scan = working.screener.scans.latest(past, UNIVERSE)
    assert scan is not None and scan.about.as_of == date(2010, 2, 26)
    assert scan.results["day"].max() == date(2010, 2, 26)
    assert scan.results["bars"].median() == 124
    later = working.screener.scans.signals(ann, scanned.id, SignalsWanted())[0]
    with pytest.raises(NotFound):
        working.screener.scans.signal(past, later.id)
    assert working.screener.scans.signal(ann, later.id) == later
    latest = working.screener.scans.latest(ann, UNIVERSE)
    assert latest is not None and latest.about.id != job.id


def test_stale_bars_are_refused_with_the_day_that_would_do(working: Workbench, ann: Principal) -> None:
    with pytest.raises(StaleBars) as refused:
        working.screener.scans.request(replace(ann, as_of=date(2010, 9, 1)), UNIVERSE)
    assert refused.value.newest == LAST
    assert "end on Fri 20 Aug 2010, 8 sessions before Wed 1 Sep 2010" in refused.value.detail


def test_who_may_not_start_a_scan(working: Workbench, made: MakeMember, ann: Principal) -> None:
    with pytest.raises(Forbidden):
        working.screener.scans.request(made("vic", org=ann.org_name, role=Role.VIEWER), UNIVERSE)
    with pytest.raises(NotFound):
        working.screener.scans.request(ann, "none")
    with pytest.raises(NotFound):
        working.screener.scans.request(ann, str(new_id()))


def test_an_own_universe_is_its_organisations_to_scan_and_to_see(
    working: Workbench, ann: Principal, made: MakeMember
) -> None:
    universe_id = _of(working, "Two and one unknown", ["AAPL", "MSFT", "NOBARS"], ann)
    job = _scanned(working, ann, universe_id)
    scan = working.screener.scans.latest(ann, universe_id)
    assert scan is not None and scan.about.org_id == ann.org_id == job.org_id
    assert (scan.about.total, scan.about.scanned, scan.about.skipped) == (3, 2, [["NOBARS", "no bars"]])
    other = made("eve")
    assert working.screener.scans.latest(other, universe_id) is None
    assert working.screener.scans.signals(other, job.id, SignalsWanted()) == []
    with pytest.raises(NotFound):
        working.queue.get(other, job.id)
    with pytest.raises(NotFound):
        working.screener.scans.request(other, universe_id)


def test_a_universe_of_one_has_no_rating_and_one_without_bars_is_refused(working: Workbench, ann: Principal) -> None:
    _scanned(working, ann, one := _of(working, "One", ["AAPL"], ann))
    scan = working.screener.scans.latest(ann, one)
    assert scan is not None and scan.results["rs_rating"].to_list() == [None]
    with pytest.raises(NotEnoughData, match="There are no bars of None of them"):
        working.screener.scans.request(ann, _of(working, "None of them", ["NOBARS"], ann))


def test_a_process_that_is_killed_while_it_computes_costs_time_and_nothing_else(
    working: Workbench, ann: Principal
) -> None:
    job = working.screener.scans.request(replace(ann, as_of=date(2010, 7, 1)), UNIVERSE)
    killed = 0
    while not (found := working.queue.find(job.id)).is_finished and not killed:
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
            killed += 1
    assert killed and not found.is_finished
    assert finished(working.queue, job).status is JobStatus.DONE
    scan = working.screener.scans.latest(replace(ann, as_of=date(2010, 7, 1)), UNIVERSE)
    assert scan is not None and scan.about.scanned and scan.about.scanned > 400


def test_a_scan_fails_with_the_part_that_cannot_be_computed_and_can_be_asked_for_again(
    working: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise NotEnoughData("No.")

    past = replace(ann, as_of=date(2010, 6, 1))
    with monkeypatch.context() as patched:
        patched.setattr(working.screener.processes, "run", refuse)
        job = finished(working.queue, working.screener.scans.request(past, UNIVERSE))
    assert (job.status, job.error) == (JobStatus.FAILED, "No.")
    failed = working.screener.scans.of_job(job.id)
    assert (failed.status, failed.failure) == ("failed", "No.")
    assert _scanned(working, past).id != job.id


def test_a_second_scan_of_a_day_gets_its_confidences_though_records_were_on_their_way_for_the_first(
    working: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, go_on, asked = working.screener.records.update, threading.Event(), list[str]()

    universe_id = _of(working, "Scanned twice", ["AAPL", "MSFT", "IBM"], ann)

    def wait(of: str, *args: Any, **kwargs: Any) -> Any:
        if of == universe_id:  # not of scans before, which would leave no worker
            asked.append(of)
            assert go_on.wait(30)
        return update(of, *args, **kwargs)

    monkeypatch.setattr(working.screener.records, "update", wait)
    jobs = [_scanned(working, ann, universe_id) for _ in range(2)]
    go_on.set()
    until = time.monotonic() + 30
    while any(working.screener.scans.of_job(job.id).stamped_at is None for job in jobs):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert asked == [universe_id]
