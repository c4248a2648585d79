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
class UnsolvedRow:
    """An event that was not worked on at its first try, was refused, or was given up."""

    id: str
    type: str
    state: str
    """waiting (for its next try), refused or failed."""
    tries: int
    said: str | None
    received_at: datetime
    due_at: datetime | None
    """Of its next try."""


@dataclass(frozen=True, slots=True)
class EventFigures:
    """How events fare that are not solved."""

    waiting: int
    late: int
    """Of those that wait: tried before, in vain."""
    refused: int
    failed: int
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
    """An event was worked on for good. What was refused or failed keeps its words until it is solved."""
    connection.execute(
        text(
            "UPDATE stripe_events SET state = :state, said = :said, due_at = NULL, finished_at = assay_now(), "
            "body = CASE WHEN :state IN ('refused', 'failed') THEN body END WHERE id = :id AND state = 'waiting'"
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


def unsolved(connection: Connection, *, most: int) -> list[UnsolvedRow]:
    """Events that an operator may look into, the latest first."""
    rows = connection.execute(
        text(
            "SELECT id, type, state, tries, said, received_at, due_at FROM stripe_events "
            "WHERE state IN ('refused', 'failed') OR (state = 'waiting' AND said IS NOT NULL) "
            "ORDER BY received_at DESC, id LIMIT :most"
        ),
        {"most": most},
    ).mappings()
    return [UnsolvedRow(**row) for row in rows]


def reopen(connection: Connection, event_id: str) -> UnsolvedRow | None:
    """Has an event tried anew, and now; None where it is solved, or there is none. As it was before."""
    row = _unsolved(connection, event_id)
    if row is not None:
        connection.execute(
            text(
                "UPDATE stripe_events SET state = 'waiting', due_at = assay_now(), finished_at = NULL, tries = 0 "
                "WHERE id = :id"
            ),
            {"id": event_id},
        )
    return row


def set_aside(connection: Connection, event_id: str, *, said: str) -> UnsolvedRow | None:
    """Ends an event that somebody solved by other means; None where it is solved, or there is none. As it was."""
    row = _unsolved(connection, event_id)
    if row is not None:
        connection.execute(
            text(
                "UPDATE stripe_events SET state = 'ignored', said = :said, due_at = NULL, body = NULL, "
                "finished_at = assay_now() WHERE id = :id"
            ),
            {"id": event_id, "said": said},
        )
    return row


def _unsolved(connection: Connection, event_id: str) -> UnsolvedRow | None:
    """An unsolved event, locked."""
    row = (
        connection.execute(
            text(
                "SELECT id, type, state, tries, said, received_at, due_at FROM stripe_events WHERE id = :id "
                "AND body IS NOT NULL AND (state IN ('refused', 'failed') OR (state = 'waiting' AND said IS NOT NULL)) "
                "FOR UPDATE"
            ),
            {"id": event_id},
        )
        .mappings()
        .one_or_none()
    )
    return UnsolvedRow(**row) if row else None


def prune(connection: Connection, *, age: timedelta, most: int) -> None:
    """Forgets events that came in so long ago, but those that wait or are unsolved."""
    connection.execute(
        text(
            "DELETE FROM stripe_events WHERE id IN (SELECT id FROM stripe_events WHERE state IN ('done', 'ignored') "
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
                "count(*) FILTER (WHERE state = 'failed') AS failed, "
                "(SELECT max(received_at) FROM stripe_events) AS last_at FROM stripe_events "
                "WHERE state IN ('waiting', 'refused', 'failed')"
            )
        )
        .mappings()
        .one()
    )
    return EventFigures(**row)
