"""News, filings and sentiment of all holdings on one timeline: filtered, searched, grouped by day, newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import streamlit as st

from core.research.bundle import Bundle, TimelineItem
from pages.components.research_words import ICONS, KINDS, about, badges, day_and_time, day_name, untitled
from pages.components.states import show_empty
from pages.components.words import counted, plain

SHOWN = 30
"""Items that are shown at first, and added each time."""
MAX_SEARCH_CHARS = 100
_LEFT = """<style>
.st-key-KEY button[kind="tertiary"] { text-align: left; justify-content: flex-start; min-height: 1.75rem; padding: 0; }
.st-key-KEY button[kind="tertiary"] > * { justify-content: flex-start; text-align: left; }
</style>"""
"""Titles begin where lines begin; Streamlit gives a container the name of its key."""

Open = Callable[[TimelineItem], None]
"""Notes that this item is to be opened; for `on_click`."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which items are looked for."""

    symbols: tuple[str, ...] = ()
    """Empty: all."""
    kinds: tuple[str, ...] = ()
    """Empty: all."""
    words: str = ""

    def has(self, item: TimelineItem) -> bool:
        """Whether an item is among them."""
        return (
            (not self.symbols or item.symbol in self.symbols)
            and (not self.kinds or item.kind in self.kinds)
            and self.words.casefold() in item.title.casefold()
        )


def search_key(key: str) -> str:
    """Of the input that is drawn whenever the timeline is."""
    return f"{key}_search"


def show_filters(key: str, bundle: Bundle) -> Sought:
    """Holdings, types and words in titles."""
    symbols = sorted({*bundle.held} | {item.symbol for item in bundle.items})
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    chosen = left.multiselect("Holdings", symbols, key=f"{key}_symbols", placeholder="All holdings", select_all=False)
    words = middle.text_input(
        "Search in titles", key=search_key(key), max_chars=MAX_SEARCH_CHARS, icon=":material/search:"
    )
    kinds = right.pills("Types", list(KINDS), format_func=KINDS.__getitem__, selection_mode="multi", key=f"{key}_kinds")
    return Sought(tuple(chosen), tuple(kinds), words.strip())


def show(key: str, bundle: Bundle, sought: Sought, labels: Mapping[str, str], zone: str, on_open: Open) -> None:
    """The items that are sought; the title of each opens its detail."""
    everything = bundle.items
    found = [item for item in everything if sought.has(item)]
    if not found:
        _show_nothing(bundle, has_items=bool(everything))
        return
    st.caption(f"{counted(len(found), 'item')}{'' if len(found) == len(everything) else f' of {len(everything):,}'}")
    count: int = st.session_state.get(f"{key}_count", SHOWN)
    st.html(_LEFT.replace("KEY", f"{key}_items"))
    with st.container(gap="small", key=f"{key}_items"):
        _show_days(key, found[:count], labels, zone, on_open)
    more = len(found) - count
    if more > 0:
        st.button(
            f"Show {min(more, SHOWN)} more",
            key=f"{key}_more",
            icon=":material/expand_more:",
            on_click=st.session_state.__setitem__,
            args=(f"{key}_count", count + SHOWN),
        )


def _show_days(key: str, found: Sequence[TimelineItem], labels: Mapping[str, str], zone: str, on_open: Open) -> None:
    number = 0
    for day, items in groupby(found, key=lambda item: day_and_time(item, zone)[0]):
        st.markdown(f"**{day_name(day)}**")
        for item in items:
            with st.container(gap=None):
                st.button(
                    f"{ICONS[item.kind]} **{plain(item.symbol)}** {plain(untitled(item))}",
                    key=f"{key}_{number}",
                    type="tertiary",
                    on_click=on_open,
                    args=(item,),
                )
                st.markdown(f":small[:gray[{plain(about(item, labels, zone))}]] {badges(item)}".strip())
            number += 1


def _show_nothing(bundle: Bundle, *, has_items: bool) -> None:
    if has_items:
        show_empty("Nothing matches", "Choose other holdings or types, or search for another word.")
    elif bundle.is_making:
        show_empty("It is being made", "What is found is shown here as soon as a part is there.")
    elif any(part.is_ready for part in bundle.parts):
        show_empty("Nothing was found", "The sources know of no news and no filings of these holdings on this day.")
    else:
        show_empty("Nothing is here yet", "Each part is shown here once it is made.", icon=":material/library_books:")
