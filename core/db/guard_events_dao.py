"""The statements behind what guards found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

_ADD = text(
    """
    INSERT INTO guard_events (id, at, org_id, user_id, request_id, guard, action, detail, score, found)
    SELECT :id, assay_now() - make_interval(secs => :age_s), m.org_id, m.user_id, :request_id, :guard, :action,
        :detail, :score, :found
    FROM memberships m WHERE m.org_id = :org_id AND m.user_id = :user_id
    ON CONFLICT DO NOTHING
    """
)
_FORGET = text(
    "DELETE FROM guard_events WHERE id IN (SELECT id FROM guard_events WHERE at < assay_now() - :age LIMIT :most)"
)


def add(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Notes what guards found; what is noted already, or of a member who is gone, is passed over."""
    connection.execute(_ADD, list(rows))


def forget(connection: Connection, age: timedelta, *, most: int) -> int:
    """Deletes events that are older, at most so many, of all organisations, under the service role; says how many."""
    return int(connection.execute(_FORGET, {"age": age, "most": most}).rowcount)
