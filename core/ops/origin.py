"""Where the request at hand came from, known to whatever it leads to: the audit log keeps it beside what was done."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Origin:
    """A request, as far as it is known."""

    address: str | None = None
    """The network address that it came from."""
    request_id: UUID | None = None
    """The number that its answer carries; None for a run of a page, which has none."""


NOWHERE = Origin()
"""Of commands and of the worker: no request led to it."""
_origin: ContextVar[Origin | None] = ContextVar("origin", default=None)


def _nowhere() -> Origin:
    return NOWHERE


_find: Callable[[], Origin] = _nowhere


def note_origin(origin: Origin) -> None:
    """Says where the request came from that this task or thread works on from now on."""
    _origin.set(origin)


def find_origin_by(find: Callable[[], Origin]) -> None:
    """Says how to find where an unnoted request came from: runs of pages begin with code that is not ours."""
    global _find  # noqa: PLW0603 (one way to find it a process, that of its pages)
    _find = find


def origin() -> Origin:
    """Where the request at hand came from."""
    return _origin.get() or _find()
