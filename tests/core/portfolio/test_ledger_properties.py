"""What holds of every book, whatever was entered."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.portfolio.book import Book, FxRates
from core.portfolio.ledger import Books, NoRates
from core.portfolio.transactions import Kind, Transaction
from tests.core.portfolio.ledger_made import LAST, PORTFOLIO, Facts, Fixings, book_of, day, made, numbered

NEAR = Decimal("1e-7")
STATED = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
RATES = Fixings({("EUR", "USD"): {day(on): str(1 + Decimal(on % 13) / 40) for on in range(800)}})
CURRENCIES = {"AAA": "USD", "BBB": "EUR", "CCC": "USD"}
MARKET = Facts({"AAA": [(day(60), "2"), (day(200), "0.1")], "CCC": [(day(90), "1.5")]})


@dataclass
class _Ground:
    """What was entered so far, without a transaction that cannot be."""

    chance: random.Random
    rows: list[Transaction]
    held: dict[str, Decimal]
    ever: set[str]
    before: int = -1
    """The day before."""

    def begin(self, on: int) -> None:
        """The market's splits since the last day, then a spin-off and a merger."""
        for symbol, splits in MARKET.told.items():
            for ex_date, ratio in splits:
                if day(self.before) < ex_date <= day(on):
                    self.held[symbol] = (self.held[symbol] * Decimal(ratio)).quantize(Decimal("1e-10"))
        self.before = on
        if self.held["AAA"] and self.chance.random() < 0.1:
            self.rows.append(made(Kind.SPIN_OFF, on, other_symbol="CCC", ratio="0.25", cost_share="0.2"))
            self.held["CCC"] += self.held["AAA"] * Decimal("0.25")
            self.ever.add("CCC")
        if self.held["CCC"] and self.chance.random() < 0.07:
            self.rows.append(made(Kind.MERGER, on, "CCC", other_symbol="AAA", ratio=3, amount=self._number()))
            self.held["AAA"] += self.held["CCC"] * 3
            self.held["CCC"] = Decimal(0)
            self.ever.add("AAA")

    def come(self, on: int) -> None:
        """Purchases, shares from elsewhere, and money."""
        for _ in range(self.chance.randrange(4)):
            symbol = self.chance.choice(sorted(CURRENCIES))
            quantity = self._number(500)
            kind = self.chance.choice([Kind.BUY, Kind.BUY, Kind.TRANSFER_IN])
            fees = {"fees": self._number(9)} if kind is Kind.BUY else {}
            self._enter(kind, on, symbol, quantity=quantity, price=self._number(90), **fees)
            self.held[symbol] += quantity
            self.ever.add(symbol)
        if self.chance.random() < 0.5:
            self._enter(self.chance.choice([Kind.DEPOSIT, Kind.WITHDRAWAL]), on, None, amount=self._number())

    def leave(self, on: int, *, may_go: bool) -> None:
        """Sales, shares to elsewhere, and payments."""
        for _ in range(self.chance.randrange(3)):
            symbol = self.chance.choice(sorted(CURRENCIES))
            share = self.chance.choice(["0.25", "0.5", "1"])
            quantity = self.held[symbol]
            if share != "1":
                quantity = (quantity * Decimal(share)).quantize(Decimal("0.0001"), rounding=ROUND_DOWN)
            if not quantity:
                continue
            if may_go and self.chance.random() < 0.2:
                self._enter(Kind.TRANSFER_OUT, on, symbol, quantity=quantity)
            else:
                price, fees = self._number(120), self._number(9)
                self._enter(Kind.SELL, on, symbol, quantity=quantity, price=price, fees=fees, taxes=self._number(3))
            self.held[symbol] -= quantity
        for symbol in sorted(self.ever):
            if self.chance.random() < 0.12:
                self._enter(Kind.DIVIDEND, on, symbol, amount=self._number(), taxes=self._number(3))

    def _enter(self, kind: Kind, on: int, symbol: str | None, **fields: Any) -> None:
        self.rows.append(made(kind, on, symbol, currency=CURRENCIES.get(symbol or "", "USD"), **fields))

    def _number(self, most: int = 300) -> Decimal:
        return Decimal(self.chance.randint(1, most * 100)) / 100


@st.composite
def portfolios(draw: st.DrawFn, may_go: bool = True) -> list[Transaction]:
    """Transactions that hold together; `may_go` says whether shares may be transferred out.

    Hypothesis chooses how many days there are; what happens on them is chance of a seed, which takes far less time.
    """
    chance = random.Random(draw(st.integers(0, 10**6)))
    ground = _Ground(chance, [], dict.fromkeys(CURRENCIES, Decimal(0)), set())
    on = 0
    for _ in range(draw(st.integers(1, 10))):
        on += chance.randint(1, 40)
        ground.begin(on)
        ground.come(on)
        ground.leave(on, may_go=may_go)
    return numbered(*ground.rows)


def _book(rows: Sequence[Transaction]) -> Book:
    return book_of(rows, facts=MARKET, fx=RATES)


def _figures(book: Book, *, ids: bool = True) -> dict[str, object]:
    """All that a book says, apart from the order of what is of one day; optionally without transactions' ids."""
    none = UUID(int=0)

    def told(items: Iterable[Any]) -> list[str]:
        return sorted(repr(item if ids else replace(item, transaction_id=none)) for item in items)

    return {
        "positions": book.positions,
        "quantities": book.quantities,
        "splits": book.splits,
        "cash": book.cash,
        "disposals": told(book.disposals),
        "payments": told(book.payments),
        "problems": told(book.problems),
        "flows": sorted(map(repr, (*book.money_flows, *book.share_flows, *book.holding_flows, *book.exchanges))),
        "fees": book.trade_fees_base,
        "notes": book.notes,
    }


def _sums(book: Book) -> list[Decimal]:
    """Money that a book tells of, in an order of its own."""
    found = [amount for steps in book.cash.values() for _, amount in steps]
    for position in book.positions.values():
        found += [
            position.fifo_cost_base or Decimal(0),
            position.average_cost_base or Decimal(0),
            position.realised_fifo_base or Decimal(0),
            position.realised_average_base or Decimal(0),
            position.bought_base or Decimal(0),
            position.sold_base or Decimal(0),
        ]
    return [*found, book.trade_fees_base or Decimal(0)]


def _are_near(one: Sequence[Decimal], other: Sequence[Decimal]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


@STATED
@given(portfolios())
def test_what_holds_together_has_no_problem_and_its_lots_are_what_is_held(rows: list[Transaction]) -> None:
    book = _book(rows)
    assert not book.problems
    for symbol, position in book.positions.items():
        assert sum(lot.quantity for lot in position.lots) == position.quantity == book.quantities[symbol][-1][1]
        assert sum(lot.cost_base or 0 for lot in position.lots) == position.fifo_cost_base
        assert [lot.acquired for lot in position.lots] == sorted(lot.acquired for lot in position.lots)
        assert all(lot.quantity > 0 and (lot.cost or 0) >= 0 for lot in position.lots)
        assert [on for on, _ in book.quantities[symbol]] == sorted({on for on, _ in book.quantities[symbol]})


@STATED
@given(portfolios(may_go=False))
def test_what_went_in_is_what_was_sold_and_what_is_left(rows: list[Transaction]) -> None:
    book = _book(rows)
    positions = book.positions.values()
    bought = sum(position.bought_base or 0 for position in positions)
    assert bought == sum(each.fifo_cost_base or 0 for each in book.disposals) + sum(
        position.fifo_cost_base or 0 for position in positions
    )
    assert bought == sum(each.average_cost_base or 0 for each in book.disposals) + sum(
        position.average_cost_base or 0 for position in positions
    )
    for position in positions:
        of_symbol = [each for each in book.disposals if each.symbol == position.symbol]
        gain = sum(((each.proceeds_base or 0) - (each.fifo_cost_base or 0) for each in of_symbol), Decimal(0))
        assert position.realised_fifo_base == gain
        assert position.sold_base == sum((each.proceeds_base or 0 for each in of_symbol), Decimal(0))


@STATED
@given(portfolios())
def test_money_is_what_came_less_what_went(rows: list[Transaction]) -> None:
    book = _book(rows)
    for currency, steps in book.cash.items():
        flows = sum(each.amount for each in book.money_flows if each.currency == currency)
        trades = sum(each.amount for each in book.holding_flows if CURRENCIES[each.symbol] == currency)
        paid = sum(each.gross - each.taxes - each.fees for each in book.payments if each.currency == currency)
        assert (steps[-1][1] if steps else 0) == flows - trades + paid


@STATED
@given(portfolios(), st.data())
def test_a_purchase_that_is_split_in_two_changes_nothing(rows: list[Transaction], data: st.DataObject) -> None:
    bought = [row for row in rows if row.kind is Kind.BUY]
    if not bought:
        return
    row = data.draw(st.sampled_from(bought))
    half = replace(row, quantity=(row.quantity or Decimal(0)) / 2, fees=row.fees / 2)
    place = rows.index(row)
    one, other = _book(rows), _book(numbered(*rows[:place], half, half, *rows[place + 1 :]))
    assert one.quantities == other.quantities
    assert _are_near(_sums(one), _sums(other))


@STATED
@given(portfolios(), st.sampled_from([Decimal(3), Decimal("0.5"), Decimal(1000)]))
def test_scaling_all_money_scales_every_figure(rows: list[Transaction], factor: Decimal) -> None:
    names = ("price", "amount", "fees", "taxes")
    scaled = [
        replace(row, **{name: getattr(row, name) * factor for name in names if getattr(row, name) is not None})
        for row in rows
    ]
    one, other = _sums(_book(rows)), _sums(_book(scaled))
    assert _are_near([each * factor for each in one], other)


@STATED
@given(portfolios(), st.integers(0, 1000))
def test_the_order_of_entry_within_a_day_does_not_matter(rows: list[Transaction], seed: int) -> None:
    mixed = sorted(random.Random(seed).sample(rows, len(rows)), key=lambda row: row.day)
    again = [replace(row, number=place) for place, row in enumerate(mixed, 1)]
    assert _figures(_book(rows)) == _figures(_book(again))


@STATED
@given(portfolios(), st.integers(0, 1000))
def test_nor_does_the_order_of_entry_of_all(rows: list[Transaction], seed: int) -> None:
    again = [replace(row, number=place) for place, row in enumerate(random.Random(seed).sample(rows, len(rows)), 1)]
    assert _figures(_book(rows)) == _figures(_book(again))


@STATED
@given(portfolios(), st.data())
def test_what_leaves_and_comes_back_on_one_day_changes_nothing(rows: list[Transaction], data: st.DataObject) -> None:
    on = data.draw(st.sampled_from([row.day for row in rows] or [day(0)]))
    there = [row for row in rows if row.day == on]
    if any(row.kind in (Kind.TRANSFER_IN, Kind.TRANSFER_OUT) for row in there):
        return
    before = _book([row for row in rows if row.day <= on])
    held = {symbol: position.quantity for symbol, position in before.positions.items() if position.quantity}
    moves = [
        made(kind, on, symbol, quantity=quantity, price=5, currency=CURRENCIES[symbol])
        for symbol, quantity in held.items()
        for kind in (Kind.TRANSFER_OUT, Kind.TRANSFER_IN)
    ]
    other = _book(numbered(*rows, *moves))
    one = _book(rows)
    assert not other.problems
    assert one.quantities == other.quantities and one.cash == other.cash
    assert one.share_flows == other.share_flows and one.money_flows == other.money_flows
    days = {symbol: position.last_day for symbol, position in one.positions.items()}
    assert one.positions == {
        symbol: replace(position, last_day=days[symbol]) for symbol, position in other.positions.items()
    }


@STATED
@given(portfolios(), st.data())
def test_what_is_taken_back_and_entered_again_is_as_if_it_never_was(
    rows: list[Transaction], data: st.DataObject
) -> None:
    if not rows:
        return
    row = data.draw(st.sampled_from(rows))
    last = len(rows)
    taken_back = replace(row, id=UUID(int=last + 1), number=last + 1, reverses=row.id)
    again = replace(row, id=UUID(int=last + 2), number=last + 2)
    left = [replace(each, reversed_by=taken_back.id) if each is row else each for each in rows]
    book = _book([*left, taken_back, again])
    assert _figures(book, ids=False) == _figures(_book(rows), ids=False)
    without = [each for each in rows if each is not row]
    assert _figures(_book([*left, taken_back])) == _figures(_book(without))


@STATED
@given(portfolios(), st.data())
def test_what_is_computed_by_parts_is_what_is_computed_anew(rows: list[Transaction], data: st.DataObject) -> None:
    books = Books()
    worlds: list[FxRates] = [RATES, NoRates()]
    steps = st.tuples(
        st.integers(0, len(rows)),
        st.integers(0, 400),
        st.booleans(),
        st.sampled_from([MARKET, Facts()]),
        st.sampled_from(worlds),
    )
    for count, until, has_cash, facts, fx in data.draw(st.lists(steps, min_size=1, max_size=6)):
        given_rows = rows[:count]
        found = books.book(PORTFOLIO, given_rows, "USD", has_cash, facts, fx, until=day(until))
        anew = Books().book(PORTFOLIO, given_rows, "USD", has_cash, facts, fx, until=day(until))
        assert found == anew


def test_a_row_that_was_refused_leaves_nothing_behind() -> None:
    """A number is given again after a refusal: what was kept under it is not taken for the new row."""
    books = Books()
    first = numbered(made(Kind.BUY, 0, quantity=10, price=10))

    def held(*rows: Transaction) -> Decimal:
        book = books.book(PORTFOLIO, numbered(*first, *rows), "USD", True, MARKET, RATES, until=LAST)
        return book.positions["AAA"].bought_base or Decimal(0)

    assert held(made(Kind.BUY, 300, quantity=10, price=99)) == 1090
    assert held(made(Kind.BUY, 300, quantity=10, price=10)) == 200


def test_threads_share_what_is_kept() -> None:
    books = Books()
    rows = numbered(*(made(Kind.BUY, on, f"S{on % 7}", quantity=1 + on % 3, price=10) for on in range(200)))
    anew = {count: book_of(rows[:count], facts=MARKET, fx=RATES) for count in (50, 120, 200)}
    wrong: list[int] = []

    def ask(seed: int) -> None:
        chosen = random.Random(seed)
        for _ in range(15):
            count = chosen.choice([50, 120, 200])
            if books.book(PORTFOLIO, rows[:count], "USD", True, MARKET, RATES, until=LAST) != anew[count]:
                wrong.append(count)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_only_the_part_that_changed_is_computed_again() -> None:
    """The positions of other symbols are the very same objects."""
    books = Books()
    rows = numbered(*(made(Kind.BUY, on, f"S{on % 7}", quantity=1, price=10) for on in range(70)))

    def ask(given_rows: Sequence[Transaction], until: date = LAST) -> Book:
        return books.book(PORTFOLIO, given_rows, "USD", True, MARKET, RATES, until=until)

    one = ask(rows)
    assert ask(rows) is one
    more = [*rows, replace(made(Kind.BUY, 80, "S3", quantity=1, price=10), number=71, id=UUID(int=71))]
    other = ask(more)
    same = {symbol for symbol in one.positions if one.positions[symbol] is other.positions[symbol]}
    assert same == set(one.positions) - {"S3"}
    assert ask(more, day(700)).positions["S5"] is one.positions["S5"]
