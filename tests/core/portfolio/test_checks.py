"""Findings about a portfolio: what is told, and from which bound on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from core.market.quotes import Quote
from core.portfolio.book import Book
from core.portfolio.checks import Checked, checks_of
from core.portfolio.holdings import standing_of
from core.portfolio.report import Check, CostMethod
from core.portfolio.series import Series
from tests.core.portfolio.books_made import Rates, book, position, quote, sight

NOTHING = np.zeros(0)


def series(values: Sequence[float] = (1.0, 2.0), missing: dict[date, tuple[str, ...]] | None = None) -> Series:
    """Days from 2010-08-19 on."""
    zeros = np.zeros(len(values))
    days = np.datetime64("2010-08-19", "D") + np.arange(len(values))
    empty = np.zeros((0, len(values)))
    return Series(days, np.array(values), zeros, zeros, zeros, missing or {}, (), empty, empty)


def checks(
    held: Book,
    *quotes: Quote,
    fx: Rates | None = None,
    fees: str | None = "0",
    gain: str | None = "0",
    days: Series | None = None,
) -> dict[str, Check]:
    """The findings by their ids."""
    standing = standing_of(held, CostMethod.FIFO, sight(*quotes, fx=fx))
    checked = Checked(
        standing=standing,
        series=days or series(),
        currency="USD",
        fees=None if fees is None else Decimal(fees),
        gain=None if gain is None else Decimal(gain),
    )
    return {each.id: each for each in checks_of(checked)}


def spread(count: int, cash: str = "0") -> tuple[Book, list[Quote]]:
    """Equal holdings of 100 each, and money."""
    symbols = [f"S{number}" for number in range(count)]
    return book(*(position(each, "1", "100") for each in symbols), cash={"USD": cash}), [
        quote(each, "100") for each in symbols
    ]


def test_every_check_has_a_rule_and_a_sentence_and_none_advises() -> None:
    held, quotes = spread(3, "50")
    found = checks(held, *quotes)
    assert list(found) == ["concentration", "currency", "fees", "staleness", "generated", "cash", "missing_days"]
    for each in found.values():
        assert each.words.endswith(".")
        assert each.rule.endswith(".")
        assert not {"should", "must", "recommend", "sell", "buy"} & set(each.words.lower().split())


def test_nothing_is_said_of_an_empty_portfolio() -> None:
    assert checks(book(cash={})) == {}


@pytest.mark.parametrize(
    ("count", "severity", "words"),
    [
        (20, "ok", "S0 is 5.0 % of the value, the 5 largest are 25.0 %; the Herfindahl index is 0.050."),
        (10, "notice", "S0 is 10.0 % of the value, the 5 largest are 50.0 %; the Herfindahl index is 0.100."),
        (4, "warning", "S0 is 25.0 % of the value, all holdings are 100.0 %; the Herfindahl index is 0.250."),
    ],
)
def test_concentration_is_told_by_the_largest_holding(count: int, severity: str, words: str) -> None:
    held, quotes = spread(count)
    found = checks(held, *quotes)["concentration"]
    assert (found.severity, found.words) == (severity, words)


def test_concentration_cannot_be_told_without_every_value() -> None:
    found = checks(book(position(), position("IBM")), quote(), quote("IBM", None))["concentration"]
    assert (found.severity, "cannot be told" in found.words) == ("notice", True)


@pytest.mark.parametrize(("euros", "severity"), [("10", "ok"), ("40", "notice"), ("150", "warning")])
def test_other_currencies_are_told_with_their_shares(euros: str, severity: str) -> None:
    held = book(position("S", "1", "100"), cash={"EUR": euros})
    found = checks(held, quote("S", "100"), fx=Rates(EURUSD="1.25"))["currency"]
    assert found.severity == severity
    assert "EUR" in found.words


def test_one_currency_is_said_so() -> None:
    assert checks(*_one())["currency"].words == "All of the value is in USD."


def _one() -> tuple[Book, Quote]:
    return book(position("S", "1", "100"), cash={"USD": "0"}), quote("S", "100")


@pytest.mark.parametrize(
    ("fees", "gain", "severity"),
    [("0.5", "50", "ok"), ("1", "50", "notice"), ("0.5", "3", "notice"), ("2", "50", "warning"), ("0.5", "-9", "ok")],
)
def test_fees_are_told_as_shares_of_value_and_gain(fees: str, gain: str, severity: str) -> None:
    found = checks(*_one(), fees=fees, gain=gain)["fees"]
    assert found.severity == severity
    assert ("of the gain before them" in found.words) == (Decimal(gain) > 0)


def test_unknown_fees_are_said_to_be_unknown() -> None:
    assert checks(*_one(), fees=None)["fees"].severity == "notice"


@pytest.mark.parametrize(("price", "severity"), [("5", "notice"), ("100", "warning")])
def test_stale_prices_are_named_with_their_share(price: str, severity: str) -> None:
    held = book(position("A", "1"), position("B", "1"))
    found = checks(held, quote("A", price, is_stale=True), quote("B", "100"))["staleness"]
    assert found.severity == severity
    assert found.words.startswith("1 of 2 prices are stale = ")
    assert found.words.endswith(": A.")


def test_a_missing_price_is_a_warning() -> None:
    found = checks(book(position("A", "1"), position("B", "1")), quote("A", None), quote("B", "100"))["staleness"]
    assert (found.severity, found.words) == ("warning", "1 of 2 prices are stale: A.")


def test_generated_prices_are_a_warning() -> None:
    held = book(position("A", "1"), position("B", "1"))
    found = checks(held, quote("A", "50", is_generated=True), quote("B", "50"))["generated"]
    assert (found.severity, found.words) == ("warning", "1 of 2 prices are generated = 50.0 % of the value: A.")


@pytest.mark.parametrize(
    ("cash", "severity"), [("10", "ok"), ("25", "notice"), ("100", "warning"), ("-1", "warning"), ("0", "ok")]
)
def test_money_is_told_as_a_share(cash: str, severity: str) -> None:
    found = checks(book(position("S", "1", "100"), cash={"USD": cash}), quote("S", "100"))["cash"]
    assert found.severity == severity


def test_a_portfolio_without_money_says_that_it_keeps_none() -> None:
    assert checks(book(position()), quote())["cash"].words == "This portfolio keeps no money."


@pytest.mark.parametrize(
    ("values", "severity"),
    [
        pytest.param((1.0,) * 40, "ok", id="none"),
        pytest.param((1.0,) * 20 + (np.nan,) + (1.0,) * 20, "notice", id="one in the middle"),
        pytest.param((1.0,) * 5 + (np.nan,) + (1.0,) * 5, "warning", id="one in eleven"),
        pytest.param((1.0,) * 40 + (np.nan,), "warning", id="the last"),
    ],
)
def test_days_without_a_value_are_counted(values: tuple[float, ...], severity: str) -> None:
    assert checks(*_one(), days=series(values))["missing_days"].severity == severity


def test_the_last_missing_day_is_named_with_what_was_missing() -> None:
    missing = {date(2010, 8, 19): ("AAPL",), date(2010, 8, 20): ("IBM", "EUR to USD")}
    found = checks(*_one(), days=series((np.nan, np.nan, 1.0), missing))["missing_days"]
    assert found.words == "2 of 3 days have no value; the last is 2010-08-20 (IBM, EUR to USD)."
