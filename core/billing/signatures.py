"""Whether an event comes from Stripe, and now: its signature and its age.

The header `Stripe-Signature` holds a time and HMAC-SHA-256 signatures of "time.body" under STRIPE_WEBHOOK_SECRET, one
for each secret while one replaces another (https://docs.stripe.com/webhooks/signature).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from core.errors import InvalidRequest

TOLERANCE_S = 300
"""An event that was signed longer ago, or later than now by so much, is refused."""
MAX_HEADER_CHARS = 2_000
MAX_SIGNATURES = 10
SCHEME = "v1"


class BadSignature(InvalidRequest):
    """Not signed by Stripe, or not now."""

    status, title = 400, "Not signed by Stripe"


def check_signature(body: bytes, header: str | None, secret: str, now: datetime) -> None:
    """Does nothing where the body was signed under the secret, less than `TOLERANCE_S` from now.

    Raises:
        BadSignature: the sentence says what is wrong, and nothing of the secret.
    """
    if not header:
        raise BadSignature("The header Stripe-Signature is missing.")
    time, signatures = _parts(header[: MAX_HEADER_CHARS + 1])
    wanted = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest().encode()
    matches = [hmac.compare_digest(wanted, signature.encode()) for signature in signatures]
    if not any(matches):
        raise BadSignature("The signature is not that of this body under STRIPE_WEBHOOK_SECRET.")
    if abs(now.timestamp() - int(time)) > TOLERANCE_S:
        raise BadSignature(f"It was signed more than {TOLERANCE_S} seconds from now. Check the clock of this machine.")


def _parts(header: str) -> tuple[str, list[str]]:
    """The time as it was signed, and the signatures."""
    times, signatures = [], []
    if len(header) <= MAX_HEADER_CHARS and header.isascii():
        for item in header.split(","):
            name, _, value = item.strip().partition("=")
            if name == "t":
                times.append(value)
            elif name == SCHEME:
                signatures.append(value)
    if len(times) != 1 or not times[0].isdecimal() or len(times[0]) > 15:
        raise BadSignature("The header Stripe-Signature has no time.")
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise BadSignature(f"The header Stripe-Signature has no signature of the scheme {SCHEME}.")
    return times[0], signatures
