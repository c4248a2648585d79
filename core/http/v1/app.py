"""The OpenAI wire format as one application, to be mounted at `/v1`."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.http.entrance import Entrance
from core.http.v1 import chat, embeddings, models
from core.http.v1.errors import error_response, install_errors

AREAS = (chat, embeddings, models)
"""The files of routes."""
CLIENT_NUMBER = "X-Client-Request-Id"
MAX_NUMBER_CHARS = 512


def create_v1(entrance: Entrance) -> FastAPI:
    """The wire format behind the entrance that it shares with the API."""
    app = entrance.application("Assay, as OpenAI", error_response, outermost=[Middleware(ClientNumbers)])
    app.router.routes.extend(route for area in AREAS for route in area.router.routes)
    install_errors(app)
    return app


class ClientNumbers:
    """Gives the client back the number by which it knows its request, on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        number = Headers(scope=scope).get(CLIENT_NUMBER, "") if scope["type"] == "http" else ""
        if not (number and number.isascii() and number.isprintable() and len(number) <= MAX_NUMBER_CHARS):
            await self._app(scope, receive, send)
            return

        async def send_numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CLIENT_NUMBER] = number
            await send(message)

        await self._app(scope, receive, send_numbered)
