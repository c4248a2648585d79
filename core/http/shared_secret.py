"""Secrets that an operator shares with a program: METRICS_TOKEN, CRON_SECRET."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr
from starlette.datastructures import Headers


def bears(headers: Headers, wanted: SecretStr | None) -> bool:
    """Whether a request bears this secret as its token; never where the secret is unset."""
    given = headers.getlist("authorization")
    if wanted is None or len(given) != 1:
        return False
    scheme, _, token = given[0].partition(" ")
    pair = (token.strip().encode("latin-1"), wanted.get_secret_value().strip().encode())
    # Digests are of one length: the comparison tells nothing of the secret's.
    is_same = hmac.compare_digest(*(hashlib.sha256(value).digest() for value in pair))
    return is_same and scheme.lower() == "bearer"
