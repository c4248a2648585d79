"""What a model is told of risk: the house's definitions on the portfolio's own returns, and no analysis is counted."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from core.portfolio.analysis import AnalysisRequest
from core.workbench import Workbench
from tests.core.research.tools.portfolio_desk import Desk, buy, deposit, opened_desk, result, shown, value


@pytest.fixture(scope="module")
def desk(shipped: Workbench) -> Desk:
    return opened_desk(shipped, "rita")


def test_figures_are_the_definitions_applied_by_hand(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    told = result(desk.run("risk", us, period="1y"))
    series = desk.workbench.portfolio.reports.of(desk.owner, us).series
    inside = (series.days >= np.datetime64(told["first"])) & (series.days <= np.datetime64(told["last"]))
    returns = series.factors[inside] - 1
    market = desk.workbench.market
    frame = market.bars.history("SP500", market.time.of(desk.owner), org_id=desk.owner.org_id).frame
    closes = dict(zip(frame["date"].to_list(), frame["close"].to_list(), strict=True))
    days = series.days.tolist()
    begin = int(np.argmax(inside))
    other = np.array([closes[days[at]] / closes[days[at - 1]] - 1 for at in range(begin, begin + len(returns))])
    rate = 1.04 ** (1 / 252) - 1
    beta = np.cov(returns, other)[0, 1] / other.var(ddof=1)
    alpha = (1 + (returns - rate - beta * (other - rate)).mean()) ** 252 - 1
    wealth = np.concatenate(([1.0], np.cumprod(1 + returns)))
    fall = (wealth / np.maximum.accumulate(wealth) - 1).min()
    downside = math.sqrt((np.minimum(returns - rate, 0) ** 2).mean() * 252)
    expected = {
        "n": len(returns),
        "n_with_benchmark": len(returns),
        "risk_free_rate": 0.04,
        "volatility": returns.std(ddof=1) * math.sqrt(252),
        "sharpe": (returns - rate).mean() / returns.std(ddof=1) * math.sqrt(252),
        "sortino": (returns - rate).mean() * 252 / downside,
        "beta": beta,
        "alpha": alpha,
        "r_squared": np.corrcoef(returns, other)[0, 1] ** 2,
        "max_drawdown": fall,
        "current_drawdown": wealth[-1] / wealth.max() - 1,
        "cagr": wealth[-1] ** (252 / len(returns)) - 1,
        "calmar": (wealth[-1] ** (252 / len(returns)) - 1) / abs(fall),
        "var_95": -np.percentile(returns, 5),
    }
    for name, each in expected.items():
        assert told[name] == pytest.approx(each, rel=1e-6), name


def test_figures_are_those_of_an_analysis_and_none_is_counted(desk: Desk) -> None:
    us, analyses = desk.demos["US stocks"], desk.workbench.portfolio.analyses
    ran = desk.run("risk", us, first="2009-01-01")
    assert analyses.kept(desk.owner, us, AnalysisRequest(first=date(2009, 1, 1))) is None
    counted = analyses.run(desk.owner, us, AnalysisRequest(first=date(2009, 1, 1)))
    assert not counted.is_cached
    figures = counted.analysis.figures
    for name in ("volatility", "sharpe", "sortino", "alpha", "beta", "max_drawdown", "var_95", "cvar_95"):
        assert value(ran, "portfolio", name) == getattr(figures, name)
    assert value(ran, "portfolio", "volatility", first=date(2009, 1, 1), day=date(2010, 8, 20))


def test_no_use_is_counted_or_logged(desk: Desk) -> None:
    with desk.workbench.database.service() as connection:
        before = connection.exec_driver_sql("SELECT count(*) FROM usage_log").scalar_one()
    desk.run("risk", desk.demos["Two currencies"])
    with desk.workbench.database.service() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM usage_log").scalar_one() == before


def test_too_few_returns_make_no_ratio(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("300", date(2010, 8, 9)), buy("AAPL", "1", "260", date(2010, 8, 9)))
    ran = desk.run("risk", portfolio_id)
    told = result(ran)
    assert told["n"] == 10
    assert [told[name] for name in ("volatility", "sharpe", "beta", "cagr", "var_95")] == [None] * 5
    assert told["max_drawdown"] < 0
    assert "There are 10 daily returns; ratios are told from 20 on." in shown(ran)["notes"]


def test_days_without_a_price_are_left_out_and_counted(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("10000"), buy("AAPL", "10", "214"), buy("NOBODY", "5", "20", date(2010, 8, 2)))
    ran = desk.run("risk", portfolio_id)
    assert result(ran)["missing_days"] == 15
    assert any("15 days have no return" in note for note in shown(ran)["notes"])


def test_a_benchmark_that_nobody_knows_is_said(desk: Desk) -> None:
    assert "NOBODY" in desk.run("risk", desk.demos["US stocks"], benchmark="NOBODY").step.error
    portfolio_id = desk.made(deposit("300"), buy("AAPL", "1", "214"), benchmark="NOBODY")
    ran = desk.run("risk", portfolio_id)
    assert (result(ran)["beta"], result(ran)["n_with_benchmark"]) == (None, 0)
    assert result(ran)["volatility"] > 0
    assert any("no prices of the benchmark NOBODY" in note for note in shown(ran)["notes"])


def test_empty_portfolios_and_windows_have_none(desk: Desk) -> None:
    assert "no day with a value yet" in desk.run("risk", desk.made()).step.error
    assert "no day with a return" in desk.run("risk", desk.demos["US stocks"], period="1999").step.error


def test_nothing_after_the_chosen_date_is_read(desk: Desk) -> None:
    past = replace(desk.owner, as_of=date(2008, 11, 20))
    ran = desk.run_as(past, "risk", desk.demos["US stocks"], json.dumps({"period": "ytd"}))
    told = result(ran)
    assert (told["first"], told["last"]) == ("2008-01-01", "2008-11-20")
    assert told["current_drawdown"] == told["max_drawdown"]
