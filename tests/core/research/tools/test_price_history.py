"""Closes over a window as a tool tells them, against an independent reading of the shipped files."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import pytest
from pydantic import ValidationError

from core.ai.evidence import MAX_ROWS
from core.errors import InvalidRequest, NotFound
from core.principal import Principal
from core.research.tools.price_history import SHOWN_ROWS, PriceHistory
from core.workbench import Workbench
from tests.core.research.tools.market_tools import figures_of, ran, value_of
from tests.eval.measures import deepest, returns_of
from tests.eval.reference import extreme, price_return
from tests.eval.shipped import bars

LAST = date(2010, 8, 20)
WINDOWS = [
    ("AAPL", date(2010, 4, 1), date(2010, 4, 30)),
    ("GOOG", date(2009, 12, 31), date(2010, 6, 30)),
    ("GIS", date(2010, 5, 3), date(2010, 7, 30)),
    ("CHAMELI.NS", date(2009, 1, 5), date(2010, 8, 20)),
    ("SP500", date(2008, 1, 2), date(2010, 8, 20)),
]


@pytest.fixture(scope="module")
def history(shipped: Workbench) -> PriceHistory:
    return PriceHistory(shipped.market)


@pytest.mark.parametrize(("symbol", "first", "last"), WINDOWS, ids=[symbol for symbol, _, _ in WINDOWS])
def test_the_figures_of_a_window_are_those_of_its_bars(
    history: PriceHistory, ann: Principal, symbol: str, first: date, last: date
) -> None:
    result = ran(history, ann, symbol=symbol, first=first, last=last)
    told, window = bars(symbol), [figure for figure in result.figures if figure.first == first]
    of = {figure.measure: figure.value for figure in window}
    begin, end = told.up_to(first) - 1, told.up_to(last)
    begin += told.days[begin] != first
    closes, returns = told.close[begin:end], returns_of(told.close[begin - 1 : end])
    assert of["price_return"] == pytest.approx(price_return(symbol, first, last))
    assert of["highest_close"] == pytest.approx(extreme(symbol, first, last))
    assert of["lowest_close"] == pytest.approx(extreme(symbol, first, last, lowest=True))
    assert of["high"] == pytest.approx(extreme(symbol, first, last, column="high"))
    assert of["low"] == pytest.approx(extreme(symbol, first, last, lowest=True, column="low"))
    assert of["sessions"] == len(closes)
    assert of["mean_close"] == pytest.approx(fmean(closes))
    assert of["volatility"] == pytest.approx(stdev(returns) * sqrt(252))
    assert of["max_drawdown"] == pytest.approx(deepest(returns)[0])
    assert result.content["highest_close"]["day"] == str(extreme(symbol, first, last, gives="day"))
    peak, trough = deepest(returns)[1:]
    drawdown = result.content["max_drawdown"]
    assert (drawdown["peak"], drawdown["trough"]) == (
        str(told.days[begin - 1 + peak]),
        str(told.days[begin - 1 + trough]),
    )
    assert {figure.day for figure in window} == {last}


def test_every_row_is_a_figure_of_its_own_day(history: PriceHistory, ann: Principal) -> None:
    result = ran(history, ann, symbol="AAPL", period="1y")
    told = bars("AAPL")
    assert result.table is not None
    assert result.chart is not None
    assert {result.chart.x, *result.chart.y} <= set(result.table.columns)
    assert 0 < len(result.table.rows) <= MAX_ROWS
    for row in result.table.rows:
        day, close = row[0], row[result.table.columns.index("Close")]
        assert isinstance(day, date)
        assert close == pytest.approx(told.close_on(day))
        assert value_of(result, "close", "AAPL", day) == pytest.approx(told.close_on(day))
    assert len(result.content["closes"]) <= SHOWN_ROWS


def test_a_close_on_one_day_comes_with_the_rest_of_its_bar(history: PriceHistory, ann: Principal) -> None:
    day = date(2010, 3, 1)
    result = ran(history, ann, symbol="KO", first=day, last=day)
    told, at = bars("KO"), bars("KO").up_to(day) - 1
    for measure in ("open", "high", "low", "close", "volume"):
        assert value_of(result, measure, "KO", day) == pytest.approx(told.columns[measure][at])
    assert result.content["return"] is None


def test_a_month_counts_its_first_day_and_days_do_not(history: PriceHistory, ann: Principal) -> None:
    told = bars("AAPL")
    month = ran(history, ann, symbol="AAPL", period="2010-03")
    at = told.up_to(date(2010, 2, 28)) - 1
    end = told.up_to(date(2010, 3, 31)) - 1
    assert value_of(month, "price_return") == pytest.approx(told.close[end] / told.close[at] - 1)
    assert month.content["return_from"]["day"] == str(told.days[at])
    days = ran(history, ann, symbol="AAPL", first="2010-03-01", last="2010-03-31")
    assert days.content["return_from"]["day"] == "2010-03-01"


def test_many_rows_become_weeks_and_months(history: PriceHistory, ann: Principal) -> None:
    result = ran(history, ann, symbol="AAPL", period="3y")
    assert result.content["interval"] == "week"
    assert any("of each week" in note for note in result.notes)
    longest = ran(history, ann, symbol="NASDAQ", period="max")
    assert longest.content["interval"] == "month"
    assert longest.table is not None
    assert len(longest.table.rows) <= MAX_ROWS
    told = bars("NASDAQ")
    assert value_of(longest, "sessions") == len(told.days)


def test_nothing_after_the_chosen_day_is_told(history: PriceHistory, ann: Principal) -> None:
    past = replace(ann, as_of=date(2010, 3, 5))
    result = ran(history, past, symbol="AAPL", first="2010-01-04", last="2010-08-20")
    assert max(figure.day for figure in result.figures if figure.day) == date(2010, 3, 5)
    assert result.content["last"] == "2010-03-05"
    with pytest.raises(InvalidRequest, match="nothing after that day is known"):
        ran(history, past, symbol="AAPL", first="2010-03-08")


def test_a_split_is_no_fall(history: PriceHistory, ann: Principal) -> None:
    result = ran(history, ann, symbol="GIS", first="2010-06-07", last="2010-06-10")
    assert abs(value_of(result, "price_return")) < 0.05
    assert any("adjusted for splits" in note for note in result.notes)


def test_days_without_a_session_name_the_close_before(history: PriceHistory, ann: Principal) -> None:
    result = ran(history, ann, symbol="AAPL", first="2010-04-03", last="2010-04-04")
    assert result.content["sessions"] == 0
    assert result.content["last_close"]["day"] == "2010-04-01"
    assert result.content["highest_close"] is None
    assert not figures_of(result, "price_return")


def test_bars_that_begin_later_say_so(history: PriceHistory, ann: Principal) -> None:
    result = ran(history, ann, symbol="CHAMELI.NS", first="2005-01-01")
    assert any("begin on 21 August 2008" in note for note in result.notes)
    with pytest.raises(NotFound, match="begin on 21 August 2008"):
        ran(history, ann, symbol="CHAMELI.NS", first="2005-01-01", last="2005-12-31")
    with pytest.raises(NotFound, match="no bars of NOSUCH"):
        ran(history, ann, symbol="NOSUCH")


@pytest.mark.parametrize(
    "arguments",
    [
        {"period": "2010-13"},
        {"period": "1y", "first": "2010-01-01"},
        {"first": "2010-05-01", "last": "2010-04-01"},
        {"period": "0000"},
    ],
    ids=["month", "both", "backwards", "year"],
)
def test_windows_that_cannot_be_are_refused(history: PriceHistory, ann: Principal, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        ran(history, ann, symbol="AAPL", **arguments)


@pytest.mark.parametrize(
    "arguments",
    [{"period": "fortnight"}, {"first": "yesterday"}, {"interval": "minute"}, {"rows": 10_000}, {"user": "bob"}],
    ids=["period", "first", "interval", "rows", "user"],
)
def test_other_arguments_are_refused(history: PriceHistory, ann: Principal, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ran(history, ann, symbol="AAPL", **arguments)
