"""Every error of ours in the shape in which clients of OpenAI expect theirs.

{"error": {"message": sentence, "type": kind, "param": field or null, "code": our code}}
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.errors import AssayError, MethodNotAllowed, NotFound
from core.http.caller import caller_of
from core.http.parameters import InvalidParameter
from core.http.problems import allowed, field_of, headers_of, of_http, sentence_of

STATUSES = {422: 400}
"""Where OpenAI has another status than the API."""
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
"""The kind of error by status; all above are the server's."""
SERVER_ERROR = "server_error"
CODES = {"unauthenticated": "invalid_api_key", "not_found": "model_not_found"}
"""Codes that clients know by another name; the others are the API's own."""
UNKNOWN_URL = "unknown_url"
ERROR_SCHEMA = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string"},
            },
        }
    },
}
"""The shape, for the document that describes the API."""


class _NoSuchAddress(NotFound):
    """Nothing is served there."""


def error_of(error: AssayError) -> dict[str, object]:
    """An error as the body of an answer, or as an event of a stream."""
    is_address = isinstance(error, _NoSuchAddress)
    code = UNKNOWN_URL if is_address else CODES.get(error.problem_code, error.problem_code)
    param = error.param if isinstance(error, InvalidParameter) else None
    if isinstance(error, NotFound) and not is_address:
        param = "model"
    return {"error": {"message": error.detail, "type": _type(status_of(error)), "param": param, "code": code}}


def status_of(error: AssayError) -> int:
    """The status that clients of OpenAI expect for an error."""
    return STATUSES.get(error.http_status, error.http_status)


def error_response(error: AssayError, headers: Mapping[str, str] | None = None) -> Response:
    """An error as the answer to a request; `headers` are added to its own."""
    return JSONResponse(error_of(error), status_of(error), headers={**headers_of(error), **(headers or {})})


def install_errors(app: FastAPI) -> None:
    """Makes the application answer every error that it knows in this shape."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, AssayError)
        return error_response(error, caller_of(request).headers)

    async def invalid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        flaws = error.errors()
        return error_response(InvalidParameter(sentence_of(flaws), field_of(flaws)))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        refused = of_http(error)
        if isinstance(refused, NotFound):
            refused = _NoSuchAddress(refused.detail)
        return error_response(refused, allowed(app, request) if isinstance(refused, MethodNotAllowed) else None)

    app.add_exception_handler(AssayError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _type(status: int) -> str:
    return TYPES.get(status, SERVER_ERROR)
