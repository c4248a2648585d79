"""The conversations of the person at the page: the open one, whose id is in the address, and the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import streamlit as st

from core.db.conversations_dao import ConversationRow, MessageRow
from core.errors import NotFound
from pages.components.errors import show_message
from pages.components.words import plain

PARAMETER = "conversation"
SHOWN_AT_FIRST = 15


def load(key: str, fetch: Callable[[UUID], list[MessageRow]]) -> tuple[UUID | None, list[MessageRow]]:
    """The conversation that the address names, with its messages; None is a new one.

    Where the address names none of this person's, the page says so and ends here.
    """
    named = st.query_params.get(PARAMETER)
    if not named:
        return None, []
    try:
        conversation_id = UUID(named)
        return conversation_id, fetch(conversation_id)
    except (ValueError, NotFound):
        show_message("There is no such conversation.", "It may have been deleted.", icon=":material/search_off:")
        st.button("Start a new one", icon=":material/add:", key=key, on_click=_open, args=(None,))
        st.stop()


def show(key: str, rows: Sequence[ConversationRow]) -> None:
    """The list in the sidebar: a new one, and the latest first."""
    named = st.query_params.get(PARAMETER)
    with st.sidebar:
        st.button(
            "New conversation",
            icon=":material/add:",
            width="stretch",
            key=f"{key}_new",
            disabled=not named,
            on_click=_open,
            args=(None,),
        )
        if not rows:
            st.caption("Your conversations will be listed here.")
            return
        st.caption("Conversations")
        shows_all = len(rows) <= SHOWN_AT_FIRST or st.session_state.get(f"{key}_all", False)
        with st.container(gap=None, key=f"{key}_list"):
            for row in rows if shows_all else rows[:SHOWN_AT_FIRST]:
                _show_row(key, row, is_open=str(row.id) == named)
        if len(rows) > SHOWN_AT_FIRST:
            st.toggle(f"Show all {len(rows)}", key=f"{key}_all")


def show_delete(key: str, rows: Sequence[ConversationRow], delete: Callable[[ConversationRow], None]) -> None:
    """The button that deletes the open conversation, once it was confirmed; nothing where none is open."""
    row = next((row for row in rows if str(row.id) == st.query_params.get(PARAMETER)), None)
    if row is not None and st.button("Delete", icon=":material/delete:", type="tertiary", key=key):
        _confirm(key, row, delete)


@st.dialog("Delete this conversation?", icon=":material/delete:")
def _confirm(key: str, row: ConversationRow, delete: Callable[[ConversationRow], None]) -> None:
    st.text(f"“{row.title}”")
    st.caption("Its questions and answers are deleted for good. What they cost stays in your usage.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it", key=f"{key}_keep"):
            st.rerun()
        if st.button("Delete", type="primary", key=f"{key}_confirm"):
            with suppress(NotFound):  # another tab was faster
                delete(row)
            st.query_params.pop(PARAMETER, None)
            st.rerun()


def _show_row(key: str, row: ConversationRow, *, is_open: bool) -> None:
    title = plain(row.title)
    st.button(
        f"**{title}**" if is_open else title,
        icon=":material/chat:" if is_open else ":material/chat_bubble_outline:",
        type="tertiary",
        wrap=False,
        key=f"{key}_{row.id}",
        on_click=_open,
        args=(row.id,),
    )


def _open(conversation_id: UUID | None) -> None:
    if conversation_id is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(conversation_id)
