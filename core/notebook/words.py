"""What people write into the notebook, as it is kept; it is shown as plain text, never as markup."""

from __future__ import annotations

from core.errors import InvalidRequest
from core.principal import Principal

_JOINERS = frozenset("\u200c\u200d")
"""They stand within words of several scripts, and within emoji, and count as printable."""
_BREAKS = frozenset("\n\t")


def checked_line(given: str, most: int, what: str) -> str:
    """One line, white space made single, none at its ends.

    Raises:
        InvalidRequest: nothing is left of it, it is too long, or it holds what cannot be seen.
    """
    line = " ".join(given[: 4 * most + 1].split())
    _check(line, most, what)
    if not line.strip("".join(_JOINERS)):
        raise InvalidRequest(f"A {what} needs at least one character.")
    return line


def checked_text(given: str, most: int, what: str) -> str:
    """A text of several lines, none of them empty at its ends; it may be empty.

    Raises:
        InvalidRequest: it is too long, or holds what cannot be seen.
    """
    written = given[: 2 * most + 1].replace("\r\n", "\n").replace("\r", "\n").strip()
    _check(written, most, what)
    return written


def author_of(principal: Principal) -> str:
    """How others see who wrote something."""
    return principal.name or principal.email.partition("@")[0]


def _check(written: str, most: int, what: str) -> None:
    if len(written) > most:
        raise InvalidRequest(f"A {what} takes at most {most:,} characters; this one has more.")
    if not all(each.isprintable() or each in _JOINERS or each in _BREAKS for each in written):
        raise InvalidRequest(f"A {what} cannot hold characters that are not shown; type it anew.")
