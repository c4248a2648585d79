"""Secrets that are shown once and kept as hashes: tickets, sessions, tokens, links."""

from __future__ import annotations

import hashlib
import secrets

MAX_SECRET_CHARS = 200


def new_secret() -> str:
    """256 random bits, as text for cookies and addresses."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> bytes:
    """What is kept of a secret, or of an address that is only counted: its SHA-256."""
    return hashlib.sha256(secret[: MAX_SECRET_CHARS * 4].encode("utf-8", "surrogatepass")).digest()
