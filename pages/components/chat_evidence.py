"""What an answer rests on, under it: charts, what a reader has to know, how many figures are verified, and sources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape
from math import isfinite

import streamlit as st

from core.ai.evidence import Cell, Chart, Evidence, Mark, Source, Step, Table
from pages.components import chat_steps
from pages.components.chat_marks import Places
from pages.components.portfolio_charts import MAX_BARS, Axis, Line, show_bars, show_lines, show_months
from pages.components.theme import theme_color
from pages.components.words import plain

MAX_CHARTS = 3
"""Charts of one answer; what others would show is in the tables."""
MAX_LINES = 6
MAX_LISTED = 60
"""Unverified numbers that are listed with their reasons."""


def show_charts(key: str, evidence: Evidence) -> None:
    """The steps that a chart says better, drawn."""
    number = 0
    for step in evidence.steps:
        if step.chart is not None and step.table is not None and number < MAX_CHARTS:
            number += _show_chart(f"{key}_chart_{step.number}", step, step.chart, step.table)


def show_notes(evidence: Evidence) -> None:
    """What a reader has to know: that it stopped early, that a part is missing."""
    for note in evidence.notes:
        st.caption(f":material/info: {plain(note)}")


def show(text: str, evidence: Evidence, apart: Sequence[Mark], places: Places) -> None:
    """How many figures are verified, with those that are not and why; and the sources."""
    sources = sources_of(evidence)
    if not evidence.marks and not sources:
        return
    unverified = [mark for mark in evidence.marks if not mark.is_verified]
    listed = _listed(text, unverified)
    anchor = f'<span id="{places.unverified}"></span>'
    hidden = sum(mark.is_verified for mark in apart)
    more = f"<p>{hidden} verified in code, formulas or links, where no mark can stand.</p>" if hidden else ""
    named = "".join(f"<li>{chat_steps.source_markup(source)}</li>" for source in sources)
    sourced = f"<p>Sources</p><ul>{named}</ul>" if named else ""
    color = theme_color("orange" if unverified else "green")
    sign = (
        f'<span aria-hidden="true" style="color: {color}">{"?" if unverified else "✓"}</span> '
        if evidence.marks
        else ""
    )
    st.html(
        '<details class="assay-fold" style="font-size: 0.875rem"><summary style="cursor: pointer">'
        f"{sign}{escape(told(evidence))}</summary>"
        '<div style="padding: 0.25rem 0 0 0.75rem; overflow-wrap: anywhere">'
        f"{anchor}{listed}{more}{sourced}</div></details>"
    )


def told(evidence: Evidence) -> str:
    """The share of verified figures, and how many sources there are, in one line."""
    count, verified = len(evidence.marks), sum(mark.is_verified for mark in evidence.marks)
    sources = len(sources_of(evidence))
    figures = f"{verified} of {count} figure{'' if count == 1 else 's'} verified" if count else "No figures to verify"
    return f"{figures} · {sources} source{'' if sources == 1 else 's'}" if sources else figures


def sources_of(evidence: Evidence) -> list[Source]:
    """Where its figures come from, each once."""
    return list({step.source.model_dump_json(): step.source for step in evidence.steps if step.source}.values())


def _listed(text: str, unverified: Sequence[Mark]) -> str:
    if not unverified:
        return ""
    rows = "".join(
        f"<li><strong>{escape(text[mark.start : mark.end])}</strong>: "
        f"{escape(mark.words or 'no tool returned it')}</li>"
        for mark in unverified[:MAX_LISTED]
    )
    more = f"<p>and {len(unverified) - MAX_LISTED} more.</p>" if len(unverified) > MAX_LISTED else ""
    return f"<p>Not verified: they may be right, but no step returned them.</p><ul>{rows}</ul>{more}"


def _show_chart(key: str, step: Step, chart: Chart, table: Table) -> bool:
    """Draws it, and says whether there was anything to draw."""
    if chart.x not in table.columns:
        return False
    axis = _axis(chart)
    scale = 100 if chart.unit == "fraction" else 1
    names = [name for name in chart.y if name in table.columns][:MAX_LINES]
    xs = [row[table.columns.index(chart.x)] for row in table.rows]
    values = {name: [_number(row[table.columns.index(name)], scale) for row in table.rows] for name in names}
    if not any(value is not None for each in values.values() for value in each):
        return False
    title = chart.title or step.words
    st.caption(f"{plain(title)} \\[{step.number}\\]")
    days = [_day(x) for x in xs]
    if chart.kind == "line" and all(days):
        lines = [Line(name, each, color=place) for place, (name, each) in enumerate(values.items())]
        show_lines(key, [day for day in days if day is not None], lines, axis, alt=title)
    elif len(values) == 1:
        only = next(iter(values.values()))
        bars = {chat_steps.cell(x): value for x, value in zip(xs, only, strict=True) if value is not None}
        show_bars(key, bars, axis, alt=title)
    else:
        show_months(
            key,
            [chat_steps.cell(x) for x in xs][:MAX_BARS],
            {name: each[:MAX_BARS] for name, each in values.items()},
            axis,
            alt=title,
        )
    return True


def _axis(chart: Chart) -> Axis:
    if chart.unit == "fraction":
        return Axis("Per cent", hover=",.2f", suffix=" %")
    return Axis({"price": "Price", "money": "Value"}.get(chart.unit, ""))


def _number(value: Cell, scale: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value) * scale


def _day(value: Cell) -> date | None:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
