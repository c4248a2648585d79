"""An answer as chunks: `chat.completion.chunk` events, then `[DONE]`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from core.errors import AssayError
from core.http.asking import Asked
from core.http.problems import unexpected
from core.http.streams import DONE, EventStream, event
from core.http.v1.answers import Chunks
from core.http.v1.errors import error_of


def chunk_stream(asked: Asked, chunks: Chunks) -> EventStream:
    """The chunks of an answer whose first piece was read before the status goes out."""
    return EventStream(_events(asked, chunks), asked.listener, asked.headers)


async def _events(asked: Asked, chunks: Chunks) -> AsyncIterator[bytes]:
    try:
        yield event(chunks.opening())
        async for piece in asked.pieces():
            yield event(chunks.delta(piece))
        for chunk in chunks.ending(asked.complete):
            yield event(chunk)
    except AssayError as error:
        yield event(error_of(error))
    except Exception as error:  # noqa: BLE001 (the outermost edge of an answer that has begun)
        yield event(error_of(unexpected(error)))
    yield DONE
