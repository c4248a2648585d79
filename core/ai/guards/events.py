"""What guards found and did, by kind, written through a buffer; never the text that they found it in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.db import guard_events_dao as dao
from core.db.engine import Database
from core.ids import new_id
from core.ops.buffer import Buffer
from core.principal import Principal

MAX_DETAIL_CHARS = 200
KEPT = timedelta(days=400)
"""So long an event can be looked up: a year, and what it takes to report on it."""
FORGOTTEN_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class GuardEvent:
    """Something that a guard found."""

    principal: Principal
    request_id: UUID | None
    guard: str
    """`redaction`, `injection`, `moderation`, `canary`, `output`, or `failure`."""
    action: str
    """`refused`, `redacted`, `withheld` or `noted`."""
    detail: str
    """Kinds and rules; nothing that anybody wrote."""
    score: float | None = None
    found: int = 1
    id: UUID = field(default_factory=new_id)
    noted: float = field(default_factory=time.monotonic)


class GuardEvents:
    """What guards found, on its way to the table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._buffer: Buffer[GuardEvent] = Buffer(self._write, name="guard-events")

    def add(self, event: GuardEvent) -> None:
        """Notes an event; it is written within a second."""
        self._buffer.add(event)

    def flush(self) -> None:
        """Writes what waits."""
        self._buffer.flush()

    def forget(self) -> None:
        """Forgets events that are kept no longer, of everybody."""
        forgotten = FORGOTTEN_AT_ONCE
        while forgotten == FORGOTTEN_AT_ONCE:
            with self._database.service() as connection:
                forgotten = dao.forget(connection, KEPT, most=FORGOTTEN_AT_ONCE)

    def close(self) -> None:
        """Writes what waits and stops."""
        self._buffer.close()

    def _write(self, events: Sequence[GuardEvent]) -> None:
        with self._database.service() as connection:
            dao.add(connection, [_values(event) for event in events])


def _values(event: GuardEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "age_s": max(0.0, time.monotonic() - event.noted),
        "org_id": event.principal.org_id,
        "user_id": event.principal.user_id,
        "request_id": event.request_id,
        "guard": event.guard,
        "action": event.action,
        "detail": event.detail[:MAX_DETAIL_CHARS],
        "score": event.score,
        "found": event.found,
    }
