"""What a portfolio was paid: gross, by month, and as a yield."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.income import fees_of, income_by_symbol, income_of, share, total
from core.portfolio.transactions import Kind
from tests.core.portfolio.books_made import DAY, payment


def test_payments_are_gross_with_taxes_and_fees_apart() -> None:
    paid = [
        payment(date(2010, 5, 10), "20", taxes="3", fees="1"),
        payment(date(2010, 5, 31), "4", Kind.INTEREST, symbol=None),
        payment(date(2010, 5, 31), "2.5", Kind.FEE, symbol=None),
        payment(date(2010, 5, 31), "7", Kind.TAX, symbol=None),
    ]
    month = income_of(paid, day=DAY, value=Decimal(1000), cost=Decimal(800)).months[0]
    assert (month.year, month.month) == (2010, 5)
    assert (month.dividends, month.interest, month.fees, month.taxes) == (20, 4, Decimal("3.5"), 10)


def test_months_without_a_payment_stand_between_with_zeros() -> None:
    found = income_of([payment(date(2009, 11, 1), "5"), payment(date(2010, 2, 1), "6")], day=DAY, value=None, cost=None)
    assert [(each.year, each.month, each.dividends) for each in found.months] == [
        (2009, 11, 5),
        (2009, 12, 0),
        (2010, 1, 0),
        (2010, 2, 6),
    ]
    assert [each.day for each in found.payments] == [date(2010, 2, 1), date(2009, 11, 1)]


def test_without_payments_there_are_no_months_and_no_yield_is_invented() -> None:
    found = income_of([], day=DAY, value=Decimal(1000), cost=Decimal(0))
    assert (found.months, found.last_year_gross, found.yield_on_value, found.yield_on_cost) == ((), 0, 0.0, None)


def test_the_yield_is_of_the_365_days_up_to_the_day() -> None:
    paid = [payment(date(2009, 8, 20), "1000"), payment(date(2009, 8, 21), "30"), payment(DAY, "20")]
    found = income_of(paid, day=DAY, value=Decimal(1000), cost=Decimal(500))
    assert found.last_year_gross == 50
    assert (found.yield_on_value, found.yield_on_cost) == (0.05, 0.1)


def test_a_payment_without_a_rate_makes_its_month_and_the_yield_unknown_and_no_other() -> None:
    paid = [payment(date(2010, 5, 10), "20", is_known=False), payment(date(2010, 6, 10), "20")]
    found = income_of(paid, day=DAY, value=Decimal(1000), cost=Decimal(500))
    assert [each.dividends for each in found.months] == [None, 20]
    assert (found.last_year_gross, found.yield_on_value) == (None, None)
    old = [payment(date(2008, 5, 10), "20", is_known=False), payment(date(2010, 6, 10), "20")]
    assert income_of(old, day=DAY, value=Decimal(1000), cost=None).last_year_gross == 20


def test_a_dividend_that_was_taken_back_lowers_the_income() -> None:
    paid = [payment(date(2010, 5, 10), "20"), payment(date(2010, 5, 12), "-20"), payment(date(2010, 6, 1), "5")]
    assert income_of(paid, day=DAY, value=None, cost=None).last_year_gross == 5


def test_income_of_a_symbol_is_its_dividends_and_interest() -> None:
    paid = [
        payment(DAY, "5"),
        payment(DAY, "2", Kind.INTEREST),
        payment(DAY, "9", Kind.FEE),
        payment(DAY, "3", symbol="IBM", is_known=False),
        payment(DAY, "1", Kind.INTEREST, symbol=None),
    ]
    assert income_by_symbol(paid) == {"AAPL": 7, "IBM": None}


def test_fees_are_those_of_trades_accounts_and_payments() -> None:
    paid = [payment(DAY, "9", Kind.FEE), payment(DAY, "20", fees="1"), payment(DAY, "3", Kind.TAX)]
    assert fees_of(paid, Decimal(5)) == 15
    assert fees_of(paid, None) is None
    assert fees_of([payment(DAY, "9", Kind.FEE, is_known=False)], Decimal(5)) is None


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (Decimal(1), Decimal(4), 0.25),
        (None, Decimal(4), None),
        (Decimal(1), None, None),
        (Decimal(1), Decimal(0), None),
    ],
)
def test_a_share_is_not_defined_of_nothing(part: Decimal | None, whole: Decimal | None, expected: float | None) -> None:
    assert share(part, whole) == expected


def test_a_total_is_unknown_where_a_part_is() -> None:
    assert total([]) == 0
    assert total([Decimal(1), None]) is None
