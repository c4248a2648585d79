"""The statement behind the figures of holds: it reads few rows, however big the books are."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text

STATEMENT_MS = 1_500
"""Longest time it may take; who asks has gone by then."""

# Ids of holds sort by time, so a day's are one range of the primary key. Its start is a value of its own: the planner
# has to know how few rows come after it.
_A_DAY_AGO = text(
    """
    SELECT (lpad(to_hex((1000 * extract(epoch FROM assay_now() - interval '1 day'))::bigint), 12, '0')
        || repeat('0', 20))::uuid
    """
)
_HOLDS = text(
    """
    SELECT o.open, o.overdue, u.unresolved
    FROM (SELECT count(*) AS open, count(*) FILTER (WHERE expires_at <= assay_now()) AS overdue
            FROM holds WHERE state IN ('reserved', 'in_flight')) o,
        (SELECT count(*) AS unresolved FROM holds
            WHERE id >= :since AND state = 'expired' AND resolution = 'unresolved') u
    """
)


@dataclass(frozen=True, slots=True)
class HoldsRow:
    """How many holds are not as they should be; the columns of the statement."""

    open: int
    overdue: int
    """Open although their time is over: their worker died, or has lost the database."""
    unresolved: int
    """Of the last 24 hours: ended without anybody knowing what the provider bills."""


def holds(connection: Connection) -> HoldsRow:
    """Counts the holds of all organisations."""
    connection.execute(text(f"SET LOCAL statement_timeout = {STATEMENT_MS}"))
    since: UUID = connection.execute(_A_DAY_AGO).scalar_one()
    return HoldsRow(**connection.execute(_HOLDS, {"since": since}).mappings().one())
