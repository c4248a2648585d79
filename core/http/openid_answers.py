"""What Streamlit's two addresses of sign-in by OpenID Connect leave in a browser, and what they say when it fails.

Streamlit keeps the provider's tokens and claims in cookies for 30 days, also over https without Secure, and sends
everybody to the start page, where it failed without a word. Here the tokens never reach the browser, the claims stay as
long as they are good for, who was on another page comes back to it, and the start page is told what went wrong.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.accounts.openid import GOOD_FOR
from core.accounts.openid_providers import CALLBACK, OUTCOME, Outcome
from core.errors import MeteringDenied
from core.http.address_rate import AddressRate
from core.http.security import RawHeaders
from core.settings import Settings

LOGIN = "/auth/login"
START_PAGE = b"/"
CLAIMS_COOKIE = "_streamlit_user"
GOOD_FOR_S = int(GOOD_FOR.total_seconds())
PAGE_COOKIE = "assay_page"
"""The page that somebody left for the provider."""

_COOKIE = re.compile(rf"{CLAIMS_COOKIE}(_tokens)?(_\d+)?")
_TOKENS = f"{CLAIMS_COOKIE}_tokens".encode()
_PATH = re.compile(r"https?://[^/?#]*([^?#]*)")
_PAGE = re.compile(r"/[a-z0-9_-]{1,40}")
_AGE = re.compile(rb"(?<=Max-Age=)[1-9]\d*", re.IGNORECASE)


def is_openid_cookie(name: str) -> bool:
    """Whether a cookie is one of those in which Streamlit keeps a provider's answer, in one piece or in several."""
    return _COOKIE.fullmatch(name) is not None


class OwnAuth(Mount):
    """Our `/auth`, which leaves the one address that begins a sign-in at a provider to Streamlit."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As any mount, but for that address."""
        if scope["type"] == "http" and scope["path"] == LOGIN and scope["method"] == "GET":
            return Match.NONE, {}
        return super().matches(scope)


class OpenIdAnswers:
    """Goes over what Streamlit answers at those addresses; each address may begin so many sign-ins a minute."""

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._is_https = settings.is_https
        self._rate = AddressRate(settings.sign_in_attempts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in (LOGIN, CALLBACK):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if scope["path"] == LOGIN:
            try:
                await self._rate.take(request.client.host if request.client else "")
            except MeteringDenied:
                await RedirectResponse(_start_page(Outcome.BUSY), status_code=302)(scope, receive, send)
                return

        async def send_checked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, **self._checked(message, request)}
            await send(message)

        await self._app(scope, receive, send_checked)

    def _checked(self, message: Message, request: Request) -> dict[str, object]:
        """Status and headers as they leave."""
        headers: RawHeaders = [pair for pair in message["headers"] if not _sets(pair, _TOKENS)]
        if message["status"] >= 400:
            return {"status": 302, "headers": _sent_to(_start_page(Outcome.UNREACHABLE), headers)}
        is_open = any(_sets(pair, CLAIMS_COOKIE.encode()) and _AGE.search(pair[1]) for pair in headers)
        if is_open:
            headers = _sent_to(_page(request.cookies.get(PAGE_COOKIE, "")), headers)
        elif (b"location", START_PAGE) in headers:
            refused = parse_qs(request.url.query).get("error") == ["access_denied"]
            headers = _sent_to(_start_page(Outcome.CANCELLED if refused else Outcome.FAILED), headers)
        elif request.url.path == LOGIN:
            left = _PATH.match(request.headers.get("referer", ""))
            headers += _remembering(_page(left[1] if left else ""))
        return {"headers": [self._kept(pair) for pair in headers]}

    def _kept(self, pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        """A header; a cookie no longer than it is good for, and Secure where users come by https."""
        name, value = pair
        if name != b"set-cookie":
            return pair
        if _sets(pair, CLAIMS_COOKIE.encode()):
            value = _AGE.sub(str(GOOD_FOR_S).encode(), value)
        if self._is_https and b"secure" not in value.lower().split(b"; "):
            value += b"; Secure"
        return name, value


def _sets(pair: tuple[bytes, bytes], cookie: bytes) -> bool:
    """Whether a header sets that cookie, or a piece of it."""
    name, value = pair
    return name == b"set-cookie" and value.startswith(cookie)


def _sent_to(address: str, headers: RawHeaders) -> RawHeaders:
    return [*(pair for pair in headers if pair[0] != b"location"), (b"location", address.encode())]


def _start_page(outcome: Outcome) -> str:
    return f"/?{OUTCOME}={outcome}"


def _page(path: str) -> str:
    """The page of ours at that path; the start page where none can be."""
    return path if _PAGE.fullmatch(path) else "/"


def _remembering(page: str) -> RawHeaders:
    """The header by which the browser brings the page along when it comes back."""
    response = Response()
    response.set_cookie(PAGE_COOKIE, page, max_age=GOOD_FOR_S, path=CALLBACK, httponly=True, samesite="lax")
    return [pair for pair in response.raw_headers if pair[0] == b"set-cookie"]
