"""What a body may take of us: its size, the time it comes in, and its form."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import Message, Receive

from core.errors import InvalidRequest, PayloadTooLarge

BODY_WAIT_S = 20.0
"""Longest wait for a whole body."""
MAX_FIELDS = 100
"""Fields of a body, at its top; more would take long to refuse one by one."""
MAX_DEPTH = 64
"""Lists and objects within one another; whoever walks through them later has that much room."""


TOO_DEEP = "The body is nested too deeply."


class LateBody(InvalidRequest):
    """The body did not arrive in time."""


async def read_body(request: Request, *, most: int, wait_s: float | None = None) -> bytes:
    """The whole body, given up as soon as it is too large or too late: after `BODY_WAIT_S` where nothing else is said.

    Raises:
        PayloadTooLarge: it says that it is, or turns out to be, larger than `most` bytes.
        LateBody: it did not arrive in time.
    """
    too_large = PayloadTooLarge(f"The body is larger than {most:,} bytes.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large
    body, limit_s = bytearray(), BODY_WAIT_S if wait_s is None else wait_s
    try:
        async with asyncio.timeout(limit_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
    except TimeoutError:
        raise LateBody(f"The body did not arrive within {limit_s:g} seconds.") from None
    return bytes(body)


def replayed(body: bytes, receive: Receive) -> Receive:
    """The way in of a request whose body was read: the body once more, then whatever comes after it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return first.pop() if first else await receive()

    return receive_again


def checked_json_object(content_type: str, body: bytes) -> dict[str, object]:
    """A body, which has to be one JSON object of reasonable form.

    Raises:
        InvalidRequest: the sentence says what is wrong with it.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidRequest("Send the body as JSON, with the header Content-Type: application/json.")
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_without_repeats)
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8.") from None
    except RecursionError:
        raise InvalidRequest(TOO_DEEP) from None
    except ValueError:
        raise InvalidRequest("The body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if len(content) > MAX_FIELDS:
        raise InvalidRequest(f"The body has more than {MAX_FIELDS} fields.")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(content):
        raise InvalidRequest(TOO_DEEP)
    return content


def _refuse_constant(_name: str) -> float:
    raise ValueError("NaN and infinity are not JSON")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of the body. One that gives a field twice means one thing to us and another to somebody else."""
    content = dict(pairs)
    if len(content) < len(pairs):
        raise InvalidRequest("The body gives a field twice in one object.")
    return content


def _is_too_deep(content: object) -> bool:
    level: list[object] = [content]
    for _ in range(MAX_DEPTH):
        level = [part for node in level for part in _parts(node) if isinstance(part, dict | list)]
        if not level:
            return False
    return True


def _parts(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()
