"""The tool that tells a portfolio's risk figures in a window. It counts no portfolio analysis."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from core.accounts.profiles import Profiles
from core.ai.evidence import Figure, Table, Unit
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotEnoughData, NotFound
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.portfolio import analysis_parts as parts
from core.portfolio.analysis import AnalysisRequest
from core.portfolio.analysis_material import Reader
from core.portfolio.portfolios import Portfolios
from core.portfolio.report import Report
from core.portfolio.risk import CONVENTIONS, FEWEST_FOR_RATIOS, RiskFigures, figures
from core.principal import Principal
from core.research.tools.market_material import figure
from core.research.tools.portfolio_material import (
    MAX_NAME_CHARS,
    PORTFOLIO,
    ReportSource,
    benchmark_entity,
    entities,
    name_of,
    portfolio_of,
    valued_source,
)
from core.research.tools.portfolio_window import Bounds, Windowed, bounds_of

MEASURES: dict[str, Unit] = {
    "volatility": "fraction",
    "sharpe": "number",
    "sortino": "number",
    "alpha": "fraction",
    "beta": "number",
    "r_squared": "number",
    "max_drawdown": "fraction",
    "current_drawdown": "fraction",
    "cagr": "fraction",
    "calmar": "number",
    "var_95": "fraction",
    "cvar_95": "fraction",
}
"""Figures that are told, by the names that `RiskFigures` has them under."""


class RiskArguments(Windowed):
    """Which window, and beside what."""

    benchmark: str | None = Field(None, max_length=20, description="Symbol; default: the portfolio's own")


@dataclass(frozen=True, slots=True)
class _Risk:
    """Risk figures, and what they are of."""

    report: Report
    bounds: Bounds
    window: parts.Window
    found: RiskFigures
    benchmark: str
    benchmark_name: str
    rate: float
    notes: tuple[str, ...]

    @property
    def first(self) -> date:
        """Of the first return, unless the window that was asked for begins before it within the portfolio's days."""
        begin = parts.dates(self.report.series.days[:1])[0]
        return parts.dates(self.window.days[:1])[0] if self.bounds.first is None else max(self.bounds.first, begin)

    @property
    def last(self) -> date:
        """The last day that was asked for, or of the last return."""
        return self.bounds.last or parts.dates(self.window.days[-1:])[0]


class Risk:
    """Risk figures of daily time-weighted returns."""

    name = "risk"
    description = (
        "Risk of the portfolio's daily time-weighted returns in a window: volatility, Sharpe, Sortino, beta, alpha, "
        "R², max and current drawdown, CAGR, Calmar, VaR and CVaR 95 %, n, risk-free rate. Fractions of one."
    )
    arguments: type[BaseModel] = RiskArguments
    needs_portfolio = True

    def __init__(self, reports: ReportSource, portfolios: Portfolios, profiles: Profiles, market: Market) -> None:
        self._reports = reports
        self._portfolios = portfolios
        self._profiles = profiles
        self._market = market

    def run(self, context: ToolContext, arguments: RiskArguments) -> ToolResult:
        """Figures of the window that is asked for; null where too few returns are there.

        Raises:
            NotFound: no portfolio that this caller sees, or no bars of the benchmark that is asked for.
            InvalidRequest: a window or benchmark that cannot be.
            NotEnoughData: no return in the window.
        """
        principal, portfolio_id = context.principal, portfolio_of(context)
        report = self._reports.of(principal, portfolio_id)
        bounds = bounds_of(arguments, report.day)
        asked = None if arguments.benchmark is None else checked_symbol(arguments.benchmark)
        own = self._portfolios.get(principal, portfolio_id).benchmark
        organisation = self._profiles.organisation(principal)
        benchmark = asked or own or organisation.benchmark
        if not len(report.series.days):
            raise NotEnoughData("The portfolio has no day with a value yet: transactions have to be entered first.")
        reader = reader_of(self._market, principal, report, AnalysisRequest(bounds.first, bounds.last, benchmark))
        notes: list[str] = []
        closes = None
        try:
            closes = reader.benchmark_closes(parts.dates(report.series.days[:1])[0])
        except NotFound:
            if asked is not None:
                raise
            notes.append(f"There are no prices of the benchmark {benchmark}: alpha, beta and R² are not defined.")
        window = parts.window_of(report.series, closes, first=bounds.first, last=reader.last)
        if not len(window.returns):
            raise NotEnoughData("The portfolio has no day with a return in this window.")
        rate = float(organisation.risk_free_rate)
        found = figures(window.returns, window.benchmark if closes else None, rate)
        notes += _notes(found, window)
        name = name_of(self._market, principal, benchmark)
        return _result(_Risk(report, bounds, window, found.as_shown(), benchmark, name, rate, tuple(notes)))


def reader_of(market: Market, principal: Principal, report: Report, request: AnalysisRequest) -> Reader:
    """Reads closes in the portfolio's currency, as of the principal's date."""
    as_of = market.time.of(principal)
    return Reader(market, as_of, principal.org_id, report.currency, request, report.splits)


def _notes(found: RiskFigures, window: parts.Window) -> list[str]:
    notes = []
    if found.n < FEWEST_FOR_RATIOS:
        notes.append(f"There are {found.n} daily returns; ratios are told from {FEWEST_FOR_RATIOS} on.")
    if window.missing:
        notes.append(f"{window.missing} days have no return, as a price or rate is missing; they are left out.")
    return notes


def _result(risk: _Risk) -> ToolResult:
    report, found = risk.report, risk.found
    told = {name: value for name, value in asdict(found).items() if name in MEASURES}
    content: dict[str, Any] = {
        "first": risk.first,
        "last": risk.last,
        "n": found.n,
        "n_with_benchmark": found.n_pairs,
        "benchmark": risk.benchmark,
        "risk_free_rate": risk.rate,
        **told,
        "missing_days": risk.window.missing,
        "conventions": "Daily time-weighted returns, 252 days a year; VaR and CVaR are losses of one day, above 0.",
    }
    table = Table(
        columns=("Figure", "Value", "Definition"),
        rows=tuple((CONVENTIONS[name].label, told[name], CONVENTIONS[name].definition) for name in MEASURES),
    )
    return ToolResult(
        words=f"Risk of {cleaned(report.name, MAX_NAME_CHARS)}, {risk.bounds.words}, against {risk.benchmark}",
        content=content,
        figures=_figures(risk, told),
        entities=(*entities(report, ()), benchmark_entity(risk.benchmark, risk.benchmark_name)),
        source=valued_source(report),
        table=table,
        notes=risk.notes,
    )


def _figures(risk: _Risk, told: dict[str, Any]) -> list[Figure]:
    first, last = risk.first, risk.last
    found = figure(PORTFOLIO, "n", risk.found.n, "number", day=last, first=first)
    found += figure(PORTFOLIO, "n", risk.found.n_pairs, "number", day=last, first=first)
    found += figure(PORTFOLIO, "risk_free_rate", risk.rate, "fraction", day=last, first=first)
    found += figure(PORTFOLIO, "missing_days", risk.window.missing, "number", day=last, first=first)
    for name, unit in MEASURES.items():
        found += figure(PORTFOLIO, name, told[name], unit, day=last, first=first)
    for day in dict.fromkeys((first, last, *parts.dates(risk.window.days[[0, -1]]))):
        found += figure(PORTFOLIO, "day", day, day=day)
    return found
