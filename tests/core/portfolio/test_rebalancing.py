"""Proposals of trades: exact, sales first, never more money than there is, and nothing is ever sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Forbidden, InvalidRequest, NotFound
from core.portfolio.income import income_of
from core.portfolio.portfolio import PortfolioArea
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.rebalancing import (
    Asset,
    Plan,
    Side,
    Terms,
    TradeCosts,
    TradeLine,
    drift,
    proposed,
)
from core.portfolio.report import CashLine, CostMethod, Rate, Report, Ribbon
from core.portfolio.series import Series
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

FREE = Terms(TradeCosts(), Decimal(0), whole_shares=True)
NOTHING = np.zeros(0)


def asset(symbol: str, quantity: str = "0", price: str | None = "100", target: str | None = None) -> Asset:
    return Asset(
        symbol=symbol,
        name=symbol,
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        currency="USD",
        fx_rate=Decimal(1),
        target=None if target is None else Decimal(target),
    )


def report(cash: str = "0") -> Report:
    """A portfolio of which only the money is looked at here."""
    lines = [CashLine("USD", Decimal(cash), Decimal(1), Decimal(cash))] if Decimal(cash) else []
    days = np.zeros(0, dtype="datetime64[D]")
    return Report(
        portfolio_id=UUID(int=1),
        name="Shares",
        currency="USD",
        number=1,
        day=date(2010, 8, 20),
        cost_method=CostMethod.FIFO,
        ribbon=Ribbon(None, None, None, None, Rate(None), Rate(None), None, 0, 0, None),
        holdings=(),
        cash=lines,
        series=Series(days, NOTHING, NOTHING, NOTHING, NOTHING, {}, (), np.zeros((0, 0)), np.zeros((0, 0))),
        disposals=(),
        income=income_of((), day=date(2010, 8, 20), value=None, cost=None),
        checks=(),
        sectors={},
        currencies={},
        notes=(),
    )


def plan(*assets: Asset, cash: str = "0", terms: Terms = FREE) -> Plan:
    return proposed(report(cash), {each.symbol: each for each in assets}, terms)


def told(found: Plan) -> list[tuple[str, str | None, int]]:
    return [(line.symbol, line.side, int(line.quantity)) for line in found.lines]


def line_of(found: Plan, symbol: str) -> TradeLine:
    return next(line for line in found.lines if line.symbol == symbol)


def test_trades_lead_to_the_targets_sales_first() -> None:
    found = plan(asset("AAA", "60", target="0.25"), asset("BBB", "20", target="0.5"), cash="2000")
    assert told(found) == [("AAA", "sell", 35), ("BBB", "buy", 30)]
    assert (found.value, found.cash_before, found.cash_after) == (10_000, 2_000, 2_500)
    assert [line.weight_after for line in found.lines] == [0.25, 0.5]
    assert found.turnover == pytest.approx((3_500 + 3_000) / 2 / 10_000)


def test_costs_come_out_of_the_money_and_purchases_shrink_to_what_is_left() -> None:
    terms = replace(FREE, costs=TradeCosts(fixed=Decimal(10), rate=Decimal("0.01")), whole_shares=False)
    found = plan(asset("AAA", "100", target="0.5"), asset("BBB", "0", target="0.5"), terms=terms)
    sale, purchase = found.lines
    assert (sale.side, sale.value, sale.costs) == (Side.SELL, 5_000, 60)
    # 4,940 are there: x + 0.01 x + 10 = 4,940.
    assert purchase.value == pytest.approx(Decimal(4930) / Decimal("1.01"), abs=Decimal("0.001"))
    assert 0 <= found.cash_after < Decimal("0.001")
    assert found.cost_total == sale.costs + purchase.costs
    after = sum(line.weight_after or 0 for line in found.lines) + float(
        found.cash_after / (Decimal(10_000) - found.cost_total)
    )
    assert after == pytest.approx(1)


def test_whole_shares_are_rounded_down() -> None:
    found = plan(asset("AAA", "0", "333", "0.5"), cash="1000")
    assert told(found) == [("AAA", "buy", 1)]
    assert found.cash_after == 667


def test_what_is_not_wanted_any_more_is_sold_whole() -> None:
    found = plan(asset("AAA", "10.5", target="0"), asset("BBB", "1", target="0.5"))
    assert line_of(found, "AAA").quantity == Decimal("10.5")


def test_without_a_target_a_holding_stays() -> None:
    found = plan(asset("AAA", "50"), asset("BBB", "0", target="0.25"), cash="5000")
    assert told(found) == [("BBB", "buy", 25), ("AAA", None, 0)]
    assert "no target" in line_of(found, "AAA").note


def test_within_the_band_nothing_is_traded() -> None:
    held = (asset("AAA", "52", target="0.5"), asset("BBB", "48", target="0.5"))
    assert told(plan(*held, terms=replace(FREE, band=Decimal("0.02")))) == [("AAA", None, 0), ("BBB", None, 0)]
    assert told(plan(*held, terms=replace(FREE, band=Decimal("0.019")))) == [("AAA", "sell", 2), ("BBB", "buy", 2)]


def test_an_unknown_price_is_a_line_without_a_trade() -> None:
    found = plan(asset("AAA", "10", None, "0.5"), asset("BBB", "10", target="1"), asset("CCC", "0", None, "0"))
    line = line_of(found, "AAA")
    assert (line.side, line.weight, line.quantity) == (None, None, 0)
    assert "No price or exchange rate is known" in line.note
    assert found.value == 1_000
    assert found.notes == ("Weights leave out what has no known value: AAA.",)


@pytest.mark.parametrize(("price", "fx_rate"), [(None, "1"), ("0", "1"), ("100", None)])
def test_what_has_no_worth_is_never_traded(price: str | None, fx_rate: str | None) -> None:
    odd = replace(asset("AAA", "0", price, "0.5"), fx_rate=None if fx_rate is None else Decimal(fx_rate))
    assert told(plan(odd, asset("BBB", "10", target="0.5"))) == [("BBB", "sell", 5), ("AAA", None, 0)]


def test_another_currency_is_traded_at_its_rate() -> None:
    foreign = replace(asset("SAP.DE", "0", "50", "0.5"), currency="EUR", fx_rate=Decimal("1.25"))
    line = plan(foreign, cash="1000").lines[0]
    assert (line.quantity, line.value, line.price, line.currency) == (8, 500, 50, "EUR")


def test_a_sale_that_costs_more_than_it_brings_is_not_proposed() -> None:
    terms = replace(FREE, costs=TradeCosts(fixed=Decimal(500)))
    found = plan(asset("AAA", "4", target="0"), asset("BBB", "96", target="0.96"), terms=terms)
    assert line_of(found, "AAA").side is None
    assert "cost more than it brings" in line_of(found, "AAA").note


def test_money_that_is_owed_is_paid_back_before_anything_is_bought() -> None:
    found = plan(asset("AAA", "100", target="0.5"), asset("BBB", "0", target="0.5"), cash="-4000")
    assert told(found) == [("AAA", "sell", 70), ("BBB", "buy", 30)]
    assert found.cash_after == 0


def test_money_that_does_not_pay_every_fixed_cost_buys_the_largest_first() -> None:
    terms = replace(FREE, costs=TradeCosts(fixed=Decimal(60)), whole_shares=False)
    found = plan(asset("AAA", "0", "1", "0.6"), asset("BBB", "0", "1", "0.4"), cash="100", terms=terms)
    assert told(found) == [("AAA", "buy", 40), ("BBB", None, 0)]
    assert "not enough money" in line_of(found, "BBB").note


def test_a_portfolio_that_is_worth_nothing_has_no_proposal() -> None:
    found = plan(asset("AAA", "0", target="1"))
    assert (found.lines, found.value, found.turnover) == ((), None, None)
    assert "worth nothing" in found.notes[0]


amounts = st.integers(0, 10_000)
prices = st.decimals("0.01", "5000", places=2)


@settings(max_examples=300, deadline=None)
@given(
    held=st.lists(st.tuples(amounts, prices, st.integers(0, 100), st.booleans()), min_size=1, max_size=6),
    cash=st.integers(0, 100_000),
    fixed=st.integers(0, 50),
    rate=st.integers(0, 50),
    band=st.integers(0, 20),
    whole=st.booleans(),
)
def test_proposals_never_spend_more_than_there_is_and_their_sums_hold(
    held: list[Any], cash: int, fixed: int, rate: int, band: int, whole: bool
) -> None:
    total = max(100, sum(target for _, _, target, _ in held))
    assets = [
        asset(f"S{place}", str(quantity), str(price), str(Decimal(target) / total) if has_target else None)
        for place, (quantity, price, target, has_target) in enumerate(held)
    ]
    terms = Terms(TradeCosts(Decimal(fixed), Decimal(rate) / 1000), Decimal(band) / 100, whole)
    found = plan(*assets, cash=str(cash), terms=terms)
    bought = sum(line.value for line in found.lines if line.side is Side.BUY)
    sold = sum(line.value for line in found.lines if line.side is Side.SELL)
    assert found.cash_after >= 0
    assert abs(found.cash_after - (cash + sold - bought - found.cost_total)) < Decimal("1e-9")
    sides = [line.side for line in found.lines if line.side is not None]
    assert sides == sorted(sides, reverse=True)  # sales before purchases
    by_symbol = {each.symbol: each for each in assets}
    for line in found.lines:
        assert line.side is not Side.SELL or line.quantity <= by_symbol[line.symbol].quantity
        if line.side is Side.BUY and whole:
            assert line.quantity == int(line.quantity)
        assert (line.side is None) == (line.quantity == 0) == bool(line.note)


def test_drift_is_told_furthest_first() -> None:
    lines = drift(report(), {"AAA": Decimal("0.5"), "BBB": Decimal("0.1")})
    assert [(line.symbol, line.weight, line.drift) for line in lines] == [("AAA", 0.0, -0.5), ("BBB", 0.0, -0.1)]


@pytest.fixture
def area(workbench: Workbench) -> PortfolioArea:
    """The services of portfolios on the shipped market."""
    workbench.market.load_shipped()
    return workbench.portfolio


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An analyst of an organisation on the team plan."""
    return member("ann", plan="team", org="Acme")


def portfolio(area: PortfolioArea, principal: Principal, **settings_: Any) -> UUID:
    info = area.portfolios.create(principal, PortfolioSettings(name="Shares", **settings_))
    bought = date(2010, 1, 5)
    area.journal.add(
        principal,
        info.id,
        [
            Draft(Kind.DEPOSIT, bought, "USD", amount=Decimal(50_000)),
            Draft(Kind.BUY, bought, "USD", "AAPL", Decimal(100), Decimal(214)),
            Draft(Kind.BUY, bought, "USD", "IBM", Decimal(100), Decimal(130)),
        ],
    )
    return info.id


def test_targets_are_kept_as_a_whole(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id, targets = portfolio(area, ann), area.rebalancing.targets
    assert targets.get(ann, portfolio_id) == {}
    targets.set(ann, portfolio_id, {"aapl": Decimal("0.3"), "MSFT": Decimal("0.6")})
    assert targets.get(ann, portfolio_id) == {"MSFT": Decimal("0.6"), "AAPL": Decimal("0.3")}
    targets.set(ann, portfolio_id, {"IBM": Decimal(1)})
    assert targets.get(ann, portfolio_id) == {"IBM": 1}
    targets.set(ann, portfolio_id, {})
    assert targets.get(ann, portfolio_id) == {}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"AAPL": "0.7", "IBM": "0.4"}, "come to 110.0000 %, more than 100 %"),
        ({"AAPL": "-0.1"}, "The target of AAPL is a fraction from 0 to 1"),
        ({"AAPL": "1.1"}, "fraction from 0 to 1"),
        ({"AAPL": "NaN"}, "fraction from 0 to 1"),
        ({"AAPL": "0.1", "aapl": "0.1"}, "AAPL has two targets"),
        ({"no such thing!": "0.1"}, "symbol"),
        ({f"S{place}": "0" for place in range(501)}, "at most 500 targets"),
    ],
    ids=["too-much", "below-zero", "above-one", "no-number", "twice", "no-symbol", "too-many"],
)
def test_targets_that_cannot_be_are_refused(
    area: PortfolioArea, ann: Principal, weights: Mapping[str, str], words: str
) -> None:
    portfolio_id = portfolio(area, ann)
    with pytest.raises(InvalidRequest, match=words):
        area.rebalancing.targets.set(ann, portfolio_id, {name: Decimal(each) for name, each in weights.items()})
    assert area.rebalancing.targets.get(ann, portfolio_id) == {}


def test_three_thirds_are_not_more_than_all(area: PortfolioArea, ann: Principal) -> None:
    third = Decimal(1) / 3 + Decimal("4e-9")
    kept = area.rebalancing.targets.set(ann, portfolio(area, ann), dict.fromkeys(("AAPL", "IBM", "MSFT"), third))
    assert set(kept.values()) == {Decimal("0.33333333")}


def test_targets_are_set_by_those_who_may_change_the_portfolio(
    area: PortfolioArea, ann: Principal, member: MakeMember
) -> None:
    bob = member("bob", plan="team", org="Acme", role=Role.ANALYST)
    vera = member("vera", plan="team", org="Acme", role=Role.VIEWER)
    portfolio_id, targets = portfolio(area, ann, shared_with="viewer"), area.rebalancing.targets
    targets.set(ann, portfolio_id, {"AAPL": Decimal("0.5")})
    for other in (bob, vera):
        assert targets.get(other, portfolio_id) == {"AAPL": Decimal("0.5")}
        with pytest.raises(Forbidden):
            targets.set(other, portfolio_id, {})
    stranger = member("eve")
    assert targets.get(stranger, portfolio_id) == {}
    with pytest.raises(NotFound):
        targets.set(stranger, portfolio_id, {})
    with pytest.raises(NotFound):
        area.rebalancing.drift(stranger, portfolio_id)
    with pytest.raises(NotFound):
        area.rebalancing.trades(stranger, portfolio_id, TradeCosts())
    assert targets.get(ann, portfolio_id) == {"AAPL": Decimal("0.5")}


def test_a_real_portfolio_is_led_to_its_targets_and_nothing_of_it_changes(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    wanted = {"AAPL": Decimal("0.3"), "IBM": Decimal("0.3"), "MSFT": Decimal("0.3")}
    area.rebalancing.targets.set(ann, portfolio_id, wanted)
    before = area.journal.transactions(ann, portfolio_id)
    found = area.rebalancing.trades(ann, portfolio_id, TradeCosts(Decimal(1), Decimal("0.001")))
    assert {line.symbol for line in found.lines} == set(wanted)
    dearest = max(line.price or Decimal(0) for line in found.lines)
    assert found.value is not None and found.cash_after >= 0
    for line in found.lines:
        assert line.weight_after == pytest.approx(0.3, abs=float(dearest / found.value) + 0.002)
    assert line_of(found, "MSFT").side is Side.BUY
    assert area.journal.transactions(ann, portfolio_id) == before
    weights = {line.symbol: line.weight for line in area.rebalancing.drift(ann, portfolio_id)}
    held = {line.symbol: line.weight for line in area.reports.of(ann, portfolio_id).holdings}
    assert weights == {**held, "MSFT": 0.0}


def test_a_target_that_nothing_is_known_of_is_said(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    area.rebalancing.targets.set(ann, portfolio_id, {"NOSUCH": Decimal("0.5")})
    line = line_of(area.rebalancing.trades(ann, portfolio_id, TradeCosts()), "NOSUCH")
    assert (line.side, line.price) == (None, None)
    assert "No price" in line.note


@pytest.mark.parametrize(
    ("costs", "band"),
    [
        (TradeCosts(fixed=Decimal(-1)), "0"),
        (TradeCosts(rate=Decimal(1)), "0"),
        (TradeCosts(rate=Decimal("NaN")), "0"),
        (TradeCosts(fixed=Decimal("Infinity")), "0"),
        (TradeCosts(fixed=Decimal(10) ** 9), "0"),
        (TradeCosts(), "-0.1"),
        (TradeCosts(), "1"),
    ],
    ids=["fixed-below-zero", "rate-of-all", "no-rate", "no-end", "too-much", "band-below-zero", "band-of-all"],
)
def test_terms_that_cannot_be_are_refused(area: PortfolioArea, ann: Principal, costs: TradeCosts, band: str) -> None:
    with pytest.raises(InvalidRequest):
        area.rebalancing.trades(ann, portfolio(area, ann), costs, band=Decimal(band))
