"""Kept days: what is extended equals what is computed anew; a row that is damaged, foreign or refused does no harm."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.closes import Closes, Origins
from core.market.sources.contract import ActionKind, CorporateAction
from core.metering.plans import Plans
from core.portfolio import valuation
from core.portfolio.day_values import Task
from core.portfolio.day_values import valued as computed
from core.portfolio.kept_days import KeptDays, packed, unpacked
from core.portfolio.portfolios import Portfolios, PortfolioSettings
from core.portfolio.series import Series
from core.portfolio.transactions import Kind, Transaction
from core.portfolio.valuation import Valuer
from core.principal import Principal
from tests.conftest import MakeMember
from tests.core.portfolio.ledger_made import made, numbered
from tests.core.portfolio.valued_made import DAYS, LAST, PORTFOLIO, WHO, Ground, assert_same, flat, on, seen

SYMBOLS = ("AAA", "BBB", "CCC")
DEPOSIT = made(Kind.DEPOSIT, DAYS[0], None, amount=100_000)
BUY = made(Kind.BUY, DAYS[0], "AAA", quantity=10, price=100)
LONG = [date(2009, 11, 2) + timedelta(days=number) for number in range(90)]


class Counting:
    """How many columns were computed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.columns: list[int] = []

        def counted(task: Task) -> Series:
            found = computed(task)
            self.columns.append(len(found.days))
            return found

        monkeypatch.setattr(valuation, "valued", counted)

    def taken(self) -> list[int]:
        """Since it was last asked."""
        found, self.columns = self.columns, []
        return found


@pytest.fixture
def ground(database: Database, tmp_path: Path) -> Ground:
    """A market of three symbols, one of another market with a holiday, and an index."""
    made_ = Ground.on(database, tmp_path / "bars")
    made_.write({"AAA": flat(100, 102, 104, 90), "BBB": {day: 50.0 for day in DAYS if day != DAYS[12]}})
    made_.write(
        {"CCC": {day: 7.0 for day in DAYS if day not in DAYS[5:8]}}, dataset="paris", currency="EUR", exchange="XPAR"
    )
    made_.write({"INDEX": flat(1000, 1010, 1020)}, dataset="indices")
    return made_


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Counts computed columns; the computation itself is the real one."""
    return Counting(monkeypatch)


def valued(ground: Ground, valuer: Valuer, rows: Sequence[Transaction], until: date = LAST) -> Series:
    """Values by a valuer that may know some already, held against a fresh one's."""
    found = ground.series(numbered(*rows), until=until, valuer=valuer, benchmark="INDEX")
    assert_same(found, ground.series(numbered(*rows), until=until, benchmark="INDEX"))
    return found


def test_only_days_from_the_changed_one_on_are_computed_again(ground: Ground, counting: Counting) -> None:
    rows = [DEPOSIT, BUY]
    steps = (
        (made(Kind.BUY, DAYS[15], "AAA", quantity=1, price=90), 5),
        (made(Kind.BUY, DAYS[18], "CCC", quantity=1, price=7, currency="EUR"), 2),
        (made(Kind.DIVIDEND, DAYS[10], "AAA", amount=3), 10),
        (made(Kind.DEPOSIT, DAYS[4] + timedelta(days=2), None, amount=3), 15),
        (made(Kind.WITHDRAWAL, LAST + timedelta(days=1), None, amount=3), 0),
    )
    ground.series(numbered(*rows), valuer=ground.valuer, benchmark="INDEX", until=LAST + timedelta(days=1))
    assert counting.taken() == [20]
    for row, columns in steps:
        rows.append(row)
        ground.series(numbered(*rows), valuer=ground.valuer, benchmark="INDEX", until=LAST + timedelta(days=1))
        assert counting.taken() == [columns]
    valued(ground, ground.valuer, rows, LAST + timedelta(days=1))


def test_a_reversal_is_computed_from_its_day_on(ground: Ground, counting: Counting) -> None:
    rows = [DEPOSIT, BUY, made(Kind.BUY, DAYS[15], "BBB", quantity=1, price=50)]
    valued(ground, ground.valuer, rows)
    counting.taken()
    back = replace(rows[2], reverses=UUID(int=3))
    both = [*numbered(*rows), replace(back, number=4, id=UUID(int=4))]
    both[2] = replace(both[2], reversed_by=UUID(int=4))
    found = ground.series(both, valuer=ground.valuer, benchmark="INDEX")
    assert counting.taken() == [5]
    assert_same(found, ground.series(numbered(*rows[:2]), benchmark="INDEX"))


def test_a_new_session_computes_that_day_alone(ground: Ground, counting: Counting) -> None:
    rows = [DEPOSIT, BUY]
    further = LAST + timedelta(days=3)
    valued(ground, ground.valuer, rows)
    ground.write({"AAA": {further: 95.0}})
    counting.taken()
    same_day = ground.series(numbered(*rows), valuer=ground.valuer, benchmark="INDEX")
    assert counting.taken() == [20], "the year's file is another"
    assert len(same_day.days) == 20
    found = ground.series(numbered(*rows), valuer=ground.valuer, benchmark="INDEX", until=further)
    assert counting.taken() == [1]
    assert on(found, found.holdings[0], further) == 950
    valued(ground, ground.valuer, rows, further)


def test_bars_of_a_year_that_changed_are_read_again_from_that_year_on(ground: Ground, counting: Counting) -> None:
    ground.write({"OLD": dict.fromkeys(LONG, 10.0)}, dataset="long")
    rows = numbered(
        made(Kind.DEPOSIT, LONG[0], None, amount=1000), made(Kind.BUY, LONG[0], "OLD", quantity=10, price=10)
    )
    ground.series(rows, until=LONG[-1], valuer=ground.valuer)
    assert counting.taken() == [90]
    ground.write({"OLD": {LONG[-2]: 11.0}}, dataset="long")
    found = ground.series(rows, until=LONG[-1], valuer=ground.valuer)
    assert counting.taken() == [sum(day.year == 2010 for day in LONG)]
    assert found.value[-3:].tolist() == [1000, 1010, 1000]
    assert_same(found, ground.series(rows, until=LONG[-1]))
    ground.write({"OLD": {LONG[1]: 11.0}}, dataset="long")
    assert ground.series(rows, until=LONG[-1], valuer=ground.valuer).value[:3].tolist() == [1000, 1010, 1000]


def test_a_split_that_becomes_known_is_computed_from_the_beginning(ground: Ground) -> None:
    closes = {day: 100.0 if day < DAYS[5] else 50.0 for day in DAYS}
    ground.write({"SPLIT": closes}, dataset="raw")
    rows = [DEPOSIT, made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100)]
    assert valued(ground, ground.valuer, rows).value[-1] == 99_500
    split = CorporateAction(DAYS[5], ActionKind.SPLIT, Decimal(2))
    ground.write({"SPLIT": closes}, dataset="raw", actions={"SPLIT": [split]})
    assert set(valued(ground, ground.valuer, rows).value.tolist()) == {100_000}


def _row(kind: Kind, day: int, symbol: str, quantity: int) -> Transaction:
    currency = "EUR" if symbol == "CCC" else "USD"
    if kind is Kind.DEPOSIT:
        return made(kind, DAYS[day], None, currency=currency, amount=quantity)
    if kind is Kind.DIVIDEND:
        return made(kind, DAYS[day], symbol, currency=currency, amount=quantity)
    if kind is Kind.TRANSFER_IN:
        return made(kind, DAYS[day], symbol, currency=currency, quantity=quantity)
    return made(kind, DAYS[day], symbol, currency=currency, quantity=quantity, price=9)


_KINDS = (Kind.BUY, Kind.SELL, Kind.DEPOSIT, Kind.DIVIDEND, Kind.TRANSFER_IN)
_rows = st.builds(_row, st.sampled_from(_KINDS), st.integers(0, 19), st.sampled_from(SYMBOLS), st.integers(1, 9))


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_rows, min_size=1, max_size=8), st.lists(st.integers(0, 19), min_size=1, max_size=5))
def test_what_is_extended_equals_what_is_computed_anew(
    ground: Ground, rows: list[Transaction], days: list[int]
) -> None:
    valuer = ground.fresh()
    begin = [DEPOSIT, *(made(Kind.BUY, DAYS[2], symbol, quantity=90, price=9) for symbol in SYMBOLS[:2])]
    for number in range(len(rows) + 1):
        until = DAYS[max(days[number % len(days)], 2)]
        book_rows = numbered(*begin, *rows[:number])
        for last in (LAST, until):
            book = ground.book(book_rows, until=last)
            as_of = AsOf(last, Reason.SHIPPED if last == LAST else Reason.CHOSEN, seen(last).now)
            extended = valuer.series(WHO, PORTFOLIO, book, as_of)
            assert_same(extended, ground.fresh().series(WHO, PORTFOLIO, book, as_of))


class Shared:
    """A portfolio in the database, of somebody who sees it."""

    def __init__(self, ground: Ground, principal: Principal, plans: Plans) -> None:
        self.ground, self.principal = ground, principal
        self.days = KeptDays(ground.database)
        made_ = Portfolios(ground.database, plans).create(principal, PortfolioSettings(name="Kept"))
        self.id = made_.id

    def series(self, rows: Sequence[Transaction], valuer: Valuer | None = None, until: date = LONG[-1]) -> Series:
        """Values by a valuer of another process, unless one is given."""
        asked = valuer or Valuer(self.ground.database, self.ground.bars, self.ground.fx, keeps_every_s=0)
        return asked.series(self.principal, self.id, self.ground.book(rows, until=until), seen(until))


@pytest.fixture
def shared(ground: Ground, member: MakeMember, plans: Plans) -> Shared:
    """A portfolio of a symbol with ninety days."""
    ground.write({"OLD": {day: 10.0 + place for place, day in enumerate(LONG)}}, dataset="long")
    return Shared(ground, member(), plans)


ROWS = numbered(
    made(Kind.DEPOSIT, LONG[0], None, amount=1000),
    made(Kind.BUY, LONG[0], "OLD", quantity=10, price=10),
    made(Kind.SELL, LONG[30], "OLD", quantity=2, price=30),
)


def test_another_process_begins_with_what_is_kept(
    shared: Shared, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shared.series(ROWS)
    assert counting.taken() == [90]

    def unread(_self: object, _origins: Origins, _symbols: object, **_options: object) -> dict[str, Closes]:
        raise AssertionError("No bar has to be read.")

    with monkeypatch.context() as patched:
        patched.setattr(type(shared.ground.bars), "closes", unread)
        assert_same(shared.series(ROWS), first)
    assert counting.taken() == []
    more = [*ROWS, replace(made(Kind.SELL, LONG[80], "OLD", quantity=1, price=90), number=4, id=UUID(int=4))]
    found = shared.series(more)
    assert counting.taken() == [10]
    assert_same(found, shared.ground.series(more, until=LONG[-1]))


def test_little_that_changed_is_not_written_again(shared: Shared) -> None:
    valuer = shared.ground.valuer
    shared.series(ROWS, valuer)
    before = shared.days.find(shared.principal, shared.id)
    more = [*ROWS, replace(made(Kind.SELL, LONG[80], "OLD", quantity=1, price=90), number=4, id=UUID(int=4))]
    shared.series(more, valuer)
    after = shared.days.find(shared.principal, shared.id)
    assert before is not None and after is not None
    assert before.basis.key == after.basis.key
    often = Valuer(shared.ground.database, shared.ground.bars, shared.ground.fx, keeps_every_s=0)
    early = [*more, replace(made(Kind.DIVIDEND, LONG[5], "OLD", amount=1), number=5, id=UUID(int=5))]
    assert_same(shared.series(early, often), shared.ground.series(early, until=LONG[-1]))
    last = shared.days.find(shared.principal, shared.id)
    assert last is not None
    assert last.basis.key != after.basis.key


def test_what_is_seen_of_a_past_day_is_not_kept(shared: Shared) -> None:
    past = AsOf(LONG[60], Reason.CHOSEN, seen(LONG[60]).now)
    shared.ground.fresh().series(shared.principal, shared.id, shared.ground.book(ROWS, until=past.day), past)
    assert shared.days.find(shared.principal, shared.id) is None


Service = psycopg.Connection[tuple[object, ...]]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE portfolio_days SET content = substr(content, 1, 100)",
        "UPDATE portfolio_days SET content = set_byte(content, 60, 255 - get_byte(content, 60))",
        "UPDATE portfolio_days SET content = ''",
        "UPDATE portfolio_days SET key = '0' || substr(key, 2)",
        "UPDATE portfolio_days SET key = key || '0'",
        "DELETE FROM portfolio_days",
    ],
    ids=["cut", "changed", "empty", "version", "key", "gone"],
)
def test_a_damaged_row_is_replaced(shared: Shared, counting: Counting, service: Service, damage: str) -> None:
    first = shared.series(ROWS)
    service.execute(damage.encode())
    counting.taken()
    assert shared.days.find(shared.principal, shared.id) is None
    assert_same(shared.series(ROWS), first)
    assert counting.taken() == [90]
    assert shared.days.find(shared.principal, shared.id) is not None


def test_a_row_that_was_written_to_mislead_is_not_read(shared: Shared) -> None:
    shared.series(ROWS)
    kept = shared.days.find(shared.principal, shared.id)
    assert kept is not None
    content = packed(kept)
    assert unpacked(kept.basis.key, content) is not None
    longer = replace(kept, series=replace(kept.series, days=np.append(kept.series.days, kept.series.days[-1])))
    assert unpacked(kept.basis.key, packed(longer)) is None
    assert unpacked("1 other", content) is None


def test_a_database_that_takes_no_row_fails_nobody(shared: Shared, owner: Service) -> None:
    owner.execute("REVOKE INSERT, UPDATE ON portfolio_days FROM assay_app")
    assert len(shared.series(ROWS).days) == 90
    assert shared.days.find(shared.principal, shared.id) is None

    with closing(Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1)) as unreachable:
        assert len(shared.series(ROWS, Valuer(unreachable, shared.ground.bars, shared.ground.fx)).days) == 90


def test_a_portfolio_that_is_gone_or_of_others_is_neither_read_nor_kept(shared: Shared, member: MakeMember) -> None:
    shared.series(ROWS)
    other = member("bob")
    assert shared.days.find(other, shared.id) is None
    kept = shared.days.find(shared.principal, shared.id)
    assert kept is not None
    assert not shared.days.keep(other, shared.id, kept)
    assert not shared.days.keep(shared.principal, UUID(int=5), kept)
