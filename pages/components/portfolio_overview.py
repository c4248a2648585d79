"""The first look at a portfolio: its curve, what it is made of, and which holdings brought what."""

from __future__ import annotations

import streamlit as st

from core.portfolio.report import HoldingLine, Performance, Report
from pages.components.headings import section
from pages.components.portfolio_charts import Axis, Line, show_bars, show_lines
from pages.components.portfolio_shapes import Tile, parts_in_words, show_ring, show_treemap
from pages.components.portfolio_words import NONE, change, day_of, money, share
from pages.components.words import plain

LEAST_DAYS = 2
SHOWN_CONTRIBUTORS = 16
NAMED = 10
"""Holdings without a figure that are named."""


def show(key: str, report: Report, performance: Performance) -> None:
    """All of it; the parts that there is nothing of yet say so."""
    _show_curve(key, report, performance)
    section("Allocation", f"Value by holding on {day_of(report.day)}; the colour says how far above or below cost.")
    tiles = _tiles(report)
    if not tiles:
        st.caption("No holding has a known value.")
    else:
        show_treemap(f"{key}_tiles", tiles, report.currency, alt=_words_of_tiles(report))
    _show_rings(key, report)
    _show_contributions(key, report, performance)


def _show_curve(key: str, report: Report, performance: Performance) -> None:
    section("Value against contributions", _words_of_curve(performance))
    if len(performance.days) < LEAST_DAYS:
        st.caption("The curve begins with the second day on which a price is known.")
        return
    lines = [
        Line("Value", performance.value, 0),
        Line("Contributions", performance.contributions, 7, "dot", is_stepped=True),
    ]
    if any(value is not None for value in performance.benchmark_value):
        lines.insert(1, Line(f"Same flows in {performance.benchmark}", performance.benchmark_value, 1, "dash"))
    known = [value for value in performance.value if value is not None]
    alt = (
        f"Value of {report.name} from {day_of(performance.days[0])} to {day_of(performance.days[-1])}: "
        f"from {money(known[0] if known else None, report.currency)} "
        f"to {money(known[-1] if known else None, report.currency)}"
    )
    show_lines(f"{key}_curve", performance.days, lines, Axis(report.currency, ",.0f"), alt=alt)
    for note in performance.notes:
        st.caption(f":material/info: {plain(note)}")


def _show_rings(key: str, report: Report) -> None:
    with st.grid(2, min_column_width=300):
        for name, title, parts in (
            ("sectors", "By sector", report.sectors),
            ("currencies", "By currency", report.currencies),
        ):
            with st.container(gap="xsmall"):
                st.markdown(f"**{title}**")
                words = parts_in_words(parts)
                if any(value > 0 for value in parts.values()):
                    show_ring(f"{key}_{name}", parts, report.currency, alt=f"{title}: {words}")
                below = {part: value for part, value in parts.items() if value < 0}
                st.caption(plain(f"{words}{''.join(_below(part, report) for part in below)}"))


def _below(part: str, report: Report) -> str:
    value = report.sectors.get(part, report.currencies.get(part))
    return f"; {part} is below zero ({money(value, report.currency)}) and not drawn"


def _show_contributions(key: str, report: Report, performance: Performance) -> None:
    section(
        "Contribution to return", "What each holding brought in the window, of the value at its start and all inflows."
    )
    known = [each for each in performance.contributors if each.share is not None]
    if not known:
        st.caption("No holding has a known gain in this window.")
        return
    shown = (
        known
        if len(known) <= SHOWN_CONTRIBUTORS
        else [*known[: SHOWN_CONTRIBUTORS // 2], *known[-SHOWN_CONTRIBUTORS // 2 :]]
    )
    show_bars(
        f"{key}_contributions",
        {each.symbol: 100 * (each.share or 0) for each in shown},
        Axis("Percentage points", "+.2f", " %"),
        alt="Contribution to return: " + ", ".join(f"{each.symbol} {change(each.share)}" for each in shown),
        hovers=[money(each.gain, report.currency) for each in shown],
    )
    if len(shown) < len(known):
        st.caption(f"The largest gains and losses of {len(known):,}; all are in Performance.")
    unknown = [each.symbol for each in performance.contributors if each.share is None]
    if unknown:
        named = ", ".join(unknown[:NAMED]) + (" and others" if len(unknown) > NAMED else "")
        st.caption(plain(f"Not known, since a price or a rate is missing: {named}."))


def _tiles(report: Report) -> list[Tile]:
    tiles = [_tile(line) for line in report.holdings if line.value is not None and line.value > 0]
    cash = sum((float(line.value) for line in report.cash if line.value is not None), 0.0)
    if cash > 0:
        tiles.append(Tile("Cash", cash, None))
    return sorted(tiles, key=lambda tile: -tile.value)


def _tile(line: HoldingLine) -> Tile:
    return Tile(line.symbol, float(line.value or 0), line.unrealised_share)


def _words_of_tiles(report: Report) -> str:
    largest = ", ".join(
        f"{line.symbol} {NONE if line.weight is None else share(line.weight)}" for line in report.holdings[:5]
    )
    return f"Allocation of {report.name}, the largest first: {largest}"


def _words_of_curve(performance: Performance) -> str:
    if performance.first is None or performance.last is None:
        return "Nothing is entered yet."
    missing = (
        f"; {performance.missing_days:,} days have no value, since a price is missing"
        if performance.missing_days
        else ""
    )
    return f"From {day_of(performance.first)} to {day_of(performance.last)}{missing}."
