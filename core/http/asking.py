"""How a route asks a model: what was answered before, the call, and the headers of its end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from fastapi import Request

from core.ai.answer import Answer, Question
from core.ai.evidence import Step
from core.ai.session import Session
from core.errors import AssayError
from core.http.caller import caller_of
from core.http.context import CallThreads, in_thread
from core.http.idempotency import REPLAYED_HEADER
from core.http.metered import CHAT_QUOTA, REQUEST_QUOTA, metered_headers, refused_headers, told_headers
from core.http.streams import Listener, Visit
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Errand:
    """What a route asks for."""

    open_session: Callable[[bool], Session]
    """Opens the answer; True where the caller runs the call itself and waits for the whole of it."""
    idempotency: Idempotency | None
    quota: str
    """The quota that it counts against."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One request of a caller to the gateway."""

    request: Request
    principal: Principal
    bench: Workbench
    threads: CallThreads

    def errand(self, question: Question) -> Errand:
        """A question for the gateway."""
        quota = CHAT_QUOTA if question.feature else REQUEST_QUOTA

        def open_session(runs_here: bool) -> Session:
            return self.bench.gateway.session(self.principal, question, runs_here=runs_here)

        return Errand(open_session, question.idempotency, quota)

    async def whole(self, errand: Errand) -> Asked:
        """The whole answer.

        Raises:
            AssayError: it failed; its headers say how the caller stands.
        """
        return await self._asked(errand, streams=False)

    async def begun(self, errand: Errand) -> Asked:
        """The answer from its first piece on, which was waited for: until then a failure has a status of its own.

        Raises:
            AssayError: it failed before that.
        """
        return await self._asked(errand, streams=True)

    @asynccontextmanager
    async def refusing(self, quota: str) -> AsyncIterator[None]:
        """Whatever fails in this block says in its headers how the caller stands."""
        try:
            yield
        except AssayError as error:
            refused = partial(refused_headers, self.bench.usage, self.principal, error, quota=quota)
            caller_of(self.request).headers.update(await in_thread(refused, self.threads))
            raise

    async def _asked(self, errand: Errand, *, streams: bool) -> Asked:
        async with self.refusing(errand.quota):
            return await self._replayed(errand) or await self._opened(errand, streams=streams)

    async def _replayed(self, errand: Errand) -> Asked | None:
        if errand.idempotency is None:
            return None
        find = partial(self.bench.gateway.replayed, self.principal, errand.idempotency)
        replay = await in_thread(find, self.threads)
        if replay is None:
            return None
        headers = await self._headers(replay.answer, None, errand.quota)
        headers[REPLAYED_HEADER] = "true"
        answer = replay.answer
        headers["X-Request-Id"] = str(answer.request_id)
        return Asked(answer, None, answer.text or None, answer.request_id, answer.model, headers, replay.context)

    async def _opened(self, errand: Errand, *, streams: bool) -> Asked:
        visit = Visit(partial(errand.open_session, not streams), self.request.receive, self.threads)
        listener: Listener | None = None
        first = None
        async with visit.watching():
            if streams:
                listener = await visit.listen()
                first = await listener.piece()
                answer = listener.answer
            else:
                answer = await visit.whole()
            headers = await self._headers(answer, visit.session, errand.quota)
        headers["X-Request-Id"] = str(visit.session.request_id)
        return Asked(answer, listener, first, visit.session.request_id, visit.session.model, headers)

    async def _headers(self, answer: Answer | None, session: Session | None, quota: str) -> dict[str, str]:
        told = told_headers(answer, session.hold if session else None)
        if told is not None:
            return told
        return await in_thread(
            partial(metered_headers, self.bench.usage, self.principal, answer, quota=quota), self.threads
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, whole or begun."""

    answer: Answer | None
    """None while it is on its way."""
    listener: Listener | None
    """Reads the rest; None for an answer that was given before."""
    first: str | Step | None
    request_id: UUID
    model: str
    headers: dict[str, str]
    context: Mapping[str, str] = field(default_factory=dict)
    """Of an answer that was given before: what its route kept beside it."""

    @property
    def complete(self) -> Answer:
        """The answer, at its end."""
        answer = self.answer if self.listener is None else self.listener.answer
        assert answer is not None
        return answer

    async def pieces(self) -> AsyncIterator[str]:
        """The text as it comes, from its first piece on.

        Raises:
            AssayError: it failed.
        """
        async for piece in self.events():
            if isinstance(piece, str):
                yield piece

    async def events(self) -> AsyncIterator[str | Step]:
        """The text as it comes, and the steps on the way to it as they begin and end.

        Raises:
            AssayError: it failed.
        """
        piece = self.first
        while piece is not None:
            yield piece
            piece = await self.listener.piece() if self.listener else None
