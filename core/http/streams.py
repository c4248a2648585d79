"""Answers on their way to one client: read in threads, sent as events, and stopped when the client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from anyio import CapacityLimiter
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core.ai.answer import Answer
from core.ai.session import Session
from core.errors import AssayError
from core.http.context import in_thread
from core.http.problems import problem_of, unexpected

SEND_WAIT_S = 30.0
"""A client that takes nothing for so long has left."""
DONE = b"data: [DONE]\n\n"


class Listener:
    """Reads one session for one client, without ever holding up the event loop."""

    def __init__(self, session: Session, receive: Receive, threads: CapacityLimiter) -> None:
        self._session = session
        self._receive = receive
        self._threads = threads
        self._pieces = iter(session)

    async def piece(self) -> str | None:
        """The next piece of the text; None when the answer is complete.

        Raises:
            AssayError: the answer failed.
        """
        return await in_thread(partial(next, self._pieces, None), self._threads)

    async def whole(self) -> Answer:
        """The whole answer.

        Raises:
            AssayError: it failed.
        """
        return await in_thread(self._session.result, self._threads)

    @property
    def answer(self) -> Answer | None:
        """The answer, once its last piece was read."""
        return self._session.answer

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Cancels the session when the client leaves while the block runs, or when the block fails."""
        watch = asyncio.create_task(self._cancel_when_gone())
        try:
            yield
        except BaseException:
            self._cancel_soon()
            raise
        finally:
            watch.cancel()

    async def _cancel_when_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cancel_soon()

    def _cancel_soon(self) -> None:
        """Cancels in a thread, since closing a connection may take its time; nobody waits for it."""
        asyncio.get_running_loop().run_in_executor(None, self._session.cancel)


class EventStream(StreamingResponse):
    """An answer as Server-Sent Events, whose first piece was read before the status goes out."""

    def __init__(
        self,
        listener: Listener,
        first: str | None,
        *,
        model: str,
        headers: Mapping[str, str],
        summary: Callable[[Answer], BaseModel],
    ) -> None:
        self._listener = listener
        self._first = first
        self._model = model
        self._summary = summary
        super().__init__(self._events(), headers={**headers, "X-Accel-Buffering": "no"}, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; a client that leaves or takes nothing ends them, and the session with them."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_WAIT_S):
                await send(message)

        with suppress(OSError, TimeoutError):
            async with self._listener.watching():
                await self.stream_response(send_in_time)

    async def _events(self) -> AsyncIterator[bytes]:
        piece = self._first
        try:
            while piece is not None:
                yield _event({"delta": piece, "model": self._model})
                piece = await self._listener.piece()
            assert self._listener.answer is not None
            yield _event(self._summary(self._listener.answer).model_dump(mode="json"))
        except AssayError as error:
            yield _event({"error": problem_of(error)})
        except Exception as error:  # noqa: BLE001 (the outermost edge of an answer that has begun)
            yield _event({"error": problem_of(unexpected(error))})
        yield DONE


def _event(content: Mapping[str, object]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return b"data: " + text.encode("utf-8", "replace") + b"\n\n"
