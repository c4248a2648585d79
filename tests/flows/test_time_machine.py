"""The time machine: seen as of a date, nothing of the market is dated later, whichever service is asked."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from core.errors import NotFound
from core.market.as_of import AsOf, Reason
from core.market.market import Market
from core.market.statements import Frequency
from core.workbench import Workbench
from tests.conftest import MakeMember

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = [date(2000, 3, 1), date(2009, 8, 20), date(2009, 8, 21), date(2010, 2, 14), date(2010, 8, 9), date(2012, 5, 18)]
SYMBOLS = ["AAPL", "MSFT", "FB", "GIS", "SP500", "EKTAINFO.NS", "CHAMELI.NS", "AROHICEM.NS"]
FICTITIOUS = ["CHAMELI.NS", "AROHICEM.NS"]


@pytest.fixture
def market(workbench: Workbench) -> Market:
    """The shipped market."""
    workbench.market.load_shipped()
    return workbench.market


def at(day: date) -> AsOf:
    """A chosen date."""
    return AsOf(day, Reason.CHOSEN, NOW)


@pytest.mark.parametrize("day", DAYS)
def test_no_price_bar_or_action_is_later(market: Market, day: date) -> None:
    as_of = at(day)
    for quote in market.quotes.get(SYMBOLS, as_of).values():
        assert quote.as_of is None or quote.as_of <= as_of.moment
    panel = market.bars.panel(SYMBOLS, as_of, 400)
    assert not len(panel.dates) or panel.dates.max() <= np.datetime64(day)
    for symbol in SYMBOLS:
        assert all(action.ex_date <= day for action in market.bars.actions(symbol, as_of))
        for is_adjusted in (True, False):
            try:
                history = market.bars.history(symbol, as_of, adjusted=is_adjusted)
            except NotFound:
                continue
            assert all(bar <= day for bar in history.frame["date"].to_list())
            assert all(action.ex_date <= day for action in history.actions)


@pytest.mark.parametrize("day", [date(2009, 8, 21), date(2010, 2, 14), date(2010, 8, 9)])
def test_no_news_filing_or_figure_is_later(workbench: Workbench, market: Market, member: MakeMember, day: date) -> None:
    as_of = at(day)
    for symbol in FICTITIOUS:
        assert all(told.item.published_at <= as_of.moment for told in market.news.of([symbol], as_of).news)
        found = market.fundamentals.of(as_of, symbol=symbol)
        for statement in (each.key for each in found.statements.statements):
            for frequency in Frequency:
                for line in found.statements.statement(statement, frequency).lines:
                    assert all(cell is None or cell.filed <= day for cell in line.cells)


def test_what_is_seen_grows_with_the_date_and_does_not_change(market: Market) -> None:
    """A day's close is what it was, whenever it is looked at; only a split restates it."""
    earlier, later = (market.bars.history("MSFT", at(day), adjusted=False).frame for day in (DAYS[3], DAYS[4]))
    assert later.head(earlier.height).equals(earlier)
    assert later.height > earlier.height
