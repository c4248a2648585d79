"""Passwords: bcrypt, in the format that streamlit-authenticator's form checks."""

from __future__ import annotations

from functools import cache

import bcrypt

from core.errors import InvalidRequest

MIN_CHARS = 10
MAX_BYTES = 72
ROUNDS = 12


def hash_password(password: str) -> str:
    """The bcrypt hash of a new password.

    Raises:
        InvalidRequest: shorter than 10 characters, longer than bcrypt's 72 bytes, or not printable.
    """
    if len(password) < MIN_CHARS:
        raise InvalidRequest(f"A password has at least {MIN_CHARS} characters.")
    if not password.isprintable():
        raise InvalidRequest("A password is made of letters, digits, signs and spaces.")
    if len(password.encode()) > MAX_BYTES:
        raise InvalidRequest(f"A password has at most {MAX_BYTES} bytes.")
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()


def check_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one hashed; takes the same time where there is no hash to check against."""
    given = password.encode("utf-8", "surrogatepass")
    is_right = bcrypt.checkpw(given[:MAX_BYTES], (password_hash or _dummy_hash()).encode())
    return is_right and password_hash is not None and len(given) <= MAX_BYTES


@cache
def _dummy_hash() -> str:
    return bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt(ROUNDS)).decode()
