"""The assistant: questions in conversations, answered through the gateway, saved where their owner alone sees them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack
from uuid import UUID

from core.accounts.permissions import Action, may
from core.accounts.profiles import MAX_BENCHMARK_CHARS, Profiles
from core.ai.answer import Answer, Draft, Question, draft_of
from core.ai.cache import earlier_turn
from core.ai.evidence import Evidence
from core.ai.experiments import Experiments
from core.ai.gateway import Gateway
from core.ai.outside import as_json, cleaned
from core.ai.prompts import Prompt
from core.ai.providers.contract import Message
from core.ai.session import Given, Session
from core.db import attachments_dao
from core.db import conversations_dao as dao
from core.db.conversations_dao import MessageRow
from core.db.engine import Database
from core.errors import AssayError, InvalidRequest, NotFound, PromptRejected
from core.ids import new_id
from core.market.market import Market
from core.metering.repeats import Idempotency
from core.portfolio.portfolio import PortfolioArea
from core.principal import Principal
from core.research.answer_checks import AnswerChecks
from core.research.attachments.questions import LEAST_ROOM, ConversationFiles, Files, bind_files
from core.research.attachments.shown import FilesLoop
from core.research.bundled import Bundled
from core.research.conversations import MAX_MESSAGES, UNTITLED, Conversations, Turns, title_of
from core.research.grounding import marks
from core.research.measures import Measures
from core.research.templates import FilledTemplate, Templates
from core.research.tools.toolbox import Toolbox

CONTEXT = "Context, as JSON: "
"""Begins the line of the system message that says what a question is about."""
MOST_NAMED = 200
"""Holdings, or portfolios, that the context names."""
_OF_A_PORTFOLIO = re.compile(
    r"\b(?:my|mine|our|ours|(?:i|we) (?:own|hold|have|bought|sold)|portfolios?|depots?|holdings?|positions?"
    r"|benchmark|drawdowns?|performance|allocation|weights?|cash|mein\w*|unser\w*|mon|mes|notre|nos|portefeuilles?)\b",
    re.IGNORECASE,
)
"""A question without a portfolio that holds one of these words is told which there are; its answer is the user's."""
CONTEXT_MESSAGES = 20
"""Earlier messages that a model is shown, at most."""
CONTEXT_CHARS = 24_000
"""Characters of earlier messages that a model is shown, at most."""
PROMPT = "chat"
"""Name of the prompt, and of the task, of questions in conversations."""
MAX_TOKENS = 1024
TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that was taken, and its answer on the way."""

    conversation_id: UUID
    message_id: UUID
    """Id under which the answer is saved."""
    session: Session


class Beside(TypedDict, total=False):
    """What may come with a question."""

    attachment_ids: Sequence[UUID]
    """Files of the caller, in their order."""
    template: FilledTemplate | None
    """What the text was made of: its use is counted, and its version is part of the prompt's. With an empty text its
    own is asked."""


@dataclass(frozen=True, slots=True)
class AssistantParts:
    """What the assistant is composed of."""

    database: Database
    gateway: Gateway
    prompts: Mapping[str, Prompt]
    """By name; `PROMPT` is asked with, unless an experiment tries another."""
    experiments: Experiments
    conversations: Conversations
    market: Market
    portfolio: PortfolioArea
    profiles: Profiles
    toolbox: Toolbox
    measures: Measures
    checks: AnswerChecks
    bundled: Bundled
    templates: Templates


@dataclass(frozen=True, slots=True)
class _About:
    """What a question is about, beside its words."""

    context: str
    """As the model is told."""
    data_version: str
    """Changes with all that tools read, but for what has a life of its own."""
    portfolio_id: UUID | None
    is_private: bool
    """Whether the context names what is this user's alone."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and what it is asked with."""

    history: Sequence[MessageRow]
    text: str
    about: _About
    files: Files
    model: str
    channel: str


@dataclass(frozen=True, slots=True)
class _Taken:
    """A question as it is kept before it is asked."""

    conversation_id: UUID
    question_id: UUID
    text: str
    turn: Turns
    """The conversation before it."""
    portfolio_id: UUID | None
    is_new: bool
    """Whether the conversation begins with it."""


class Assistant:
    """Questions of one user in one organisation."""

    def __init__(self, parts: AssistantParts) -> None:
        self._parts = parts
        self._database = parts.database
        self._conversations = parts.conversations
        self._gateway = parts.gateway
        self._files = ConversationFiles(parts.database)

    def ask(
        self,
        principal: Principal,
        text: str,
        *,
        conversation_id: UUID | None = None,
        portfolio_id: UUID | None = None,
        model: str | None = None,
        channel: str = "api",
        idempotency: Idempotency | None = None,
        runs_here: bool = False,
        **beside: Unpack[Beside],
    ) -> Exchange:
        """Takes a question, in a conversation of the caller or (None) in a new one.

        Files that come with it, and those of the conversation's earlier questions, are shown to the model as data. It
        is about the portfolio given, or else the conversation's; the next questions of the conversation then too.
        Where the caller sees the conversation's no more, they are about none.
        `idempotency` and `runs_here` are as `Gateway.session` has them.

        Raises:
            NotFound: no conversation, portfolio or file of that id that this caller may see.
            InvalidRequest: too many files, or the conversation is full.
            AssayError: as `Gateway.session`; then the question is not kept, and the conversation is as it was.
        """
        template = beside.get("template")
        text = text if template is None or text.strip() else template.text
        turn = self._turn(principal, conversation_id)
        if len(turn.messages) >= MAX_MESSAGES:
            raise InvalidRequest("This conversation is full; start a new one.")
        about = self._about_turn(principal, portfolio_id, turn, text)
        files = self._files.given(principal, beside.get("attachment_ids", ()), conversation_id, turn.messages)
        asked = _Asked(turn.messages, text, about, files, model or "", channel)
        question = self._fitting(principal, asked)
        version = question.prompt_version if template is None else f"{question.prompt_version}+{template.version}"
        question = replace(question, idempotency=idempotency, prompt_version=version)
        taken = _Taken(
            conversation_id or new_id(), new_id(), text, turn, about.portfolio_id, is_new=conversation_id is None
        )
        self._keep(principal, taken, files)
        try:
            known = None if files.own else self._known(principal, about, text, channel)
            if known is not None:
                exchange = self._given(principal, known, taken.conversation_id)
            else:
                exchange = self._exchange(principal, question, taken.conversation_id, runs_here=runs_here)
        except AssayError:
            self._forget(principal, taken)
            raise
        if template is not None:
            with suppress(AssayError):
                self._parts.templates.used(principal, template.template_id)
        return exchange

    def regenerate(
        self, principal: Principal, conversation_id: UUID, *, model: str | None = None, channel: str = "page"
    ) -> Exchange:
        """Asks the last question of a conversation again, past the cache; the new answer takes the old one's place.

        Raises:
            NotFound: no such conversation, or nothing was asked in it.
            AssayError: as `Gateway.session`; then the old answer stays.
        """
        turn = self._turn(principal, conversation_id)
        shown = turn.messages
        asked = next((index for index in range(len(shown) - 1, -1, -1) if shown[index].role == "user"), None)
        if asked is None:
            raise NotFound("There is nothing to answer again in this conversation.")
        about = self._about(principal, turn.portfolio_id, shown[asked].text)
        files = self._files.of_question(principal, conversation_id, shown[: asked + 1])
        question = self._fitting(
            principal, _Asked(shown[:asked], shown[asked].text, about, files, model or "", channel)
        )
        replaced = [message.id for message in shown[asked + 1 :]]
        return self._exchange(principal, replace(question, skips_cache=True), conversation_id, replaced)

    def _turn(self, principal: Principal, conversation_id: UUID | None) -> Turns:
        return Turns([], None) if conversation_id is None else self._conversations.turns(principal, conversation_id)

    def _about_turn(self, principal: Principal, portfolio_id: UUID | None, turn: Turns, text: str) -> _About:
        """About the portfolio given, or else the conversation's, as long as the caller sees it; raises as `_about`."""
        if portfolio_id is None and turn.portfolio_id is not None:
            with suppress(NotFound):
                return self._about(principal, turn.portfolio_id, text)
        return self._about(principal, portfolio_id, text)

    def _about(self, principal: Principal, portfolio_id: UUID | None, text: str) -> _About:
        """What the model is told of the question's surroundings.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        market, portfolio = self._parts.market, self._parts.portfolio
        as_of = market.time.of(principal)
        version = f"{as_of.day}/{as_of.reason}/{market.store.writes()}"
        told: dict[str, object] = {"as_of": as_of.day.isoformat(), "portfolio": None}
        if portfolio_id is not None:
            info = portfolio.portfolios.get(principal, portfolio_id)
            held = [line.symbol for line in portfolio.reports.of(principal, portfolio_id).holdings]
            told["portfolio"] = {"name": cleaned(info.name), "currency": info.currency, "holdings": held[:MOST_NAMED]}
            organisation = self._parts.profiles.organisation(principal)
            told["benchmark"] = cleaned(info.benchmark or organisation.benchmark, MAX_BENCHMARK_CHARS)
            version = f"{version}/{info.id}/{info.version}/{market.fx.version}/{organisation.risk_free_rate}"
        named = portfolio_id is None and _OF_A_PORTFOLIO.search(text) is not None and may(principal, Action.READ)
        names = [cleaned(each.name) for each in portfolio.portfolios.all(principal)] if named else []
        if names:
            told["portfolios"] = names[:MOST_NAMED]
        return _About(f"{CONTEXT}{as_json(told)}", version, portfolio_id, bool(names) or portfolio_id is not None)

    def _fitting(self, principal: Principal, asked: _Asked) -> Question:
        """The question with as much of its files as the caller's plan and model let it be sent.

        Pictures of earlier questions are left out for a model that sees none.

        Raises:
            AssayError: as `Gateway.session`, before anything is reserved.
        """
        question = self._question(principal, asked)
        sees = any(message.pictures for message in question.messages) and not asked.files.pictures()
        try:
            if sees:
                self._gateway.estimate(principal, question)
            else:
                self._gateway.guard(principal, question)
        except PromptRejected as error:
            files = asked.files
            if error.rule != "prompt_tokens" or not files.has_text or files.room < LEAST_ROOM:
                raise
            return self._fitting(principal, replace(asked, files=files.shorter()))
        except InvalidRequest:
            if not sees:
                raise
            return self._fitting(principal, replace(asked, files=asked.files.blind()))
        return question

    def _question(self, principal: Principal, asked: _Asked) -> Question:
        parts, about, files = self._parts, asked.about, asked.files
        trial = parts.experiments.assigned(principal, PROMPT, kind="prompt")
        prompt = parts.prompts[(trial.prompt if trial is not None else None) or PROMPT]
        system = Message("system", f"{prompt.text}\n\n{about.context}")
        turns = [row for row in asked.history if row.text and row.state != "failed"]
        latest = _latest(turns)
        shown = files.shown(latest)
        messages = _messages(system, latest, asked.text, files)

        def course() -> FilesLoop:
            runner = parts.toolbox.runner(principal, about.portfolio_id)
            loop = FilesLoop(runner, messages, lambda answer, evidence: marks(answer, evidence, parts.measures))
            loop.files = shown.files
            return loop

        return Question(
            messages=messages,
            model=asked.model,
            max_tokens=MAX_TOKENS,
            temperature=TEMPERATURE,
            prompt_version=prompt.version,
            data_version=about.data_version,
            channel=asked.channel,
            experiment_id=None if trial is None else trial.experiment_id,
            arm=None if trial is None else trial.arm,
            earlier=_asked_before(system, turns, asked.text, files),
            is_normalised=True,
            is_private=about.is_private or files.is_private,
            tools=parts.toolbox.specs(with_portfolio=about.portfolio_id is not None),
            course=course,
        )

    def _known(self, principal: Principal, about: _About, text: str, channel: str) -> Answer | None:
        """What the portfolio's bundle answers, free."""
        if about.portfolio_id is None:
            return None
        return self._parts.bundled.answer(principal, about.portfolio_id, text, channel=channel)

    def _given(self, principal: Principal, answer: Answer, conversation_id: UUID) -> Exchange:
        """Keeps an answer that is there already."""
        message_id = new_id()
        self._saver(principal, conversation_id, message_id, (), is_private=True)(draft_of(answer))
        return Exchange(conversation_id, message_id, Session(answer.request_id, Given(answer)))

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
        save = self._saver(principal, conversation_id, message_id, replaced, is_private=question.is_private)
        question = replace(question, conversation_id=conversation_id)
        if question.idempotency is not None:
            context = {"conversation_id": str(conversation_id), "message_id": str(message_id)}
            question = replace(question, idempotency=replace(question.idempotency, context=context))
        session = self._gateway.session(principal, question, save, runs_here=runs_here)
        return Exchange(conversation_id, message_id, session)

    def _saver(
        self,
        principal: Principal,
        conversation_id: UUID,
        message_id: UUID,
        replaced: Sequence[UUID],
        *,
        is_private: bool,
    ) -> Callable[[Draft], None]:
        """What keeps an answer; of a conversation that was deleted meanwhile it keeps what is known of its figures."""

        def save(draft: Draft) -> None:
            with self._database.app(principal) as connection:
                is_there = attachments_dao.keeps_conversation(connection, conversation_id)
                if is_there and (draft.state != "failed" or not replaced):
                    for old in replaced:
                        dao.replace_message(connection, old)
                    answer = _answer_message(message_id, conversation_id, draft, is_private=is_private)
                    dao.add_message(connection, answer)
                    dao.touch_conversation(connection, conversation_id)
                if draft.evidence is not None and not draft.is_cached:
                    self._parts.checks.add(
                        connection,
                        draft.request_id,
                        provider=draft.provider,
                        model=draft.model,
                        evidence=draft.evidence,
                    )

        return save

    def _keep(self, principal: Principal, taken: _Taken, files: Files) -> None:
        """Keeps a question with its files, and what its conversation is about from now on.

        Raises:
            NotFound: a file, or the conversation, was deleted meanwhile.
        """
        target, turn = taken.conversation_id, taken.turn
        with self._database.app(principal) as connection:
            if taken.is_new:
                dao.add_conversation(connection, target, title_of(taken.text), portfolio_id=taken.portfolio_id)
            elif not attachments_dao.keeps_conversation(connection, target):
                raise NotFound("There is no such conversation.")
            elif not turn.messages:
                dao.rename_conversation(connection, target, title_of(taken.text), only_from=UNTITLED)
            if not taken.is_new and taken.portfolio_id != turn.portfolio_id:
                dao.set_portfolio(connection, target, taken.portfolio_id)
            dao.add_message(connection, _user_message(taken.question_id, target, taken.text))
            bind_files(connection, files.own, target, taken.question_id)
            dao.touch_conversation(connection, target)

    def _forget(self, principal: Principal, taken: _Taken) -> None:
        """Leaves the conversation as it was before a question that was not taken; its files wait for another."""
        target, turn = taken.conversation_id, taken.turn
        with self._database.app(principal) as connection:
            attachments_dao.unbind(connection, taken.question_id)
            dao.replace_message(connection, taken.question_id)
            if taken.is_new:
                dao.delete_conversation(connection, target)
                return
            if not turn.messages:
                dao.rename_conversation(connection, target, UNTITLED, only_from=title_of(taken.text))
            if taken.portfolio_id != turn.portfolio_id:
                dao.set_portfolio(connection, target, turn.portfolio_id)


def _asked_before(system: Message, turns: Sequence[MessageRow], text: str, files: Files) -> tuple[Message, ...] | None:
    """The messages of an earlier turn that asked the same, with the files that it had; None where there is none."""
    earlier = None if files.own else earlier_turn([_message(row) for row in turns], text)
    if earlier is None:
        return None
    return _messages(system, _latest(turns[:earlier]), text, files.as_of(turns[: earlier + 1]))


def _messages(system: Message, latest: Sequence[MessageRow], text: str, files: Files) -> tuple[Message, ...]:
    """What a model is shown: the turns before the question with their pictures, the files, and the question."""
    pictures = files.earlier_pictures(latest)
    before = [replace(_message(row), pictures=pictures.get(row.id, ())) for row in latest]
    return (system, *before, *files.shown(latest).messages, Message("user", text.strip(), pictures=files.pictures()))


def _latest(turns: Sequence[MessageRow]) -> list[MessageRow]:
    """The latest turns that fit, oldest first."""
    kept: list[MessageRow] = []
    room = CONTEXT_CHARS
    for row in reversed(turns[-CONTEXT_MESSAGES:]):
        room -= len(row.text)
        if room < 0:
            break
        kept.append(row)
    return kept[::-1]


def _message(row: MessageRow) -> Message:
    return Message("user" if row.role == "user" else "assistant", row.text)


def _user_message(message_id: UUID, conversation_id: UUID, text: str) -> dict[str, object]:
    of_answers = (
        "request_id",
        "provider",
        "model",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "note",
        "route",
        "evidence",
    )
    empty = dict.fromkeys(of_answers)
    flags = {**dict.fromkeys(("is_cached", "is_offline", "is_estimated"), False), "credits": 0}
    return {
        **empty,
        **flags,
        "note": None,
        "evidence": None,
        "id": message_id,
        "conversation_id": conversation_id,
        "role": "user",
        "text": text.strip(),
        "state": "complete",
    }


def _answer_message(message_id: UUID, conversation_id: UUID, draft: Draft, *, is_private: bool) -> dict[str, object]:
    evidence = draft.evidence
    if is_private or evidence is not None:
        evidence = (evidence or Evidence()).model_copy(update={"is_private": is_private})
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
        "credits": draft.credits,
        "note": draft.note,
        "route": draft.route or None,
        "evidence": None if evidence is None else evidence.model_dump_json(),
    }
