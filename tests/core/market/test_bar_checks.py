"""Checks of bars: each defect is found, said with its severity, and nothing else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from math import nan
from pathlib import Path

import polars as pl
import pytest

from core.db.engine import Database
from core.market.bar_checks import BarChecks, Check, Finding, Severity, check_days, check_jumps, check_values, compare
from core.market.bar_store import BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.sources.contract import ActionKind, Adjustment, BarHistory, CorporateAction
from core.market.sources.sample import LAST_SESSION
from core.settings import DATA
from tests.core.market.bars_made import as_of, frame_of

DAYS = [date(2024, 1, 2) + timedelta(days=number) for number in range(8)]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    """Calendars of the present."""
    return Calendars(today=date(2026, 11, 21))


def at(day: date, **values: float | None) -> Change:
    """Sets values of one day."""

    def change(frame: pl.DataFrame) -> pl.DataFrame:
        is_day = pl.col("date") == day
        columns = [
            pl.when(is_day).then(pl.lit(value, pl.Float64)).otherwise(name).alias(name)
            for name, value in values.items()
        ]
        return frame.with_columns(columns)

    return change


def kinds(findings: list[Finding]) -> set[tuple[Check, Severity]]:
    """What was found, and how bad it is."""
    return {(found.check, found.severity) for found in findings}


@pytest.mark.parametrize(
    ("change", "check", "severity"),
    [
        (lambda frame: pl.concat([frame, frame.tail(1)]), Check.DUPLICATE, Severity.ERROR),
        (at(DAYS[3], low=0.0), Check.NOT_POSITIVE, Severity.ERROR),
        (at(DAYS[3], volume=-1.0), Check.NOT_POSITIVE, Severity.ERROR),
        (at(DAYS[3], high=98.0, low=101.0), Check.IMPOSSIBLE, Severity.ERROR),
        (at(DAYS[3], open=110.0), Check.IMPOSSIBLE, Severity.WARNING),
        (at(DAYS[3], close=90.0), Check.IMPOSSIBLE, Severity.WARNING),
        (at(DAYS[3], close=None), Check.NOT_A_NUMBER, Severity.ERROR),
        (at(DAYS[3], close=nan), Check.NOT_A_NUMBER, Severity.ERROR),
        (at(DAYS[3], open=nan), Check.NOT_A_NUMBER, Severity.WARNING),
        (at(DAYS[-1], close=None), Check.NO_LAST_CLOSE, Severity.WARNING),
    ],
)
def test_a_value_that_cannot_be_or_is_missing_is_found(change: Change, check: Check, severity: Severity) -> None:
    sound = frame_of({"A": dict.fromkeys(DAYS, 100.0), "B": dict.fromkeys(DAYS, 5.0)})
    assert check_values(sound) == []
    changed = pl.concat([change(sound.filter(pl.col("symbol") == "A")), sound.filter(pl.col("symbol") == "B")])
    findings = check_values(changed)
    assert kinds(findings) == {(check, severity)}
    assert {found.symbol for found in findings} == {"A"}


def jump(factor: float, *actions: CorporateAction, adjustment: Adjustment = Adjustment.RAW) -> list[Finding]:
    """What is found where the close is multiplied by a factor on the fifth day."""
    closes = {day: 100.0 if day < DAYS[4] else 100.0 * factor for day in DAYS}
    return check_jumps(frame_of({"A": closes}), {"A": actions}, {"A": adjustment})


def split(ratio: str, day: date = DAYS[4]) -> CorporateAction:
    """A split."""
    return CorporateAction(day, ActionKind.SPLIT, Decimal(ratio))


def test_a_jump_is_explained_by_a_split_or_dividend_looks_like_one_or_is_told() -> None:
    assert jump(1.3) == jump(0.7) == []
    assert kinds(jump(0.5, split("2"))) == {(Check.JUMP, Severity.NOTE)}
    assert kinds(jump(8.3, split("0.1"))) == {(Check.JUMP, Severity.NOTE)}
    dividend = CorporateAction(DAYS[4], ActionKind.DIVIDEND, Decimal(60))
    assert kinds(jump(0.42, dividend)) == {(Check.JUMP, Severity.NOTE)}
    (unknown,) = jump(0.51)
    assert (unknown.severity, unknown.day) == (Severity.ERROR, DAYS[4])
    assert "2:1" in unknown.words
    assert kinds(jump(1.5717)) == kinds(jump(0.44)) == {(Check.JUMP, Severity.WARNING)}
    (reverse,) = jump(9.8)
    assert "1:10" in reverse.words


def test_a_split_that_is_told_and_not_in_raw_bars_is_an_error() -> None:
    assert kinds(jump(1.0, split("4"))) == {(Check.SPLIT, Severity.ERROR)}
    assert jump(1.0, split("4"), adjustment=Adjustment.SPLIT) == []
    assert kinds(jump(0.25, split("4"))) == {(Check.JUMP, Severity.NOTE)}


def test_gaps_and_staleness_are_told_in_sessions_of_the_exchange(calendars: Calendars) -> None:
    sessions = calendars.of("XNYS").days
    days = calendars.sessions("XNYS", date(2024, 6, 3), date(2024, 6, 28))
    closes = {
        "WHOLE": dict.fromkeys(days[:5] + days[6:], 1.0),
        "GAP": dict.fromkeys(days[:5] + days[8:], 1.0),
        "STALE": dict.fromkeys(days[:5] + days[6:-2], 1.0),
        "SUNDAY": dict.fromkeys([*days[:5], *days[6:], date(2024, 6, 9)], 1.0),
        "NEW": dict.fromkeys(days[10:], 1.0),
    }
    findings = {(found.symbol, found.check): found for found in check_days(frame_of(closes), sessions, days[-1])}
    assert set(findings) == {
        (None, Check.GAP),
        ("GAP", Check.GAP),
        ("STALE", Check.STALE),
        ("SUNDAY", Check.NO_SESSION),
    }
    assert findings[None, Check.GAP].day == days[5]
    assert findings["GAP", Check.GAP].count == 2
    assert findings["STALE", Check.STALE].count == 2
    over_the_weekend = check_days(frame_of({"WHOLE": closes["WHOLE"]}), sessions, days[-1] + timedelta(days=2))
    assert {found.check for found in over_the_weekend} == {Check.GAP}


def test_a_history_that_ended_long_ago_is_worth_a_note(calendars: Calendars) -> None:
    days = calendars.sessions("XNYS", date(2024, 6, 3), date(2024, 6, 28))
    (found,) = check_days(frame_of({"A": dict.fromkeys(days, 1.0)}), calendars.of("XNYS").days, date(2024, 12, 31))
    assert (found.check, found.severity) == (Check.STALE, Severity.NOTE)


def history(factor_before: float, adjustment: Adjustment = Adjustment.RAW) -> BarHistory:
    """Closes of 100, those of the first four days multiplied."""
    closes = {day: 100.0 * (factor_before if day < DAYS[4] else 1) for day in DAYS}
    return BarHistory("A", "USD", adjustment, frame_of({"A": closes}).drop("symbol"))


def test_a_split_that_one_source_applied_and_another_did_not_is_found_by_comparing() -> None:
    assert compare(history(4.0), history(4.0)) == []
    assert compare(history(1.0), history(1.01)) == []
    (found,) = compare(history(4.0), history(1.0))
    assert (found.check, found.severity, found.day, found.count) == (Check.SPLIT, Severity.ERROR, DAYS[0], 4)
    assert "4:1" in found.words
    (wrong,) = compare(history(2.5), history(1.0))
    assert "wrong" in wrong.words
    (unlike,) = compare(history(4.0), history(1.0, Adjustment.SPLIT))
    assert unlike.severity is Severity.NOTE


def test_the_defects_of_the_shipped_history_are_those_that_its_readme_names(
    database: Database, tmp_path: Path, calendars: Calendars
) -> None:
    store = BarStore(database, tmp_path / "bars")
    Bars(store).load_shipped()
    listed = pl.read_csv(DATA / "universes" / "sp500_2010.csv")["symbol"].to_list()
    findings = BarChecks(store, calendars).run([*listed, "NOSUCH"], as_of(LAST_SESSION))
    assert kinds(findings) == {
        (Check.IMPOSSIBLE, Severity.WARNING),
        (Check.JUMP, Severity.ERROR),
        (Check.JUMP, Severity.WARNING),
        (Check.JUMP, Severity.NOTE),
        (Check.GAP, Severity.WARNING),
        (Check.STALE, Severity.ERROR),
        (Check.STALE, Severity.NOTE),
        (Check.STALE, Severity.WARNING),
    }
    assert {"NOSUCH", "STR"} == {found.symbol for found in findings if found.severity is Severity.ERROR}
    jumps = {
        found.symbol: found.severity
        for found in findings
        if found.check is Check.JUMP and found.day and found.day > date(2009, 8, 1)
    }
    assert {symbol for symbol, severity in jumps.items() if severity is Severity.WARNING} == {"ARG", "MFE"}
    assert {symbol for symbol, severity in jumps.items() if severity is Severity.NOTE} == {
        "DHR",
        "ESRX",
        "ETFC",
        "GIS",
        "WY",
    }
    counts = Counter[Check]()
    for found in findings:
        counts[found.check] += found.count
    assert counts[Check.IMPOSSIBLE] == 78
    generated = pl.read_csv(DATA / "universes" / "nse_generated.csv")["symbol"].to_list()
    assert kinds(BarChecks(store, calendars).run(generated, as_of(LAST_SESSION))) == {(Check.JUMP, Severity.NOTE)}


def test_an_exchange_that_nobody_knows_is_said_and_the_rest_is_still_checked(
    database: Database, tmp_path: Path, calendars: Calendars
) -> None:
    store = BarStore(database, tmp_path / "bars")
    closes = {"A": dict.fromkeys(DAYS, 100.0), "B": dict.fromkeys(DAYS, 100.0)}
    facts = {"A": SeriesFacts(exchange="XABC"), "B": SeriesFacts()}
    store.write(DatasetKey("fetched", "test", "a test"), Batch(at(DAYS[3], low=-1.0)(frame_of(closes)), facts))
    findings = BarChecks(store, calendars).run(["A", "B"], as_of(DAYS[-1]))
    assert [(found.check, found.severity) for found in findings] == [
        (Check.NOT_POSITIVE, Severity.ERROR),
        (Check.NOT_POSITIVE, Severity.ERROR),
        (Check.CALENDAR, Severity.WARNING),
        (Check.CALENDAR, Severity.NOTE),
    ]


def test_bars_past_the_sessions_that_an_exchange_has_announced_are_said_not_to_be_checked(
    database: Database, tmp_path: Path
) -> None:
    store, day = BarStore(database, tmp_path / "bars"), date(2060, 1, 2)
    facts = {"A": SeriesFacts(exchange="XNSE")}
    store.write(DatasetKey("fetched", "test", "a test"), Batch(frame_of({"A": {DAYS[0]: 100.0}}), facts))
    findings = BarChecks(store, Calendars(today=day)).run(["A"], as_of(day))
    told = [found for found in findings if found.check is Check.CALENDAR]
    assert [found.severity for found in told] == [Severity.WARNING]
    assert "known up to" in told[0].words
