"""Where the request at hand came from, known to whatever it leads to: the audit log keeps it beside what was done."""

from __future__ import annotations

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
_origin: ContextVar[Origin] = ContextVar("origin", default=NOWHERE)


def note_origin(origin: Origin) -> None:
    """Says where the request came from that this task or thread works on from now on."""
    _origin.set(origin)


def origin() -> Origin:
    """Where the request at hand came from."""
    return _origin.get()
