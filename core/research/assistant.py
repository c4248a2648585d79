"""The assistant: questions in conversations, answered through the gateway, saved where their owner alone sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from core.ai.answer import Draft, Question
from core.ai.cache import earlier_turn
from core.ai.gateway import Gateway
from core.ai.prompts import Prompt
from core.ai.providers.contract import Message
from core.ai.session import Session
from core.db import conversations_dao as dao
from core.db.conversations_dao import MessageRow
from core.db.engine import Database
from core.errors import AssayError, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.research.conversations import MAX_MESSAGES, UNTITLED, Conversations, title_of

CONTEXT_MESSAGES = 20
"""Earlier messages that a model is shown, at most."""
CONTEXT_CHARS = 24_000
"""Characters of earlier messages that a model is shown, at most."""
MAX_TOKENS = 1024
TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that was taken, and its answer on the way."""

    conversation_id: UUID
    message_id: UUID
    """Id under which the answer is saved."""
    session: Session


class Assistant:
    """Questions of one user in one organisation."""

    def __init__(
        self,
        database: Database,
        gateway: Gateway,
        prompt: Prompt,
        *,
        conversations: Conversations,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._gateway = gateway
        self._prompt = prompt

    def ask(
        self,
        principal: Principal,
        text: str,
        *,
        conversation_id: UUID | None = None,
        model: str | None = None,
        channel: str = "api",
        idempotency: Idempotency | None = None,
        runs_here: bool = False,
    ) -> Exchange:
        """Takes a question, in a conversation of the caller or (None) in a new one.

        `idempotency` and `runs_here` are as `Gateway.session` has them.

        Raises:
            NotFound: no conversation of that id that this caller may see.
            AssayError: as `Gateway.session`; then the question is not kept.
        """
        history = self._conversations.messages(principal, conversation_id) if conversation_id is not None else []
        if len(history) >= MAX_MESSAGES:
            raise InvalidRequest("This conversation is full; start a new one.")
        question = replace(self._question(history, text, model, channel), idempotency=idempotency)
        self._gateway.guard(principal, question)
        target, question_id = conversation_id or new_id(), new_id()
        with self._database.app(principal) as connection:
            if conversation_id is None:
                dao.add_conversation(connection, target, title_of(text))
            elif not history:
                dao.rename_conversation(connection, target, title_of(text), only_from=UNTITLED)
            dao.add_message(connection, _user_message(question_id, target, text))
            dao.touch_conversation(connection, target)
        try:
            return self._exchange(principal, question, target, runs_here=runs_here)
        except AssayError:
            self._forget(principal, question_id, target if conversation_id is None else None)
            raise

    def regenerate(
        self, principal: Principal, conversation_id: UUID, *, model: str | None = None, channel: str = "page"
    ) -> Exchange:
        """Asks the last question of a conversation again, past the cache; the new answer takes the old one's place.

        Raises:
            NotFound: no such conversation, or nothing was asked in it.
            AssayError: as `Gateway.session`; then the old answer stays.
        """
        shown = self._conversations.messages(principal, conversation_id)
        asked = next((index for index in range(len(shown) - 1, -1, -1) if shown[index].role == "user"), None)
        if asked is None:
            raise NotFound("There is nothing to answer again in this conversation.")
        question = self._question(shown[:asked], shown[asked].text, model, channel, skips_cache=True)
        replaced = [message.id for message in shown[asked + 1 :]]
        return self._exchange(principal, question, conversation_id, replaced)

    def _question(
        self, history: Sequence[MessageRow], text: str, model: str | None, channel: str, *, skips_cache: bool = False
    ) -> Question:
        system = Message("system", self._prompt.text)
        asked = Message("user", text.strip())
        turns = _turns(history)
        earlier = earlier_turn(turns, text)
        before = None if earlier is None else (system, *_context(turns[:earlier]), asked)
        return Question(
            messages=(system, *_context(turns), asked),
            model=model or "",
            max_tokens=MAX_TOKENS,
            temperature=TEMPERATURE,
            prompt_version=self._prompt.version,
            channel=channel,
            earlier=before,
            is_normalised=True,
            skips_cache=skips_cache,
        )

    def _exchange(
        self,
        principal: Principal,
        question: Question,
        conversation_id: UUID,
        replaced: Sequence[UUID] = (),
        *,
        runs_here: bool = False,
    ) -> Exchange:
        message_id = new_id()
        save = self._saver(principal, conversation_id, message_id, replaced)
        question = replace(question, conversation_id=conversation_id)
        if question.idempotency is not None:
            context = {"conversation_id": str(conversation_id), "message_id": str(message_id)}
            question = replace(question, idempotency=replace(question.idempotency, context=context))
        session = self._gateway.session(principal, question, save, runs_here=runs_here)
        return Exchange(conversation_id, message_id, session)

    def _saver(
        self, principal: Principal, conversation_id: UUID, message_id: UUID, replaced: Sequence[UUID]
    ) -> Callable[[Draft], None]:
        def save(draft: Draft) -> None:
            with self._database.app(principal) as connection:
                if draft.state != "failed" or not replaced:
                    for old in replaced:
                        dao.replace_message(connection, old)
                    dao.add_message(connection, _answer_message(message_id, conversation_id, draft))
                    dao.touch_conversation(connection, conversation_id)

        return save

    def _forget(self, principal: Principal, question_id: UUID, new_conversation_id: UUID | None) -> None:
        with self._database.app(principal) as connection:
            dao.replace_message(connection, question_id)
            if new_conversation_id is not None:
                dao.delete_conversation(connection, new_conversation_id)


def _turns(history: Sequence[MessageRow]) -> list[Message]:
    return [
        Message("user" if row.role == "user" else "assistant", row.text)
        for row in history
        if row.text and row.state != "failed"
    ]


def _context(turns: Sequence[Message]) -> list[Message]:
    """The latest turns that fit, oldest first."""
    kept: list[Message] = []
    room = CONTEXT_CHARS
    for message in reversed(turns[-CONTEXT_MESSAGES:]):
        room -= len(message.text)
        if room < 0:
            break
        kept.append(message)
    return kept[::-1]


def _user_message(message_id: UUID, conversation_id: UUID, text: str) -> dict[str, object]:
    empty = dict.fromkeys(
        ("request_id", "provider", "model", "prompt_tokens", "completion_tokens", "cost_usd", "note", "evidence")
    )
    flags = dict.fromkeys(("is_cached", "is_offline", "is_estimated"), False)
    return {
        **empty,
        **flags,
        "id": message_id,
        "conversation_id": conversation_id,
        "role": "user",
        "text": text.strip(),
        "state": "complete",
    }


def _answer_message(message_id: UUID, conversation_id: UUID, draft: Draft) -> dict[str, object]:
    return {
        "id": message_id,
        "conversation_id": conversation_id,
        "role": "assistant",
        "text": draft.text,
        "state": draft.state,
        "request_id": draft.request_id,
        "provider": draft.provider,
        "model": draft.model,
        "is_cached": draft.is_cached,
        "is_offline": draft.is_offline,
        "is_estimated": draft.is_estimated,
        "prompt_tokens": draft.usage.prompt_tokens if draft.usage else None,
        "completion_tokens": draft.usage.completion_tokens if draft.usage else None,
        "cost_usd": draft.cost_usd,
        "note": draft.note,
        "evidence": None if draft.evidence is None else draft.evidence.model_dump_json(),
    }
