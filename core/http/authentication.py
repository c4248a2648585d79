"""Who calls the API: found out from the token before anything else of a request is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, ClassVar, get_type_hints

from fastapi import Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from core.accounts.accounts import Accounts
from core.accounts.permissions import require_scope
from core.accounts.token_uses import TokenUses
from core.errors import AssayError, MeteringDenied, Unauthenticated
from core.http.address_rate import AddressRate
from core.http.caller import HOW_TO, SCOPE_KEY, Caller, caller_of
from core.http.context import in_thread
from core.http.limits import LateBody, checked_json_object, read_body, replayed
from core.principal import Principal, Scope
from core.settings import SESSION_COOKIE

SCHEME = "bearer"
LOOKUP_THREADS = 20
"""Threads in which tokens are looked up; more than the database takes at once only wait elsewhere."""
SUSPECT_THREADS = 1
"""Threads for the tokens of addresses that have sent too much without a valid one: they wait behind one another."""


class Callers:
    """Looks up the token or session of each request, and bounds those that have neither, by address."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        accounts: Accounts,
        rate: AddressRate,
        refuse: Callable[[AssayError], ASGIApp],
        threads: ThreadPoolExecutor,
        uses: TokenUses,
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._uses = uses
        self._rate = rate
        self._refuse = refuse
        self._threads = threads
        self._suspect_threads = ThreadPoolExecutor(SUSPECT_THREADS)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = scope["client"][0] if scope.get("client") else ""
        threads = self._suspect_threads if self._rate.is_refused(address) else self._threads
        caller = scope[SCOPE_KEY] = await self._caller(Headers(scope=scope), threads, address)
        app = self._app
        if caller.principal is None:
            try:
                await self._rate.take(address)
            except MeteringDenied as denied:
                app = self._refuse(denied)
        await app(scope, receive, send)

    async def _caller(self, headers: Headers, threads: ThreadPoolExecutor, address: str) -> Caller:
        accounts = self._accounts
        try:
            token = _bearer_token(headers)
            if token is not None:
                look_up = partial(self._holder, token, address, headers.get("user-agent", ""))
                return Caller(await in_thread(look_up, threads))
            session = cookie_parser(headers.get("cookie", "")).get(SESSION_COOKIE)
            if session:
                return Caller(await in_thread(partial(accounts.principal_of_session, session), threads))
        except AssayError as error:
            return Caller(refusal=error)
        return Caller()

    def _holder(self, token: str, address: str, agent: str) -> Principal:
        """Who has a token, whose use is noted."""
        principal = self._accounts.principal_of_token(token)
        if principal.credential_id is not None:
            self._uses.note(principal.credential_id, token, address=address, agent=agent)
        return principal


class SignedInRoute(APIRoute):
    """A route for callers with a token: nobody else's body is read, and a body is one bounded JSON object.

    To read takes the token's scope `read`, all else the scope `ask`.
    """

    changes: ClassVar[Scope] = Scope.ASK
    """The scope that a call takes that does more than read."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        shape = _body_shape(endpoint) if self.body_field is not None else None
        if shape is not None:
            self.app = _answering(endpoint, *shape, scope=self.scope)

    @property
    def scope(self) -> Scope:
        """The scope that a token needs for this route."""
        return Scope.READ if (self.methods or set()) <= {"GET", "HEAD"} else self.changes

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the checks."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            require_scope(token_holder(request), self.scope)
            return await handle(request if self.body_field is None else (await _read(request))[0])

        return checked


class ManagingRoute(SignedInRoute):
    """A route whose changes take the token's scope `admin`."""

    changes = Scope.ADMIN


def _answering(endpoint: Callable[..., Any], name: str, model: type[BaseModel], *, scope: Scope) -> ASGIApp:
    """The straight way to an endpoint that makes its own answer."""

    async def answer(asgi: AsgiScope, receive: Receive, send: Send) -> None:
        request = Request(asgi, receive, send)
        principal = token_holder(request)
        require_scope(principal, scope)
        read, content = await _read(request)
        state, body = request.app.state, _validated(model, content)
        given = {name: body, "request": read, "principal": principal}
        response: Response = await endpoint(**given, bench=state.workbench, threads=state.threads)
        await response(asgi, receive, send)

    return answer


def _body_shape(endpoint: Callable[..., Any]) -> tuple[str, type[BaseModel]] | None:
    """Name and model of the body of an endpoint that takes nothing but it and what every route is given, and that
    makes its own answer: FastAPI has nothing to do for it, and takes its time to find that out at each request."""
    hints = get_type_hints(endpoint)
    others = {name: kind for name, kind in hints.items() if name not in _GIVEN}
    if others.pop("return", None) is not Response or len(others) != 1:
        return None
    [(name, model)] = others.items()
    return (name, model) if isinstance(model, type) and issubclass(model, BaseModel) else None


_GIVEN = frozenset({"request", "principal", "bench", "threads"})


async def _read(request: Request) -> tuple[Request, dict[str, object]]:
    """The request with its body read, and the JSON object in it."""
    try:
        body = await read_body(request, most=request.app.state.max_body_bytes)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise
    content = checked_json_object(request.headers.get("content-type", ""), body)
    return Request(request.scope, replayed(body, request.receive)), content


def _validated(model: type[BaseModel], content: object) -> BaseModel:
    """The body as its model, or FastAPI's own error."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        flaws = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors(include_url=False)]
        raise RequestValidationError(flaws) from None


async def signed_in(
    request: Request,
    _scheme: Annotated[object, Security(HTTPBearer(auto_error=False, description=HOW_TO))],
) -> Principal:
    """The principal whose token the request bears.

    Raises:
        Unauthenticated: it bears none that is valid. A session does not count: a browser sends it unasked.
    """
    return token_holder(request)


SignedIn = Annotated[Principal, Security(signed_in)]


def token_holder(request: Request) -> Principal:
    """The principal whose token a request bears.

    Raises:
        Unauthenticated: it bears none that is valid.
    """
    caller = caller_of(request)
    if caller.principal is None:
        raise caller.refusal
    if caller.principal.via != "token":
        raise Unauthenticated(HOW_TO)
    return caller.principal


def _bearer_token(headers: Headers) -> str | None:
    """The token of a request, or None where it says nothing of who asks.

    Raises:
        Unauthenticated: it says so in another form, or more than once.
    """
    given = headers.getlist("authorization")
    if not given:
        return None
    scheme, _, token = given[0].strip().partition(" ")
    if len(given) > 1 or scheme.lower() != SCHEME or not token.strip():
        raise Unauthenticated(HOW_TO)
    return token.strip()
