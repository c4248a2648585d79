"""The tour: one line on top of each page in turn, for somebody new; it waits until it is wanted, and can be left."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from core import workbench
from core.principal import Principal

_OUT_OF_THE_WAY = '<style>@media (max-width: 768px) { [data-testid="stSidebar"] { display: none; } }</style>'
"""In a narrow window the sidebar, from which the tour is taken, would lie over it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A page on the way, and what to try there."""

    file: str
    title: str
    words: str
    for_operators: str = ""
    """What only those who run the installation find there."""


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
    Stop(
        "admin.py",
        "Admin",
        "Who uses what, what it costs, and whether it is healthy: for your organisation.",
        "For the whole installation, models, sources, and whether the books are right, too.",
    ),
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
    place, file = st.session_state.get(f"{key}_left", (0, STOPS[0].file))
    with st.container(horizontal=True):
        label = "Take the tour" if is_new else "Resume the tour" if place else "Tour of the pages"
        if st.button(label, key=f"{key}_take", icon=":material/explore:", type="secondary" if is_new else "tertiary"):
            st.session_state[f"{key}_at"] = place
            st.switch_page(file)
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
    words = f"{stop.words} {stop.for_operators}" if principal.is_operator else stop.words
    st.html(_OUT_OF_THE_WAY)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"{key}_stop"):
        st.markdown(f"**{place + 1} of {len(stops)}: {stop.title}.** {words}", width="stretch")
        if place > 0 and st.button("Back", key=f"{key}_back", type="tertiary"):
            _go(key, stops, place - 1)
        if is_last:
            st.button("End the tour", key=f"{key}_done", type="primary", on_click=_end, args=(key, principal))
            return
        if st.button(f"Next: {stops[place + 1].title}", key=f"{key}_next", type="primary"):
            _go(key, stops, place + 1)
        leave = (key, principal, (place, stop.file))
        st.button("Leave the tour", key=f"{key}_leave", type="tertiary", on_click=_end, args=leave)


def _place(key: str) -> int | None:
    place = st.session_state.get(f"{key}_at")
    return place if isinstance(place, int) else None


def _go(key: str, stops: list[Stop], place: int) -> None:
    st.session_state[f"{key}_at"] = place
    st.switch_page(stops[place].file)


def _end(key: str, principal: Principal, left: tuple[int, str] = (0, STOPS[0].file)) -> None:
    """Ends the tour, and does not offer it again; it is resumed where it was left, or begins anew."""
    st.session_state[f"{key}_left"] = left
    st.session_state.pop(f"{key}_at", None)
    st.session_state[f"{key}_has_ended"] = True
    workbench.current().tours.end(principal)
