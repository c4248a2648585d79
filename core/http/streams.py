"""Answers on their way to one client: read in threads, sent as events, and stopped when the client leaves."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core.ai.answer import Answer
from core.ai.evidence import Step
from core.ai.session import Session
from core.http.context import CallThreads, in_thread

SEND_WAIT_S = 30.0
"""A client that takes nothing for so long has left."""
DONE = b"data: [DONE]\n\n"


class Visit:
    """One client's request for an answer: opened in a thread, and left when the client leaves."""

    def __init__(self, open_session: Callable[[], Session], receive: Receive, threads: CallThreads) -> None:
        self._open = open_session
        self._receive = receive
        self._threads = threads
        self._session: Session | None = None
        self._has_left = False
        self._lock = threading.Lock()

    @property
    def session(self) -> Session:
        """The session, once it was opened."""
        assert self._session is not None
        return self._session

    async def whole(self) -> Answer:
        """The whole answer, opened, called and settled in one thread.

        Raises:
            AssayError: it failed, or was refused.
        """
        return await self._threads.run(lambda asks_provider: self._opened().result(asks_provider))

    async def listen(self) -> Listener:
        """The answer as it comes.

        Raises:
            AssayError: it was refused.
        """
        return Listener(await self._threads.run(lambda _: self._opened()), self._receive, self._threads)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Leaves the session when the client leaves while the block runs, or when the block fails."""
        async with _watched(self._receive, self._leave):
            yield

    def _opened(self) -> Session:
        session = self._open()
        with self._lock:
            self._session = session
            has_left = self._has_left
        if has_left:
            session.cancel()
        return session

    def _leave(self) -> None:
        with self._lock:
            self._has_left = True
            session = self._session
        if session is not None:
            session.cancel()


class Listener:
    """Reads one session for one client, without ever holding up the event loop."""

    def __init__(self, session: Session, receive: Receive, threads: CallThreads) -> None:
        self._session = session
        self._receive = receive
        self._threads = threads
        self._pieces = session.pieces()

    async def piece(self) -> str | Step | None:
        """The next piece of the text, or the next step on the way to it; None when the answer is complete.

        Raises:
            AssayError: the answer failed.
        """
        return await in_thread(partial(next, self._pieces, None), self._threads)

    @property
    def answer(self) -> Answer | None:
        """The answer, once its last piece was read."""
        return self._session.answer

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Leaves the session when the client leaves while the block runs, or when the block fails."""
        async with _watched(self._receive, self._session.cancel):
            yield


@asynccontextmanager
async def _watched(receive: Receive, leave: Callable[[], None]) -> AsyncIterator[None]:
    """Leaves in a thread, since closing a connection may take its time; nobody waits for it."""
    loop = asyncio.get_running_loop()

    async def leave_when_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        loop.run_in_executor(None, leave)

    watch = asyncio.create_task(leave_when_gone())
    try:
        yield
    except BaseException:
        loop.run_in_executor(None, leave)
        raise
    finally:
        watch.cancel()


class EventStream(StreamingResponse):
    """Events on their way to one client, the first of which was read before the status went out."""

    def __init__(self, events: AsyncIterator[bytes], listener: Listener | None, headers: Mapping[str, str]) -> None:
        self._listener = listener
        super().__init__(events, headers={**headers, "X-Accel-Buffering": "no"}, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; a client that leaves or takes nothing ends them, and the session with them."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_WAIT_S):
                await send(message)

        with suppress(OSError, TimeoutError):
            if self._listener is None:
                await self.stream_response(send_in_time)
                return
            async with self._listener.watching():
                await self.stream_response(send_in_time)


def event(content: Mapping[str, object]) -> bytes:
    """One event."""
    return b"data: " + json_bytes(content) + b"\n\n"


def json_bytes(content: Mapping[str, object]) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
