"""Which headers every answer carries, the content policy of the pages, and the number of each request."""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Callable
from html.parser import HTMLParser
from uuid import UUID, uuid4

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import place_of
from core.ops.origin import Origin, note_origin
from core.settings import Settings

REQUEST_ID = "X-Request-Id"
# Answers below these are made for one caller, so nothing on the way keeps them.
PERSONAL = ("/api/", "/v1/", "/auth/", "/oauth2callback")
# What Streamlit serves to anyone who asks and that only an operator should read; `/metrics` is ours.
CLOSED = frozenset({"/_stcore/metrics"})
HSTS_SECONDS = 365 * 24 * 60 * 60

_OPENING = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})

RawHeaders = list[tuple[bytes, bytes]]
REQUEST_ID_NAME = REQUEST_ID.lower().encode()
_Protect = Callable[[RawHeaders], None]

_log = logging.getLogger(__name__)


def content_policy(index_html: str) -> str:
    """The content policy of the pages: nothing from elsewhere, no inline script but the index's own."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in _inline_scripts(index_html))
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' {hashes}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class SecurityHeaders:
    """The outermost middleware: numbers each request, protects each answer, answers what failed."""

    def __init__(self, app: ASGIApp, *, settings: Settings, index_html: str) -> None:
        self._app = app
        self._policy = (b"content-security-policy", content_policy(index_html).encode())
        fixed = _fixed_headers(is_https=settings.is_https)
        self._fixed = [(name.lower().encode(), value.encode()) for name, value in fixed.items()]
        self._names = frozenset(name for name, _ in self._fixed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = uuid4().hex
        answer = _Answer(send, lambda headers: self._protect(headers, path=scope["path"], request_id=request_id))
        note_origin(Origin(_address_of(scope), UUID(hex=request_id)))
        app = _not_found if scope["path"] in CLOSED else self._app
        try:
            await app(_numbered(scope, request_id), receive, answer.send)
        except Exception as error:
            if answer.has_begun or scope["type"] != "http":
                raise
            _log.error("Request %s failed: %s", request_id, place_of(error))
            refusal = PlainTextResponse(f"Something went wrong. Reference: {request_id}", status_code=500)
            await refusal(scope, receive, answer.send)

    def _protect(self, headers: RawHeaders, *, path: str, request_id: str) -> None:
        given = {name.lower() for name, _ in headers}
        replaced = given & self._names
        if replaced:
            headers[:] = [pair for pair in headers if pair[0].lower() not in replaced]
        headers.extend(self._fixed)
        # A route that brings a narrower policy or its own lifetime knows better.
        if b"content-security-policy" not in given:
            headers.append(self._policy)
        if path.startswith(PERSONAL) and b"cache-control" not in given:
            headers.append((b"cache-control", b"no-store"))
        if REQUEST_ID_NAME not in given:
            headers.append((REQUEST_ID_NAME, request_id.encode()))


class _Answer:
    """The way back to the client, on which headers are added once."""

    def __init__(self, send: Send, protect: _Protect) -> None:
        self._send = send
        self._protect = protect
        self.has_begun = False

    async def send(self, message: Message) -> None:
        if message["type"] in _OPENING:
            self.has_begun = True
            message["headers"] = headers = list(message.get("headers", ()))
            self._protect(headers)
        await self._send(message)


class _ScriptReader(HTMLParser):
    """Collects the text of scripts that stand in the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script" and not any(name == "src" for name, _ in attrs):
            self._is_inside = True
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._is_inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._is_inside = False


def _inline_scripts(html: str) -> list[str]:
    reader = _ScriptReader()
    # Browsers hash what they parsed, in which every line ends with a line feed.
    reader.feed(html.replace("\r\n", "\n"))
    reader.close()
    return reader.scripts


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _fixed_headers(*, is_https: bool) -> dict[str, str]:
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if is_https:
        headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}; includeSubDomains"
    return headers


def _address_of(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


def _numbered(scope: Scope, request_id: str) -> Scope:
    """The request with our number in place of whatever the caller sent as one."""
    headers = [(key, value) for key, value in scope["headers"] if key.lower() != REQUEST_ID_NAME]
    state = {**scope.get("state", {}), "request_id": request_id}
    return {**scope, "headers": [*headers, (REQUEST_ID_NAME, request_id.encode())], "state": state}


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("Not found", status_code=404)(scope, receive, send)
