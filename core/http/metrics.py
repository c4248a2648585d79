"""`GET /metrics`: the figures of this process as Prometheus reads them, for this machine and holders of METRICS_TOKEN.

Requests are counted here, by the template of their route and never by their path: a caller cannot make up labels.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import AssayError, MethodNotAllowed, Unauthenticated
from core.http.address_rate import AddressRate
from core.http.context import in_thread
from core.http.entrance import Entrance
from core.http.host_guard import host_name
from core.http.problems import LastResort, problem_response
from core.http.shared_secret import bears
from core.ops.database_figures import DatabaseFigures
from core.settings import LOOPBACK, VERSION, Settings

PATH = "/metrics"
APPLICATIONS = frozenset({"api", "v1", "auth"})
"""What is mounted below the first part of a path; all the rest are pages."""
PAGE_FOLDERS = frozenset({"_stcore", "static", "media", "component"})
"""What the pages' server serves below; any other address is a page."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
OTHER = "other"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
READ_THREADS = 2
FORWARDED = frozenset({"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"})
"""Headers by which a request says that it came through somebody else; so do all that begin with `x-forwarded`."""
HOW_TO = "Ask on the machine itself, or send the header Authorization: Bearer METRICS_TOKEN."

_NOTE = "assay.route"


class RequestFigures:
    """Counts requests and sockets as they end."""

    def __init__(self) -> None:
        self.registry = own = CollectorRegistry()
        self._requests = Counter(
            "assay_http_requests",
            "Requests that were answered, by the template of their route.",
            ("application", "route", "method", "status"),
            registry=own,
        )
        self._duration = Histogram(
            "assay_http_request_seconds",
            "Time of a request until the end of its answer.",
            ("application", "route"),
            buckets=BUCKETS_S,
            registry=own,
        )
        self.sockets = Gauge("assay_websockets_open", "Sockets of open pages.", registry=own)

    def answered(self, scope: Scope, route: str, status: int, took_s: float) -> None:
        """Counts a request; `status` is 0 where nothing was answered."""
        application, route = _place(scope["path"], route)
        method = scope["method"] if scope["method"] in METHODS else OTHER
        self._requests.labels(application, route, method, f"{status // 100}xx" if status else NO_ROUTE).inc()
        self._duration.labels(application, route).observe(took_s)


class Counted:
    """The outermost middleware: has every request and socket counted."""

    def __init__(self, app: ASGIApp, *, figures: RequestFigures) -> None:
        self._app = app
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        note, status, begun = [NO_ROUTE], 0, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope[_NOTE] = note
        try:
            await self._app(scope, receive, watched)
        finally:
            self._figures.answered(scope, note[0], status, time.perf_counter() - begun)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_open = False

        async def watched(message: Message) -> None:
            nonlocal is_open
            if message["type"] == "websocket.accept":
                is_open = True
                self._figures.sockets.inc()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if is_open:
                self._figures.sockets.dec()


def note_route(scope: Scope) -> None:
    """Tells the counting middleware which route a mounted application took; any copy of the request's scope will do."""
    route = scope.get("route")
    if _NOTE in scope and isinstance(route, Route):
        scope[_NOTE][0] = route.path_format


def create_metrics(entrance: Entrance, requests: RequestFigures) -> ASGIApp:
    """What answers `GET /metrics`."""
    bench = entrance.workbench
    own = CollectorRegistry()
    ProcessCollector(registry=own)
    GCCollector(registry=own)
    own.register(DatabaseFigures(bench.database))
    Info("assay_build", "What runs.", registry=own).info({"version": VERSION})
    registries = (own, requests.registry, bench.telemetry.registry)
    return LastResort(_Metrics(bench.settings, entrance.rate, registries), refuse=problem_response)


class _Metrics:
    """The text of some registries, for who may read it."""

    def __init__(self, settings: Settings, rate: AddressRate, registries: tuple[CollectorRegistry, ...]) -> None:
        self._settings = settings
        self._rate = rate
        self._registries = registries
        self._threads = ThreadPoolExecutor(READ_THREADS, "assay-metrics")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._check(scope)
            text = await in_thread(self._text, self._threads)
            answer = Response(text, headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"})
        except MethodNotAllowed as error:
            answer = problem_response(error, {"Allow": "GET, HEAD"})
        except AssayError as error:
            answer = problem_response(error)
        await answer(scope, receive, send)

    def _text(self) -> bytes:
        return b"".join(generate_latest(registry) for registry in self._registries)

    async def _check(self, scope: Scope) -> None:
        """Refuses all but readers of this machine and holders of the token, in the same words whatever they lack.

        An address that has guessed too often is refused until its reset, with the right token too.

        Raises:
            Unauthenticated, MeteringDenied, MethodNotAllowed: no figure is told.
        """
        headers = Headers(scope=scope)
        if not is_from_this_machine(scope, headers, self._settings):
            address = scope["client"][0] if scope.get("client") else ""
            if self._rate.is_refused(address) or not bears(headers, self._settings.metrics_token):
                await self._rate.take(address)
                raise Unauthenticated(HOW_TO)
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowed("This address takes GET and HEAD.")


def is_from_this_machine(scope: Scope, headers: Headers, settings: Settings) -> bool:
    """Whether a program of this machine asks for itself, and none passes on what others ask.

    The server takes the address from `X-Forwarded-For` where a proxy of this machine sends one, and a proxy may pass on
    what its caller made up. So whatever claims to be forwarded is from elsewhere, and so is all that asks for a public
    name, or asks a workbench that is said to have one.
    """
    if any(name in FORWARDED or name.startswith("x-forwarded") for name in headers):
        return False
    names = {host_name(headers.get("host", ""))}
    if settings.public_url:
        names.add(urlsplit(settings.public_url).hostname)
    return bool(scope.get("client")) and _is_loopback(scope["client"][0]) and names <= LOOPBACK


def _is_loopback(address: str) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def _place(path: str, route: str) -> tuple[str, str]:
    """Application and route template of a request, each of a list of our own."""
    first, slash, _ = path[1:].partition("/")
    if path == PATH:
        return "metrics", PATH
    if slash and first in APPLICATIONS:
        return first, f"/{first}{route}" if route.startswith("/") else route
    if first in PAGE_FOLDERS:
        return "pages", f"/{first}/…"
    return "pages", "page"
