"""What a model is told of returns: the service's own figures, and a fall with what drove it."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest

from core.ai.tools import MAX_RESULT_CHARS, TOOL_TIME_S
from core.principal import Principal
from core.settings import DATA
from core.workbench import Workbench
from tests.core.research.tools.portfolio_desk import (
    DAY,
    Desk,
    buy,
    deposit,
    figures,
    opened_desk,
    result,
    shown,
    value,
)

MAY = {"first": date(2010, 5, 1), "day": date(2010, 5, 31)}


@pytest.fixture(scope="module")
def desk(shipped: Workbench) -> Desk:
    return opened_desk(shipped, "pia")


def closes(desk: Desk, principal: Principal, symbol: str) -> dict[date, float]:
    """Closes as bars have them."""
    market = desk.workbench.market
    frame = market.bars.history(symbol, market.time.of(principal), org_id=principal.org_id).frame
    return dict(zip(frame["date"].to_list(), frame["close"].to_list(), strict=True))


def test_returns_of_a_month_are_the_service_s(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    ran = desk.run("performance", us, period="2010-05")
    found = desk.workbench.portfolio.reports.performance(desk.owner, us, first=date(2010, 5, 1), last=date(2010, 5, 31))
    assert value(ran, "portfolio", "time_weighted", **MAY) == found.time_weighted.value
    assert value(ran, "portfolio", "money_weighted", **MAY) == found.money_weighted.value
    assert value(ran, "portfolio", "benchmark_return", **MAY) == found.benchmark_time_weighted.value
    assert value(ran, "SP500", "time_weighted", **MAY) == found.benchmark_time_weighted.value
    assert found.time_weighted.value is not None
    assert found.benchmark_time_weighted.value is not None
    assert value(ran, "portfolio", "excess_return", **MAY) == pytest.approx(
        found.time_weighted.value - found.benchmark_time_weighted.value
    )
    # Without flows in the month the return is what the value changed by.
    told = result(ran)
    assert told["time_weighted"] == pytest.approx(told["value_end"] / told["value_start"] - 1)
    assert [each["period"] for each in told["months"]] == ["2010-05"]
    assert told["years"] == []


def test_contributions_are_shares_times_the_change_of_the_close(desk: Desk) -> None:
    ran = desk.run("performance", desk.demos["US stocks"], period="2010-05")
    apple, cola = closes(desk, desk.owner, "AAPL"), closes(desk, desk.owner, "KO")
    before = max(day for day in apple if day < date(2010, 5, 1))
    after = max(day for day in apple if day <= date(2010, 5, 31))
    assert value(ran, "AAPL", "contribution", **MAY) == pytest.approx(200 * (apple[after] - apple[before]))
    assert value(ran, "KO", "contribution", **MAY) == pytest.approx(90 * (cola[after] - cola[before]))
    assert value(ran, "AAPL", "time_weighted", **MAY) == pytest.approx(apple[after] / apple[before] - 1)


def test_the_drawdown_and_what_drove_it(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    ran = desk.run("performance", us, period="2010-05", show="drawdown")
    told = result(ran)["max_drawdown"]
    series = desk.workbench.portfolio.reports.of(desk.owner, us).series
    inside = (series.days >= np.datetime64("2010-05-01")) & (series.days <= np.datetime64("2010-05-31"))
    wealth, days = [1.0], [None, *series.days[inside].tolist()]
    for factor in series.factors[inside].tolist():
        wealth.append(wealth[-1] * factor)
    falls = [each / max(wealth[: place + 1]) - 1 for place, each in enumerate(wealth)]
    low = falls.index(min(falls))
    high = max(range(low + 1), key=lambda place: wealth[place])
    assert told["value"] == pytest.approx(min(falls))
    assert (told["trough"], told["peak"]) == (str(days[low]), str(days[high]))
    assert told["recovery"] is None
    apple = closes(desk, desk.owner, "AAPL")
    peak, trough = date.fromisoformat(told["peak"]), date.fromisoformat(told["trough"])
    lost = {each["symbol"]: each["gain"] for each in told["contributions_peak_to_trough"]}
    assert lost["AAPL"] == pytest.approx(200 * (apple[trough] - apple[peak]))
    assert list(lost.values()) == sorted(lost.values())
    assert value(ran, "AAPL", "contribution", first=peak, day=trough) == pytest.approx(lost["AAPL"])
    assert value(ran, "portfolio", "peak_day") == peak.toordinal()
    assert value(ran, "portfolio", "trough_day") == trough.toordinal()
    table, chart = ran.step.table, ran.step.chart
    assert table is not None
    assert chart is not None
    assert (chart.kind, chart.x, chart.y) == ("bar", "Symbol", ("Gain",))
    assert table.rows[0][:2] == ("AAPL", pytest.approx(lost["AAPL"]))


def test_a_fall_that_is_over_has_a_day_of_recovery(desk: Desk) -> None:
    ran = desk.run("performance", desk.demos["US stocks"])
    told = result(ran)["max_drawdown"]
    assert (told["peak"], told["trough"], told["recovery"]) == ("2007-11-06", "2008-11-20", "2010-04-13")
    assert value(ran, "portfolio", "recovered_day") == date(2010, 4, 13).toordinal()
    assert value(ran, "portfolio", "current_drawdown") == pytest.approx(result(ran)["current_drawdown"])
    chart, table = ran.step.chart, ran.step.table
    assert chart is not None
    assert table is not None
    assert (chart.kind, chart.y) == ("line", ("Portfolio", "SP500"))
    assert len(table.rows) == 200
    assert table.rows[-1][0] == DAY
    days = [row[0] for row in table.rows]
    assert all(isinstance(one, date) and isinstance(other, date) and one < other for one, other in pairwise(days))


def test_months_compound_to_the_whole(desk: Desk) -> None:
    told = result(desk.run("performance", desk.demos["US stocks"], period="2009"))
    assert len(told["months"]) == 12
    assert np.prod([1 + each["time_weighted"] for each in told["months"]]) - 1 == pytest.approx(told["time_weighted"])
    assert told["years"][0]["period"] == "2009"


def test_a_fall_from_the_window_s_start_counts(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("300", date(2010, 8, 9)), buy("AAPL", "1", "260", date(2010, 8, 9)))
    told = result(desk.run("performance", portfolio_id, first="2010-08-11", last="2010-08-11"))
    assert told["max_drawdown"]["peak"] == "2010-08-10"
    assert told["max_drawdown"]["value"] == pytest.approx(told["time_weighted"])


def test_a_day_without_a_price_leaves_no_return_and_no_drawdown(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("10000"), buy("AAPL", "10", "214"), buy("NOBODY", "5", "20"))
    ran = desk.run("performance", portfolio_id)
    told = result(ran)
    assert (told["time_weighted"], told["max_drawdown"], told["current_drawdown"]) == (None, None, None)
    assert told["value_end"] is None
    assert told["missing_days"] > 100
    assert "NOBODY" in told["time_weighted_note"]
    assert figures(ran, "portfolio", "time_weighted") == figures(ran, "portfolio", "max_drawdown") == []
    assert any("drawdown is not known" in note for note in shown(ran)["notes"])


def test_an_empty_portfolio_and_an_empty_window_have_no_return(desk: Desk) -> None:
    assert "There is no return to tell" in desk.run("performance", desk.made()).step.error
    assert "There is no return to tell" in desk.run("performance", desk.demos["US stocks"], period="1999").step.error


def test_nothing_after_the_chosen_date_is_told(desk: Desk) -> None:
    past = replace(desk.owner, as_of=date(2009, 3, 9))
    ran = desk.run_as(past, "performance", desk.demos["US stocks"], '{"period": "ytd"}')
    assert (result(ran)["first"], result(ran)["last"]) == ("2009-01-01", "2009-03-09")
    assert ran.result is not None
    assert all(each.day is None or each.day <= date(2009, 3, 9) for each in ran.result.figures)


def test_another_benchmark(desk: Desk) -> None:
    ran = desk.run("performance", desk.demos["US stocks"], period="2010-05", benchmark="msft")
    microsoft = closes(desk, desk.owner, "MSFT")
    before = max(day for day in microsoft if day < date(2010, 5, 1))
    after = max(day for day in microsoft if day <= date(2010, 5, 31))
    assert result(ran)["benchmark_return"] == pytest.approx(microsoft[after] / microsoft[before] - 1)


@pytest.mark.slow
def test_500_holdings_take_no_longer_than_a_step_may(desk: Desk) -> None:
    with (DATA / "universes" / "sp500_2010.csv").open(encoding="utf-8", newline="") as file:
        listed = [row["symbol"] for row in csv.DictReader(file)]
    market = desk.workbench.market
    panel = market.bars.panel(listed, market.time.of(desk.owner), 200, desk.owner.org_id)
    longest = max(len(panel.of(each).dates) for each in panel.symbols)
    symbols = [each for each in panel.symbols if len(panel.of(each).dates) == longest][:500]
    assert len(symbols) > 400
    drafts = [deposit("10000000"), *(buy(symbol, "10", "25") for symbol in symbols)]
    portfolio_id = desk.made(*drafts)
    for tool, more in (
        ("holdings", {"most": 50}),
        ("transactions", {"most": 50}),
        ("performance", {"most": 25}),
        ("risk", {}),
        ("what_if", {"trades": [{"side": "sell", "symbol": symbols[0], "quantity": 5}]}),
    ):
        begun = time.monotonic()
        ran = desk.run(tool, portfolio_id, **more)
        assert time.monotonic() - begun < TOOL_TIME_S
        assert len(ran.text) <= MAX_RESULT_CHARS
        assert ran.step.state == "done", ran.step.error
