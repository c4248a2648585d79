"""A portfolio after trades that are supposed: exact amounts, nothing entered, nothing said that is not known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.portfolio.report import CostMethod
from core.workbench import Workbench
from tests.core.research.tools.portfolio_desk import Desk, buy, deposit, figures, opened_desk, result, shown, value


@pytest.fixture(scope="module")
def desk(shipped: Workbench) -> Desk:
    return opened_desk(shipped, "wim")


def trade(side: str, symbol: str, quantity: float | None = None, **more: Any) -> dict[str, Any]:
    """As a model writes it."""
    return {"side": side, "symbol": symbol, **({} if quantity is None else {"quantity": quantity}), **more}


def line(told: dict[str, Any], symbol: str) -> dict[str, Any]:
    """Of one symbol."""
    found: dict[str, Any] = next(each for each in told["holdings"] if each["symbol"] == symbol)
    return found


def test_a_sale_takes_the_oldest_lots_first(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    before = result(desk.run("holdings", us))
    ran = desk.run("what_if", us, trades=[trade("sell", "AAPL", 100)])
    told = result(ran)
    apple = line(told, "AAPL")
    # 80 of the first purchase are left, at half of its cost; 20 come from the second, of 120.
    first, second = (40 * 123.87 + 14.95) / 2, (60 * 15.20 + 14.95) / 6
    assert apple["realised"] == pytest.approx(100 * 249.64 - first - second)
    assert apple["cost_after"] == pytest.approx(5 * second)
    assert apple["unrealised_after"] == pytest.approx(100 * 249.64 - 5 * second)
    assert told["after"]["cash"] == pytest.approx(before["totals"]["cash"] + 100 * 249.64)
    assert told["after"]["value"] == pytest.approx(before["totals"]["value"])
    assert apple["weight_after"] == pytest.approx(100 * 249.64 / before["totals"]["value"])
    assert value(ran, "AAPL", "weight_after") == pytest.approx(apple["weight_after"])
    assert value(ran, "AAPL", "weight") == pytest.approx(2 * apple["weight_after"])
    assert value(ran, "portfolio", "cash_after", currency="USD") == pytest.approx(told["after"]["cash"])


def test_a_moving_average_is_kept_as_one_cost(desk: Desk) -> None:
    portfolio_id = desk.made(
        deposit("100000"),
        buy("AAPL", "10", "200"),
        buy("AAPL", "30", "240", date(2010, 2, 1)),
        cost_method=CostMethod.AVERAGE,
    )
    told = line(result(desk.run("what_if", portfolio_id, trades=[trade("sell", "AAPL", 10)])), "AAPL")
    assert told["cost_after"] == pytest.approx(30 * 230)
    assert told["realised"] == pytest.approx(10 * (249.64 - 230))


def test_trades_follow_one_another(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    told = result(desk.run("what_if", us, trades=[trade("sell", "KO", 90), trade("buy", "XOM", amount=4000, price=50)]))
    assert [each["side"] for each in told["trades"]] == ["sell", "buy"]
    assert line(told, "KO")["quantity_after"] == 0
    assert line(told, "KO")["weight_after"] == 0
    assert line(told, "XOM")["quantity_after"] == 80
    assert line(told, "XOM")["cost_after"] == 4000
    # Bought below the last price, the portfolio is worth more at once.
    assert told["after"]["value"] == pytest.approx(told["before"]["value"] + 80 * (58.89 - 50))
    assert told["after"]["cash"] == pytest.approx(told["before"]["cash"] + 90 * 55.3 - 4000)


def test_amounts_are_in_the_portfolio_s_currency(desk: Desk) -> None:
    two = desk.demos["Two currencies"]
    ran = desk.run("what_if", two, trades=[trade("buy", "AAPL", amount=1000)])
    rate = desk.workbench.market.fx.rate("USD", "EUR", date(2010, 8, 20))
    told = result(ran)
    quantity = math.floor(1000 / (249.64 * float(rate or 0)) * 1e6) / 1e6
    assert told["trades"][0]["quantity"] == pytest.approx(quantity)
    assert (told["before"]["cash"], told["after"]["cash"]) == (None, None)
    assert told["after"]["value"] == pytest.approx(told["before"]["value"] + 1000, abs=1e-3)
    assert any("keeps no money" in note for note in shown(ran)["notes"])


def test_volatility_and_beta_are_of_the_weights_before_and_after(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("10000"), buy("AAPL", "20", "214"))
    ran = desk.run("what_if", portfolio_id, trades=[trade("buy", "KO", 60)])
    told = result(ran)
    market = desk.workbench.market
    as_of = market.time.of(desk.owner)

    def closes(symbol: str) -> dict[date, float]:
        frame = market.bars.history(symbol, as_of, first=date(2009, 8, 20), org_id=desk.owner.org_id).frame
        return dict(zip(frame["date"].to_list(), frame["close"].to_list(), strict=True))

    series = [closes(symbol) for symbol in ("AAPL", "KO", "SP500")]
    days = sorted(set(series[0]) & set(series[1]))
    grid = sorted(set(series[0]) | set(series[1]))
    pairs = [(one, other) for one, other in pairwise(grid) if one in days and other in days]
    returns = np.array([[each[other] / each[one] - 1 for one, other in pairs] for each in series])
    for when, standing in (("before", told["before"]), ("after", told["after"])):
        own = np.array([line(told, symbol)[f"weight_{when}"] for symbol in ("AAPL", "KO")])
        mixed = own @ returns[:2]
        assert standing["volatility"] == pytest.approx(mixed.std(ddof=1) * math.sqrt(252), rel=1e-6)
        beta = np.cov(mixed, returns[2])[0, 1] / returns[2].var(ddof=1)
        assert standing["beta"] == pytest.approx(beta, rel=1e-6)
    assert told["n"] == len(pairs)
    assert value(ran, "portfolio", "volatility_after") == pytest.approx(told["after"]["volatility"])


def test_more_than_is_held_cannot_be_sold(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    assert desk.run("what_if", us, trades=[trade("sell", "AAPL", 201)]).step.error == (
        "201 AAPL are more than the 200 that are held."
    )
    both = [trade("sell", "AAPL", 150), trade("sell", "AAPL", 51)]
    assert "51 AAPL are more than the 50" in desk.run("what_if", us, trades=both).step.error
    assert "more than the 0" in desk.run("what_if", us, trades=[trade("sell", "PG", 1)]).step.error


def test_cash_below_zero_is_said(desk: Desk) -> None:
    ran = desk.run("what_if", desk.demos["US stocks"], trades=[trade("buy", "AAPL", 1000)])
    assert result(ran)["after"]["cash"] < 0
    assert any("cash would be below zero" in note for note in shown(ran)["notes"])


def test_nothing_is_entered(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    before = desk.workbench.portfolio.portfolios.get(desk.owner, us)
    desk.run("what_if", us, trades=[trade("buy", "AAPL", 1)])
    assert desk.workbench.portfolio.portfolios.get(desk.owner, us) == before


def test_what_has_no_price_cannot_be_traded(desk: Desk) -> None:
    us = desk.demos["US stocks"]
    assert "No price of NOBODY is known" in desk.run("what_if", us, trades=[trade("buy", "NOBODY", 1)]).step.error
    portfolio_id = desk.made(deposit("10000"), buy("AAPL", "10", "214"), buy("NOBODY", "5", "20"))
    assert "No price of NOBODY" in desk.run("what_if", portfolio_id, trades=[trade("sell", "NOBODY", 1)]).step.error
    ran = desk.run("what_if", portfolio_id, trades=[trade("sell", "AAPL", 5)])
    told = result(ran)
    assert (told["after"]["value"], line(told, "AAPL")["weight_after"]) == (None, None)
    assert line(told, "AAPL")["value_after"] == pytest.approx(5 * 249.64)
    assert told["after"]["cash"] == pytest.approx(10_000 - 2_140 - 100 + 5 * 249.64)
    assert figures(ran, "AAPL", "weight_after") == figures(ran, "portfolio", "portfolio_value_after") == []


def test_an_empty_portfolio_can_be_supposed_to_buy(desk: Desk) -> None:
    told = result(desk.run("what_if", desk.made(deposit("1000")), trades=[trade("buy", "KO", 10)]))
    assert line(told, "KO")["weight_after"] == pytest.approx(0.553)
    assert told["after"]["cash"] == pytest.approx(447)
    nothing = result(desk.run("what_if", desk.made(), trades=[trade("buy", "KO", 10)]))
    assert line(nothing, "KO")["weight_before"] is None


def test_prices_are_those_of_the_chosen_date(desk: Desk) -> None:
    past = replace(desk.owner, as_of=date(2007, 11, 2))
    arguments = json.dumps({"trades": [trade("sell", "AAPL", 10)]})
    told = result(desk.run_as(past, "what_if", desk.demos["US stocks"], arguments))
    assert told["day"] == "2007-11-02"
    assert told["trades"][0]["price"] == 187.87


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"side": "hold", "symbol": "AAPL", "quantity": 1}, "'buy' or 'sell'"),
        ({"side": "buy", "symbol": "AAPL"}, "give either 'quantity' or 'amount'"),
        ({"side": "buy", "symbol": "AAPL", "quantity": 1, "amount": 2}, "give either 'quantity' or 'amount'"),
        ({"side": "buy", "symbol": "AAPL", "quantity": -1}, "greater than 0"),
        ({"side": "buy", "symbol": "AAPL", "quantity": "many"}, "valid decimal"),
        ({"side": "buy", "symbol": "AAPL", "quantity": 1e30}, "less than or equal"),
        ({"side": "buy", "symbol": "AAPL", "amount": 1e-9}, "too small for any AAPL"),
        ({"side": "buy", "symbol": "'; DROP TABLE", "quantity": 1}, "symbol"),
        ({"side": "buy", "symbol": "AAPL", "quantity": 1, "portfolio": "x"}, "no argument 'trades.0.portfolio'"),
    ],
    ids=["side", "no size", "two sizes", "negative", "words", "huge", "tiny", "no symbol", "another portfolio"],
)
def test_wrong_trades_are_refused_in_words(desk: Desk, wrong: dict[str, Any], words: str) -> None:
    ran = desk.run("what_if", desk.demos["US stocks"], trades=[wrong])
    assert ran.step.state == "failed"
    assert words in ran.step.error
