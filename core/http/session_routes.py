"""How a browser gets and loses its session cookie, which no script can read.

The sign-in page checks the password and shows a one-time ticket; the script served here posts it, and the
answer sets the cookie. The ticket is never in an address, and no address is taken from a request: the browser
reloads the page it is on.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from core.accounts.accounts import LONGEST_SESSION
from core.errors import (
    AssayError,
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
)
from core.http.entrance import Entrance
from core.http.host_guard import FOREIGN_ORIGIN, is_own_request
from core.http.openid_answers import is_openid_cookie
from core.http.problems import problem_response
from core.settings import SESSION_COOKIE as COOKIE
from core.settings import Settings

if TYPE_CHECKING:
    from core.accounts.accounts import Accounts

MAX_TICKET_BODY_BYTES = 2_048
MAX_AGENT_CHARS = 300
SCRIPT = Path(__file__).with_name("session.js")

_EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
AsProblem = Callable[[AssayError], Response]
"""How an error becomes an answer."""

_Endpoint = Callable[[Request], Awaitable[Response]]


def create_auth(entrance: Entrance) -> Starlette:
    """What is mounted at `/auth`, behind the entrance that bounds strangers."""
    bench = entrance.workbench
    routes = session_routes(bench.settings, bench.accounts, problem_response)
    nothing = NotFound("There is nothing at this address.")
    return Starlette(
        routes=[*routes, Mount("/", problem_response(nothing))], middleware=[entrance.callers(problem_response)]
    )


def session_routes(settings: Settings, accounts: Accounts, as_problem: AsProblem) -> list[BaseRoute]:
    """The routes below `/auth`."""
    routes = _SessionRoutes(settings, accounts, as_problem)
    script = SCRIPT.read_bytes()

    async def serve_script(_request: Request) -> Response:
        return Response(script, media_type="text/javascript")

    return [
        Route("/session.js", serve_script, methods=["GET"]),
        # Every method is taken here, or the wrong ones would be answered by the pages, as if they had worked.
        Route("/session", routes.guarded(routes.open), methods=_EVERY_METHOD),
        Route("/sign-out", routes.guarded(routes.close), methods=_EVERY_METHOD),
        Route("/forget-openid", routes.guarded(routes.forget_openid), methods=_EVERY_METHOD),
    ]


class _SessionRoutes:
    """Ticket to cookie, and sign-out; only for requests of our own pages."""

    def __init__(self, settings: Settings, accounts: Accounts, as_problem: AsProblem) -> None:
        self._settings = settings
        self._accounts = accounts
        self._as_problem = as_problem

    def guarded(self, endpoint: _Endpoint) -> _Endpoint:
        """The endpoint behind its checks, with every error as a problem document."""

        async def answer(request: Request) -> Response:
            try:
                if request.method != "POST":
                    raise MethodNotAllowed("Send this by POST.")
                if not is_own_request(request.headers, self._settings):
                    raise Forbidden(FOREIGN_ORIGIN)
                return await endpoint(request)
            except AssayError as error:
                return self._as_problem(error)

        return answer

    async def open(self, request: Request) -> Response:
        """Redeem the ticket in the body for a session, and set its cookie."""
        ticket = await _ticket(request)
        session = await run_in_threadpool(
            self._accounts.redeem_ticket,
            ticket,
            address=request.client.host if request.client else "",
            agent=request.headers.get("user-agent", "")[:MAX_AGENT_CHARS],
            replaced=request.cookies.get(COOKIE),
        )
        response = Response(status_code=204)
        response.set_cookie(
            COOKIE,
            session,
            # How long it is good is decided on the server, where a session that is used lives on.
            max_age=int(LONGEST_SESSION.total_seconds()),
            path="/",
            secure=self._settings.is_https,
            httponly=True,
            samesite="lax",
        )
        self._drop_openid(request, response)
        return response

    async def forget_openid(self, request: Request) -> Response:
        """Take a provider's answer away that opened nothing."""
        response = Response(status_code=204)
        self._drop_openid(request, response)
        return response

    async def close(self, request: Request) -> Response:
        """End the session on the server and take its cookie away, which goes even when the server cannot."""
        response = Response(status_code=204)
        session = request.cookies.get(COOKIE)
        if session:
            try:
                await run_in_threadpool(self._accounts.sign_out, session)
            except AssayError as error:
                response = self._as_problem(error)
        self._drop(COOKIE, response)
        self._drop_openid(request, response)
        return response

    def _drop_openid(self, request: Request, response: Response) -> None:
        """Take a provider's answer away: a session of ours has taken its place, or nothing has."""
        for name in filter(is_openid_cookie, request.cookies):
            self._drop(name, response)

    def _drop(self, cookie: str, response: Response) -> None:
        response.delete_cookie(cookie, path="/", secure=self._settings.is_https, httponly=True, samesite="lax")


async def _ticket(request: Request) -> str:
    # A form of another site cannot send this type without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send the ticket as application/json.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_TICKET_BODY_BYTES:
            raise PayloadTooLarge(f"A ticket takes at most {MAX_TICKET_BODY_BYTES} bytes.")
    try:
        content = json.loads(body)
    except ValueError:
        raise InvalidRequest("The body is not JSON.") from None
    ticket = content.get("ticket") if isinstance(content, dict) else None
    if not isinstance(ticket, str) or not ticket:
        raise InvalidRequest("The field ticket is missing or not a text.")
    return ticket
