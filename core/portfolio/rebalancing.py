"""How a portfolio is wanted, how far it is from there, and which trades would lead there. Nothing is ever sent.

Proposals come from known prices and are exact: sales first, then purchases from the money that there is then, each with
its costs. A holding that has no target stays as it is; to be rid of it, its target is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from core.accounts.permissions import Action, require
from core.db import portfolio_targets_dao as dao
from core.db import portfolios_dao
from core.db.engine import Database
from core.errors import Forbidden, InvalidRequest
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.portfolio.portfolios import seen
from core.portfolio.report import Report
from core.principal import Principal

MOST_TARGETS = 500
WEIGHT_UNIT = Decimal("0.00000001")
"""Weights are kept to so much, rounded down: three thirds are not more than all."""
MOST_COST = Decimal(10) ** 9
SHARE_PLACES = 6
"""Decimals of a quantity where parts of shares are traded."""
ZERO = Decimal(0)


class Side(StrEnum):
    """Which way a trade goes."""

    SELL = "sell"
    BUY = "buy"


@dataclass(frozen=True, slots=True)
class TradeCosts:
    """What a trade costs, in the portfolio's currency."""

    fixed: Decimal = ZERO
    """For each trade."""
    rate: Decimal = ZERO
    """Of its value: 0.001 is 0.1 %."""

    def of(self, value: Decimal) -> Decimal:
        """The costs of a trade of this value; 0 where nothing is traded."""
        return self.fixed + self.rate * value if value > 0 else ZERO


@dataclass(frozen=True, slots=True)
class DriftLine:
    """One holding, or target, beside how it is wanted."""

    symbol: str
    name: str
    weight: float | None
    """Of the portfolio's value; None where any value is missing."""
    target: Decimal | None
    """None: it has none, and stays as it is."""
    drift: float | None
    """Weight less target."""


@dataclass(frozen=True, slots=True)
class TradeLine:
    """What is proposed for one symbol."""

    symbol: str
    name: str
    side: Side | None
    """None: nothing is traded; `note` says why."""
    quantity: Decimal
    """Shares, above 0 where something is traded."""
    price: Decimal | None
    """In `currency`."""
    currency: str
    value: Decimal
    """In the portfolio's currency, without costs."""
    costs: Decimal
    weight: float | None
    target: Decimal | None
    weight_after: float | None
    """Of what the portfolio is worth after all trades and their costs."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Trades that would lead to the targets: a proposal alone."""

    lines: Sequence[TradeLine]
    """Sales first, then purchases, then what is not traded."""
    currency: str
    value: Decimal | None
    """Of the portfolio now; None where it is not known, and nothing is proposed."""
    cash_before: Decimal
    cash_after: Decimal
    cost_total: Decimal
    turnover: float | None
    """All that is traded ÷ 2 ÷ value."""
    notes: Sequence[str] = ()


class ReportSource(Protocol):
    """Where reports come from; `core.portfolio.reports` has them."""

    def of(self, principal: Principal, portfolio_id: UUID) -> Report:
        """The report of a portfolio that the principal sees; NotFound otherwise."""


class Targets:
    """Target weights of portfolios."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, principal: Principal, portfolio_id: UUID) -> Mapping[str, Decimal]:
        """Weights by symbol, the largest first; none of a portfolio that the principal does not see."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return dao.targets(connection, portfolio_id)

    def set(self, principal: Principal, portfolio_id: UUID, weights: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
        """Puts these weights in the place of all that there were; what is left of 1 stays money.

        Raises:
            InvalidRequest: a weight that is not from 0 to 1, more than 1 in all, or what cannot be a symbol.
            NotFound: no portfolio of that id that this caller sees.
            Forbidden: the principal may not change the portfolio.
        """
        require(principal, Action.KEEP_PORTFOLIOS)
        checked = _checked_weights(weights)
        with self._database.app(principal) as connection:
            info = seen(connection, principal, portfolio_id)
            if not portfolios_dao.lock_portfolio(connection, portfolio_id):
                raise Forbidden(f"Your role may not change the portfolio {info.name}; its maker can let it.")
            dao.set_targets(connection, portfolio_id, checked)
        return checked


class Rebalancing:
    """Targets, the drift from them, and proposals of trades."""

    def __init__(self, database: Database, reports: ReportSource, market: Market) -> None:
        self.targets = Targets(database)
        self._reports = reports
        self._market = market

    def drift(self, principal: Principal, portfolio_id: UUID) -> Sequence[DriftLine]:
        """Each holding and target, the furthest from its target first.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        report = self._reports.of(principal, portfolio_id)
        return drift(report, self.targets.get(principal, portfolio_id))

    def trades(
        self,
        principal: Principal,
        portfolio_id: UUID,
        costs: TradeCosts,
        *,
        band: Decimal = ZERO,
        whole_shares: bool = True,
    ) -> Plan:
        """Trades that lead to the targets as the principal sees the portfolio now.

        Args:
            principal: who asks.
            portfolio_id: of a portfolio that they see.
            costs: of each trade.
            band: how far, as a fraction of the portfolio, a weight may be from its target before it is traded.
            whole_shares: whether parts of a share cannot be traded.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
            InvalidRequest: costs or a band that cannot be.
        """
        _check_terms(costs, band)
        report = self._reports.of(principal, portfolio_id)
        weights = self.targets.get(principal, portfolio_id)
        assets = _assets(report, weights)
        assets.update(self._strangers(principal, report, weights))
        return proposed(report, assets, Terms(costs, band, whole_shares))

    def _strangers(self, principal: Principal, report: Report, weights: Mapping[str, Decimal]) -> dict[str, Asset]:
        """What is wanted and not held, at its last known price."""
        held = {line.symbol for line in report.holdings}
        strangers = [symbol for symbol in weights if symbol not in held]
        if not strangers:
            return {}
        as_of = self._market.time.of(principal)
        found = {}
        for symbol, quote in self._market.quotes.get(strangers, as_of, principal.org_id).items():
            currency = quote.currency or report.currency
            rate = self._market.fx.rate(currency, report.currency, as_of.day)
            found[symbol] = Asset(symbol, symbol, ZERO, quote.price, currency, rate, weights.get(symbol))
        return found


@dataclass(frozen=True, slots=True)
class Asset:
    """What can be traded: a holding, or what is wanted and not held."""

    symbol: str
    name: str
    quantity: Decimal
    price: Decimal | None
    """In `currency`."""
    currency: str
    fx_rate: Decimal | None
    """Portfolio's currency for one of `currency`."""
    target: Decimal | None

    @property
    def unit(self) -> Decimal | None:
        """A share in the portfolio's currency; None where price or rate is not known."""
        known = self.price is not None and self.fx_rate is not None and self.price > 0
        return self.price * self.fx_rate if known and self.price and self.fx_rate else None

    @property
    def value(self) -> Decimal | None:
        """Of what is held, in the portfolio's currency; 0 where nothing is."""
        if not self.quantity:
            return ZERO
        return None if self.unit is None else self.quantity * self.unit


@dataclass(frozen=True, slots=True)
class Terms:
    """How trades are proposed."""

    costs: TradeCosts
    band: Decimal
    whole_shares: bool

    def rounded(self, quantity: Decimal) -> Decimal:
        """Down to what can be traded."""
        places = Decimal(1) if self.whole_shares else Decimal(1).scaleb(-SHARE_PLACES)
        return quantity.quantize(places, ROUND_DOWN)


def drift(report: Report, weights: Mapping[str, Decimal]) -> list[DriftLine]:
    """Each holding and target beside how it is wanted, the furthest from its target first, then what has none."""
    lines = []
    held = {line.symbol: line for line in report.holdings}
    for symbol in {**held, **weights}:
        line, target = held.get(symbol), weights.get(symbol)
        weight = line.weight if line is not None else 0.0
        away = None if weight is None or target is None else weight - float(target)
        lines.append(DriftLine(symbol, line.name if line is not None else symbol, weight, target, away))
    return sorted(lines, key=lambda each: (each.drift is None, -abs(each.drift or 0.0), each.symbol))


def proposed(report: Report, assets: Mapping[str, Asset], terms: Terms) -> Plan:
    """Trades that lead to the targets: sales first, then as many purchases as the money then allows.

    A weight is of all that has a known value. Quantities are rounded down, a holding whose target is 0 is sold whole.
    """
    cash = sum((line.value for line in report.cash if line.value is not None), ZERO)
    notes = _unknown(report, assets)
    total = cash + sum((asset.value or ZERO for asset in assets.values()), ZERO)
    if total <= 0:
        notes.append("The portfolio is worth nothing that is known, so nothing is proposed.")
        return Plan((), report.currency, None, cash, cash, ZERO, None, tuple(notes))
    wanted = {symbol: _wanted(asset, total, terms) for symbol, asset in assets.items()}
    sales = {symbol: _sale(assets[symbol], each, terms) for symbol, each in wanted.items() if each.amount < 0}
    money = cash + sum((sale.value - sale.costs for sale in sales.values()), ZERO)
    purchases = _purchases(assets, {symbol: each for symbol, each in wanted.items() if each.amount > 0}, money, terms)
    traded = {**wanted, **sales, **purchases}
    after = total - sum((each.costs for each in traded.values()), ZERO)
    lines = [_line(assets[symbol], each, total, after) for symbol, each in traded.items()]
    lines.sort(key=lambda line: (line.side is None, line.side is Side.BUY, -line.value, line.symbol))
    bought = sum((line.value for line in lines if line.side is Side.BUY), ZERO)
    sold = sum((line.value for line in lines if line.side is Side.SELL), ZERO)
    paid = total - after
    return Plan(
        lines=tuple(lines),
        currency=report.currency,
        value=total,
        cash_before=cash,
        cash_after=cash + sold - bought - paid,
        cost_total=paid,
        turnover=float((bought + sold) / 2 / total),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _Trade:
    """How much of an asset is to be traded: first in money, then in shares."""

    amount: Decimal = ZERO
    """In the portfolio's currency, above 0 to buy."""
    quantity: Decimal = ZERO
    value: Decimal = ZERO
    costs: Decimal = ZERO
    note: str = ""


def _wanted(asset: Asset, total: Decimal, terms: Terms) -> _Trade:
    if asset.target is None:
        return _Trade(note="It has no target and stays as it is.")
    value = asset.value
    if value is None or asset.unit is None:
        return _Trade(note="No price or exchange rate is known, so no trade is proposed.")
    away = asset.target * total - value
    if away == 0 or abs(away) <= terms.band * total:
        return _Trade(note="It is where it is wanted." if away == 0 else "It is within the band.")
    return _Trade(amount=away)


def _sale(asset: Asset, wanted: _Trade, terms: Terms) -> _Trade:
    assert asset.unit is not None
    quantity = min(asset.quantity, terms.rounded(-wanted.amount / asset.unit))
    if asset.target == 0:
        quantity = asset.quantity
    if not quantity:
        return _Trade(note="It is off by less than one share.")
    value = quantity * asset.unit
    costs = terms.costs.of(value)
    if costs >= value:
        return _Trade(note="The sale would cost more than it brings.")
    return _Trade(wanted.amount, quantity, value, costs)


def _purchases(
    assets: Mapping[str, Asset], wanted: Mapping[str, _Trade], money: Decimal, terms: Terms
) -> dict[str, _Trade]:
    """Purchases that the money allows, costs included: all by the same share of what is wanted, the smallest left out
    first where not even the fixed costs can be paid."""
    left = sorted(wanted, key=lambda symbol: (-wanted[symbol].amount, symbol))
    found = {symbol: _Trade(note="There is not enough money to buy it.") for symbol in left}
    fixed, rate = terms.costs.fixed, terms.costs.rate
    while left and money <= fixed * len(left):
        left.pop()
    if not left:
        return found
    needed = sum((wanted[symbol].amount for symbol in left), ZERO) * (1 + rate)
    share = min(Decimal(1), (money - fixed * len(left)) / needed)
    for symbol in left:
        unit = assets[symbol].unit
        assert unit is not None
        quantity = terms.rounded(wanted[symbol].amount * share / unit)
        value = quantity * unit
        trade = _Trade(wanted[symbol].amount, quantity, value, terms.costs.of(value))
        found[symbol] = trade if quantity else _Trade(note="It is off by less than one share that can be paid.")
    return found


def _line(asset: Asset, trade: _Trade, total: Decimal, after: Decimal) -> TradeLine:
    side = None if not trade.quantity else (Side.BUY if trade.amount > 0 else Side.SELL)
    held = asset.value
    change = ZERO if side is None else (trade.value if side is Side.BUY else -trade.value)
    return TradeLine(
        symbol=asset.symbol,
        name=asset.name,
        side=side,
        quantity=trade.quantity,
        price=asset.price,
        currency=asset.currency,
        value=trade.value,
        costs=trade.costs,
        weight=None if held is None else float(held / total),
        target=asset.target,
        weight_after=None if held is None or after <= 0 else float((held + change) / after),
        note=trade.note,
    )


def _assets(report: Report, weights: Mapping[str, Decimal]) -> dict[str, Asset]:
    """All that is held or wanted."""
    found = {
        line.symbol: Asset(
            line.symbol,
            line.name,
            line.quantity,
            line.price.price,
            line.currency,
            line.fx_rate,
            weights.get(line.symbol),
        )
        for line in report.holdings
    }
    for symbol in weights.keys() - found.keys():
        found[symbol] = Asset(symbol, symbol, ZERO, None, report.currency, None, weights[symbol])
    return found


def _unknown(report: Report, assets: Mapping[str, Asset]) -> list[str]:
    """What has no known value, and is in no weight."""
    names = [symbol for symbol, asset in assets.items() if asset.value is None]
    names += [f"money in {line.currency}" for line in report.cash if line.value is None]
    return [f"Weights leave out what has no known value: {', '.join(sorted(names))}."] if names else []


def _check_terms(costs: TradeCosts, band: Decimal) -> None:
    for number, name in ((costs.fixed, "fixed cost"), (costs.rate, "cost rate"), (band, "band")):
        if not number.is_finite() or number < 0:
            raise InvalidRequest(f"The {name} is not below zero.")
    if costs.rate >= 1 or band >= 1:
        raise InvalidRequest("The cost rate and the band are fractions below 1: 0.001 is 0.1 %.")
    if costs.fixed >= MOST_COST:
        raise InvalidRequest(f"The fixed cost of a trade is below {MOST_COST:,}.")


def _checked_weights(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    if len(weights) > MOST_TARGETS:
        raise InvalidRequest(f"A portfolio has at most {MOST_TARGETS} targets.")
    found: dict[str, Decimal] = {}
    for text, weight in weights.items():
        symbol = checked_symbol(text)
        if symbol in found:
            raise InvalidRequest(f"{symbol} has two targets.")
        if not weight.is_finite() or not 0 <= weight <= 1:
            raise InvalidRequest(f"The target of {symbol} is a fraction from 0 to 1: 0.05 is 5 %.")
        found[symbol] = weight.quantize(WEIGHT_UNIT, ROUND_DOWN)
    total = sum(found.values(), ZERO)
    if total > 1:
        raise InvalidRequest(f"The targets come to {total * 100:.4f} %, more than 100 %.")
    return found
