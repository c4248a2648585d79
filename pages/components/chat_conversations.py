"""The conversations of the person at the page: the open one, whose id is in the address, and the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import streamlit as st

from core.db.conversations_dao import ConversationRow
from core.errors import NotFound

PARAMETER = "conversation"
SHOWN_AT_FIRST = 15


def opened() -> UUID | None:
    """The conversation that the address names; None is a new one.

    Raises:
        NotFound: what the address names cannot be a conversation.
    """
    named = st.query_params.get(PARAMETER)
    if not named:
        return None
    try:
        return UUID(named)
    except ValueError:
        raise NotFound("There is no such conversation.") from None


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
    if row is not None and st.button(
        "", icon=":material/delete:", type="tertiary", help="Delete this conversation", key=key
    ):
        _confirm(key, row, delete)


@st.dialog("Delete this conversation?", icon=":material/delete:")
def _confirm(key: str, row: ConversationRow, delete: Callable[[ConversationRow], None]) -> None:
    st.text(f"“{row.title}”")
    st.caption("Its questions and answers are deleted for good. What they cost stays in your usage.")
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Keep it", key=f"{key}_keep"):
            st.rerun()
        if st.button("Delete", type="primary", key=f"{key}_confirm"):
            delete(row)
            st.query_params.pop(PARAMETER, None)
            st.rerun()


def _show_row(key: str, row: ConversationRow, *, is_open: bool) -> None:
    st.button(
        row.title.translate(_PLAIN),
        icon=":material/chat:" if is_open else ":material/chat_bubble_outline:",
        type="secondary" if is_open else "tertiary",
        width="stretch",
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


_PLAIN = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]<>()#+!|~$:"}
