"""Verdicts as a list: what was said, and what happened; a click opens the card, and a file holds all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import streamlit as st

from core.screener.chart_patterns.patterns import CHART_PATTERNS
from core.screener.signals import SIGNALS
from core.verdicts.validations import Brief, Filters, Page
from pages.components import verdict_export, verdict_look
from pages.components.theme import badge_color
from pages.components.words import numbered

SHOWN_ROWS = 200
GRID_PX = 420
FEW_ROWS = 10
MAX_SYMBOL_CHARS = 32
PARAMETER = "verdict"
"""Of the page's address: whose card is open."""

Read = Callable[[Filters, tuple[datetime, UUID] | None, int], Page]
"""Gives verdicts by filter, from a place on, at most so many."""


def show(key: str, read: Read, labels: Mapping[str, str], *, now: datetime) -> UUID | None:
    """The filters, the newest verdicts and the file; gives the id of the verdict that is to be opened."""
    filters = show_filters(f"{key}_filters", labels)
    page = read(filters, None, SHOWN_ROWS)
    if not page.verdicts:
        st.caption("No verdict matches the filters.")
        return None
    show_rows(f"{key}_rows", page.verdicts, labels, now=now, chosen=f"{key}_open")
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        opened = _show_opened(f"{key}_open", page.verdicts)
        st.download_button(
            "Export CSV",
            partial(verdict_export.csv_of, read, filters),
            file_name=f"assay-verdicts-{now:%Y-%m-%d}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}_csv",
            help=f"All that match the filters, up to {verdict_export.MAX_ROWS:,}.",
        )
    if page.next_cursor is not None:
        st.caption(f"The newest {len(page.verdicts):,} are shown; the file has all that match.")
    return opened


def show_filters(key: str, labels: Mapping[str, str]) -> Filters:
    """The choice of verdicts."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=key):
        symbol = st.text_input(
            "Symbol", placeholder="Any symbol", max_chars=MAX_SYMBOL_CHARS, key=f"{key}_symbol", width=150
        )
        verdict = st.selectbox(
            "Verdict",
            list(verdict_look.LOOKS),
            None,
            format_func=lambda each: f"{verdict_look.LOOKS[each].sign} {each}",
            placeholder="Any verdict",
            key=f"{key}_verdict",
            width=160,
        )
        model = st.selectbox(
            "Model",
            list(labels),
            None,
            format_func=lambda each: labels.get(each, each),
            placeholder="Any model",
            key=f"{key}_model",
            width=220,
        )
        has_replays = st.toggle(
            "With replays", key=f"{key}_replays", help="Verdicts given again to compare models; they are not scored."
        )
    return replace(
        Filters(), symbol=symbol.strip().upper() or None, verdict=verdict, model=model, has_replays=has_replays
    )


def show_rows(
    key: str,
    briefs: Sequence[Brief],
    labels: Mapping[str, str],
    *,
    now: datetime,
    chosen: str,
    is_of_one_symbol: bool = False,
) -> None:
    """The rows as a table; a click notes the verdict's id under the key `chosen`."""
    import pyarrow as pa

    said = [verdict_look.told(each.verdict, each.confidence) for each in briefs]
    columns: dict[str, list[Any]] = {
        **({} if is_of_one_symbol else {"Symbol": [each.symbol for each in briefs]}),
        "Verdict": [[words] for words in said],
        "Signal": [signal_label(each.signal_type) for each in briefs],
        "Day": [each.signal_day for each in briefs],
        "After 5": [_percent(each.move_5) for each in briefs],
        "After 20": [_percent(each.move_20) for each in briefs],
        "Model": [labels.get(each.model, each.model) for each in briefs],
        "Numbers": [f"{each.numbers_verified} of {each.numbers}" if each.numbers else "–" for each in briefs],
        "Charged, USD": [float(each.charged_usd) for each in briefs],
        "Said": [f"{verdict_look.aged(each.created_at, now)} ago" for each in briefs],
        "Note": [note(each) for each in briefs],
    }
    key = f"{key}_{hash(tuple(each.id for each in briefs))}"
    present = sorted(set(said))
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(briefs) <= FEW_ROWS else GRID_PX,
        row_height=38,
        on_select=partial(_note_choice, key, tuple(each.id for each in briefs), chosen),
        selection_mode="single-cell",
        placeholder="",
        column_config={
            "Symbol": st.column_config.TextColumn(pinned=True, width=84),
            "Signal": st.column_config.TextColumn(width=190),
            "Day": st.column_config.DateColumn(format="D MMM YYYY", width=100, help="The day of the signal."),
            "Verdict": st.column_config.MultiselectColumn(
                options=present,
                color=[badge_color(verdict_look.LOOKS[words.split()[1]].color) for words in present],
                width=130,
            ),
            "After 5": st.column_config.NumberColumn(
                format="%+.1f %%", width=84, help="What the price did over 5 sessions from the next open."
            ),
            "After 20": st.column_config.NumberColumn(
                format="%+.1f %%", width=84, help="What the price did over 20 sessions from the next open."
            ),
            "Numbers": st.column_config.TextColumn(width=84, help="Verified of all numbers in the answer."),
            "Charged, USD": st.column_config.NumberColumn(format="plain", width=110),
        },
        alt="Verdicts, newest first: what was said of which signal, what happened, by which model, at what cost",
    )


def note(brief: Brief) -> str:
    """What else a reader must know of a verdict."""
    words = {
        "retrospective": brief.is_retrospective,
        "generated": brief.is_generated,
        "offline rule": brief.is_offline,
        "cached": brief.is_cached,
        "batch": brief.purpose == "batch",
        "replay": brief.purpose == "replay",
    }
    return ", ".join(word for word, holds in words.items() if holds)


def signal_label(type_id: str) -> str:
    """A type of signal as pages call it; a caller's own words as they are."""
    known = SIGNALS.get(type_id) or CHART_PATTERNS.get(type_id)
    return type_id if known is None else known.label


def _show_opened(key: str, briefs: Sequence[Brief]) -> UUID | None:
    """The verdict whose card is open, also one of the address; for those who do not click it can be chosen by name."""
    ids = [str(each.id) for each in briefs]
    labels = [
        f"{each.symbol} · {signal_label(each.signal_type)} · {verdict_look.told(each.verdict, each.confidence)}"
        for each in briefs
    ]
    names = dict(zip(ids, numbered(labels), strict=True))
    wanted = st.session_state[key] if key in st.session_state else st.query_params.get(PARAMETER)
    st.session_state[key] = wanted if wanted in names else None
    opened = st.selectbox(
        "Card",
        ids,
        None,
        format_func=lambda each: names.get(each, ""),
        placeholder="Click a row, or choose a verdict here",
        key=key,
        width=420,
    )
    if opened is None:
        st.query_params.pop(PARAMETER, None)
    elif st.query_params.get(PARAMETER) != opened:
        st.query_params[PARAMETER] = opened
    return None if opened is None else UUID(opened)


def _note_choice(key: str, ids: Sequence[UUID], chosen: str) -> None:
    cells = st.session_state[key].selection.cells
    if cells and cells[0][0] < len(ids):
        st.session_state[chosen] = str(ids[cells[0][0]])


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
