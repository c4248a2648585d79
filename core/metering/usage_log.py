"""The log of what costs nothing: cached answers and denials, written through a buffer. Money never waits in one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.providers.contract import TokenUsage
from core.db import metering_dao as dao
from core.db.engine import Database
from core.errors import DatabaseUnavailable
from core.ids import new_id
from core.metering.meter import Feature
from core.ops.telemetry import UNKNOWN, Telemetry
from core.principal import Principal

FLUSH_EVERY_S = 0.5
MAX_WAITING = 10_000
MAX_BATCH = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FreeRow:
    """A request that was answered without a call, or refused."""

    principal: Principal
    channel: str
    status: str
    """`cached` or `denied`."""
    feature: Feature | None
    provider: str
    model: str
    request_id: UUID
    conversation_id: UUID | None
    usage: TokenUsage
    error_code: str | None = None
    cache_level: str | None = None
    """Where a free answer came from: `machine`, `shared`, `flight` or `replay`."""
    saved_usd: Decimal = Decimal(0)
    """What the call cost whose answer was given again."""
    id: UUID = field(default_factory=new_id)
    noted: float = field(default_factory=time.monotonic)


class UsageLog:
    """A bounded buffer with a thread that writes it; the oldest rows are given up first, and counted."""

    def __init__(self, database: Database, *, telemetry: Telemetry | None = None) -> None:
        self._database = database
        self._telemetry = telemetry or Telemetry()
        self._rows: deque[FreeRow] = deque()
        self._changed = threading.Condition()
        self._writing = threading.Lock()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Rows that were given up because the buffer was full."""

    def add(self, row: FreeRow) -> None:
        """Notes a row; it is written within a second."""
        if row.status == "cached":
            self._telemetry.given_again(level=row.cache_level or UNKNOWN, channel=row.channel)
        with self._changed:
            if len(self._rows) >= MAX_WAITING:
                self._rows.popleft()
                self.dropped += 1
            self._rows.append(row)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="assay-usage-log", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Writes what waits. Rows leave the buffer once they are committed; where the database is away they stay."""
        with self._writing:
            while True:
                with self._changed:
                    batch = [self._rows[index] for index in range(min(MAX_BATCH, len(self._rows)))]
                if not batch:
                    return
                try:
                    with self._database.service() as connection:
                        dao.add_free_rows(connection, [_values(row) for row in batch])
                except DatabaseUnavailable:
                    _log.warning("%d usage rows wait for the database.", len(batch))
                    return
                written = {row.id for row in batch}
                with self._changed:
                    while self._rows and self._rows[0].id in written:
                        self._rows.popleft()

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


def _values(row: FreeRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "age_s": max(0.0, time.monotonic() - row.noted),
        "org_id": row.principal.org_id,
        "user_id": row.principal.user_id,
        "request_id": row.request_id,
        "conversation_id": row.conversation_id,
        "channel": row.channel,
        "status": row.status,
        "feature": row.feature,
        "provider": row.provider,
        "model": row.model,
        "prompt_tokens": row.usage.prompt_tokens,
        "completion_tokens": row.usage.completion_tokens,
        "error_code": row.error_code,
        "cache_level": row.cache_level,
        "saved_usd": row.saved_usd,
    }
