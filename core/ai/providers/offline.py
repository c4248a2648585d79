"""The offline provider: needs no key and no network, explains terms from the shipped glossary, and says so.

What an area can answer by a stated rule of its own, it answers by that: see `Answerer`.

It never stands in for a live model. The same question always gets the same answer. Its tokens are its words
and its punctuation marks, for what it reads as for what it writes: a count that anybody can repeat. What it reads are
the messages, the calls of tools in them, and the tools that it is offered.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from core.ai.providers.contract import ChatRequest, Delta, Finish, Message, TimeLimits, TokenUsage, ToolCall
from core.ai.providers.glossary import Entry, Glossary
from core.errors import ProviderBroke, ProviderRejectedRequest

OFFLINE = "offline"
OFFLINE_MODEL = "offline-glossary"
Answerer = Callable[[ChatRequest], str | tuple[ToolCall, ...] | None]
"""Answers a request by a rule, with a text or with the tools that it wants used; None where it is not its own.

A request may have a JSON Schema that its answer has to follow; one without tools gets no calls. Its texts say that they
are a rule's. They have to be short: they too end at the `max_tokens` they are asked with."""
_TOKEN = re.compile(r"\w+|[^\w\s]")
_PIECE = re.compile(r"\s*(?:\w+|[^\w\s])")

_NO_ENTRY = (
    "This is the offline glossary. It explains terms of the field and has no entry for this question; it "
    "cannot reason, read your portfolio, or see live prices and news. The nearest terms it knows: {nearest}. "
    "For an answer from a live model, set OPENAI_API_KEY (or the key of another provider) and start again."
)
_ONLY_THE_TERM = (
    "That is what the offline glossary has on {terms}. It cannot answer the rest of the question, since it "
    "neither reasons nor sees live data; a live model can, once OPENAI_API_KEY (or the key of another "
    "provider) is set."
)


class Offline:
    """Answers from the glossary; safe to share between threads."""

    name = OFFLINE
    is_offline = True

    def __init__(self, folder: Path, *, delay_s: float = 0.0, answerers: Sequence[Answerer] = ()) -> None:
        self._glossary = Glossary.load(folder)
        self._delay_s = delay_s
        self._answerers = tuple(answerers)

    def close(self) -> None:
        """Nothing is open."""

    def chat(self, request: ChatRequest, limits: TimeLimits) -> OfflineStream:
        """The entry for the last user message, or what a rule answers, word by word."""
        is_read_whole = request.json_schema is not None  # nobody sees it grow
        return OfflineStream(self._answer, request, 0.0 if is_read_whole else self._delay_s)

    def _answer(self, request: ChatRequest) -> str | tuple[ToolCall, ...]:
        told = (answers(request) for answers in self._answerers)
        ruled = next((each for each in told if each is not None and (request.tools or isinstance(each, str))), None)
        return answer(self._glossary, request.messages) if ruled is None else ruled


class OfflineStream:
    """One answer on its way."""

    def __init__(
        self, answers: Callable[[ChatRequest], str | tuple[ToolCall, ...]], request: ChatRequest, delay_s: float
    ) -> None:
        self.usage: TokenUsage | None = None
        self.was_sent = False
        self._answers = answers
        self._request = request
        self._delay_s = delay_s
        self._aborted = threading.Event()

    def __iter__(self) -> Iterator[Delta | Finish]:
        """Deltas of one token each, then one Finish; calls of tools come with the Finish alone."""
        if self._request.model != OFFLINE_MODEL:
            raise ProviderRejectedRequest(f"The offline provider has one model, {OFFLINE_MODEL}.", provider=OFFLINE)
        if any(message.pictures for message in self._request.messages):
            raise ProviderRejectedRequest("The offline glossary sees no pictures; ask without them.", provider=OFFLINE)
        self._check()
        self.was_sent = True
        prompt_tokens = count_prompt(self._request)
        answered = self._answers(self._request)
        if not isinstance(answered, str):
            self._check()
            yield self._asking(answered, prompt_tokens)
            return
        pieces = _PIECE.findall(answered)
        for written, piece in enumerate(pieces[: self._request.max_tokens], start=1):
            if self._delay_s and written > 1:
                self._aborted.wait(self._delay_s)
            self._check()
            self.usage = TokenUsage(prompt_tokens, written)
            yield Delta(piece)
        self._check()
        self.usage = TokenUsage(prompt_tokens, min(len(pieces), self._request.max_tokens))
        yield Finish("stop" if len(pieces) <= self._request.max_tokens else "length", self.usage)

    def abort(self) -> None:
        """Ends the answer before its next token, from any thread."""
        self._aborted.set()

    def close(self) -> None:
        """Nothing is held open."""
        self._aborted.set()

    def _asking(self, calls: tuple[ToolCall, ...], prompt_tokens: int) -> Finish:
        """The end of an answer that asks for tools, or that was cut before it could."""
        written = _count_calls(calls)
        self.usage = TokenUsage(prompt_tokens, min(written, self._request.max_tokens))
        if written > self._request.max_tokens:
            return Finish("length", self.usage)
        return Finish("tool_calls" if calls else "stop", self.usage, calls)

    def _check(self) -> None:
        if self._aborted.is_set():
            raise ProviderBroke("The offline glossary was stopped.", provider=OFFLINE)


def count_tokens(text: str) -> int:
    """The provider's own count: words and punctuation marks."""
    return len(_TOKEN.findall(text))


def count_prompt(request: ChatRequest) -> int:
    """The tokens of what is read: of texts, of calls, and of tools with their schemas as JSON."""
    told = sum(count_tokens(message.text) + _count_calls(message.calls) for message in request.messages)
    tools = (f"{tool.name} {tool.description} {json.dumps(dict(tool.parameters))}" for tool in request.tools)
    return told + sum(map(count_tokens, tools))


def _count_calls(calls: Iterable[ToolCall]) -> int:
    return sum(count_tokens(call.name) + count_tokens(call.arguments) for call in calls)


def answer(glossary: Glossary, messages: Sequence[Message]) -> str:
    """The whole answer to a conversation; only its last user message counts."""
    question = next((message.text for message in reversed(messages) if message.role == "user"), "")
    match = glossary.match(question)
    if not match.entries:
        return _NO_ENTRY.format(nearest=", ".join(match.nearest) or "none")
    parts = [_told(entry) for entry in match.entries]
    if not match.is_whole:
        parts.append(_ONLY_THE_TERM.format(terms=" and ".join(entry.term for entry in match.entries)))
    return "\n\n".join(parts)


def _told(entry: Entry) -> str:
    lines = [f"{entry.term}: {entry.definition}"]
    if entry.formula:
        lines.append(f"Formula: {entry.formula}")
    if entry.related:
        lines.append(f"See also: {', '.join(entry.related)}.")
    return "\n\n".join(lines)
