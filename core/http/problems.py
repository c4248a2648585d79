"""Errors as problem documents (RFC 9457): one shape for every failure, and no word in it that is secret."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import (
    AssayError,
    Denial,
    InvalidRequest,
    MeteringDenied,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    PromptRejected,
    ProviderError,
    RateLimited,
    StillRunning,
    Unauthenticated,
    place_of,
)
from core.http.caller import caller_of

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:assay:problem:"
UPGRADE_URL = "/billing"
"""Where a denied user finds what to do; `/billing` takes its place when that page exists."""
MAX_NAME_CHARS = 60
"""A field's name in a sentence is cut to this length: callers choose it."""

_UNEXPECTED = "Something went wrong on our side. Try again; if it stays, tell your operator the X-Request-Id."
_log = logging.getLogger(__name__)

# What each kind of flaw that Pydantic finds means to the caller; the others are told in Pydantic's own words.
_FLAWS = {
    "missing": "The field {field} is missing.",
    "extra_forbidden": "There is no field {field} here, or it is not supported yet.",
    "string_type": "The field {field} must be a text.",
    "string_unicode": "The field {field} holds characters that are not text.",
    "string_too_short": "The field {field} must not be empty.",
    "bool_type": "The field {field} must be true or false.",
    "bool_parsing": "The field {field} must be true or false.",
    "int_type": "The field {field} must be a whole number.",
    "int_parsing": "The field {field} must be a whole number.",
    "float_type": "The field {field} must be a number.",
    "float_parsing": "The field {field} must be a number.",
    "list_type": "The field {field} must be a list.",
    "dict_type": "The field {field} must be an object.",
    "model_attributes_type": "The field {field} must be an object.",
}


def problem_of(error: AssayError) -> dict[str, object]:
    """The members of an error's problem document."""
    problem: dict[str, object] = {
        "type": TYPE_PREFIX + error.problem_code,
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "code": error.problem_code,
    }
    if isinstance(error, PromptRejected) and error.rule is not None:
        return {**problem, "rule": error.rule}
    return {**problem, **_denial_members(error.denial)} if isinstance(error, MeteringDenied) else problem


def problem_response(error: AssayError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as the answer to a request; `headers` are added to its own."""
    return JSONResponse(
        problem_of(error),
        status_code=error.http_status,
        headers={**headers_of(error), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def unexpected(error: BaseException) -> AssayError:
    """What is told of an error that nobody foresaw; where it happened is logged, its words are not."""
    _log.error("A request failed by an unexpected error: %s.", place_of(error))
    return AssayError(_UNEXPECTED)


def install_problems(app: FastAPI) -> None:
    """Makes the application answer every error that it knows as a problem document."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, AssayError)
        return problem_response(error, caller_of(request).headers)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(InvalidRequest(sentence_of(error.errors())))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refused = of_http(error)
        return problem_response(refused, allowed(app, request) if isinstance(refused, MethodNotAllowed) else None)

    app.add_exception_handler(AssayError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


class LastResort:
    """Answers what nothing else caught; logs where it happened and none of its words."""

    def __init__(self, app: ASGIApp, *, refuse: Callable[[AssayError], ASGIApp]) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 (the outermost edge of a request)
            answer = unexpected(error)
            if not has_begun:
                await self._refuse(answer)(scope, receive, send)


def sentence_of(flaws: Sequence[Mapping[str, Any]]) -> str:
    """One sentence for the first flaw of a request, naming its field."""
    if not flaws:
        return "The request is not valid."
    flaw = flaws[0]
    field = field_of(flaws) or "body"
    known = _FLAWS.get(str(flaw.get("type")))
    return known.format(field=field) if known else f"The field {field} is not valid: {flaw.get('msg', '')}."


def field_of(flaws: Sequence[Mapping[str, Any]]) -> str | None:
    """Name of the field that the sentence names; None where it is the body as a whole."""
    path = [str(part) for part in flaws[0].get("loc", ())][1:] if flaws else []
    return _shown(".".join(path)) if path else None


def rfc3339(moment: datetime) -> str:
    """A time as the API writes it: UTC, with a `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def plain_decimal(amount: Decimal) -> str:
    """An amount as text, without an exponent and without zeros at its end."""
    return f"{amount.normalize():f}" if amount else "0"


def _denial_members(denial: Denial) -> dict[str, object]:
    is_money = not {"usd", "credits"}.isdisjoint(denial.metric.split("_"))

    def number(amount: Decimal) -> object:
        return plain_decimal(amount) if is_money or amount != amount.to_integral_value() else int(amount)

    return {
        "metric": denial.metric,
        "limit": number(denial.limit),
        "used": number(denial.used),
        "remaining": number(denial.remaining),
        "resets_at": rfc3339(denial.resets_at) if denial.resets_at else None,
        "reason": denial.reason,
        "upgrade_url": UPGRADE_URL,
    }


def headers_of(error: AssayError) -> dict[str, str]:
    """The headers that an error brings along, in whatever words it is told."""
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, PayloadTooLarge):
        return {"Connection": "close"}  # or the server would go on reading what nobody wants
    if isinstance(error, StillRunning):
        return {"Retry-After": str(error.retry_after_s)}
    wait_s = error.denial.retry_after_s if isinstance(error, MeteringDenied) else None
    if isinstance(error, ProviderError | RateLimited) and error.retry_after_s is not None:
        wait_s = max(1, ceil(error.retry_after_s))
    return {} if wait_s is None else {"Retry-After": str(wait_s)}


def of_http(error: HTTPException) -> AssayError:
    """What the framework refuses by itself, as one of ours."""
    known: dict[int, AssayError] = {
        404: NotFound("There is nothing at this address."),
        405: MethodNotAllowed("This address does not take this method; the Allow header names those it takes."),
        413: PayloadTooLarge("The body is too large."),
    }
    return known.get(error.status_code) or InvalidRequest("The request cannot be read.")


def allowed(app: FastAPI, request: Request) -> dict[str, str]:
    """The methods that the address of a request takes, on whichever routes they are."""
    scope = {**request.scope, "path_params": {}}
    matching = [route for route in app.routes if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE]
    return {"Allow": ", ".join(sorted({method for route in matching for method in route.methods or ()}))}


def _shown(name: str) -> str:
    printable = "".join(character for character in name if character.isprintable())
    return printable if len(printable) <= MAX_NAME_CHARS else f"{printable[:MAX_NAME_CHARS]}…"
