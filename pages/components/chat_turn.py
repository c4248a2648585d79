"""What the person at the page wants next, and what became of it: kept for this tab until an answer is there.

Buttons and the input only note a wish, before the page runs; the page takes it once. So nothing is asked
twice, and a question that was not answered is still there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core.errors import AssayError
from core.research.assistant import Exchange

_NEXT, _UNANSWERED, _UNDER_WAY = "chat_turn_next", "chat_turn_unanswered", "chat_turn_under_way"


@dataclass(frozen=True, slots=True)
class Turn:
    """A wish: a new question, or (without text) the last one of the conversation again."""

    text: str = ""
    is_typed: bool = False
    """Whether it came from the input, which then has a button to stop it."""

    @property
    def is_again(self) -> bool:
        """Whether the last question is asked again."""
        return not self.text


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A turn that brought no answer, and why; without a reason it was interrupted before it was sent."""

    turn: Turn
    conversation_id: UUID | None
    error: AssayError | None = None


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An answer that was begun in this tab."""

    conversation_id: UUID
    message_id: UUID
    since: datetime


def wish(text: str = "", *, is_typed: bool = False) -> None:
    """Notes what to ask in the next run; for `on_click`."""
    st.session_state[_NEXT] = Turn(text, is_typed)


def wish_from(key: str) -> None:
    """Notes what was typed into the input of that key; for `on_submit`."""
    text = st.session_state[key]
    if isinstance(text, str) and text.strip():
        wish(text, is_typed=True)


def take(conversation_id: UUID | None) -> Turn | None:
    """The wish of this run, once; until it is sent it counts as unanswered: its text is never lost."""
    turn = st.session_state.pop(_NEXT, None)
    if not isinstance(turn, Turn):
        return None
    st.session_state.pop(_UNDER_WAY, None)
    note(Unanswered(turn, conversation_id))
    return turn


def note(unanswered: Unanswered) -> None:
    """Keeps a turn that brought no answer."""
    st.session_state[_UNANSWERED] = unanswered


def unanswered(conversation_id: UUID | None) -> Unanswered | None:
    """The last turn of this conversation, where it brought no answer."""
    found = st.session_state.get(_UNANSWERED)
    return found if isinstance(found, Unanswered) and found.conversation_id == conversation_id else None


def keep_for_a_new_one(conversation_id: UUID | None) -> bool:
    """The conversation is gone: what was being asked in it waits in a new one. Whether there was anything."""
    turn, found = st.session_state.pop(_NEXT, None), st.session_state.get(_UNANSWERED)
    st.session_state.pop(_UNDER_WAY, None)
    if not isinstance(turn, Turn) and isinstance(found, Unanswered) and found.conversation_id == conversation_id:
        turn = found.turn
    if isinstance(turn, Turn) and not turn.is_again:
        note(Unanswered(turn, None))
    waiting = unanswered(None)
    return waiting is not None


def begin(exchange: Exchange) -> None:
    """The question was taken: from now on the answer is under way."""
    st.session_state.pop(_UNANSWERED, None)
    st.session_state[_UNDER_WAY] = UnderWay(exchange.conversation_id, exchange.message_id, datetime.now(UTC))


def end() -> None:
    """The answer came, or failed."""
    st.session_state.pop(_UNDER_WAY, None)


def under_way(conversation_id: UUID | None) -> UnderWay | None:
    """The answer that was begun here and whose end this tab has not seen, because it was stopped."""
    found = st.session_state.get(_UNDER_WAY)
    return found if isinstance(found, UnderWay) and found.conversation_id == conversation_id else None
