"""The tool that tells what a portfolio returned in a window, what brought it, and what drove its deepest fall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from core.ai.evidence import MAX_ROWS, Chart, Figure, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import NotEnoughData
from core.market.market import Market
from core.portfolio.report import Contribution, Period, Report
from core.portfolio.report import Performance as Returns
from core.research.tools.drawdowns import Drawdown, deepest, drawdown_content, drawdown_figures
from core.research.tools.market_material import entities_of, figure
from core.research.tools.portfolio_material import (
    MAX_NAME_CHARS,
    PORTFOLIO,
    ReportSource,
    benchmark_entity,
    name_of,
    portfolio_entity,
    portfolio_of,
    valued_source,
)
from core.research.tools.portfolio_window import Bounds, Windowed, bounds_of

MOST_MONTHS, MOST_YEARS = 36, 20
"""That are told, the newest of them."""
NO_DRAWDOWN = "The drawdown is not known: a day in the window has no value."


class PerformanceArguments(Windowed):
    """Which window, and beside what."""

    benchmark: str | None = Field(None, max_length=20, description="Symbol; default: the portfolio's own")
    show: Literal["index", "contributors", "drawdown"] = Field(
        "index", description="What the reader's chart shows; drawdown: what each holding brought from peak to trough"
    )
    most: int = Field(10, ge=1, le=25, description="Contributors at most, each way")


@dataclass(frozen=True, slots=True)
class _Window:
    """A window's returns, with the days that figures are of."""

    report: Report
    found: Returns
    first: date
    last: date
    start: float | None
    """Value at the end of the day before; 0 where the portfolio begins in the window."""
    most: int


class Performance:
    """Returns of a window."""

    name = "performance"
    description = (
        "The portfolio's returns in a window: time-weighted, money-weighted, value at start and end, the benchmark's, "
        "months, years, what each holding brought, and the max drawdown with peak, trough, recovery and what each "
        "holding lost between them. Fractions of one, money in the portfolio's currency."
    )
    arguments: type[BaseModel] = PerformanceArguments
    needs_portfolio = True

    def __init__(self, reports: ReportSource, market: Market) -> None:
        self._reports = reports
        self._market = market

    def run(self, context: ToolContext, arguments: PerformanceArguments) -> ToolResult:
        """Returns of the window that is asked for, up to the day that is seen.

        Raises:
            NotFound: no portfolio that this caller sees.
            InvalidRequest: a window or benchmark that cannot be.
            NotEnoughData: no day with a price in the window.
        """
        portfolio_id = portfolio_of(context)
        report = self._reports.of(context.principal, portfolio_id)
        bounds = bounds_of(arguments, report.day)
        found = self._reports.performance(
            context.principal,
            portfolio_id,
            first=bounds.first,
            last=bounds.last,
            benchmark=arguments.benchmark,
        )
        window = _window(report, found, bounds, arguments.most)
        fall = deepest(found)
        brought: Sequence[Contribution] = ()
        if fall is not None and fall.depth < 0:
            between = self._reports.performance(
                context.principal, portfolio_id, first=fall.first_day, last=fall.trough, benchmark=arguments.benchmark
            )
            brought = tuple(reversed(between.contributors))
        told = _result(window, bounds, fall, brought, arguments.show)
        symbols = dict.fromkeys(each.entity for each in told.figures if each.entity not in (PORTFOLIO, found.benchmark))
        named = entities_of(self._market, context.principal, symbols)
        benchmark = benchmark_entity(found.benchmark, name_of(self._market, context.principal, found.benchmark))
        return replace(told, entities=(portfolio_entity(report.name), *named, benchmark))


def _window(report: Report, found: Returns, bounds: Bounds, most: int) -> _Window:
    if found.first is None or found.last is None:
        why = found.time_weighted.note or "Nothing was held in this window."
        raise NotEnoughData(f"There is no return to tell. {why}")
    first = found.first if bounds.first is None else max(bounds.first, _begin(report))
    at = int(np.searchsorted(report.series.days, np.datetime64(found.first, "D")))
    start = float(report.series.value[at - 1]) if at else 0.0
    return _Window(report, found, first, bounds.last or found.last, start if np.isfinite(start) else None, most)


def _begin(report: Report) -> date:
    day: date = report.series.days[0].astype("datetime64[D]").astype(object)
    return day


def _result(
    window: _Window, bounds: Bounds, fall: Drawdown | None, brought: Sequence[Contribution], show: str
) -> ToolResult:
    report, found = window.report, window.found
    gains, losses = _sides(found.contributors, window.most)
    fallen = [each for each in brought if each.gain is not None][: window.most]
    notes = [*found.notes, *(() if fall is not None else (NO_DRAWDOWN,))]
    content: dict[str, Any] = {
        "currency": report.currency,
        "first": window.first,
        "last": window.last,
        **_returns(window),
        "max_drawdown": None if fall is None else drawdown_content(fall, [_contribution(each) for each in fallen]),
        "current_drawdown": None if fall is None else fall.current,
        "contributors": [_contribution(each) for each in gains],
        "detractors": [_contribution(each) for each in losses],
        "months": [_period(each) for each in found.months[-MOST_MONTHS:]],
        "years": [_period(each) for each in _years(found)],
        "missing_days": found.missing_days,
    }
    table, chart = _shown(window, fall, brought, show)
    return ToolResult(
        words=f"Performance of {cleaned(report.name, MAX_NAME_CHARS)}, {bounds.words}",
        content=content,
        figures=(
            *_return_figures(window),
            *_contribution_figures((*gains, *losses), window.first, window.last, report.currency),
            *(() if fall is None else drawdown_figures(fall, window.first, window.last)),
            *(() if fall is None else _contribution_figures(fallen, fall.peak, fall.trough, report.currency)),
            *_period_figures(window),
        ),
        source=valued_source(report),
        table=table,
        chart=chart,
        notes=notes,
    )


def _sides(contributors: Sequence[Contribution], most: int) -> tuple[list[Contribution], list[Contribution]]:
    """The largest gains, and the largest losses, the largest first."""
    known = [each for each in contributors if each.gain is not None]
    gains = [each for each in known if (each.gain or 0.0) > 0][:most]
    losses = [each for each in reversed(known) if (each.gain or 0.0) < 0][:most]
    return gains, losses


def _returns(window: _Window) -> dict[str, Any]:
    found = window.found
    mine, other = found.time_weighted.value, found.benchmark_time_weighted.value
    told: dict[str, Any] = {
        "value_start": window.start,
        "value_end": found.value[-1],
        "time_weighted": mine,
        "time_weighted_annual": found.time_weighted.annual,
        "money_weighted": found.money_weighted.value,
        "benchmark": found.benchmark,
        "benchmark_return": other,
        "benchmark_return_annual": found.benchmark_time_weighted.annual,
        "difference": None if mine is None or other is None else mine - other,
        "sessions": len(found.days),
    }
    why = {
        "time_weighted": found.time_weighted.note,
        "money_weighted": found.money_weighted.note,
        "benchmark": found.benchmark_time_weighted.note,
    }
    return told | {f"{name}_note": cleaned(note) for name, note in why.items() if note}


def _contribution(each: Contribution) -> dict[str, Any]:
    return {"symbol": each.symbol, "gain": each.gain, "share": each.share, "time_weighted": each.time_weighted}


def _years(found: Returns) -> Sequence[Period]:
    """The years of a window, unless all of it is one month."""
    return found.years[-MOST_YEARS:] if len(found.months) > 1 else ()


def _period(each: Period) -> dict[str, Any]:
    name = str(each.year) if each.month is None else f"{each.year}-{each.month:02}"
    told = {"period": name, "time_weighted": each.time_weighted, "benchmark": each.benchmark}
    return told if each.is_whole else told | {"is_partial": True}


def _return_figures(window: _Window) -> list[Figure]:
    found, report, told = window.found, window.report, _returns(window)
    first, last = window.first, window.last
    start_day = found.time_weighted.first
    figures = figure(PORTFOLIO, "portfolio_value", window.start, "money", day=start_day, currency=report.currency)
    figures += figure(PORTFOLIO, "portfolio_value", found.value[-1], "money", day=found.last, currency=report.currency)
    for name in ("time_weighted", "time_weighted_annual", "money_weighted", "benchmark_return"):
        figures += figure(PORTFOLIO, name, told[name], "fraction", day=last, first=first)
    figures += figure(PORTFOLIO, "excess_return", told["difference"], "fraction", day=last, first=first)
    figures += figure(PORTFOLIO, "sessions", told["sessions"], "number", day=last, first=first)
    figures += figure(PORTFOLIO, "missing_days", found.missing_days, "number", day=last, first=first)
    figures += figure(found.benchmark, "time_weighted", told["benchmark_return"], "fraction", day=last, first=first)
    annual = told["benchmark_return_annual"]
    figures += figure(found.benchmark, "time_weighted_annual", annual, "fraction", day=last, first=first)
    for day in dict.fromkeys((first, last, found.first, found.last)):
        figures += figure(PORTFOLIO, "day", day, day=day)
    return figures


def _contribution_figures(each_of: Sequence[Contribution], first: date, last: date, currency: str) -> list[Figure]:
    found: list[Figure] = []
    for each in each_of:
        found += figure(each.symbol, "contribution", each.gain, "money", day=last, first=first, currency=currency)
        found += figure(each.symbol, "contribution_share", each.share, "fraction", day=last, first=first)
        found += figure(each.symbol, "time_weighted", each.time_weighted, "fraction", day=last, first=first)
    return found


def _period_figures(window: _Window) -> list[Figure]:
    found: list[Figure] = []
    periods = (*window.found.months[-MOST_MONTHS:], *_years(window.found))
    for each in periods:
        first = max(date(each.year, each.month or 1, 1), window.first)
        following = date(each.year + (each.month or 12) // 12, (each.month or 12) % 12 + 1, 1)
        last = min(date.fromordinal(following.toordinal() - 1), window.last)
        measure = "year_return" if each.month is None else "month_return"
        found += figure(PORTFOLIO, measure, each.time_weighted, "fraction", day=last, first=first)
        found += figure(PORTFOLIO, "benchmark_return", each.benchmark, "fraction", day=last, first=first)
        found += figure(window.found.benchmark, measure, each.benchmark, "fraction", day=last, first=first)
    return found


def _shown(
    window: _Window, fall: Drawdown | None, brought: Sequence[Contribution], show: str
) -> tuple[Table, Chart | None]:
    """The rows that a reader opens, and how they are drawn."""
    found, currency = window.found, window.report.currency
    if show == "contributors" and found.contributors:
        title = f"What each holding brought, {window.first} to {window.last}, {currency}"
        return _bars(found.contributors, title)
    if show == "drawdown" and fall is not None and brought:
        return _bars(brought, f"What each holding brought, {fall.peak} to {fall.trough}, {currency}")
    places = _places(len(found.days))
    name = found.benchmark or "Benchmark"
    rows = tuple((found.days[at], found.index[at], found.benchmark_index[at], found.value[at]) for at in places)
    y: Mapping[str, bool] = {"Portfolio": True, name: any(each is not None for each in found.benchmark_index)}
    chart = Chart(
        kind="line",
        x="Day",
        y=tuple(each for each, is_there in y.items() if is_there),
        title="Time-weighted growth of 1",
    )
    return Table(columns=("Day", "Portfolio", name, f"Value, {currency}"), rows=rows), chart


def _bars(contributors: Sequence[Contribution], title: str) -> tuple[Table, Chart]:
    rows = tuple((each.symbol, each.gain, each.share, each.time_weighted) for each in contributors[:MAX_ROWS])
    table = Table(
        columns=("Symbol", "Gain", "Share of the start value and inflows", "Time-weighted return"),
        rows=rows,
        more=max(0, len(contributors) - MAX_ROWS),
    )
    return table, Chart(kind="bar", x="Symbol", y=("Gain",), unit="money", title=title)


def _places(n: int) -> Sequence[int]:
    """Places of at most 200 of so many days, evenly, the last one among them."""
    if n <= MAX_ROWS:
        return range(n)
    return [int(each) for each in np.unique(np.linspace(0, n - 1, MAX_ROWS).round())]
