"""The statements of Stripe's events: stored first, worked on by one process at a time; for the service role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as it came in."""

    id: str
    type: str
    account: str | None
    created_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event that is being worked on."""

    id: str
    type: str
    account: str | None
    created_at: datetime
    body: str
    tries: int


@dataclass(frozen=True, slots=True)
class EventFigures:
    """How events fare."""

    waiting: int
    late: int
    """Of those that wait: tried before, in vain."""
    refused: int
    """In the last 30 days."""
    failed: int
    """In the last 30 days."""
    last_at: datetime | None
    """When the last one came in."""


def add(connection: Connection, event: NewEvent) -> bool:
    """Stores an event; False where it was stored before."""
    done = connection.execute(
        text(
            "INSERT INTO stripe_events (id, type, account, created_at, body, state, due_at, received_at) VALUES (:id, "
            ":type, :account, :created_at, :body, 'waiting', assay_now(), assay_now()) ON CONFLICT (id) DO NOTHING"
        ),
        {name: getattr(event, name) for name in NewEvent.__slots__},
    )
    return done.rowcount == 1


def take(connection: Connection, event_id: str, *, lease: timedelta) -> EventRow | None:
    """Takes an event to work on for so long; None where it is done, being worked on, or not due."""
    row = (
        connection.execute(
            text(
                "UPDATE stripe_events SET tries = tries + 1, due_at = assay_now() + :lease WHERE id = :id "
                "AND state = 'waiting' AND due_at <= assay_now() "
                "RETURNING id, type, account, created_at, body, tries"
            ),
            {"id": event_id, "lease": lease},
        )
        .mappings()
        .one_or_none()
    )
    return EventRow(**row) if row else None


def due(connection: Connection, *, most: int) -> list[str]:
    """Events that are due, as Stripe made them."""
    statement = text(
        "SELECT id FROM stripe_events WHERE state = 'waiting' AND due_at <= assay_now() "
        "ORDER BY created_at, id LIMIT :most"
    )
    return list(connection.execute(statement, {"most": most}).scalars())


def finish(connection: Connection, event_id: str, *, state: str, said: str | None) -> None:
    """An event was worked on for good. What failed keeps its words for who looks into it."""
    connection.execute(
        text(
            "UPDATE stripe_events SET state = :state, said = :said, due_at = NULL, finished_at = assay_now(), "
            "body = CASE WHEN :state = 'failed' THEN body END WHERE id = :id AND state = 'waiting'"
        ),
        {"id": event_id, "state": state, "said": said},
    )


def postpone(connection: Connection, event_id: str, *, wait: timedelta, said: str) -> None:
    """An event could not be worked on, and is tried again."""
    connection.execute(
        text(
            "UPDATE stripe_events SET due_at = assay_now() + :wait, said = :said WHERE id = :id AND state = 'waiting'"
        ),
        {"id": event_id, "wait": wait, "said": said},
    )


def prune(connection: Connection, *, age: timedelta, most: int) -> None:
    """Forgets events that came in so long ago."""
    connection.execute(
        text(
            "DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events WHERE state <> 'waiting' "
            "AND received_at < assay_now() - :age ORDER BY received_at LIMIT :most)"
        ),
        {"age": age, "most": most},
    )


def figures(connection: Connection) -> EventFigures:
    """How events fare."""
    row = (
        connection.execute(
            text(
                "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, "
                "count(*) FILTER (WHERE state = 'waiting' AND tries > 0 AND due_at > assay_now()) AS late, "
                "count(*) FILTER (WHERE state = 'refused') AS refused, "
                "count(*) FILTER (WHERE state = 'failed') AS failed, max(received_at) AS last_at FROM stripe_events "
                "WHERE state = 'waiting' OR received_at > assay_now() - interval '30 days'"
            )
        )
        .mappings()
        .one()
    )
    return EventFigures(**row)
