"""The figures of an analysis, each with its convention and n, and their curves; told of the past, never advised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import streamlit as st

from core.metering.meter import QuotaState
from core.portfolio.analysis import (
    Analysis,
    AnalysisRequest,
    Correlations,
    Frontier,
    HoldingRisk,
    Mix,
    RollingCurve,
    UnderwaterCurve,
)
from core.portfolio.risk import CONVENTIONS, Convention, RiskFigures
from pages.components.headings import section
from pages.components.portfolio_charts import Axis, Line, show_lines
from pages.components.portfolio_performance import show_benchmark, show_window
from pages.components.portfolio_shapes import Spot, show_heat_map, show_risk_and_return
from pages.components.portfolio_words import NONE, change, day_of, points, share
from pages.components.words import plain

ORDER = (
    "sharpe",
    "sortino",
    "alpha",
    "beta",
    "r_squared",
    "calmar",
    "volatility",
    "max_drawdown",
    "current_drawdown",
    "var_95",
    "cvar_95",
    "cagr",
)
RATIOS = frozenset({"sharpe", "sortino", "calmar", "beta", "r_squared"})
"""Figures that are plain numbers; the others are told in per cent."""
ROLLING: Mapping[str, str] = {"volatility": "Volatility", "sharpe": "Sharpe ratio", "beta": "Beta"}
SHOWN_WEIGHTS = 60
GRID_PX = 380
FEW_ROWS = 12


def show_request(key: str, seen: date, first_day: date | None) -> AnalysisRequest:
    """The choice of what is analysed; each is an analysis of its own, and begins with all days and no bounds."""
    with st.popover("Window, benchmark and bounds", icon=":material/tune:"):
        window = show_window(f"{key}_window", seen, first_day)
        benchmark = show_benchmark(f"{key}_benchmark")
        most = st.number_input(
            "Most of one holding, %",
            min_value=1.0,
            max_value=100.0,
            value=100.0,
            step=5.0,
            help="In the portfolios of the efficient frontier.",
            key=f"{key}_most",
            width=200,
        )
    return AnalysisRequest(window.first, window.last, benchmark, max_weight=most / 100)


def show(key: str, analysis: Analysis) -> None:
    """All of it."""
    figures = analysis.figures.as_shown()
    st.caption(plain(_about(analysis)))
    show_figures(analysis, figures)
    for note in analysis.notes:
        st.caption(f":material/info: {plain(note)}")
    _show_rolling(f"{key}_rolling", analysis.rolling)
    _show_underwater(f"{key}_underwater", analysis.underwater)
    if analysis.correlations is not None:
        _show_correlations(f"{key}_correlations", analysis.correlations)
    if analysis.holdings or analysis.frontier is not None:
        _show_frontier(f"{key}_frontier", analysis.holdings, analysis.frontier)


def show_figures(analysis: Analysis, figures: RiskFigures) -> None:
    """Each figure, or n/a with the reason in its tooltip."""
    with st.grid(6, min_column_width=140):
        for name in ORDER:
            convention = CONVENTIONS[name]
            value: float | None = getattr(figures, name)
            st.metric(convention.label, written(name, value), help=plain(note(convention, value, analysis)))


def written(name: str, value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return NONE
    if name in RATIOS:
        return f"{value:,.2f}".replace("-", "−")
    return change(value) if name in ("alpha", "cagr") else share(value, 2)


def note(convention: Convention, value: float | None, analysis: Analysis) -> str:
    """What a figure is, its window and n; where there is none, why."""
    n = analysis.figures.n_pairs if convention.is_relative else analysis.figures.n
    counted = f"n {n:,} days" + (f" shared with {analysis.benchmark}" if convention.is_relative else "")
    words = f"{convention.definition} {_window(analysis)}, {counted}."
    if value is not None:
        return words
    if n < convention.fewest:
        return f"Not shown: it needs {convention.fewest:,} days, and there are {n:,}. {words}"
    return f"Not defined for these returns. {words}"


def price(quota: QuotaState | None) -> str:
    """What an analysis uses, and how many are left."""
    if quota is None:
        return "It uses 1 portfolio analysis."
    if quota.remaining is None:
        return "It uses 1 portfolio analysis; your plan has no daily limit on them."
    return f"It uses 1 portfolio analysis; {quota.remaining:,} of {quota.limit:,} are left today."


def _about(analysis: Analysis) -> str:
    missing = f"; {analysis.missing:,} days without a price are left out" if analysis.missing else ""
    against = f", against {analysis.benchmark}" if analysis.benchmark else ""
    return (
        f"{_window(analysis)}, n {analysis.figures.n:,} daily simple returns{missing}{against}; risk-free rate "
        f"{share(analysis.risk_free_rate, 2)} a year. Made by {analysis.author} on {day_of(analysis.made_at.date())}, "
        "kept for 6 hours."
    )


def _window(analysis: Analysis) -> str:
    if analysis.first is None or analysis.last is None:
        return "No window"
    return f"From {day_of(analysis.first)} to {day_of(analysis.last)}"


def _show_rolling(key: str, rolling: Sequence[RollingCurve]) -> None:
    curves = {curve.window: curve for curve in rolling if curve.days}
    if not curves:
        return
    section("Rolling windows", "Each point is the figure of the days up to it.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.segmented_control(
            "Figure", list(ROLLING), format_func=ROLLING.__getitem__, default="volatility", required=True,
            key=f"{key}_figure",
        )  # fmt: skip
        window = st.segmented_control(
            "Days", list(curves), default=next(iter(curves)), required=True, key=f"{key}_window"
        )
    curve = curves.get(window or 0, next(iter(curves.values())))
    chosen = name or "volatility"
    values: Sequence[float | None] = getattr(curve, chosen)
    if all(value is None for value in values):
        st.caption(f"There are fewer than {curve.window:,} days, or the figure is not defined for them.")
        return
    is_percent = chosen not in RATIOS
    shown = [points(value) if is_percent else value for value in values]
    ends = [value for value in values if value is not None]
    show_lines(
        f"{key}_{chosen}_{curve.window}",
        curve.days,
        [Line(ROLLING[chosen], shown)],
        Axis(ROLLING[chosen], ",.2f", " %" if is_percent else ""),
        alt=f"{ROLLING[chosen]} over {curve.window} days, at the end {written(chosen, ends[-1])}",
        height=260,
    )


def _show_underwater(key: str, curve: UnderwaterCurve | None) -> None:
    if curve is None or not curve.days:
        return
    section("Underwater", "How far below its highest point so far, the start included.")
    show_lines(
        key,
        curve.days,
        [Line("Drawdown", [100 * each for each in curve.drawdown], 4, is_filled=True)],
        Axis("Drawdown", ",.1f", " %"),
        alt=f"Drawdown by day, the deepest {share(min(curve.drawdown), 1)}, at the end {share(curve.drawdown[-1], 1)}",
        height=240,
    )


def _show_correlations(key: str, found: Correlations) -> None:
    section("Correlation", "Of daily returns of the largest holdings; each pair over the days that both have.")
    symbols = list(found.symbols)
    show_heat_map(
        key,
        symbols,
        symbols,
        found.values,
        alt=f"Correlation of {len(symbols)} holdings",
        bound=1.0,
        is_percent=False,
        notes=[[f"n {count:,}" for count in row] for row in found.counts],
    )


def _show_frontier(key: str, holdings: Sequence[HoldingRisk], frontier: Frontier | None) -> None:
    section("Risk and return", "What the holdings did, and the best that could have been had of them: no forecast.")
    spots = [
        Spot(f"{each.symbol}, n {each.n:,}", each.volatility, each.annual_return, color=7)
        for each in holdings
        if each.volatility is not None and each.annual_return is not None
    ]
    if frontier is None:
        if spots:
            show_risk_and_return(key, spots, [], alt=f"Risk and return of {len(spots)} holdings")
        return
    marks = _marks(frontier)
    named = [
        Spot(name, mix.volatility, mix.annual_return, sign, color, is_named=True)
        for name, (mix, sign, color) in marks.items()
    ]
    line = [(mix.volatility, mix.annual_return) for mix in frontier.points]
    told = "; ".join(f"{spot.name} risk {share(spot.risk)}, return {share(spot.reward)}" for spot in named)
    show_risk_and_return(key, [*spots, *named], line, alt=f"Risk and return: {told}")
    st.caption(
        plain(
            f"Mean daily return × 252 and volatility, from {day_of(frontier.first)} to {day_of(frontier.last)}, "
            f"n {frontier.n:,} days that all have; weights from {share(frontier.min_weight, 0)} to "
            f"{share(frontier.max_weight, 0)}, long only, rebalanced daily, without costs."
            + (f" Too few days: {', '.join(frontier.left_out)}." if frontier.left_out else "")
        )
    )
    _show_weights(f"{key}_weights", {name: mix for name, (mix, _, _) in marks.items()})


def _marks(frontier: Frontier) -> dict[str, tuple[Mix, str, int]]:
    return {
        "Now": (frontier.current, "star", 1),
        "Minimum variance": (frontier.minimum_variance, "diamond", 0),
        "Risk parity": (frontier.risk_parity, "square", 2),
    }


def _show_weights(key: str, mixes: Mapping[str, Mix]) -> None:
    import pyarrow as pa

    symbols = sorted(mixes["Now"].weights, key=lambda symbol: -mixes["Now"].weights[symbol])[:SHOWN_WEIGHTS]
    columns: dict[str, list[Any]] = {
        "Symbol": symbols,
        **{name: [100 * mix.weights.get(symbol, 0.0) for symbol in symbols] for name, mix in mixes.items()},
    }
    percent = st.column_config.NumberColumn(format="%.1f %%")
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(symbols) <= FEW_ROWS else GRID_PX,
        column_config={"Symbol": st.column_config.TextColumn(pinned=True), **dict.fromkeys(mixes, percent)},
        alt="Weights as they are now, of minimum variance, and of risk parity",
    )
