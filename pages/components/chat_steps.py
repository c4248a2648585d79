"""The steps of an answer: folded above it, live while it is being written, each with its table, source and date.

It is markup of our own: a place in it can be led to from the answer's text, and opens by itself then. All words in it
are escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from html import escape
from math import isfinite
from typing import Protocol

from core.ai.evidence import Cell, Source, Step, Table
from core.market.articles import safe_url
from pages.components.chat_marks import Places
from pages.components.theme import theme_color

_STATES = {"running": ("…", "text", "running"), "done": ("✓", "green", "done"), "failed": ("✕", "red", "failed")}
"""Sign, colour and word of each state."""
_FOLD = 'class="assay-fold"'
_SMALL = "font-size: 0.875rem;"
_SUMMARY = "cursor: pointer; overflow-wrap: anywhere;"
_SCROLLED = "overflow: auto; max-height: 20rem; margin: 0.25rem 0;"


class Place(Protocol):
    """Where markup is drawn: the page, or an element of it."""

    def html(self, body: str) -> object:
        """Draws it."""
        ...


def show(place: Place, steps: Sequence[Step], places: Places | None = None) -> None:
    """The steps, at the place given; without `places` the answer is still being written, and they stand open."""
    if steps:
        place.html(markup(steps, places))


def markup(steps: Sequence[Step], places: Places | None = None) -> str:
    """All steps in one fold."""
    is_live = places is None
    rows = "".join(_row(step, places) for step in steps)
    return (
        f'<details {"open" if is_live else _FOLD} style="{_SMALL} margin: 0 0 0.25rem; overflow-wrap: anywhere">'
        f'<summary style="{_SUMMARY}">{escape(told(steps, is_live=is_live))}</summary>'
        f'<div style="border-inline-start: 2px solid {theme_color("border")}; padding-inline-start: 0.75rem; '
        f'margin: 0.25rem 0 0.5rem">{rows}</div></details>'
    )


def told(steps: Sequence[Step], *, is_live: bool = False) -> str:
    """How many steps there were, how many failed, and how long they took together."""
    count = f"{len(steps)} step{'' if len(steps) == 1 else 's'}"
    if is_live and any(step.state == "running" for step in steps):
        return f"{count}, the last one is running…"
    failed = sum(step.state == "failed" for step in steps)
    more = f", {failed} failed" if failed else ""
    return f"{count}{more} · {_seconds(sum(step.seconds for step in steps))}"


def cell(value: Cell, *, is_share: bool = False) -> str:
    """One value of a table, as it is read, a share of one in per cent; what is missing is n/a and never 0."""
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "n/a"
    if is_share and isinstance(value, int | float) and not isinstance(value, bool):
        return f"{100 * value:,.2f} %".replace("-", "−")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        whole = f"{value:,.4f}".rstrip("0").rstrip(".") if abs(value) >= 0.001 or not value else f"{value:.3g}"
        return whole.replace("-", "−")
    return value.isoformat() if isinstance(value, date) else value


def as_of(source: Source) -> str:
    """Of which day or moment a source's figures are; empty where it does not say."""
    if source.as_of is None:
        return ""
    moment = source.as_of
    if isinstance(moment, datetime):
        return f"as of {moment.date().isoformat()} {moment:%H:%M} {moment.tzname() or ''}".strip()
    return f"as of {moment.isoformat()}"


def source_markup(source: Source) -> str:
    """A source: its title, with a link where it has an address of the web, its day, and whether it is made up."""
    url = safe_url(source.url) if source.url else None
    title = escape(source.title)
    linked = title if url is None else f'<a href="{escape(url, quote=True)}" target="_blank">{title}</a>'
    day = f" · {escape(as_of(source))}" if source.as_of is not None else ""
    generated = f' · <strong style="color: {theme_color("orange")}">generated</strong>' if source.is_generated else ""
    return f'<span style="overflow-wrap: anywhere">{linked}{day}{generated}</span>'


def _row(step: Step, places: Places | None) -> str:
    sign, color, word = _STATES[step.state]
    mark = f'<span style="color: {theme_color(color)}" role="img" aria-label="{word}">{sign}</span>'
    head = f"{mark} <strong>{step.number}</strong> {escape(step.words)}"
    if step.state == "running":
        return f'<div style="margin: 0.15rem 0">{head}</div>'
    head += f' <span style="color: {theme_color("gray")}">· {_seconds(step.seconds)}</span>'
    if places is None:
        return f'<div style="margin: 0.15rem 0">{head}{_error(step)}</div>'
    anchors = f'<span id="{places.verified(step.number)}"></span><span id="{places.cited(step.number)}"></span>'
    return (
        f'<details {_FOLD} style="margin: 0.15rem 0"><summary style="{_SUMMARY}">{head}</summary>'
        f'<div style="padding: 0.15rem 0 0.5rem">{anchors}{_error(step)}{_body(step)}</div></details>'
    )


def _body(step: Step) -> str:
    source = f"<div>Source: {source_markup(step.source)}</div>" if step.source is not None else ""
    table = _table(step.table, step.words) if step.table is not None and step.table.columns else ""
    asked = escape(", ".join(f"{name}: {_argument(value)}" for name, value in _given(step.arguments).items()))
    return f"{source}{table}" + (f'<div style="color: {theme_color("gray")}">Asked with {asked}</div>' if asked else "")


def _given(arguments: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in arguments.items() if value not in (None, "", [], {})}


def _argument(value: object) -> str:
    words = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return words if len(words) <= 120 else f"{words[:119]}…"


def _error(step: Step) -> str:
    if not step.error:
        return ""
    return f'<div style="overflow-wrap: anywhere">{escape(step.error)}</div>'


def _table(table: Table, words: str) -> str:
    heads = "".join(f'<th scope="col" style="{_cell_style("")}">{escape(column)}</th>' for column in table.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="{_cell_style(value)}">{escape(cell(value, is_share=column in table.shares))}</td>'
            for column, value in zip(table.columns, row, strict=False)
        )
        + "</tr>"
        for row in table.rows
    )
    more = f"<div>{table.more:,} more rows are not kept.</div>" if table.more else ""
    return (
        f'<div style="{_SCROLLED}" tabindex="0" role="region" aria-label="{escape(words, quote=True)}">'
        f'<table style="border-collapse: collapse; {_SMALL} font-variant-numeric: tabular-nums">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{more}"
    )


def _cell_style(value: Cell) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    align = "right" if is_number else "start"
    return f"text-align: {align}; padding: 0.15rem 0.6rem 0.15rem 0; border-bottom: 1px solid {theme_color('border')}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.95 else f"{1000 * seconds:.0f} ms"
