"""What the person at the page wants next, and what became of it: kept for this tab until an answer is there.

Buttons and the input only note a wish, before the page runs; the page takes it once. So nothing is asked
twice, and a question that was not answered is still there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import streamlit as st
from streamlit.typing import ChatInputValue

from core.errors import AssayError, MeteringDenied, ProviderError
from core.research.assistant import Exchange
from core.research.templates import FilledTemplate

_NEXT, _UNANSWERED, _UNDER_WAY = "chat_turn_next", "chat_turn_unanswered", "chat_turn_under_way"
_RESTING = "chat_turn_resting"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the browser sent it; nothing about it is known yet."""

    name: str
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """A wish: a new question, or (without text and files) the last one of the conversation again."""

    text: str = ""
    is_typed: bool = False
    """Whether it came from the input, which then has a button to stop it."""
    uploads: tuple[Upload, ...] = ()
    """Files that came with it and were not read yet."""
    template: FilledTemplate | None = None
    """What its text was made of."""

    @property
    def is_again(self) -> bool:
        """Whether the last question is asked again."""
        return not self.text and not self.uploads


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A turn that brought no answer, and why; without a reason it was interrupted before it was sent."""

    turn: Turn
    conversation_id: UUID | None
    error: AssayError | None = None
    until: datetime | None = None
    """When it can be asked again; None: at once, or waiting does not help."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """An answer that was begun in this tab."""

    conversation_id: UUID
    message_id: UUID
    since: datetime


def wish(text: str = "", *, is_typed: bool = False) -> None:
    """Notes what to ask in the next run; for `on_click`."""
    st.session_state[_NEXT] = Turn(text, is_typed)


def wish_turn(turn: Turn) -> None:
    """Notes that this very turn is to be taken once more; for `on_click`."""
    st.session_state[_NEXT] = turn


def wish_from(key: str) -> None:
    """Notes what was sent from the input of that key; for `on_submit`."""
    wish_sent(st.session_state[key])


def wish_sent(sent: str | ChatInputValue | None) -> bool:
    """Notes what was sent from the input; whether there was anything."""
    text, files = (sent, []) if sent is None or isinstance(sent, str) else (sent.text, sent.files)
    sendable = [file for file in files if hasattr(file, "getvalue")]  # one that is gone again has no bytes
    uploads = tuple(Upload(file.name, file.type, file.getvalue()) for file in sendable)
    if not uploads and not (text or "").strip():
        return False
    wish_turn(Turn(text or "", is_typed=True, uploads=uploads))
    return True


def edit(key: str, text: str) -> None:
    """Puts a question back into the input of that key, in place of asking it; for `on_click`."""
    st.session_state.pop(_UNANSWERED, None)
    if text.strip():
        st.session_state[key] = text


def take(conversation_id: UUID | None) -> Turn | None:
    """The wish of this run, once; until it is sent it counts as unanswered: its text is never lost."""
    turn = st.session_state.pop(_NEXT, None)
    if not isinstance(turn, Turn):
        return None
    st.session_state.pop(_UNDER_WAY, None)
    note(Unanswered(turn, conversation_id))
    return turn


def is_wished() -> bool:
    """Whether something is to be asked that nobody has taken yet."""
    return isinstance(st.session_state.get(_NEXT), Turn)


def without_uploads(turn: Turn, conversation_id: UUID | None) -> Turn:
    """The turn once its files were read; as after `take`, its text is never lost."""
    read = replace(turn, uploads=())
    note(Unanswered(read, conversation_id))
    return read


def note(unanswered: Unanswered) -> None:
    """Keeps a turn that brought no answer."""
    st.session_state[_UNANSWERED] = replace(unanswered, until=wait_of(unanswered.error))


def rest(conversation_id: UUID, error: AssayError) -> None:
    """Keeps how long to wait before the last question of a conversation is asked again."""
    st.session_state[_RESTING] = (conversation_id, wait_of(error))


def rests_until(conversation_id: UUID | None) -> datetime | None:
    """When the last question of a conversation can be asked again; None: at once."""
    rested_id, until = st.session_state.get(_RESTING, (None, None))
    return until if rested_id == conversation_id else None


def wait_of(error: AssayError | None) -> datetime | None:
    """When what was refused in this moment may be tried again; None where nobody knows, or waiting does not help."""
    seconds: float | None = None
    if isinstance(error, ProviderError):
        seconds = error.retry_after_s
    elif isinstance(error, MeteringDenied) and error.denial.code == "rate_limited":
        seconds = error.denial.retry_after_s
    return None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)


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
