"""The tool that tells how a portfolio would stand after trades; nothing is entered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field, WithJsonSchema, model_validator

from core.accounts.profiles import Profiles
from core.ai.evidence import MAX_ROWS, Cell, Chart, Figure, Table, Unit
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotEnoughData, NotFound
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.portfolio import analysis_parts as parts
from core.portfolio.analysis import MOST_HOLDINGS, AnalysisRequest
from core.portfolio.income import share
from core.portfolio.portfolios import PortfolioInfo, Portfolios
from core.portfolio.report import Report
from core.portfolio.risk import figures
from core.portfolio.series import Series
from core.principal import Principal
from core.research.tools.arguments import Arguments
from core.research.tools.holdings import LIVE_KEEP_S, is_live
from core.research.tools.market_material import entity_of, figure, listed
from core.research.tools.portfolio_material import (
    MAX_NAME_CHARS,
    PORTFOLIO,
    ReportSource,
    benchmark_entity,
    money,
    name_of,
    plain_number,
    portfolio_entity,
    portfolio_of,
    valued_source,
)
from core.research.tools.risk import reader_of
from core.research.tools.trades import ZERO, Order, Outcome, Position, position_of, quantity_for, traded

RISK_DAYS = 365
"""Of history that volatility and beta before and after are of."""
MOST_LINES = 20
"""Of holdings that no trade touches, the largest."""
NO_RISK = "Volatility and beta are not told: "


Amount = Annotated[Decimal, Field(gt=0, le=10**12), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]


class Trade(Arguments):
    """One trade."""

    side: Literal["buy", "sell"]
    symbol: str = Field(min_length=1, max_length=20)
    quantity: Amount | None = Field(None, description="Shares")
    amount: Amount | None = Field(None, description="Money, in the portfolio's currency")
    price: Amount | None = Field(None, description="Of a share, in its own currency; default: the last")

    @model_validator(mode="after")
    def _one_size(self) -> Trade:
        if (self.quantity is None) == (self.amount is None):
            raise ValueError("give either 'quantity' or 'amount'")
        return self


class WhatIfArguments(Arguments):
    """Which trades."""

    trades: tuple[Trade, ...] = Field(min_length=1, max_length=10, description="In this order; quantity or amount")


@dataclass(frozen=True, slots=True)
class _Standing:
    """A portfolio before or after trades."""

    positions: Mapping[str, Position]
    value: Decimal | None
    cash: Decimal | None
    """None where the portfolio keeps no money."""

    def weight(self, symbol: str) -> float | None:
        """Of the value, cash included; 0 of what is not held."""
        position = self.positions.get(symbol)
        return share(ZERO if position is None else position.value, self.value)


@dataclass(frozen=True, slots=True)
class _Risk:
    """Volatility and beta of the weights before and after, each held over the same days of the last year."""

    volatility: tuple[float | None, float | None] = (None, None)
    beta: tuple[float | None, float | None] = (None, None)
    benchmark: str = ""
    benchmark_name: str = ""
    first: date | None = None
    """The first day whose return is in them."""
    n: int = 0
    note: str = ""
    """Why there is none."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A portfolio beside itself after trades."""

    report: Report
    orders: Sequence[Order]
    before: _Standing
    after: _Standing
    risk: _Risk
    notes: Sequence[str]

    @property
    def traded(self) -> list[str]:
        """Symbols of the trades, each once."""
        return list(dict.fromkeys(order.symbol for order in self.orders))

    @property
    def told(self) -> list[str]:
        """Symbols that are told of: those traded, then the largest others."""
        own = self.traded
        others = [symbol for symbol in self.before.positions if symbol not in own]
        return own + others[:MOST_LINES]


class WhatIf:
    """A portfolio after trades."""

    name = "what_if"
    description = (
        "How the portfolio would stand after trades at the last prices, without costs: weights, value, cash, "
        "unrealised gain, volatility and beta before and after. Nothing is entered or sent."
    )
    arguments: type[BaseModel] = WhatIfArguments
    needs_portfolio = True

    def __init__(self, reports: ReportSource, portfolios: Portfolios, profiles: Profiles, market: Market) -> None:
        self._reports = reports
        self._portfolios = portfolios
        self._profiles = profiles
        self._market = market

    def run(self, context: ToolContext, arguments: WhatIfArguments) -> ToolResult:
        """The portfolio before and after.

        Raises:
            NotFound: no portfolio that this caller sees.
            InvalidRequest: a symbol that cannot be, or more is sold than is held.
            NotEnoughData: no price or rate is known of what is traded.
        """
        principal, portfolio_id = context.principal, portfolio_of(context)
        report = self._reports.of(principal, portfolio_id)
        info = self._portfolios.get(principal, portfolio_id)
        positions, unknown = _positions(report)
        wanted = [checked_symbol(trade.symbol) for trade in arguments.trades]
        lacking = [each for each in wanted if each in unknown]
        if lacking:
            raise NotEnoughData(f"No price of {listed(lacking)} is known on {report.day}; nothing was computed.")
        positions |= self._strangers(principal, report, [each for each in wanted if each not in positions])
        orders = [_order(positions[symbol], trade) for symbol, trade in zip(wanted, arguments.trades, strict=True)]
        outcome = traded(positions, orders, report.cost_method)
        before = _Standing(positions, report.ribbon.value, report.ribbon.cash if info.has_cash else None)
        after = _after(before, outcome, info)
        risk = self._risk(principal, info, report, before, after)
        return _result(_Change(report, orders, before, after, risk, _notes(info, after, unknown, risk)))

    def _strangers(self, principal: Principal, report: Report, symbols: Sequence[str]) -> dict[str, Position]:
        """What is not held and is traded, at its last price."""
        if not symbols:
            return {}
        as_of = self._market.time.of(principal)
        quotes = self._market.quotes.get(symbols, as_of, principal.org_id)
        known = self._market.instruments.many(symbols, as_of, principal)
        found = {}
        for symbol in dict.fromkeys(symbols):
            quote, instrument = quotes.get(symbol), known.get(symbol)
            if quote is None or quote.price is None:
                raise NotEnoughData(f"No price of {symbol} is known on {as_of.day}; nothing was computed.")
            currency = quote.currency or (instrument.currency if instrument is not None else "") or report.currency
            rate = self._market.fx.rate(currency, report.currency, as_of.day)
            if rate is None:
                raise NotEnoughData(f"No exchange rate from {currency} to {report.currency} is known.")
            name = symbol if instrument is None else instrument.name
            found[symbol] = Position(symbol, name, currency, quote.price, rate)
        return found

    def _risk(
        self, principal: Principal, info: PortfolioInfo, report: Report, before: _Standing, after: _Standing
    ) -> _Risk:
        weights = _weights(before, after)
        if weights is None:
            return _Risk(note=f"{NO_RISK}not every weight is known.")
        if not 0 < len(weights) <= MOST_HOLDINGS:
            return _Risk(note=f"{NO_RISK}they are of 1 to {MOST_HOLDINGS} holdings.")
        organisation = self._profiles.organisation(principal)
        benchmark = info.benchmark or organisation.benchmark
        request = AnalysisRequest(report.day - timedelta(days=RISK_DAYS), None, benchmark)
        reader = reader_of(self._market, principal, report, request)
        held = reader.held(_series_of(report.day, weights))
        if len(held.symbols) < len(weights):
            lacking = listed(sorted(set(weights) - set(held.symbols)))
            return _Risk(note=f"{NO_RISK}there are no bars of {lacking}.")
        try:
            days, closes = reader.benchmark_closes(report.day - timedelta(days=RISK_DAYS))
            other = parts.simple_returns(parts.on_days(held.days, days, closes))
        except NotFound:
            other = np.full(len(held.days), np.nan)
        common = np.isfinite(held.returns).all(axis=1)
        rate = float(organisation.risk_free_rate)
        both = [
            figures(
                held.returns[common] @ np.array([weights[symbol][place] for symbol in held.symbols]),
                other[common],
                rate,
            ).as_shown()
            for place in (0, 1)
        ]
        first = parts.dates(held.days[common][:1])
        return _Risk(
            volatility=(both[0].volatility, both[1].volatility),
            beta=(both[0].beta, both[1].beta),
            benchmark=benchmark,
            benchmark_name=name_of(self._market, principal, benchmark),
            first=first[0] if first else None,
            n=both[0].n,
            note="" if both[0].volatility is not None else f"{NO_RISK}there are too few days with all prices.",
        )


def _positions(report: Report) -> tuple[dict[str, Position], list[str]]:
    """What is held by symbol, the largest first, and what has no price."""
    found, unknown = {}, []
    for line in report.holdings:
        position = position_of(line, report.cost_method)
        if position is None:
            unknown.append(line.symbol)
        else:
            found[line.symbol] = position
    return found, unknown


def _order(position: Position, trade: Trade) -> Order:
    price = trade.price or position.price
    quantity = trade.quantity
    if quantity is None:
        quantity = quantity_for(trade.amount or ZERO, position, price)
    return Order(trade.side, position.symbol, quantity, price)


def _after(before: _Standing, outcome: Outcome, info: PortfolioInfo) -> _Standing:
    gained = sum((each.value for each in outcome.positions.values()), ZERO)
    had = sum((each.value for each in before.positions.values()), ZERO)
    paid = outcome.paid if info.has_cash else ZERO
    return _Standing(
        outcome.positions,
        None if before.value is None else before.value + gained - had - paid,
        None if before.cash is None else before.cash - outcome.paid,
    )


def _notes(info: PortfolioInfo, after: _Standing, unknown: Sequence[str], risk: _Risk) -> list[str]:
    notes = ["Nothing was entered; costs of trading and taxes are not counted."]
    if unknown:
        notes.append(f"No price of {listed(unknown)} is known: the value and weights cannot be told.")
    if after.cash is not None and after.cash < 0:
        notes.append("The cash would be below zero: the purchases cost more than there is.")
    if not info.has_cash:
        notes.append("This portfolio keeps no money: purchases are paid from outside, and proceeds go there.")
    if risk.note:
        notes.append(risk.note)
    return notes


def _weights(before: _Standing, after: _Standing) -> dict[str, tuple[float, float]] | None:
    """Weights before and after of what is held before or after; None where one is not known."""
    found = {}
    for symbol, position in before.positions.items():
        if not position.quantity and not after.positions[symbol].quantity:
            continue
        pair = before.weight(symbol), after.weight(symbol)
        if pair[0] is None or pair[1] is None:
            return None
        found[symbol] = (pair[0], pair[1])
    return found


def _series_of(day: date, weights: Mapping[str, tuple[float, float]]) -> Series:
    """One day on which each is worth its larger weight, as a reader of closes takes it."""
    days = np.array([day], dtype="datetime64[D]")
    values = np.array([[max(pair)] for pair in weights.values()])
    none = np.zeros_like(values)
    one = np.zeros(1)
    return Series(days, values.sum(axis=0), one, one, one, {}, tuple(weights), values, none)


def _result(change: _Change) -> ToolResult:
    report, before, after, risk = change.report, change.before, change.after, change.risk
    lines = [_line(change, symbol) for symbol in change.told]
    content: dict[str, Any] = {
        "currency": report.currency,
        "day": report.day,
        "trades": [_trade(change, order) for order in change.orders],
        "before": _sums(before, risk, 0),
        "after": _sums(after, risk, 1),
        "benchmark": risk.benchmark or None,
        "n": risk.n,
        "holdings": lines,
    }
    columns = ("Symbol", "Name", "Weight before", "Weight after", "Value before", "Value after")
    rows = tuple(_table_row(change, symbol) for symbol in after.positions)
    benchmark = (benchmark_entity(risk.benchmark, risk.benchmark_name),) if risk.benchmark else ()
    return ToolResult(
        words=f"If {_words(change)} in {cleaned(report.name, MAX_NAME_CHARS)}",
        content=content,
        figures=_figures(change, lines),
        entities=(
            portfolio_entity(report.name),
            *(entity_of(each, cleaned(after.positions[each].name, MAX_NAME_CHARS)) for each in change.told),
            *benchmark,
        ),
        source=valued_source(report),
        table=Table(columns=columns, rows=rows[:MAX_ROWS], more=max(0, len(rows) - MAX_ROWS)),
        chart=Chart(kind="bar", x="Symbol", y=columns[2:4], unit="fraction", title="Weights before and after"),
        keep_s=LIVE_KEEP_S if any(is_live(line) for line in report.holdings) else None,
        notes=change.notes,
    )


def _words(change: _Change) -> str:
    words = {"buy": "bought", "sell": "sold"}
    told = [f"{plain_number(each.quantity)} {each.symbol} were {words[each.side]}" for each in change.orders]
    return listed(told)


def _trade(change: _Change, order: Order) -> dict[str, Any]:
    position = change.before.positions[order.symbol]
    value = order.quantity * order.price * position.fx_rate
    return {
        "side": order.side,
        "symbol": order.symbol,
        "quantity": order.quantity,
        "price": order.price,
        "price_currency": position.currency,
        "value": value,
    }


def _sums(standing: _Standing, risk: _Risk, place: int) -> dict[str, Any]:
    return {
        "value": standing.value,
        "cash": standing.cash,
        "volatility": risk.volatility[place],
        "beta": risk.beta[place],
    }


def _line(change: _Change, symbol: str) -> dict[str, Any]:
    before, after = change.before.positions[symbol], change.after.positions[symbol]
    weights = change.before.weight(symbol), change.after.weight(symbol)
    told: dict[str, Any] = {
        "symbol": symbol,
        "weight_before": weights[0],
        "weight_after": weights[1],
        "value_before": before.value,
        "value_after": after.value,
    }
    if symbol not in change.traded:
        return told
    return told | {
        "weight_change": None if weights[0] is None or weights[1] is None else weights[1] - weights[0],
        "quantity_before": before.quantity,
        "quantity_after": after.quantity,
        "cost_before": before.cost,
        "cost_after": after.cost,
        "unrealised_before": before.unrealised,
        "unrealised_after": after.unrealised,
        "realised": after.realised,
    }


_LINE: Mapping[str, tuple[str, Unit]] = {
    "weight_before": ("weight", "fraction"),
    "weight_after": ("weight_after", "fraction"),
    "weight_change": ("weight_change", "fraction"),
    "value_before": ("holding_value", "money"),
    "value_after": ("holding_value_after", "money"),
    "quantity_before": ("quantity", "number"),
    "quantity_after": ("quantity_after", "number"),
    "cost_before": ("cost", "money"),
    "cost_after": ("cost_after", "money"),
    "unrealised_before": ("unrealised", "money"),
    "unrealised_after": ("unrealised_after", "money"),
    "realised": ("realised_by_trades", "money"),
}
"""Numbers of a line: their measures and units."""


def _table_row(change: _Change, symbol: str) -> tuple[Cell, ...]:
    before, after = change.before.positions[symbol], change.after.positions[symbol]
    weights = change.before.weight(symbol), change.after.weight(symbol)
    return (symbol, after.name, *weights, money(before.value), money(after.value))


def _figures(change: _Change, lines: Sequence[Mapping[str, Any]]) -> list[Figure]:
    report, risk, day = change.report, change.risk, change.report.day
    found: list[Figure] = []
    for suffix, standing, place in (("", change.before, 0), ("_after", change.after, 1)):
        for measure, amount in ((f"portfolio_value{suffix}", standing.value), (f"cash{suffix}", standing.cash)):
            found += figure(PORTFOLIO, measure, amount, "money", day=day, currency=report.currency)
        name = suffix or "_before"
        found += figure(PORTFOLIO, f"volatility{name}", risk.volatility[place], "fraction", day=day, first=risk.first)
        found += figure(PORTFOLIO, f"beta{name}", risk.beta[place], "number", day=day, first=risk.first)
    if risk.n:
        found += figure(PORTFOLIO, "n", risk.n, "number", day=day, first=risk.first)
    for line in lines:
        for name, value in line.items():
            if name in _LINE:
                measure, unit = _LINE[name]
                currency = report.currency if unit == "money" else ""
                found += figure(line["symbol"], measure, value, unit, day=day, currency=currency)
    for order in change.orders:
        told = _trade(change, order)
        found += figure(order.symbol, "trade_quantity", order.quantity, "number", day=day)
        measure = "last_price" if order.price == change.before.positions[order.symbol].price else "trade_price"
        found += figure(order.symbol, measure, order.price, "price", day=day, currency=told["price_currency"])
        found += figure(order.symbol, "trade_value", told["value"], "money", day=day, currency=report.currency)
    return found
