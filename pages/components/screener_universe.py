"""The choice of a universe: the shipped ones, and those of the organisation."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.db.instruments_dao import UniverseRow
from core.principal import Principal
from pages.components.badges import Badge, show_badge
from pages.components.states import show_empty
from pages.components.words import plain

PARAMETER = "universe"
"""Of the page's address, so that it can be kept and sent."""


def show(key: str, principal: Principal) -> UniverseRow | None:
    """Draws the choice, which begins as the address says; gives the chosen one, None where there are none."""
    found = {each.id: each for each in workbench.current().market.universes.list(principal)}
    if not found:
        hint = "An operator loads the shipped ones with `python -m core serve`; your organisation can bring its own."
        show_empty("There is no universe yet", hint, icon=":material/public:")
        return None
    chosen = st.session_state.get(f"{key}_chosen") or st.query_params.get(PARAMETER, "")
    ids = list(found)
    picked = st.selectbox(
        "Universe",
        ids,
        ids.index(chosen) if chosen in found else 0,
        format_func=lambda each: found[each].title,
        key=f"{key}_box",
        width=320,
        help="A set of symbols that is screened; your organisation can bring its own.",
    )
    universe = found.get(picked or "") or found[ids[0]]
    st.session_state[f"{key}_chosen"] = universe.id
    if st.query_params.get(PARAMETER) != universe.id:
        st.query_params[PARAMETER] = universe.id
    return universe


def show_about(universe: UniverseRow) -> None:
    """Where the universe is from, and whether it is real."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        if universe.is_generated:
            show_badge(Badge("generated, no real companies", "orange", ":material/science:"))
        st.caption(f"Source: {plain(universe.source)}", width="content")
