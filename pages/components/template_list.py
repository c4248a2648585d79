"""The templates that somebody sees: searched, by category, each with the button that uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from core.research.templates import TemplateHead
from pages.components.words import plain

LIST_PX = 380
EVERY = "Every category"
_SHARING = {
    "private": ":gray-badge[:material/lock: Yours alone]",
    "shared": ":blue-badge[:material/group: Organisation]",
    "public": ":violet-badge[:material/public: Everybody]",
}
SHIPPED = ":gray-badge[:material/inventory_2: Shipped]"
"""Comes with the workbench."""
Go = Callable[[UUID], None]
"""Opens a template; for `on_click`."""


def show_search(key: str, categories: Sequence[str]) -> tuple[str, str]:
    """The search field and the choice of a category; gives both, empty where nothing is chosen."""
    with st.container(horizontal=True, gap="xsmall"):
        sought = st.text_input(
            "Search templates",
            type="search",
            placeholder="Search templates",
            max_chars=100,
            live="300ms",
            key=f"{key}_sought",
            label_visibility="collapsed",
            width=280,
        )
        category = st.selectbox(
            "Category",
            list(categories),
            index=None,
            placeholder=EVERY,
            key=f"{key}_category",
            label_visibility="collapsed",
            width=200,
        )
    return (sought or "").strip(), category or ""


def show(key: str, rows: Sequence[TemplateHead], use: Go, change: Go) -> None:
    """The list, under a heading for each category."""
    with st.container(height=LIST_PX, border=False, gap="xsmall", key=f"{key}_list"):
        if not rows:
            st.caption("No template is like this.")
        category = None
        for row in sorted(rows, key=lambda each: (each.category.casefold(), each.title.casefold())):
            if row.category != category:
                category = row.category
                st.caption(f"**{plain(category)}**")
            _show_row(key, row, use, change)


def facts(row: TemplateHead) -> str:
    """Whose a template is and how often it was used, in one line of markdown."""
    mark = SHIPPED if row.is_shipped else _SHARING[row.sharing]
    times = f":small[:gray[used {row.used:,} time{'' if row.used == 1 else 's'}]]" if row.used else ""
    return f"{mark} {times}".strip()


def _show_row(key: str, row: TemplateHead, use: Go, change: Go) -> None:
    with st.container(border=True, gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(f"**{plain(row.title)}**", width="stretch")
            if row.may_change:
                st.button(
                    "Edit",
                    type="tertiary",
                    icon=":material/edit:",
                    key=f"{key}_edit_{row.id}",
                    help=f"Change or delete {plain(row.title)}",
                    on_click=change,
                    args=(row.id,),
                )
            st.button(
                "Use", key=f"{key}_use_{row.id}", help=f"Fill in {plain(row.title)}", on_click=use, args=(row.id,)
            )
        if row.description:
            st.caption(plain(row.description))
        st.markdown(facts(row))
