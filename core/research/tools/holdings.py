"""The tool that tells what is held: lines, money, sums, sectors, currencies and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.ai.evidence import MAX_ROWS, Cell, Chart, Entity, Figure, Table, Unit
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import InvalidRequest
from core.market.symbols import checked_symbol
from core.portfolio.holdings import CASH
from core.portfolio.income import YEAR, share, total
from core.portfolio.report import CostMethod, HoldingLine, Report
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import figure, listed
from core.research.tools.portfolio_checks import check_figures, told_checks
from core.research.tools.portfolio_material import (
    MAX_NAME_CHARS,
    PORTFOLIO,
    ReportSource,
    entities,
    money,
    portfolio_of,
    valued_source,
)

Order = Literal[
    "value", "weight", "cost", "unrealised", "unrealised_share", "realised", "income", "day_change", "symbol"
]
MOST_PARTS = 15
"""Sectors, and currencies, that are told."""
LIVE_KEEP_S = 300.0
"""So long figures at live prices are fresh."""
_LINE: tuple[tuple[str, str, Unit], ...] = (
    ("quantity", "quantity", "number"),
    ("price", "last_price", "price"),
    ("value", "holding_value", "money"),
    ("weight", "weight", "fraction"),
    ("cost", "cost", "money"),
    ("cost_per_share", "average_cost", "price"),
    ("unrealised", "unrealised", "money"),
    ("unrealised_share", "unrealised_share", "fraction"),
    ("realised", "realised", "money"),
    ("income", "income", "money"),
    ("day_change", "day_change", "money"),
    ("target", "target_weight", "fraction"),
)
"""Numbers of a line: its name, its measure and its unit."""
_COLUMNS = ("Symbol", "Name", "Sector", "Currency", *(name.replace("_", " ").capitalize() for name, _, _ in _LINE))


class HoldingsArguments(Arguments):
    """Which lines, and in which order."""

    symbols: tuple[str, ...] = Field((), max_length=20, description="Only these symbols; empty: all")
    sort: Order = Field("value", description="Largest first by this; symbol: A to Z")
    ascending: bool = Field(False, description="Smallest first")
    most: int = Field(20, ge=1, le=50, description="Lines at most")


class Holdings:
    """Lines of a portfolio at the last known prices."""

    name = "holdings"
    description = (
        "The portfolio's holdings at the last known prices: quantity, price, value, weight, cost, gains, income, day's "
        "change, sector; cash, totals, sectors, currencies, checks. Money in the portfolio's currency, shares as "
        "fractions of one."
    )
    arguments: type[BaseModel] = HoldingsArguments
    needs_portfolio = True

    def __init__(self, reports: ReportSource) -> None:
        self._reports = reports

    def run(self, context: ToolContext, arguments: HoldingsArguments) -> ToolResult:
        """The lines that are asked for, and the sums of all.

        Raises:
            NotFound: no portfolio that this caller sees.
            InvalidRequest: a symbol that cannot be one, or that is not held.
        """
        report = self._reports.of(context.principal, portfolio_of(context))
        asked = [checked_symbol(each) for each in arguments.symbols]
        lines = _sorted(_chosen(report, asked), arguments.sort, arguments.ascending)
        told = lines[: arguments.most]
        sectors, sector_entities = _sectors(report)
        content = {
            "currency": report.currency,
            "day": report.day,
            "totals": _totals(report),
            "holdings": [_line(line, report.currency) for line in told],
            "more_holdings": len(lines) - len(told),
            "cash": [_cash(each.currency, each.amount, each.value) for each in report.cash],
            "sectors": sectors[:MOST_PARTS],
            "currencies": _parts(report.currencies, report, "currency")[:MOST_PARTS],
            "checks": told_checks(report),
        }
        return ToolResult(
            words=_words(report, asked),
            content=content,
            figures=(*_figures(report, told), *_part_figures(report), *check_figures(report)),
            entities=(*entities(report, (line.symbol for line in told)), *sector_entities),
            source=valued_source(report),
            table=_table(report, lines),
            chart=Chart(kind="bar", x="Symbol", y=("Value",), unit="money", title=f"Value, {report.currency}")
            if lines
            else None,
            keep_s=LIVE_KEEP_S if any(is_live(line) for line in report.holdings) else None,
            notes=tuple(report.notes) + _line_notes(told),
        )


def is_live(line: HoldingLine) -> bool:
    """Whether the price of a holding is of a source that is asked anew."""
    return line.price.source != "sample" and line.price.price is not None


def _words(report: Report, asked: Sequence[str]) -> str:
    of = f"{listed(asked)} in " if asked else ""
    return f"Holdings of {of}{cleaned(report.name, MAX_NAME_CHARS)} on {report.day}"


def _chosen(report: Report, asked: Sequence[str]) -> list[HoldingLine]:
    held = {line.symbol: line for line in report.holdings}
    missing = [each for each in asked if each not in held]
    if missing:
        is_are = "is" if len(missing) == 1 else "are"
        raise InvalidRequest(f"{listed(missing)} {is_are} not held in this portfolio on {report.day}.")
    return [held[each] for each in dict.fromkeys(asked)] if asked else list(report.holdings)


def _sorted(lines: Sequence[HoldingLine], sort: Order, is_ascending: bool) -> list[HoldingLine]:
    """Lines in order; those whose number is missing stand last either way."""
    if sort == "symbol":
        return sorted(lines, key=lambda line: line.symbol, reverse=is_ascending)
    known = [line for line in lines if getattr(line, sort) is not None]
    missing = [line for line in lines if getattr(line, sort) is None]
    known.sort(key=lambda line: line.symbol)
    known.sort(key=lambda line: float(getattr(line, sort)), reverse=not is_ascending)
    return known + missing


def _totals(report: Report) -> dict[str, Any]:
    """The sums of the whole portfolio, whichever lines are shown."""
    ribbon, lines = report.ribbon, report.holdings
    cost, unrealised = total(line.cost for line in lines), total(line.unrealised for line in lines)
    return {
        "value": money(ribbon.value),
        "cash": money(ribbon.cash),
        "cash_share": share(ribbon.cash, ribbon.value),
        "holdings": len(lines),
        "cost": money(cost),
        "unrealised": money(unrealised),
        "unrealised_share": share(unrealised, cost),
        "realised": money(_realised(report)),
        "total_gain": money(ribbon.total_gain),
        "day_change": money(ribbon.day_change),
        "day_change_share": ribbon.day_change_share,
        "time_weighted": ribbon.time_weighted.value,
        "money_weighted": ribbon.money_weighted.value,
        "income_last_365_days": money(report.income.last_year_gross),
        "income_yield": report.income.yield_on_value,
    }


def _realised(report: Report) -> Decimal | None:
    """By all sales, also of what is held no more; None where a cost or rate is not known."""
    is_fifo = report.cost_method is CostMethod.FIFO
    costs = total(each.fifo_cost_base if is_fifo else each.average_cost_base for each in report.disposals)
    proceeds = total(each.proceeds_base for each in report.disposals)
    return None if costs is None or proceeds is None else proceeds - costs


_TOTALS: Mapping[str, tuple[str, Unit]] = {
    "value": ("portfolio_value", "money"),
    "cash": ("cash", "money"),
    "cash_share": ("cash_share", "fraction"),
    "holdings": ("holdings", "number"),
    "cost": ("cost", "money"),
    "unrealised": ("unrealised", "money"),
    "unrealised_share": ("unrealised_share", "fraction"),
    "realised": ("realised", "money"),
    "total_gain": ("total_gain", "money"),
    "day_change": ("day_change", "money"),
    "day_change_share": ("day_change_share", "fraction"),
    "time_weighted": ("time_weighted", "fraction"),
    "money_weighted": ("money_weighted", "fraction"),
    "income_last_365_days": ("income", "money"),
    "income_yield": ("income_yield", "fraction"),
}


def _numbers(line: HoldingLine) -> dict[str, float | None]:
    cost = None if line.cost is None or not line.quantity else line.cost / line.quantity
    return {
        "quantity": float(line.quantity),
        "price": money(line.price.price),
        "value": money(line.value),
        "weight": line.weight,
        "cost": money(line.cost),
        "cost_per_share": money(cost),
        "unrealised": money(line.unrealised),
        "unrealised_share": line.unrealised_share,
        "realised": money(line.realised),
        "income": money(line.income),
        "day_change": money(line.day_change),
        "target": money(line.target),
    }


def _line(line: HoldingLine, currency: str) -> dict[str, Any]:
    told: dict[str, Any] = {"symbol": line.symbol, "name": cleaned(line.name, MAX_NAME_CHARS)}
    if line.sector:
        told["sector"] = cleaned(line.sector, MAX_NAME_CHARS)
    told.update({name: value for name, value in _numbers(line).items() if name != "target" or value is not None})
    if line.currency != currency:
        told["price_currency"] = line.currency
    if line.price.is_stale:
        told["is_stale"] = True
    if line.price.is_generated:
        told["is_generated"] = True
    return told


def _cash(currency: str, amount: Decimal, value: Decimal | None) -> dict[str, Any]:
    return {"currency": currency, "amount": money(amount), "value": money(value)}


def _parts(parts: Mapping[str, Decimal], report: Report, name: str) -> list[dict[str, Any]]:
    value = report.ribbon.value
    return [{name: each, "value": money(part), "share": share(part, value)} for each, part in parts.items()]


def _sectors(report: Report) -> tuple[list[dict[str, Any]], list[Entity]]:
    """The sectors, and each as an entity; money is none."""
    told = _parts({cleaned(name, MAX_NAME_CHARS): part for name, part in report.sectors.items()}, report, "sector")
    found = [_sector_entity(each["sector"]) for each in told[:MOST_PARTS] if each["sector"] != CASH]
    found += [_currency_entity(code) for code in list(report.currencies)[:MOST_PARTS]]
    return told, found


def _sector_entity(name: str) -> Entity:
    return Entity(key=f"sector {name}", names=(name, f"{name} sector"))


def _currency_entity(code: str) -> Entity:
    names = (f"in {code}", f"{code} share", f"{code} holdings", f"{code} assets")
    return Entity(key=f"currency {code}", names=names)


def _figures(report: Report, lines: Sequence[HoldingLine]) -> list[Figure]:
    found = figure(PORTFOLIO, "day", report.day, day=report.day)
    begins = {
        "time_weighted": report.ribbon.time_weighted.first,
        "money_weighted": report.ribbon.time_weighted.first,
        "income_last_365_days": report.day - YEAR + timedelta(days=1),
    }
    for name, value in _totals(report).items():
        measure, unit = _TOTALS[name]
        currency = report.currency if unit == "money" else ""
        first = begins.get(name)
        found += figure(PORTFOLIO, measure, value, unit, day=report.day, first=first, currency=currency)
    for line in lines:
        numbers = _numbers(line)
        for name, measure, unit in _LINE:
            currency = line.currency if name == "price" else report.currency if unit in ("money", "price") else ""
            found += figure(line.symbol, measure, numbers[name], unit, day=report.day, currency=currency)
    for cash in report.cash:
        found += figure(PORTFOLIO, "cash", cash.amount, "money", day=report.day, currency=cash.currency)
        found += figure(PORTFOLIO, "cash", cash.value, "money", day=report.day, currency=report.currency)
    return found


def _part_figures(report: Report) -> list[Figure]:
    found: list[Figure] = []
    value = report.ribbon.value
    for prefix, parts in (("sector", report.sectors), ("currency", report.currencies)):
        for name, part in list(parts.items())[:MOST_PARTS]:
            entity = PORTFOLIO if name == CASH else f"{prefix} {cleaned(name, MAX_NAME_CHARS)}"
            measures = ("cash", "cash_share") if name == CASH else (f"{prefix}_value", f"{prefix}_share")
            found += figure(entity, measures[0], part, "money", day=report.day, currency=report.currency)
            found += figure(entity, measures[1], share(part, value), "fraction", day=report.day)
    return found


def _table(report: Report, lines: Sequence[HoldingLine]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for line in lines[:MAX_ROWS]:
        numbers = _numbers(line)
        rows.append((line.symbol, line.name, line.sector, line.currency, *(numbers[name] for name, _, _ in _LINE)))
    return Table(columns=_COLUMNS, rows=tuple(rows), more=max(0, len(lines) - MAX_ROWS))


def _line_notes(lines: Sequence[HoldingLine]) -> tuple[str, ...]:
    return tuple(f"{line.symbol}: {line.note}" for line in lines if line.note)
