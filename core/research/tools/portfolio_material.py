"""What the tools of a portfolio share: which one it is, what it and its holdings are called, and sources."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from core.ai.evidence import Entity, Source
from core.ai.outside import cleaned
from core.ai.tools import ToolContext
from core.errors import InvalidRequest
from core.market.market import Market
from core.portfolio.report import HoldingLine, Performance, Report
from core.principal import Principal
from core.research.tools.market_material import entity_of

PORTFOLIO = "portfolio"
"""Key of the portfolio that a question is about."""
MAX_NAME_CHARS = 80


class ReportSource(Protocol):
    """Where reports and returns come from; `core.portfolio.reports` has them."""

    def of(self, principal: Principal, portfolio_id: UUID) -> Report:
        """The report of a portfolio that the principal sees; NotFound otherwise."""

    def performance(
        self,
        principal: Principal,
        portfolio_id: UUID,
        *,
        first: date | None = None,
        last: date | None = None,
        benchmark: str | None = None,
    ) -> Performance:
        """Returns of a window; NotFound where the principal does not see the portfolio."""


def portfolio_of(context: ToolContext) -> UUID:
    """The portfolio that the question is about.

    Raises:
        InvalidRequest: it is about none.
    """
    if context.portfolio_id is None:
        raise InvalidRequest("This question is not about a portfolio.")
    return context.portfolio_id


def portfolio_entity(name: str) -> Entity:
    """A portfolio with what it is called."""
    own = cleaned(name, MAX_NAME_CHARS)
    return Entity(key=PORTFOLIO, names=(own, "my portfolio", "your portfolio", "the portfolio"))


def benchmark_entity(symbol: str, name: str) -> Entity:
    """The benchmark that a portfolio is compared with."""
    found = entity_of(symbol, cleaned(name, MAX_NAME_CHARS))
    return found.model_copy(update={"names": (*found.names, "the benchmark", "benchmark")})


def name_of(market: Market, principal: Principal, symbol: str) -> str:
    """What a symbol's company or index is called; empty where it is not known."""
    known = market.instruments.many([symbol], market.time.of(principal), principal) if symbol else {}
    return known[symbol].name if symbol in known else ""


def line_entity(line: HoldingLine) -> Entity:
    """A holding with the names of its company."""
    return entity_of(line.symbol, cleaned(line.name, MAX_NAME_CHARS))


def entities(report: Report, symbols: Iterable[str]) -> tuple[Entity, ...]:
    """The portfolio, and some symbols with the names of their companies as far as they are held."""
    held = {line.symbol: line for line in report.holdings}
    named = (line_entity(held[each]) if each in held else Entity(key=each) for each in dict.fromkeys(symbols))
    return (portfolio_entity(report.name), *named)


def valued_source(report: Report) -> Source:
    """Transactions and the prices that they are valued by."""
    origins = sorted({line.price.origin or line.price.source for line in report.holdings if line.price.price})
    by = f", valued at prices of {', '.join(origins)}" if origins else ""
    return Source(
        title=f"Transactions of {cleaned(report.name, MAX_NAME_CHARS)}{by}",
        as_of=report.day,
        is_generated=any(line.price.is_generated for line in report.holdings),
    )


def money(value: Decimal | None) -> float | None:
    """An amount as a number of JSON; None stays None."""
    return None if value is None else float(value)


def plain_number(value: Decimal) -> str:
    """A quantity as a sentence has it: without zeros at its end."""
    return f"{value.normalize():,f}"
