"""Which frames of the pages' socket reach Streamlit: all but what one visitor could use against the rest.

The one file under `core/` that reads Streamlit's wire format. A `clear_cache` frame empties the caches of the
whole process, whoever sends it, signed in or not.
"""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

DROPPED = frozenset({"clear_cache"})
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003

_log = logging.getLogger(__name__)


class SocketGuard:
    """Drops frames that empty the caches of everybody, and closes sockets that send what cannot be read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def receive_allowed() -> Message:
            while True:
                message = await receive()
                if message["type"] != "websocket.receive":
                    return message
                frame = message.get("bytes")
                if frame is None:
                    return await _closed(send, UNSUPPORTED_DATA)
                try:
                    kind = kind_of(frame)
                except DecodeError:
                    return await _closed(send, PROTOCOL_ERROR)
                if kind not in DROPPED:
                    return message
                _log.info("Dropped a frame of kind %s", kind)

        await self._app(scope, receive_allowed, send)


def kind_of(frame: bytes) -> str | None:
    """What a frame asks for; None when it asks for nothing that this version of Streamlit knows.

    Raises:
        DecodeError: it is no frame of the pages' socket.
    """
    message = BackMsg()
    message.ParseFromString(frame)
    return message.WhichOneof("type")


async def _closed(send: Send, code: int) -> Message:
    """Close the socket; what Streamlit is told is that the browser left."""
    await send({"type": "websocket.close", "code": code})
    return {"type": "websocket.disconnect", "code": code}
