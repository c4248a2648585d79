"""What the ledger asks of real bars: splits of many symbols together, and how closes move over a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.db.engine import Database
from core.market.bar_store import BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.sources.contract import ActionKind, CorporateAction
from core.portfolio.ledger import Books
from core.portfolio.market_facts import BarFacts
from core.portfolio.transactions import Kind
from core.workbench import Workbench
from tests.core.market.bars_made import as_of, frame_of
from tests.core.portfolio.ledger_made import PORTFOLIO, made, numbered

DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(20)]
SESSIONS = [day for day in DAYS if day.weekday() < 5]
EX_DATE = date(2024, 1, 8)
LAST = as_of(DAYS[-1])


@pytest.fixture
def bars(database: Database, tmp_path: Path) -> Bars:
    """TOLD halves on its ex-date and the source says so; UNTOLD does, and nobody says so; FLAT stays."""
    store = BarStore(database, tmp_path / "bars")
    halved = {day: 100.0 if day < EX_DATE else 50.0 for day in SESSIONS}
    closes = {"TOLD": halved, "UNTOLD": halved, "FLAT": dict.fromkeys(SESSIONS, 50.0)}
    split = CorporateAction(EX_DATE, ActionKind.SPLIT, Decimal(2))
    dividend = CorporateAction(EX_DATE, ActionKind.DIVIDEND, Decimal(1))
    facts = {symbol: SeriesFacts("USD", "XNYS") for symbol in closes}
    facts["TOLD"] = SeriesFacts("USD", "XNYS", actions=(dividend, split))
    store.write(DatasetKey("fetched", "made", "a test"), Batch(frame_of(closes), facts))
    return Bars(store)


def test_splits_of_many_symbols_are_looked_up_together(bars: Bars, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    look_up = bars.splits

    def noted(symbols: Iterable[str], *given: object) -> object:
        asked.append(list(symbols))
        return look_up(asked[-1], *given)  # type: ignore[arg-type]

    monkeypatch.setattr(bars, "splits", noted)
    facts = BarFacts(bars, LAST)
    facts.expect(["TOLD", "FLAT", "NONE"])
    assert [facts.splits(symbol) for symbol in ("TOLD", "FLAT", "NONE")] == [((EX_DATE, Decimal(2)),), (), ()]
    assert asked == [["FLAT", "NONE", "TOLD"]]
    assert facts.splits("UNTOLD") == ()
    assert len(asked) == 2


def test_a_split_after_the_day_is_not_told(bars: Bars) -> None:
    assert BarFacts(bars, as_of(EX_DATE - timedelta(days=1))).splits("TOLD") == ()


@pytest.mark.parametrize(
    ("symbol", "day", "jump"),
    [
        ("UNTOLD", EX_DATE, 2.0),
        ("UNTOLD", EX_DATE - timedelta(days=1), 2.0),
        ("UNTOLD", EX_DATE + timedelta(days=1), 1.0),
        ("TOLD", EX_DATE, 1.0),
        ("FLAT", EX_DATE, 1.0),
        ("FLAT", SESSIONS[0], None),
        ("FLAT", DAYS[-1] + timedelta(days=1), None),
        ("NONE", EX_DATE, None),
    ],
    ids=["there", "the Sunday before", "after", "adjusted", "flat", "no close before", "none after", "no bars"],
)
def test_jumps_are_those_of_closes_as_they_are_shown(bars: Bars, symbol: str, day: date, jump: float | None) -> None:
    assert BarFacts(bars, LAST).jump(symbol, day) == jump


def test_the_version_is_of_the_bars_the_day_and_who_reads(bars: Bars) -> None:
    before = BarFacts(bars, LAST).version
    assert BarFacts(bars, LAST).version == before
    assert BarFacts(bars, as_of(DAYS[-2])).version != before
    assert BarFacts(bars, LAST, org_id=PORTFOLIO).version != before


def test_a_book_on_bars_applies_each_split_once(bars: Bars) -> None:
    rows = numbered(
        *(made(Kind.BUY, SESSIONS[0], symbol, quantity=10, price=100) for symbol in ("TOLD", "UNTOLD", "FLAT")),
        *(made(Kind.SPLIT, SESSIONS[6], symbol, ratio=2) for symbol in ("TOLD", "UNTOLD", "FLAT")),
    )
    book = Books(bars).of(PORTFOLIO, rows, "USD", True, LAST)
    assert {symbol: position.quantity for symbol, position in book.positions.items()} == {
        "TOLD": 20,
        "UNTOLD": 20,
        "FLAT": 20,
    }
    told = {symbol: splits[0] for symbol, splits in book.splits.items()}
    assert (told["TOLD"].is_of_market, told["TOLD"].is_in_prices, told["TOLD"].day) == (True, True, EX_DATE)
    assert (told["UNTOLD"].is_of_market, told["UNTOLD"].is_in_prices, told["UNTOLD"].day) == (False, False, EX_DATE)
    assert (told["FLAT"].is_of_market, told["FLAT"].is_in_prices) == (False, True)


def test_before_a_split_to_come_bars_that_are_told_after_it_are_known_as_such(bars: Bars) -> None:
    rows = numbered(
        *(made(Kind.BUY, SESSIONS[0], symbol, quantity=10, price=100) for symbol in ("TOLD", "UNTOLD", "FLAT")),
        *(made(Kind.SPLIT, EX_DATE, symbol, ratio=2) for symbol in ("TOLD", "UNTOLD", "FLAT")),
    )
    before = EX_DATE - timedelta(days=1)
    book = Books(bars).of(PORTFOLIO, rows, "USD", True, as_of(before))
    assert {position.quantity for position in book.positions.values()} == {10}
    assert {symbol: [split.day for split in splits] for symbol, splits in book.splits.items()} == {
        "TOLD": [],
        "UNTOLD": [],
        "FLAT": [EX_DATE],
    }


def test_a_book_sees_splits_that_are_written_later(bars: Bars) -> None:
    books, rows = Books(bars), numbered(made(Kind.BUY, SESSIONS[0], "LATE", quantity=10, price=100))
    assert books.of(PORTFOLIO, rows, "USD", True, LAST).positions["LATE"].quantity == 10
    split = CorporateAction(EX_DATE, ActionKind.SPLIT, Decimal(3))
    frame = frame_of({"LATE": dict.fromkeys(SESSIONS, 10.0)})
    facts = {"LATE": SeriesFacts("USD", "XNYS", actions=(split,))}
    bars._store.write(DatasetKey("fetched", "more", "a test"), Batch(frame, facts))
    assert books.of(PORTFOLIO, rows, "USD", True, LAST).positions["LATE"].quantity == 30


def test_shipped_splits_are_applied(workbench: Workbench) -> None:
    """Danaher was split 2 for 1 on 2010-06-14; E*Trade 1 for 10 on 2010-06-02."""
    workbench.market.load_shipped()
    rows = numbered(
        made(Kind.BUY, date(2010, 1, 4), "DHR", quantity=10, price=75),
        made(Kind.BUY, date(2010, 1, 4), "ETFC", quantity=1000, price="1.8"),
    )
    book = Books(workbench.market.bars).of(PORTFOLIO, rows, "USD", True, as_of(date(2010, 8, 20)))
    assert (book.positions["DHR"].quantity, book.positions["ETFC"].quantity) == (20, 100)
