"""A real server around any ASGI application, for as long as a test needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def serving(application: ASGIApp) -> Iterator[str]:
    """The address at which the application answers."""
    is_up = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup()
            is_up.set()

    server = Server(uvicorn.Config(application, port=0, ws="websockets-sansio", log_level="critical"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert is_up.wait(10)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
