"""Who may knock: requests for another host's name, and sockets opened by another site's page, are refused."""

from __future__ import annotations

import logging
from functools import lru_cache, partial
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import LOOPBACK, Settings

WRONG_HOST = (
    "The workbench does not answer to this address. Open it by the address that it printed when it was "
    "started; its operator can set PUBLIC_URL to the address that users see."
)
NOT_LISTENING = "This workbench serves its own machine only. Its operator can set HOST to open it to others."
FOREIGN_ORIGIN = "Pages of another site may not use this workbench."

REMEMBERED = 256
"""Hosts and addresses whose judgement is remembered."""

_log = logging.getLogger(__name__)


class HostGuard:
    """Refuses a wrong Host (421), a foreign page's socket, an outside caller of a local workbench (403)."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._is_known_host = lru_cache(REMEMBERED)(partial(is_known_host, settings=settings))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        refusal = self._refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await refusal(scope, receive, send)
        else:
            await _refuse_socket(refusal, scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        # Two names for one request is how a check of the one lets the other through.
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if self._settings.listens_on_loopback and not _came_by_loopback(scope):
            return PlainTextResponse(NOT_LISTENING, status_code=403)
        if not self._is_known_host(host):
            return PlainTextResponse(WRONG_HOST, status_code=421)
        origin = headers.get("origin")
        if scope["type"] == "websocket" and origin is not None and not is_own_origin(origin, host, self._settings):
            _log.info("Refused a socket that a page of another site opened")
            return PlainTextResponse(FOREIGN_ORIGIN, status_code=403)
        return None


def is_known_host(host: str, settings: Settings) -> bool:
    """Whether a Host header names this workbench: by its public address, as this machine, or by a bare IP."""
    name = host_name(host)
    if name is None:
        return False
    if name in LOOPBACK or name in {settings.host.lower(), host_name(urlsplit(settings.address).netloc)}:
        return True
    # What an attacker's name service points at us is a name, never a bare address.
    return not settings.listens_on_loopback and _is_ip(name)


def is_own_origin(origin: str, host: str, settings: Settings) -> bool:
    """Whether an Origin header is that of our own pages, served under `host` or the public address."""
    try:
        given = urlsplit(origin)
        name = given.hostname
    except ValueError:
        return False
    if given.scheme not in {"http", "https"} or not given.netloc:
        return False
    if settings.is_https and given.scheme != "https" and name not in LOOPBACK:
        return False
    own = urlsplit(settings.public_url).netloc if settings.public_url else host
    return given.netloc.lower() in {host.lower(), own.lower()}


def is_own_request(headers: Headers, settings: Settings) -> bool:
    """Whether a browser says that a page of ours made this request; a request that says nothing is not."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None:
        return False
    is_same_site = site is None or site == "same-origin"
    return is_same_site and (origin is None or is_own_origin(origin, headers.get("host", ""), settings))


def host_name(host: str) -> str | None:
    """The name in a Host header, in small letters; None when it is not one."""
    try:
        parts: SplitResult = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.netloc != host or "@" in host or not parts.hostname:
        return None
    return parts.hostname.rstrip(".")


def _came_by_loopback(scope: Scope) -> bool:
    """Whether the connection ended on a loopback address of ours, whatever its headers claim."""
    local = scope.get("server")
    return not local or _may_be_loopback(local[0])


@lru_cache(REMEMBERED)
def _may_be_loopback(address: str) -> bool:
    return not _is_ip(address) or ip_address(address).is_loopback


def _is_ip(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse_socket(refusal: PlainTextResponse, scope: Scope, receive: Receive, send: Send) -> None:
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008})
        return

    async def as_socket(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await receive()
    await refusal({**scope, "type": "http", "method": "GET"}, receive, as_socket)
