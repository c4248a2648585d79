"""Splits are applied once, whoever tells of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from core.portfolio.exact import plain_ratio
from core.portfolio.ledger import Books, NoRates
from core.portfolio.splits import applied_splits, words_of
from core.portfolio.transactions import Kind, Transaction
from tests.core.portfolio.ledger_made import PORTFOLIO, Facts, book_of, day, made, numbered

D = Decimal
BUY, SELL, SPLIT = Kind.BUY, Kind.SELL, Kind.SPLIT
AT_TEN = [(day(10), "2")]


def _bought(*rows: Transaction) -> list[Transaction]:
    return numbered(made(Kind.DEPOSIT, 0, None, amount=100), made(BUY, 0, quantity=10, price=10), *rows)


@pytest.mark.parametrize(
    ("told", "market"),
    [([], AT_TEN), ([10], []), ([10], AT_TEN), ([14], AT_TEN), ([1], AT_TEN), ([10, 14], AT_TEN), ([10, 12], [])],
    ids=["market", "user", "both", "user later", "user sooner", "user twice and market", "user twice"],
)
def test_ghostfolio_5996_a_split_is_applied_once(told: list[int], market: list[tuple[date, str]]) -> None:
    rows = _bought(*(made(SPLIT, on, ratio=2) for on in told), made(SELL, 20, quantity=20, price=6))
    facts = Facts({"AAA": market})
    book = book_of(rows, facts=facts)
    assert len(book.splits["AAA"]) == 1
    assert not book.problems
    assert book.positions["AAA"].quantity == 0
    (disposal,) = book.disposals
    assert (disposal.quantity, disposal.fifo_cost, disposal.average_cost) == (20, 100, 100)


def test_wealthfolio_1140_quantities_are_of_the_day_and_splits_say_how_prices_are_told() -> None:
    """What is valued is quantity × later splits × adjusted close: 10 × 2 × 5 before, 20 × 5 after."""
    book = book_of(_bought(), facts=Facts({"AAA": AT_TEN}))
    assert book.quantities["AAA"] == ((day(0), D(10)), (day(10), D(20)))
    (split,) = book.splits["AAA"]
    assert (split.day, split.ratio, split.is_of_market, split.is_in_prices) == (day(10), 2, True, True)


def test_a_split_changes_no_cost_and_no_money() -> None:
    plain, split = book_of(_bought()), book_of(_bought(), facts=Facts({"AAA": AT_TEN}))
    one, other = plain.positions["AAA"], split.positions["AAA"]
    assert (one.fifo_cost, one.average_cost, one.bought_base) == (other.fifo_cost, other.average_cost, 100)
    assert plain.cash == split.cash and plain.money_flows == split.money_flows


def test_what_is_bought_on_the_ex_date_is_in_new_shares() -> None:
    book = book_of(numbered(made(BUY, 10, quantity=10, price=5)), facts=Facts({"AAA": AT_TEN}))
    assert book.positions["AAA"].quantity == 10


def test_a_split_after_the_day_is_not_seen() -> None:
    book = book_of(_bought(made(SPLIT, 30, ratio=2)), until=day(20))
    assert book.positions["AAA"].quantity == 10


@pytest.mark.parametrize(
    ("market", "jump", "days"),
    [([], 1.0, [day(30)]), ([], 2.0, []), ([(day(31), "2")], 1.0, []), ([], None, [])],
    ids=["in the prices", "in none", "the market's", "not known"],
)
def test_of_a_split_to_come_only_the_prices_it_is_in_are_seen(
    market: list[tuple[date, str]], jump: float | None, days: list[date]
) -> None:
    facts = Facts(to_come=Facts({"AAA": market}, usual_jump=jump))
    rows = _bought(made(SPLIT, 30, ratio=2))
    book = book_of(rows, facts=facts, until=day(20))
    assert [split.day for split in book.splits["AAA"]] == days
    assert book.quantities["AAA"] == ((day(0), D(10)),)
    assert not book.problems and not book.notes
    assert replace(book, splits={}) == replace(book_of(rows[:-1], facts=facts, until=day(20)), splits={})


def test_a_split_to_come_that_is_entered_or_taken_back_is_seen_where_a_book_is_kept() -> None:
    rows, books, rates = _bought(made(SPLIT, 30, ratio=2)), Books(), NoRates()
    facts = Facts(usual_jump=1.0)

    def splits(seen: list[Transaction]) -> int:
        book = books.book(PORTFOLIO, seen, "USD", True, facts, rates, until=day(20))
        return len(book.splits["AAA"])

    assert [splits(rows[:-1]), splits(rows), splits(rows), splits(rows[:-1])] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("market", "told"),
    [("1.5", "1.51"), ("2", "2.02"), ("0.1", "0.1")],
    ids=["rounded", "one per cent", "reverse"],
)
def test_a_ratio_that_is_nearly_the_market_s_is_the_market_s(market: str, told: str) -> None:
    kind = Kind.SPLIT if D(told) > 1 else Kind.REVERSE_SPLIT
    book = book_of(_bought(made(kind, 12, ratio=told)), facts=Facts({"AAA": [(day(10), market)]}))
    assert book.positions["AAA"].quantity == 10 * D(market)
    assert not book.notes


@pytest.mark.parametrize(("on", "ratio"), [(21, "2"), (10, "3")], ids=["too late", "another ratio"])
def test_what_the_market_does_not_confirm_is_a_split_of_its_own_and_told(on: int, ratio: str) -> None:
    book = book_of(_bought(made(SPLIT, on, ratio=ratio)), facts=Facts({"AAA": AT_TEN}))
    assert book.positions["AAA"].quantity == 20 * D(ratio)
    assert any("transactions alone" in note for note in book.notes)
    assert any("AAA 2 for 1 on 2010-01-14" in note for note in book.notes)


@pytest.mark.parametrize(
    ("jump", "is_in_prices"),
    [(2.0, False), (1.9, False), (1.03, True), (1.0, True), (0.97, True), (None, False)],
    ids=["the ratio", "nearly", "hardly", "not at all", "the other way", "no closes"],
)
def test_closes_tell_whether_a_user_s_split_is_in_the_prices(jump: float | None, is_in_prices: bool) -> None:
    facts = Facts(jumps={} if jump is None else {day(10): jump}, usual_jump=None if jump is None else 1.0)
    (split,) = book_of(_bought(made(SPLIT, 10, ratio=2)), facts=facts).splits["AAA"]
    assert (split.day, split.is_of_market, split.is_in_prices) == (day(10), False, is_in_prices)


def test_a_split_that_the_closes_show_some_days_off_is_placed_there() -> None:
    facts = Facts(jumps={day(5): 2.03, day(6): 2.03, day(7): 2.03, day(9): 1.8}, usual_jump=1.0)
    rows = _bought(made(BUY, 8, quantity=4, price=5), made(SPLIT, 10, ratio=2))
    book = book_of(rows, facts=facts)
    (split,) = book.splits["AAA"]
    assert (split.day, split.is_in_prices) == (day(7), False)
    assert book.positions["AAA"].quantity == 24


def test_a_small_stock_dividend_is_not_looked_for_nearby() -> None:
    facts = Facts(jumps={day(7): 1.05}, usual_jump=1.0)
    (split,) = book_of(_bought(made(SPLIT, 10, ratio="1.05")), facts=facts).splits["AAA"]
    assert (split.day, split.is_in_prices) == (day(10), True)


def test_a_split_of_what_was_sold_is_still_known_for_the_days_before() -> None:
    rows = _bought(made(SELL, 5, quantity=10, price=10))
    book = book_of(rows, facts=Facts({"AAA": AT_TEN}))
    assert [split.day for split in book.splits["AAA"]] == [day(10)]
    assert book.quantities["AAA"][-1] == (day(5), D(0))
    assert not book.notes


def test_splits_before_the_first_purchase_are_left_out() -> None:
    book = book_of(numbered(made(BUY, 20, quantity=1, price=1)), facts=Facts({"AAA": AT_TEN}))
    assert book.splits["AAA"] == ()


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("0.142857", Fraction(1, 7)),
        ("0.33333333333333", Fraction(1, 3)),
        ("1.33333333", Fraction(4, 3)),
        ("0.1", Fraction(1, 10)),
        ("0.333", Fraction(333, 1000)),
        ("1.0459123", Fraction(10459123, 10000000)),
        ("20.0000000000", Fraction(20)),
    ],
    ids=["one for seven", "one for three", "four for three", "exact", "few decimals", "odd", "zeros"],
)
def test_a_ratio_that_was_rounded_is_the_one_that_was_meant(told: str, meant: Fraction) -> None:
    assert plain_ratio(D(told)) == meant


def test_a_reverse_split_of_many_lots_leaves_whole_shares() -> None:
    rows = numbered(
        *(made(BUY, on, quantity=100, price=1) for on in range(300)),
        made(Kind.REVERSE_SPLIT, 400, ratio="0.142857"),
        made(Kind.SPLIT, 450, ratio=7),
        made(SELL, 500, quantity=30000, price=1),
    )
    book = book_of(rows)
    assert not book.problems
    assert book.positions["AAA"].quantity == 0
    assert sum(each.fifo_cost or 0 for each in book.disposals) == 30000


def test_ratios_are_said_as_people_say_them() -> None:
    assert [words_of(D(ratio)) for ratio in ("2", "0.1", "1.5", "1.0459123")] == [
        "2 for 1",
        "1 for 10",
        "3 for 2",
        "1.0459123 for 1",
    ]


def test_two_splits_of_the_market_on_nearby_days_are_two() -> None:
    market = [(day(10), D(2)), (day(15), D(2))]
    applied = applied_splits([made(SPLIT, 15, ratio=2)], market, lambda _: None)
    assert len(applied.splits) == 2
    assert [split.day for split in applied.untold] == [day(10)]
