"""How every page begins, and each part of it: the title with the plan and what can be done, and a line of help."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.components.badges import show_plan_badge
from pages.components.forms import show_acknowledged
from pages.components.words import plain


def page_head(title: str, *, plan: str | None = None) -> DeltaGenerator:
    """The first line of a page. Gives the place at its end, for what can be done on the whole page.

    As in `with page_head("Members", plan=principal.plan): st.button("Invite")`.
    """
    show_acknowledged()
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    with row:
        st.title(plain(title), width="stretch", anchor=False)
        if plan is not None:
            show_plan_badge(plan)
    return row


def section(title: str, hint: str = "") -> DeltaGenerator:
    """A part of a page, with one quiet sentence beneath its name. Gives the place at the end of its line."""
    with st.container(gap="xxsmall"):
        row = st.container(horizontal=True, vertical_alignment="center", gap="small")
        row.header(plain(title), width="stretch", anchor=False)
        if hint:
            st.caption(plain(hint))
    return row
