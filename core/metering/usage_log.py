"""The log of what costs nothing: cached answers and denials, written through a buffer. Money never waits in one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.providers.contract import TokenUsage
from core.db import metering_dao as dao
from core.db.engine import Database
from core.ids import new_id
from core.metering.meter import Feature
from core.ops.buffer import Buffer
from core.ops.telemetry import UNKNOWN, Telemetry
from core.principal import Principal


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
    """Rows on their way to the log; what was given up because too many waited is counted."""

    def __init__(self, database: Database, *, telemetry: Telemetry | None = None) -> None:
        self._database = database
        self._telemetry = telemetry or Telemetry()
        self._times: dict[UUID, datetime] = {}
        self._buffer: Buffer[FreeRow] = Buffer(self._write, name="usage-log")

    @property
    def dropped(self) -> int:
        """Rows that were given up because the buffer was full."""
        return self._buffer.dropped

    def add(self, row: FreeRow) -> None:
        """Notes a row; it is written within a second."""
        if row.status == "cached":
            self._telemetry.given_again(level=row.cache_level or UNKNOWN, channel=row.channel)
        self._buffer.add(row)

    def flush(self) -> None:
        """Writes what waits. Rows leave the buffer once they are committed; where the database is away they stay."""
        self._buffer.flush()

    def close(self) -> None:
        """Writes what waits and stops."""
        self._buffer.close()

    def _write(self, rows: Sequence[FreeRow]) -> None:
        """Writes a batch. Rows whose commit was not confirmed come again, with the times that they had."""
        with self._database.service() as connection:
            now, tick = dao.now(connection), time.monotonic()
            self._times = {
                row.id: self._times.get(row.id) or now - timedelta(seconds=max(0.0, tick - row.noted)) for row in rows
            }
            dao.add_free_rows(connection, [_values(row, self._times[row.id]) for row in rows])
        self._times = {}


def _values(row: FreeRow, at: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": at,
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
        "plan": row.principal.plan,
    }
