"""The conversations of the person at the page: the open one, whose id is in the address, and the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import streamlit as st

from core.db.conversations_dao import ConversationRow, MessageRow
from core.errors import NotFound
from core.research.conversations import MAX_FOUND, MAX_SOUGHT_CHARS, MAX_TITLE_CHARS, Desk, Excerpt, Found
from pages.components import chat_turn
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_message
from pages.components.forms import saving, submit_button, text_field
from pages.components.words import plain

PARAMETER = "conversation"
SHOWN_AT_FIRST = 15


def named() -> UUID | None:
    """The id in the address; None where it names none."""
    try:
        return UUID(st.query_params.get(PARAMETER, ""))
    except ValueError:
        return None


def sought(key: str) -> str:
    """What was typed into the search field of `show`."""
    return str(st.session_state.get(f"{key}_sought", "")).strip()


def show(key: str, desk: Desk) -> None:
    """The sidebar: a new conversation, the search, and the latest or what was found."""
    with st.sidebar:
        st.button(
            "New conversation",
            icon=":material/add:",
            width="stretch",
            key=f"{key}_new",
            disabled=not st.query_params.get(PARAMETER),
            on_click=_open,
            args=(None,),
        )
        if not desk.latest:
            st.caption("Your conversations will be listed here.")
            return
        st.text_input(
            "Search conversations",
            placeholder="Search conversations",
            icon=":material/search:",
            max_chars=MAX_SOUGHT_CHARS,
            key=f"{key}_sought",
            label_visibility="collapsed",
        )
        if desk.found is None:
            _show_latest(key, desk.latest)
        else:
            _show_found(key, desk.found)


def opened(key: str, desk: Desk) -> tuple[UUID | None, list[MessageRow]]:
    """The conversation that the address names, with its messages; None is a new one.

    Where the address names none of this person's, the page says so and ends here; what was being asked is kept.
    """
    if desk.opened is None and st.query_params.get(PARAMETER):
        kept = " Your question was not sent; it waits in a new one." if chat_turn.keep_for_a_new_one(named()) else ""
        show_message("There is no such conversation.", f"It may have been deleted.{kept}", icon=":material/search_off:")
        st.button("Start a new one", icon=":material/add:", key=key, on_click=_open, args=(None,))
        st.stop()
    return (None, []) if desk.opened is None else (desk.opened.row.id, desk.opened.messages)


def show_rename(key: str, row: ConversationRow, rename: Callable[[str], object]) -> None:
    """The button that gives the open conversation another title."""
    if st.button("Rename", icon=":material/edit:", type="tertiary", key=key):
        _rename(key, row, rename)


def show_delete(key: str, row: ConversationRow, delete: Callable[[], object]) -> None:
    """The button that deletes the open conversation, once it was confirmed."""

    def delete_and_leave() -> None:
        with suppress(NotFound):  # another tab was faster
            delete()
        st.query_params.pop(PARAMETER, None)

    question = Question(
        "Delete this conversation?",
        "Its questions and answers are deleted for good. What they cost stays in your usage.",
        yes="Delete",
        no="Keep it",
        subject=f"“{row.title}”",
    )
    confirm_button(key, "Delete", question, delete_and_leave)


@st.dialog("Rename this conversation", icon=":material/edit:")
def _rename(key: str, row: ConversationRow, rename: Callable[[str], object]) -> None:
    with st.form(f"{key}_form", border=False):
        title = text_field("Title", row.title, required=True, max_chars=MAX_TITLE_CHARS, key=f"{key}_title")
        if submit_button("Rename", key=f"{key}_save"):
            with saving("Renamed"):
                rename(title)


def _show_latest(key: str, rows: Sequence[ConversationRow]) -> None:
    st.caption("Conversations")
    shows_all = len(rows) <= SHOWN_AT_FIRST or st.session_state.get(f"{key}_all", False)
    with st.container(gap=None, key=f"{key}_list"):
        for row in rows if shows_all else rows[:SHOWN_AT_FIRST]:
            _show_row(key, row)
    if len(rows) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(rows)}", key=f"{key}_all")


def _show_found(key: str, found: Sequence[Found]) -> None:
    count = f"{len(found)} found" if len(found) < MAX_FOUND else f"The latest {MAX_FOUND} that were found"
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(count if found else "No conversation holds this.", width="content")
        st.button("Clear", type="tertiary", key=f"{key}_clear", on_click=_clear, args=(f"{key}_sought",))
    with st.container(gap=None, key=f"{key}_found"):
        for each in found:
            _show_row(key, each.row)
            if each.excerpt is not None:
                st.caption(_marked(each.excerpt))


def _show_row(key: str, row: ConversationRow) -> None:
    is_open, title = row.id == named(), plain(row.title)
    st.button(
        f"**{title}**" if is_open else title,
        icon=":material/chat:" if is_open else ":material/chat_bubble_outline:",
        type="tertiary",
        wrap=False,
        key=f"{key}_{row.id}",
        on_click=_open,
        args=(row.id,),
    )


def _marked(excerpt: Excerpt) -> str:
    """The excerpt as markdown, its hit marked; stars would not bold every hit, a mark in brackets does."""
    return f"{plain(excerpt.before)}:primary-background[{plain(excerpt.hit)}]{plain(excerpt.after)}"


def _clear(key: str) -> None:
    st.session_state[key] = ""


def _open(conversation_id: UUID | None) -> None:
    if conversation_id is None:
        st.query_params.pop(PARAMETER, None)
    else:
        st.query_params[PARAMETER] = str(conversation_id)
