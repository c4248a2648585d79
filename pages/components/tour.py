"""The tour: one line on top of each page in turn, for somebody new; it waits until it is wanted, and can be left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from core import workbench
from core.principal import Principal


@dataclass(frozen=True, slots=True)
class Stop:
    """A page on the way, and what to try there."""

    file: str
    title: str
    words: str


STOPS = (
    Stop(
        "chat.py",
        "Chat",
        "Ask about a term, a company or a portfolio. Under each answer stand its cost, its sources, and which of its "
        "figures are verified. Asking the same again is free.",
    ),
    Stop(
        "symbol.py",
        "Symbol",
        "One instrument: its chart, figures, news and filings. Every figure says where it is from and how old it is.",
    ),
    Stop(
        "screener.py",
        "Screener",
        "Which instruments match what you look for, and what signals like theirs were worth, with how many there were.",
    ),
    Stop(
        "verdicts.py",
        "Verdicts",
        "What models say of signals, and what came of it. A model's record counts here, not its confidence.",
    ),
    Stop(
        "portfolio.py",
        "Portfolio",
        "Import transactions, or open a portfolio that is shared with you: returns, risk, income, and research.",
    ),
    Stop("usage.py", "Usage", "What you have used of each limit, when it resets, and every request with its cost."),
    Stop("billing.py", "Billing", "Your plan beside the others, your organisation's credits, and every movement."),
    Stop("admin.py", "Admin", "Who uses what, what it costs, whether it is healthy, and whether the books are right."),
)


def show_offer(key: str, principal: Principal) -> None:
    """The offer, for those who have not been shown around; afterwards a small button to see it again."""
    if _place(key) is not None:
        return
    known = f"{key}_has_ended"
    if known not in st.session_state:
        st.session_state[known] = workbench.current().tours.has_ended(principal)
    is_new = not st.session_state[known]
    if is_new:
        st.caption("New here? A tour of the pages takes two minutes.")
    with st.container(horizontal=True):
        label = "Take the tour" if is_new else "Tour of the pages"
        if st.button(label, key=f"{key}_take", icon=":material/explore:", type="secondary" if is_new else "tertiary"):
            st.session_state[f"{key}_at"] = 0
            st.switch_page(STOPS[0].file)
        if is_new:
            st.button("Not now", key=f"{key}_refuse", type="tertiary", on_click=_end, args=(key, principal))


def show_stop(key: str, principal: Principal, files: Collection[str]) -> None:
    """The line of the page where the tour is; `files` are the pages that open to this person."""
    place = _place(key)
    if place is None:
        return
    stops = [stop for stop in STOPS if stop.file in files]
    place = min(place, len(stops) - 1)
    stop, is_last = stops[place], place == len(stops) - 1
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"{key}_stop"):
        st.markdown(f"**{place + 1} of {len(stops)}: {stop.title}.** {stop.words}", width="stretch")
        if place > 0 and st.button("Back", key=f"{key}_back", type="tertiary"):
            _go(key, stops, place - 1)
        if is_last:
            st.button("End the tour", key=f"{key}_done", type="primary", on_click=_end, args=(key, principal))
            return
        if st.button(f"Next: {stops[place + 1].title}", key=f"{key}_next", type="primary"):
            _go(key, stops, place + 1)
        st.button("Leave the tour", key=f"{key}_leave", type="tertiary", on_click=_end, args=(key, principal))


def _place(key: str) -> int | None:
    place = st.session_state.get(f"{key}_at")
    return place if isinstance(place, int) else None


def _go(key: str, stops: list[Stop], place: int) -> None:
    st.session_state[f"{key}_at"] = place
    st.switch_page(stops[place].file)


def _end(key: str, principal: Principal) -> None:
    """Ends the tour, and does not offer it again."""
    st.session_state.pop(f"{key}_at", None)
    st.session_state[f"{key}_has_ended"] = True
    workbench.current().tours.end(principal)
