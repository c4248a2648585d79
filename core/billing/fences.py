"""Fences around pieces of periodic work: when one fails it is logged, and what comes after goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from core.errors import AssayError, place_of

_log = logging.getLogger(__name__)

Work = tuple[str, Callable[[], object]]
"""A piece of work, with the words for it."""


class NotAllDone(AssayError):
    """Some pieces of periodic work failed; the others are done."""

    title = "Not all of it was done"


def fenced(what: str, work: Callable[[], object]) -> str | None:
    """Does it; where it fails, gives the reason and logs it. It is done again in the next round."""
    try:
        work()
    except AssayError as error:
        said = f"{what} was not done: {error.detail}"
        _log.warning("Billing: %s", said)
    except Exception as error:  # noqa: BLE001 (the outermost edge of one piece of work: the others go on)
        said = f"{what} was not done: {place_of(error)}."
        _log.error("Billing: %s", said)
    else:
        return None
    return said


def each_fenced(works: Iterable[Work]) -> None:
    """Does each, whatever else fails.

    Raises:
        NotAllDone: some failed; the sentence says how many, and why the first did.
    """
    failed = [said for what, work in works if (said := fenced(what, work)) is not None]
    if failed:
        more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
        raise NotAllDone(f"{failed[0]}{more}")
