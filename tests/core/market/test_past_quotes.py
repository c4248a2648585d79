"""Quotes of a past day, from the shipped bars."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from core.market.as_of import AsOf, Reason
from core.market.bar_store import Batch, DatasetKey, SeriesFacts
from core.market.market import Market
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.market.bars_made import frame_of

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def market(workbench: Workbench) -> Market:
    """The shipped market."""
    workbench.market.load_shipped()
    return workbench.market


def at(year: int, month: int, day: int) -> AsOf:
    """A chosen date."""
    return AsOf(date(year, month, day), Reason.CHOSEN, NOW)


def test_the_last_close_is_the_price_and_says_where_it_is_from(market: Market) -> None:
    quote = market.quotes.get(["AAPL"], at(2010, 8, 20))["AAPL"]
    assert (quote.price, quote.currency, quote.source, quote.origin) == (Decimal("249.64"), "USD", "sample", "sample")
    assert quote.as_of == datetime(2010, 8, 20, 20, tzinfo=UTC)
    assert quote.change_pct is not None
    assert round(quote.change_pct, 6) == round(Decimal("249.64") / Decimal("249.88") - 1, 6)


def test_on_a_day_without_a_session_the_session_before_counts(market: Market) -> None:
    quote = market.quotes.get(["AAPL"], at(2010, 7, 5))["AAPL"]  # Independence Day was a Sunday
    assert quote.as_of is not None
    assert quote.as_of.date() == date(2010, 7, 2)
    assert quote.is_stale is False


def test_nothing_later_than_the_day_is_told(market: Market) -> None:
    symbols = ["AAPL", "MSFT", "IBM", "EKTAINFO.NS", "A"]
    for day in (at(2009, 9, 1), at(2009, 11, 15), at(2010, 3, 9)):
        for quote in market.quotes.get(symbols, day).values():
            assert quote.as_of is not None
            assert quote.as_of <= day.moment


def test_before_its_first_bar_a_symbol_has_no_price(market: Market) -> None:
    quotes = market.quotes.get(["GOOG", "FB", "NOSUCH"], at(2003, 5, 5))
    assert {quote.price for quote in quotes.values()} == {None}
    assert {quote.source for quote in quotes.values()} == {"none"}


def test_a_split_between_two_closes_is_no_fall(market: Market) -> None:
    before, after = (market.quotes.get(["GIS"], at(2010, 6, day))["GIS"] for day in (8, 9))
    assert before.price is not None
    assert after.price is not None
    assert before.price > Decimal("1.8") * after.price
    assert after.change_pct is not None
    assert abs(after.change_pct) < Decimal("0.05")


def test_an_organisations_own_bars_quote_it_alone(market: Market, member: MakeMember) -> None:
    ours, day, seen = member("ann").org_id, date(2010, 8, 20), at(2010, 8, 20)
    facts = {"AAPL": SeriesFacts("USD", "XNYS")}
    key = DatasetKey("own", "mine", "Acme: bars.csv", org_id=ours)
    market.store.write(key, Batch(frame_of({"AAPL": {date(2010, 8, 19): 80.0, day: 100.0}}), facts))
    quote = market.quotes.get(["AAPL"], seen, ours)["AAPL"]
    assert (quote.price, quote.change_pct) == (Decimal(100), Decimal("0.25"))
    assert (quote.source, quote.origin) == ("cache", "Acme: bars.csv")
    for org_id in (None, member("bob").org_id):
        assert market.quotes.get(["AAPL"], seen, org_id)["AAPL"].origin == "sample"
