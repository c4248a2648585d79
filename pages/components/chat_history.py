"""The conversation as it stands: its messages, and what became of a question that has no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.ai.evidence import Evidence
from core.db.conversations_dao import MessageRow
from core.errors import MeteringDenied, PromptRejected
from core.principal import Principal
from core.research.attachments.attachments import Attachment
from pages.components import chat_files, chat_patience, chat_reactions, chat_turn
from pages.components.chat_message import show_answer, show_model, show_question
from pages.components.chat_turn import Turn, Unanswered, UnderWay
from pages.components.errors import show_error, show_message

SHOWN_AT_FIRST = 30
"""Latest messages that are drawn; earlier ones on demand."""
AGAIN_AFTER = timedelta(seconds=10)
"""From so long after a question on that nobody here waits for, it can be asked again."""
STOP_WAIT = timedelta(seconds=5)
"""What was stopped here is saved within this time, or not at all."""
SUGGESTIONS = (
    "What is portfolio diversification?",
    "How is the Sharpe ratio calculated?",
    "What does a maximum drawdown tell?",
    "Explain beta and alpha",
)


@dataclass(frozen=True, slots=True)
class Along:
    """What goes along with messages, by their ids, and what can be done with them."""

    labels: Mapping[str, str]
    """Names of the models."""
    evidence: Mapping[UUID, Evidence] = field(default_factory=dict)
    """What answers rest on."""
    files: Mapping[UUID, Sequence[Attachment]] = field(default_factory=dict)
    """What questions came with."""
    picture_of: chat_files.PictureOf | None = None
    deeds: chat_reactions.Deeds | None = None
    """None: answers can only be read."""


def show(key: str, messages: Sequence[MessageRow], along: Along, remaining: str = "") -> None:
    """The messages, the latest at the bottom; what is left of today stands under the last answer."""
    shown = messages
    if len(messages) > SHOWN_AT_FIRST and not st.session_state.get(f"{key}_all"):
        shown = messages[-SHOWN_AT_FIRST:]
        st.button(
            f"Show {len(messages) - len(shown)} earlier messages",
            type="tertiary",
            key=f"{key}_earlier",
            on_click=st.session_state.__setitem__,
            args=(f"{key}_all", True),
        )
    for row in shown:
        if row.role == "user":
            show_question(row.text, along.files.get(row.id, ()), along.picture_of)
        else:
            with show_model():
                _show_answer(row, along, remaining if row is messages[-1] else "")
                if along.deeds is not None and row.state != "failed":
                    with _deeds_row(f"{key}_deeds_{row.id}"):
                        chat_reactions.show(key, row.id, along.deeds)


def show_rest(
    key: str,
    messages: Sequence[MessageRow],
    along: Along,
    remaining: str,
    *,
    may_ask: bool,
    until: datetime | None = None,
) -> None:
    """As `show`, with the button to ask the last question again in its bubble; before `until` it is too early to."""
    last = messages[-1]
    is_answered = last.role != "user"
    show(key, messages[:-1] if is_answered else messages, along)
    has_failed = not is_answered or last.state == "failed"
    with show_model():
        if may_ask and has_failed and chat_patience.left(until):
            chat_patience.show(f"{key}_again", last.note or "It can be asked again soon.", until, chat_turn.wish)
            return
        if is_answered:
            _show_answer(last, along, remaining)
        else:
            show_message("This question was not answered.", "It cost you nothing.", icon=":material/cloud_off:")
        with _deeds_row(
            f"{key}_deeds_{last.id}"
        ):  # gives way at once; a button would stay until the next answer is there
            if along.deeds is not None and not has_failed:
                chat_reactions.show(key, last.id, along.deeds)
            if may_ask:
                _show_again(f"{key}_again", has_failed=has_failed)


def _deeds_row(key: str) -> DeltaGenerator:
    """A block: it gives way at once, where buttons would stay until the next answer is finished."""
    return st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=key)


def _show_answer(row: MessageRow, along: Along, remaining: str) -> None:
    show_answer(row, along.labels, remaining, along.evidence.get(row.id))


def _show_again(key: str, *, has_failed: bool) -> None:
    st.button(
        "Try again" if has_failed else "Regenerate",
        icon=":material/refresh:",
        type="secondary" if has_failed else "tertiary",
        key=key,
        help=None if has_failed else "Asks the same again, past the cache. It counts as a question.",
        on_click=chat_turn.wish,
    )


def show_suggestions(key: str) -> None:
    """What an empty page offers."""
    with st.container(key=key):  # one element, whose place the first question takes
        st.header("What would you like to know?", anchor=False)
        st.caption(
            "Ask about a term, a measure or a method, or choose a portfolio below and ask about it. Each answer "
            "says who wrote it, which of its figures are verified, and what it cost."
        )
        with st.container(horizontal=True):
            for number, text in enumerate(SUGGESTIONS):
                st.button(text, key=f"{key}_{number}", on_click=chat_turn.wish, args=(text,), wrap=True)


def show_unanswered(key: str, unanswered: Unanswered, principal: Principal, prompt_key: str) -> None:
    """A question that brought no answer, why, and the button that helps; its text stays until then.

    What has to be written otherwise goes back into the input of that key.
    """
    turn, error = unanswered.turn, unanswered.error
    if not turn.is_again:
        show_question(turn.text)
    with show_model(), st.container(horizontal=True, vertical_alignment="center"):
        if error is not None and chat_patience.left(unanswered.until):
            chat_patience.show(key, error.detail, unanswered.until, partial(chat_turn.wish_turn, turn))
            return
        if isinstance(error, PromptRejected) and not turn.is_again:
            show_message(error.detail, "Nothing was sent or counted.", icon=":material/shield:", box=st.warning)
            st.button(
                "Edit the question",
                icon=":material/edit:",
                key=key,
                on_click=chat_turn.edit,
                args=(prompt_key, turn.text),
            )
            return
        if isinstance(error, MeteringDenied):
            show_error(error, principal)
        elif error is not None:
            show_message(f"{error.title}.", error.detail, icon=":material/error:", box=st.warning)
        else:
            show_message("This question was not sent.", "Nothing was counted.", icon=":material/pause_circle:")
        st.button(
            "Try again",
            icon=":material/refresh:",
            key=key,
            on_click=chat_turn.wish_turn,
            args=(turn,),
        )


def last_question(messages: Sequence[MessageRow]) -> str:
    """What was asked last; empty where nothing was."""
    return next((row.text for row in reversed(messages) if row.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer that may still come."""

    message_id: UUID | None
    """Id under which it will be saved; None where another tab asked."""
    until: datetime
    again_from: datetime | None = None
    """From when on the question can be asked again."""

    def is_in(self, messages: Sequence[MessageRow]) -> bool:
        """Whether it has come."""
        if self.message_id is None:
            return not messages or messages[-1].role != "user"
        return any(row.id == self.message_id for row in messages)


def awaited(
    messages: Sequence[MessageRow], under_way: UnderWay | None, now: datetime, total_s: float
) -> Awaited | None:
    """The answer to wait for: just stopped here, or to a question younger than the time limit."""
    found = None
    if under_way is not None:
        found = Awaited(under_way.message_id, under_way.since + STOP_WAIT)
    elif messages and messages[-1].role == "user":
        asked_at = messages[-1].created_at
        found = Awaited(None, asked_at + timedelta(seconds=total_s), asked_at + AGAIN_AFTER)
    return found if found is not None and now < found.until and not found.is_in(messages) else None


def before(turn: Turn, messages: Sequence[MessageRow]) -> Sequence[MessageRow]:
    """The messages that stand above the answer to this turn."""
    if not turn.is_again:
        return messages
    asked = [index for index, row in enumerate(messages) if row.role == "user"]
    return messages[: asked[-1] + 1] if asked else messages
