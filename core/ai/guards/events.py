"""What guards found and did, by kind, written through a buffer; never the text that they found it in."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from core.db import guard_events_dao as dao
from core.db.engine import Database
from core.errors import DatabaseUnavailable
from core.ids import new_id
from core.principal import Principal

FLUSH_EVERY_S = 0.5
MAX_WAITING = 10_000
MAX_BATCH = 1_000
MAX_DETAIL_CHARS = 200
KEPT = timedelta(days=400)
"""So long an event can be looked up: a year, and what it takes to report on it."""
FORGOTTEN_AT_ONCE = 10_000

_log = logging.getLogger(__name__)


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
    """A bounded buffer with a thread that writes it; the oldest are given up first, and counted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events: deque[GuardEvent] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Events that were given up because the buffer was full."""

    def add(self, event: GuardEvent) -> None:
        """Notes an event; it is written within a second."""
        with self._changed:
            if len(self._events) >= MAX_WAITING:
                self._events.popleft()
                self.dropped += 1
            self._events.append(event)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="assay-guard-events", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Writes what waits. Events leave the buffer once committed; where the database is away they stay."""
        with self._writing:
            while True:
                with self._changed:
                    batch = [self._events[at] for at in range(min(MAX_BATCH, len(self._events)))]
                if not batch:
                    return
                try:
                    with self._database.service() as connection:
                        dao.add(connection, [_values(event) for event in batch])
                except DatabaseUnavailable:
                    _log.warning("%d events of the guards wait for the database.", len(batch))
                    return
                written = {event.id for event in batch}
                with self._changed:
                    while self._events and self._events[0].id in written:
                        self._events.popleft()

    def forget(self) -> None:
        """Forgets events that are kept no longer, of everybody."""
        forgotten = FORGOTTEN_AT_ONCE
        while forgotten == FORGOTTEN_AT_ONCE:
            with self._database.service() as connection:
                forgotten = dao.forget(connection, KEPT, most=FORGOTTEN_AT_ONCE)

    def close(self) -> None:
        """Writes what waits and stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self.flush()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._is_closed, timeout=FLUSH_EVERY_S):
                    return
            self.flush()


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
