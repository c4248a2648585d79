"""Passwords: which are good enough, and bcrypt, in the format that streamlit-authenticator's form checks."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

import bcrypt

from core.errors import InvalidRequest

MIN_CHARS = 10
MAX_BYTES = 72
ROUNDS = 12
MOST_COMMON = 2_000
"""So many of the common passwords are refused also with digits and signs around them."""
_ENDS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def check_policy(password: str, *, email: str = "", name: str = "") -> None:
    """Does nothing where this may be somebody's password.

    Raises:
        InvalidRequest: shorter than 10 characters, longer than bcrypt's 72 bytes, not printable, one of the common
            ones (also with digits and signs around it), or the owner's own name or address.
    """
    if len(password) < MIN_CHARS:
        raise InvalidRequest(f"A password has at least {MIN_CHARS} characters.")
    if not password.isprintable():
        raise InvalidRequest("A password is made of letters, digits, signs and spaces.")
    if len(password.encode()) > MAX_BYTES:
        raise InvalidRequest(f"A password has at most {MAX_BYTES} bytes.")
    plain = password.casefold()
    core = _ENDS.sub("", plain)
    if _is_common(plain, core):
        raise InvalidRequest("This password is one of those that are tried first; choose a less common one.")
    own = {word for word in (email.casefold(), email.partition("@")[0].casefold(), name.casefold()) if word}
    if plain in own or core in own:
        raise InvalidRequest("A password must not be your name or your e-mail address.")


def hash_password(password: str, *, email: str = "", name: str = "") -> str:
    """The bcrypt hash of a new password.

    Raises:
        InvalidRequest: the policy refuses it.
    """
    check_policy(password, email=email, name=name)
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(ROUNDS)).decode()


def check_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one hashed; takes the same time where there is no hash to check against."""
    given = password.encode("utf-8", "surrogatepass")
    is_right = bcrypt.checkpw(given[:MAX_BYTES], (password_hash or _dummy_hash()).encode())
    return is_right and password_hash is not None and len(given) <= MAX_BYTES


def _is_common(plain: str, core: str) -> bool:
    """In a list of 30,000, the same few characters over and over, or a run such as abcdefghij and 9876543210."""
    steps = {ord(after) - ord(before) for before, after in pairwise(plain)}
    ranks = _ranks()
    return plain in ranks or ranks.get(core, MOST_COMMON) < MOST_COMMON or len(set(plain)) < 4 or len(steps) == 1


@cache
def _ranks() -> dict[str, int]:
    """The common passwords, each with its place, the commonest first."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return {word: rank for rank, word in enumerate(FREQUENCY_LISTS["passwords"])}


@cache
def _dummy_hash() -> str:
    return bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt(ROUNDS)).decode()
