"""Returns of a window: time-weighted beside money-weighted, by month, year and holding, and those of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from core.portfolio.report import Performance, Period, Report
from pages.components.headings import section
from pages.components.portfolio_charts import Axis, Line, show_lines
from pages.components.portfolio_ribbon import MONEY_WEIGHTED, TIME_WEIGHTED, show_rate
from pages.components.portfolio_shapes import show_heat_map
from pages.components.portfolio_words import NONE, change, day_of, points
from pages.components.words import plain

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WHOLE = "Year"
DEEPEST = 0.15
"""Returns of a month past this have the deepest colours."""
SPANS: dict[str, int | None] = {"1 month": 30, "3 months": 91, "1 year": 365, "3 years": 1096, "All": None}
"""Days that a window goes back from the date that is seen."""
THIS_YEAR = "This year"
OWN = "Own dates"
GRID_PX = 380
FEW_ROWS = 12
LEAST_DAYS = 2
MAX_SYMBOL_CHARS = 32
COLUMN_PX = 158


@dataclass(frozen=True, slots=True)
class Window:
    """Which days are looked at; None: from the beginning, to the date that is seen."""

    first: date | None = None
    last: date | None = None


def show_window(key: str, seen: date, first_day: date | None) -> Window:
    """The choice of a window that ends with the date that is seen, or of any two days."""
    names = ["1 month", "3 months", THIS_YEAR, "1 year", "3 years", "All", OWN]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.segmented_control("Window", names, default="All", required=True, key=f"{key}_span", wrap=True)
        if chosen == OWN:
            least = min(first_day or seen, seen)
            given = st.date_input(
                "From and to", (least, seen), min_value=least, max_value=seen, format="YYYY-MM-DD", key=f"{key}_days",
                width=240,
            )  # fmt: skip
            return Window(*given[:2])
    if chosen == THIS_YEAR:
        return Window(date(seen.year - 1, 12, 31))
    back = SPANS.get(chosen or "All")
    return Window() if back is None else Window(seen - timedelta(days=back))


def show_benchmark(key: str) -> str | None:
    """The choice of another benchmark than the portfolio's; None: its own."""
    given = st.text_input(
        "Benchmark",
        placeholder="The portfolio's own",
        max_chars=MAX_SYMBOL_CHARS,
        help="A symbol of which bars are there: an index, a fund, a share.",
        key=key,
        width=200,
    )
    return given.strip().upper() or None


def show(key: str, report: Report, performance: Performance) -> None:
    """All of the window's returns."""
    _show_returns(performance)
    if len(performance.days) >= LEAST_DAYS:
        _show_growth(f"{key}_growth", performance)
    for note in performance.notes:
        st.caption(f":material/info: {plain(note)}")
    section("By month", "Time-weighted, in per cent; a tooltip says where a month is not whole.")
    show_months(f"{key}_months", performance)
    section("By year", f"Beside {performance.benchmark}.")
    _show_years(f"{key}_years", performance)
    section("By holding", "Each holding alone, over the window; gains in the portfolio's currency.")
    _show_contributors(f"{key}_holdings", performance, report.currency)


def show_months(key: str, performance: Performance) -> None:
    """The heat-map: a row a year, the newest on top, and the whole year at its end."""
    if not performance.months:
        st.caption("No month has a return yet.")
        return
    years = sorted({period.year for period in performance.months}, reverse=True)
    months = {(period.year, period.month): period for period in performance.months}
    whole = {period.year: period for period in performance.years}
    periods = [[*(months.get((year, place)) for place in range(1, 13)), whole.get(year)] for year in years]
    told = ", ".join(f"{year} {change(whole[year].time_weighted)}" for year in years if year in whole)
    show_heat_map(
        key,
        [*MONTHS, WHOLE],
        [str(year) for year in years],
        [[None if each is None else each.time_weighted for each in row] for row in periods],
        alt=f"Returns by month; years: {told}",
        bound=DEEPEST,
        notes=[[_note(each, performance.benchmark) for each in row] for row in periods],
    )


def _show_returns(performance: Performance) -> None:
    name = performance.benchmark
    with st.grid(4, min_column_width=COLUMN_PX):
        show_rate("Time-weighted return", performance.time_weighted, TIME_WEIGHTED)
        show_rate("Money-weighted return", performance.money_weighted, MONEY_WEIGHTED, counted="flows", is_yearly=True)
        show_rate(f"{name}, time-weighted", performance.benchmark_time_weighted, f"{name} alone, over the same days.")
        show_rate(
            f"{name}, money-weighted",
            performance.benchmark_money_weighted,
            f"The same flows on the same days, put into {name} instead.",
            counted="flows",
            is_yearly=True,
        )
    if performance.explanation:
        st.markdown(f":material/compare_arrows: {plain(performance.explanation)}")
    rates = (performance.time_weighted, performance.money_weighted)
    for reason in dict.fromkeys(rate.note for rate in rates if rate.note):
        st.caption(f":material/info: {plain(reason)}")
    st.caption(plain(f"From {day_of(performance.first)} to {day_of(performance.last)}."))


def _show_growth(key: str, performance: Performance) -> None:
    lines = [Line("Portfolio", performance.index, 0)]
    if any(value is not None for value in performance.benchmark_index):
        lines.append(Line(performance.benchmark, performance.benchmark_index, 1, "dash"))
    ends = [next((each for each in reversed(line.values) if each is not None), None) for line in lines]
    told = ", ".join(
        f"{line.name} {'not known' if end is None else f'{end:.3f}'}" for line, end in zip(lines, ends, strict=True)
    )
    show_lines(key, performance.days, lines, Axis("Growth of 1", ",.3f"), alt=f"Time-weighted growth of 1: {told}")


def _show_years(key: str, performance: Performance) -> None:
    import pyarrow as pa

    years = sorted(performance.years, key=lambda period: -period.year)
    columns: dict[str, list[Any]] = {
        "Year": [str(period.year) for period in years],
        "Portfolio": [points(period.time_weighted) for period in years],
        performance.benchmark or "Benchmark": [points(period.benchmark) for period in years],
        "Beyond it": [_beyond(period) for period in years],
        "Of the year": ["whole" if period.is_whole else "a part" for period in years],
    }
    percent = st.column_config.NumberColumn(format="%+.2f %%")
    _show_rows(key, pa.table(columns), dict.fromkeys([*columns][1:4], percent), "Returns by year")


def _show_contributors(key: str, performance: Performance, currency: str) -> None:
    import pyarrow as pa

    found = performance.contributors
    columns: dict[str, list[Any]] = {
        "Symbol": [each.symbol for each in found],
        f"Gain, {currency}": [each.gain for each in found],
        "Contribution": [points(each.share) for each in found],
        "Return": [points(each.time_weighted) for each in found],
    }
    percent = st.column_config.NumberColumn
    config = {
        "Symbol": st.column_config.TextColumn(pinned=True),
        f"Gain, {currency}": percent(
            format="%,.2f", help="Value at the end and what came out of it, less value at the start and what went in."
        ),
        "Contribution": percent(
            format="%+.2f %%", help="The gain, of the portfolio's value at the start and all inflows of the window."
        ),
        "Return": percent(format="%+.2f %%", help="Time-weighted, of the holding alone."),
    }
    _show_rows(key, pa.table(columns), config, "Gains and returns by holding, the largest gain first")


def _show_rows(key: str, rows: Any, config: dict[str, Any], alt: str) -> None:
    st.dataframe(
        rows,
        key=key,
        hide_index=True,
        height="content" if rows.num_rows <= FEW_ROWS else GRID_PX,
        placeholder=NONE,
        column_config=config,
        alt=alt,
    )


def _beyond(period: Period) -> float | None:
    if period.time_weighted is None or period.benchmark is None:
        return None
    return 100 * (period.time_weighted - period.benchmark)


def _note(period: Period | None, benchmark: str) -> str:
    if period is None:
        return ""
    part = "" if period.is_whole else "a part of it; "
    return f"{part}{benchmark} {change(period.benchmark)}"
