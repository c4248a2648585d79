"""Updates from sources: incremental, idempotent, the first that answers, and never two histories mixed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import polars as pl
import pytest

from core.clock import SystemClock
from core.db.engine import Database
from core.errors import NoData, NotConfigured, SourceDown
from core.market.bar_store import BarStore
from core.market.bar_updates import BarUpdates, Outcome, SymbolUpdate, Wanted
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.circuit import RetryPolicy
from core.market.gate import Gate
from core.market.sources.contract import ActionKind, Adjustment, Allowance, BarHistory, CorporateAction
from tests.core.market.bars_made import as_of, frame_of

NOW = datetime(2024, 6, 14, 22, tzinfo=UTC)
"""A Friday, after the close in New York."""
APPLE = Wanted("AAPL", "XNYS", "USD")
SPLIT = CorporateAction(date(2024, 6, 10), ActionKind.SPLIT, Decimal(10))


@dataclass
class Source:
    """A source whose closes are 100, and 10 from a 10:1 split on, as far as it knows of it."""

    name: str = "steady"
    adjustment: Adjustment = Adjustment.RAW
    splits: tuple[CorporateAction, ...] = ()
    fails: Exception | None = None
    has_last_close: bool = True
    factor: float = 1.0
    asked_on: date | None = None
    """Where it adjusts up to the day of asking, that day; otherwise it adjusts up to the last day asked for."""
    allowance: Allowance = field(default_factory=Allowance)
    asked: list[tuple[str, date, date]] = field(default_factory=list)

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Bars of every weekday."""
        self.asked.append((symbol, first, last))
        if self.fails:
            raise self.fails
        days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
        closes = {day: self._close(day, last) * self.factor for day in days if day.weekday() < 5}
        frame = frame_of({symbol: closes}).drop("symbol")
        if not self.has_last_close:
            frame = frame.with_columns(close=pl.when(pl.col("date") == last).then(None).otherwise("close"))
        told = tuple(action for action in self.splits if first <= action.ex_date <= last)
        return BarHistory(symbol, "USD", self.adjustment, frame, told, is_as_of_asking=self.asked_on is not None)

    def _close(self, day: date, last: date) -> float:
        until = day if self.adjustment is Adjustment.RAW else max(day, self.asked_on or last)
        return 100.0 / float(math.prod(action.value for action in self.splits if action.ex_date <= until))


@pytest.fixture
def store(database: Database, tmp_path: Path) -> BarStore:
    """A store of the test's own."""
    return BarStore(database, tmp_path / "bars")


Update = Callable[..., SymbolUpdate]


@pytest.fixture
def update(store: BarStore, database: Database) -> Update:
    """Updates AAPL from sources as of a moment: `update(source, now=…)`."""
    gate = Gate(database, SystemClock(), Random(1), retry=RetryPolicy(attempts=1))
    calendars = Calendars(today=NOW.date())

    def run(
        *sources: Source | RawTeller | AskedTeller, now: datetime = NOW, wanted: Wanted = APPLE, **more: date
    ) -> SymbolUpdate:
        updates = BarUpdates(store, gate, sources, calendars, lambda symbol, _source: symbol)
        return updates.run([wanted], now, **more)[0]

    return run


def closes(store: BarStore, day: date) -> list[float]:
    """The last closes as of a day, adjusted."""
    return [float(value) for value in Bars(store).panel(["AAPL"], as_of(day)).of("AAPL").close]


def test_an_update_asks_only_for_what_is_new_and_nothing_when_there_is_none(store: BarStore, update: Update) -> None:
    source = Source()
    assert update(source).outcome is Outcome.UPDATED
    assert source.asked[0][2] == NOW.date()
    assert update(source).outcome is Outcome.UP_TO_DATE
    assert update(source, now=NOW + timedelta(days=2)).outcome is Outcome.UP_TO_DATE, "a weekend has no session"
    assert len(source.asked) == 1
    before = len(closes(store, date(2024, 6, 30)))
    assert update(source, now=NOW + timedelta(days=4)).outcome is Outcome.UPDATED
    assert source.asked[1][1] > NOW.date() - timedelta(days=30)
    assert min(250, before + 2) == len(closes(store, date(2024, 6, 30)))


def test_a_session_that_is_still_open_is_not_stored(store: BarStore, update: Update) -> None:
    update(Source(), now=NOW.replace(hour=15))
    about = Bars(store).about("AAPL", as_of(date(2024, 12, 31)))
    assert about is not None
    assert about.last_day == date(2024, 6, 13)


def test_a_last_bar_without_a_close_waits_for_the_next_update(store: BarStore, update: Update) -> None:
    update(Source(has_last_close=False))
    about = Bars(store).about("AAPL", as_of(date(2024, 12, 31)))
    assert about is not None
    assert about.last_day == date(2024, 6, 13)
    assert update(Source()).outcome is Outcome.UPDATED


def test_the_first_source_that_answers_is_taken_and_failures_are_told(update: Update) -> None:
    down = Source("first", fails=SourceDown("It is down.", source="first"))
    empty = Source("second", fails=NoData("Nothing.", source="second"))
    assert update(down, empty, Source("third")) == SymbolUpdate("AAPL", Outcome.UPDATED, "third")
    failed = update(replace(down, name="a"), replace(empty, name="b"))
    assert (failed.outcome, failed.source) == (Outcome.FAILED, None)
    assert "It is down." in failed.words and "Nothing." in failed.words


def test_a_raw_history_goes_on_over_a_split(store: BarStore, update: Update) -> None:
    source = Source(splits=(SPLIT,))
    update(source, now=NOW - timedelta(days=9))
    assert update(source).outcome is Outcome.UPDATED
    assert set(closes(store, NOW.date())) == {10.0}
    assert set(closes(store, date(2024, 6, 5))) == {100.0}


def test_an_adjusted_history_is_fetched_whole_again_after_a_split(store: BarStore, update: Update) -> None:
    source = Source(adjustment=Adjustment.SPLIT, splits=(SPLIT,))
    update(source, now=NOW - timedelta(days=9))
    assert update(source).outcome is Outcome.REPLACED
    assert set(closes(store, NOW.date())) == {10.0}
    assert set(closes(store, date(2024, 6, 5))) == {100.0}, "in the shares of the day"


def test_a_split_that_a_source_applied_without_telling_is_seen_by_comparing(store: BarStore, update: Update) -> None:
    update(Source(adjustment=Adjustment.SPLIT), now=NOW - timedelta(days=4))
    changed = update(Source(adjustment=Adjustment.SPLIT, factor=0.1))
    assert changed.outcome is Outcome.REPLACED
    assert set(closes(store, NOW.date())) == {10.0}


def test_a_source_that_turns_from_raw_to_adjusted_is_fetched_whole_again(store: BarStore, update: Update) -> None:
    update(Source(), now=NOW - timedelta(days=4))
    assert update(Source(adjustment=Adjustment.SPLIT)).outcome is Outcome.REPLACED
    about = Bars(store).about("AAPL", as_of(NOW.date()))
    assert about is not None
    assert about.adjustment is Adjustment.SPLIT


def test_a_split_of_ten_percent_is_seen_by_comparing_adjusted_bars(store: BarStore, update: Update) -> None:
    small = replace(SPLIT, value=Decimal("1.1"))
    source = Source(adjustment=Adjustment.SPLIT, splits=(small,))
    update(source, now=NOW - timedelta(days=9))
    unsaid = Source(adjustment=Adjustment.SPLIT, factor=1 / 1.1)
    assert update(unsaid).outcome is Outcome.REPLACED
    assert len(set(closes(store, NOW.date()))) == 1, "in shares of one day"


@pytest.mark.parametrize("adjustment", list(Adjustment))
def test_a_backfill_that_leaves_a_gap_is_fetched_whole(store: BarStore, update: Update, adjustment: Adjustment) -> None:
    source = Source(adjustment=adjustment, splits=(SPLIT,))
    update(source)
    backfill = update(source, first=date(2020, 1, 2), last=date(2021, 6, 4))
    assert backfill.outcome is Outcome.REPLACED
    series = Bars(store).about("AAPL", as_of(NOW.date()))
    assert series is not None
    assert (series.first_day, series.last_day) == (date(2020, 1, 2), NOW.date())
    for day, close in ((date(2021, 6, 4), 100.0), (date(2024, 6, 7), 100.0), (NOW.date(), 10.0)):
        assert closes(store, day)[-1] == close, f"in the shares of {day}"


class AskedTeller:
    """A source that adjusts bars to the day of asking, and tells splits on their own, as FMP does."""

    name = "asked"
    allowance = Allowance()

    def __init__(self) -> None:
        self.asked_on = NOW.date()

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Bars without actions."""
        known = Source(adjustment=Adjustment.SPLIT, splits=(SPLIT,), asked_on=self.asked_on)
        return replace(known.bars(symbol, first, last), actions=())

    def actions(self, symbol: str, kind: ActionKind) -> tuple[CorporateAction, ...]:
        """All actions of a kind, those that are announced too."""
        return (SPLIT,) if kind is ActionKind.SPLIT else ()


@pytest.mark.parametrize("is_new", [True, False])
def test_a_split_after_the_last_bar_that_is_in_its_prices_already_is_undone_as_of_that_bar(
    store: BarStore, update: Update, is_new: bool
) -> None:
    source, friday = AskedTeller(), date(2024, 6, 7)
    if not is_new:
        source.asked_on = date(2024, 6, 5)
        update(source, now=datetime(2024, 6, 5, 22, tzinfo=UTC))
    source.asked_on = SPLIT.ex_date
    update(source, now=datetime(2024, 6, 10, 15, tzinfo=UTC))
    assert set(closes(store, friday)) == {100.0}
    assert set(closes(store, SPLIT.ex_date)) == {10.0}
    source.asked_on = NOW.date()
    assert update(source).outcome is Outcome.UPDATED
    assert set(closes(store, friday)) == {100.0}
    assert set(closes(store, NOW.date())) == {10.0}


def test_a_split_before_the_day_of_asking_is_undone_where_older_days_alone_are_fetched(
    store: BarStore, update: Update
) -> None:
    update(AskedTeller(), last=date(2024, 6, 7))
    assert set(closes(store, date(2024, 6, 7))) == {100.0}
    assert set(closes(store, NOW.date())) == {10.0}


class RawTeller:
    """A source of raw bars that tells their splits on their own, each for a request, as Alpha Vantage does."""

    name = "teller"
    allowance = Allowance()

    def __init__(self) -> None:
        self.known = Source(splits=(SPLIT,))
        self.told: list[ActionKind] = []
        self.fails: Exception | None = None

    def bars(self, symbol: str, first: date, last: date) -> BarHistory:
        """Bars without actions."""
        return replace(self.known.bars(symbol, first, last), actions=())

    def actions(self, symbol: str, kind: ActionKind) -> tuple[CorporateAction, ...]:
        """All actions of a kind."""
        self.told.append(kind)
        if self.fails:
            raise self.fails
        return (SPLIT,) if kind is ActionKind.SPLIT else ()


def test_splits_that_a_source_tells_on_their_own_are_asked_for_at_first_and_when_a_close_jumps(
    store: BarStore, update: Update
) -> None:
    teller = RawTeller()
    update(teller, now=NOW - timedelta(days=14))
    assert teller.told == [ActionKind.SPLIT, ActionKind.DIVIDEND]
    update(teller, now=NOW - timedelta(days=9))
    assert len(teller.told) == 2, "nothing moved: no request is spent"
    update(teller)
    assert len(teller.told) == 4
    assert set(closes(store, NOW.date())) == {10.0}


def test_raw_bars_are_not_kept_while_their_splits_cannot_be_asked_for(store: BarStore, update: Update) -> None:
    teller = RawTeller()
    teller.fails = SourceDown("It is down.", source="teller")
    assert update(teller).outcome is Outcome.FAILED
    assert Bars(store).about("AAPL", as_of(NOW.date())) is None
    assert update(teller, Source()).source == "steady"


def test_an_explicit_span_is_fetched_however_new_what_is_kept(update: Update) -> None:
    source = Source()
    update(source)
    assert update(source, first=date(2020, 1, 2), last=date(2024, 6, 5)).outcome is not Outcome.FAILED
    assert source.asked[1][1:] == (date(2020, 1, 2), date(2024, 6, 5))


def test_an_exchange_that_nobody_knows_fails_alone_and_no_source_is_an_error(update: Update) -> None:
    assert "XABC" in update(Source(), wanted=Wanted("A", "XABC")).words
    with pytest.raises(NotConfigured, match="ALPHAVANTAGE_API_KEY"):
        update()
