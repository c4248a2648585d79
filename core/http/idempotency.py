"""`Idempotency-Key`: a request that is sent again with it gets the same answer, and is charged once.

header             one, of 1 to 255 printable ASCII characters
the same body      the answer of the first, with `Idempotency-Replayed: true`; while that still runs, `conflict`
                   with `Retry-After: 1`
another body       `conflict`
after a failure    the key is free again
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from fastapi import Request

from core.errors import InvalidRequest
from core.metering.repeats import Idempotency

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
MAX_KEY_CHARS = 255
MALFORMED = f"The header {KEY_HEADER} takes 1 to {MAX_KEY_CHARS} printable ASCII characters, once."


async def idempotency_of(
    request: Request, context: Mapping[str, str] | None = None, *, query: Mapping[str, object] | None = None
) -> Idempotency | None:
    """The caller's key with what it stands for; None where the request has none.

    That is the body, which must have been checked to be JSON as every body of a signed-in route is; or `query`, of a
    request that has no body.

    Raises:
        InvalidRequest: the key is malformed, or given twice.
    """
    given = request.headers.getlist(KEY_HEADER)
    if not given:
        return None
    key = given[0]
    if len(given) > 1 or not 1 <= len(key) <= MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
        raise InvalidRequest(MALFORMED)
    return Idempotency(
        route=f"{request.method} {request.scope['path']}",
        key=key,
        body_sha256=hashlib.sha256(canonical(await request.body() if query is None else json.dumps(query))).digest(),
        context=context or {},
    )


def canonical(body: bytes | str) -> bytes:
    """A JSON body in the one form that all its spellings share: keys sorted, no white space."""
    return json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode("ascii")
