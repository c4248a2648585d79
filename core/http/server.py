"""How the process serves: what stands around the pages, start and stop, and `serve` itself."""

from __future__ import annotations

import gc
import http.client
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path

import uvicorn
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core import workbench
from core.accounts.openid_providers import openid_providers
from core.errors import ConfigurationError
from core.http.api import create_api
from core.http.entrance import Entrance
from core.http.host_guard import HostGuard
from core.http.metrics import PATH as METRICS
from core.http.metrics import Counted, RequestFigures, create_metrics, note_route
from core.http.openid_answers import OpenIdAnswers, OwnAuth
from core.http.openid_nonce import allow_missing_nonce
from core.http.security import SecurityHeaders
from core.http.session_routes import create_auth
from core.http.socket_guard import SocketGuard
from core.http.v1.app import create_v1
from core.settings import ROOT, Settings

MAX_FRAME_BYTES = 8 * 1024 * 1024
PING_S = 30.0
SHUTDOWN_S = 5
READY_WITHIN_S = 60.0
PROBE_EVERY_S = 0.05
CONNECTION_SCRIPT = Path(__file__).with_name("connection.js")
ASK_AGAIN = {"Cache-Control": "no-cache"}
PROBED = ("/api/health", "/")

_log = logging.getLogger(__name__)


class Shell:
    """What stands around the pages: the API in two wire formats, the session routes, the guards, start and stop."""

    def __init__(self, settings: Settings, *, index_html: Path, icon: Path, preload: Sequence[str] = ()) -> None:
        self._api, self._v1, self._auth, self._metrics = _Late(), _Late(), _Late(), _Late()
        self._figures = RequestFigures()
        self._preload = tuple(preload)
        openid = openid_providers(settings)
        auth = (OwnAuth if openid else Mount)("/auth", self._auth)
        mounts = [Mount("/api", self._api), Mount("/v1", self._v1), auth]
        inner: list[BaseRoute] = [*mounts, Route(METRICS, self._metrics)]
        self.routes: list[BaseRoute] = [
            *inner,
            Route("/favicon.png", lambda _request: FileResponse(icon)),
            Route("/connection.js", lambda _request: FileResponse(CONNECTION_SCRIPT, headers=ASK_AGAIN)),
        ]
        self.middleware = [
            Middleware(Counted, figures=self._figures),
            Middleware(SecurityHeaders, settings=settings, index_html=index_html.read_text("utf-8")),
            Middleware(HostGuard, settings=settings),
            Middleware(PastThePages, routes=inner),
            Middleware(SocketGuard),
            *([Middleware(OpenIdAnswers, settings=settings)] if openid else []),
        ]
        allow_missing_nonce([provider.name for provider in openid if not provider.sends_nonce])

    @asynccontextmanager
    async def lifespan(self, _app: object) -> AsyncIterator[None]:
        """Open the workbench before the first request and close it after the last."""
        await run_in_threadpool(self._start)
        bench = workbench.current()
        worker = bench.worker() if bench.settings.runs_worker else None
        if worker is not None:
            worker.start()
        try:
            yield
        finally:
            if worker is not None:
                await run_in_threadpool(worker.stop)
            await run_in_threadpool(bench.close)

    def _start(self) -> None:
        bench = workbench.current()
        bench.market.load_shipped()
        bench.load_demo()
        entrance = Entrance.of(bench)
        self._api.app, self._v1.app, self._auth.app = create_api(entrance), create_v1(entrance), create_auth(entrance)
        self._metrics.app = create_metrics(entrance, self._figures)
        for module in self._preload:
            import_module(module)
        # What is loaded by now stays; looking it over after every rerun took nine tenths of the time.
        gc.collect()
        gc.freeze()


class PastThePages:
    """Takes requests for what is not a page straight there: past what the pages' server does for pages, a third of the
    work of a short call."""

    def __init__(self, app: ASGIApp, *, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = tuple(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            for route in self._routes:
                match, inner = route.matches(scope)
                if match is Match.FULL:
                    await route.handle({**scope, **inner}, receive, send)
                    return
        await self._app(scope, receive, send)


class _Late:
    """An ASGI application that is set at start-up, when the workbench is open."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            raise RuntimeError("The API was asked before start-up")
        try:
            await self.app(scope, receive, send)
        finally:
            note_route(scope)


def serve(settings: Settings, *, on_ready: Callable[[], None], application: str = "app:app") -> None:
    """Serve until stopped by SIGINT or SIGTERM; `on_ready` is called once the pages can be opened.

    Raises:
        ConfigurationError: the port is taken, or the address is not one of this machine.
    """
    listener = _listen(settings)
    # The application reads its settings again when it is imported, and must find the same address.
    os.environ["HOST"], os.environ["PORT"] = settings.host, str(settings.port)
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            ws="websockets-sansio",
            ws_max_size=MAX_FRAME_BYTES,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            access_log=False,
            server_header=False,
            log_level="warning",
        )
    )
    probe = threading.Thread(target=_probe, args=(settings, server, on_ready), name="ready-probe", daemon=True)
    with listener, suppress(KeyboardInterrupt):
        probe.start()
        server.run(sockets=[listener])
    if not server.started:
        raise ConfigurationError("The workbench could not be started; the reason is above.")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    is_every_address = settings.host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server((settings.host, settings.port), family=family, dualstack_ipv6=is_every_address)
    except OSError as error:
        place = f"{settings.host}, port {settings.port}"
        raise ConfigurationError(f"Cannot listen on {place}: {error.strerror}. Set HOST or PORT.") from error


def _probe(settings: Settings, server: uvicorn.Server, on_ready: Callable[[], None]) -> None:
    """Ask for the pages as a browser would, until they come or the server ends."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and not server.should_exit:
        if server.started and all(_answers(settings, path) for path in PROBED):
            on_ready()
            return
        time.sleep(PROBE_EVERY_S)
    if not server.should_exit:
        _log.warning("The pages did not answer within %d s of the start", READY_WITHIN_S)


def _answers(settings: Settings, path: str) -> bool:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (asked, not bound)
    host = own.get(settings.host, settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=5)
    with suppress(OSError, http.client.HTTPException):
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        finally:
            connection.close()
    return False
