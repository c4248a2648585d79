"""What can be done with one answer: say what one thinks of it, and go on from it in another conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import streamlit as st

from core.errors import AssayError
from core.research.reactions import Reaction, Thumb
from pages.components.errors import show_error
from pages.components.forms import acknowledge

MAX_NOTE_CHARS = 2_000
_FAILED = "chat_reactions_failed"
_THUMBS: tuple[Thumb, Thumb] = ("down", "up")
"""By the value that the two thumbs have."""
React = Callable[[UUID, Thumb | None, str | None], object]
"""Keeps what somebody thinks of an answer."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """What is done with answers, and what was thought of them so far."""

    react: React
    branch: Callable[[UUID], object] | None
    """Goes on from an answer in another conversation; None: not for this reader."""
    reactions: Mapping[UUID, Reaction] = field(default_factory=dict)
    is_busy: bool = False
    """Whether an answer is being written, which a press would stop."""


def show(key: str, message_id: UUID, deeds: Deeds) -> None:
    """Thumbs, note and branch of one answer, as parts of the row that they are drawn in."""
    kept = deeds.reactions.get(message_id)
    thumb = None if kept is None or kept.reaction is None else _THUMBS.index(kept.reaction)
    note = "" if kept is None else kept.note or ""
    widget = f"{key}_thumbs_{message_id}"
    st.session_state[widget] = thumb
    st.feedback(
        "thumbs",
        key=widget,
        on_change=_react,
        args=(widget, message_id, note or None, deeds.react),
        disabled=deeds.is_busy,
    )
    with st.popover(
        "Noted" if note else "Note",
        icon=":material/sticky_note_2:" if note else ":material/note_add:",
        type="tertiary",
        help="Your note on this answer, for yourself and for who runs this workbench.",
        key=f"{key}_note_{message_id}",
        on_change="rerun",
        disabled=deeds.is_busy,
    ) as popover:
        if popover.open:
            _show_note(f"{key}_{message_id}", message_id, note, None if kept is None else kept.reaction, deeds.react)
    if deeds.branch is not None:
        st.button(
            "Branch",
            icon=":material/fork_right:",
            type="tertiary",
            key=f"{key}_branch_{message_id}",
            help="Goes on from this answer in a new conversation; this one stays as it is.",
            on_click=_branch,
            args=(message_id, deeds.branch),
            disabled=deeds.is_busy,
        )


def show_failed() -> None:
    """What could not be done since the page was last drawn, once."""
    error = st.session_state.pop(_FAILED, None)
    if isinstance(error, AssayError):
        show_error(error, has_action=False)


def _show_note(key: str, message_id: UUID, note: str, thumb: Thumb | None, react: React) -> None:
    with st.form(f"{key}_form", border=False):
        typed = st.text_area("Your note", note, max_chars=MAX_NOTE_CHARS, key=f"{key}_text", height=110)
        if st.form_submit_button("Save note", type="primary", key=f"{key}_save"):
            try:
                react(message_id, thumb, (typed or "").strip() or None)
            except AssayError as error:
                show_error(error, has_action=False)
                return
            acknowledge("Your note is kept" if (typed or "").strip() else "Your note is gone")
            st.rerun()


def _react(widget: str, message_id: UUID, note: str | None, react: React) -> None:
    value = st.session_state[widget]
    _try(lambda: react(message_id, None if value is None else _THUMBS[value], note))


def _branch(message_id: UUID, branch: Callable[[UUID], object]) -> None:
    _try(lambda: branch(message_id))


def _try(do: Callable[[], object]) -> None:
    try:
        do()
    except AssayError as error:
        st.session_state[_FAILED] = error
