"""An answer as chunks: `chat.completion.chunk` events, then `[DONE]`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from core.errors import AssayError
from core.http import streams
from core.http.asking import Asked
from core.http.problems import unexpected
from core.http.v1.answers import Chunks
from core.http.v1.errors import error_of


class ChunkStream(StreamingResponse):
    """The chunks of an answer whose first piece was read before the status goes out."""

    def __init__(self, asked: Asked, chunks: Chunks) -> None:
        self._asked = asked
        self._chunks = chunks
        headers = {**asked.headers, "X-Accel-Buffering": "no"}
        super().__init__(self._events(), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the chunks; a client that leaves or takes nothing ends them, and the call with them."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(streams.SEND_WAIT_S):
                await send(message)

        listener = self._asked.listener
        with suppress(OSError, TimeoutError):
            if listener is None:
                await self.stream_response(send_in_time)
                return
            async with listener.watching():
                await self.stream_response(send_in_time)

    async def _events(self) -> AsyncIterator[bytes]:
        chunks = self._chunks
        try:
            yield _event(chunks.opening())
            async for piece in self._asked.pieces():
                yield _event(chunks.delta(piece))
            for chunk in chunks.ending(self._asked.complete):
                yield _event(chunk)
        except AssayError as error:
            yield _event(error_of(error))
        except Exception as error:  # noqa: BLE001 (the outermost edge of an answer that has begun)
            yield _event(error_of(unexpected(error)))
        yield streams.DONE


def json_bytes(content: Mapping[str, object]) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _event(content: Mapping[str, object]) -> bytes:
    return b"data: " + json_bytes(content) + b"\n\n"
