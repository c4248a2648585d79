"""The statements of the audit log: lines are added and read, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

FETCHED_AT_ONCE = 2_000

_ADD = text(
    """
    INSERT INTO audit_events (id, at, org_id, actor, actor_kind, action, subject_kind, subject_id, before, after,
            request_id, address_hash)
        VALUES (:id, assay_now(), :org_id, :actor, :actor_kind, :action, :subject_kind, :subject_id,
            cast(:before AS jsonb), cast(:after AS jsonb), :request_id,
            CASE WHEN cast(:address AS text) IS NOT NULL THEN audit_pseudonym(:address) END)
    """
)
_PSEUDONYM = text("SELECT audit_pseudonym(:address)")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A line that is about to be written."""

    id: UUID
    org_id: UUID | None
    actor: UUID | None
    actor_kind: str
    action: str
    subject_kind: str
    subject_id: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    request_id: UUID | None
    address: str | None
    """In clear; its keyed hash is kept."""


def add(connection: Connection, event: NewEvent) -> None:
    """Writes a line."""
    values = {**asdict(event), "before": _json(event.before), "after": _json(event.after)}
    connection.execute(_ADD, values)


def pseudonym(connection: Connection, address: str) -> bytes:
    """The keyed hash of an address."""
    return bytes(connection.execute(_PSEUDONYM, {"address": address}).scalar_one())


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)


# Whoever does not look over everything is told the names of those alone who belong to the organisation, or did.
_SEARCH = """
    WITH known AS (
        SELECT u.id, u.email, u.name FROM users u WHERE cast(:sees_everybody AS boolean) OR EXISTS (
            SELECT FROM memberships m WHERE m.user_id = u.id AND m.org_id = cast(:of_org AS uuid))),
    people AS (
        SELECT id FROM known WHERE email = lower(cast(:person AS text)) OR id::text = lower(cast(:person AS text))
            OR position(lower(cast(:person AS text)) IN lower(name)) > 0)
    SELECT e.id, e.seq, e.at, e.org_id, o.name AS org_name, e.actor, a.name AS actor_name, e.actor_kind, e.action,
        e.subject_kind, e.subject_id, s.name AS subject_name, e.before, e.after, e.request_id,
        encode(e.address_hash, 'hex') AS address_hash
    FROM audit_events e LEFT JOIN organisations o ON o.id = e.org_id LEFT JOIN known a ON a.id = e.actor
        LEFT JOIN known s ON s.id = CASE WHEN e.subject_kind = 'user' AND e.subject_id ~ '^[0-9a-f-]{36}$'
            THEN e.subject_id::uuid END
    """
_CONDITIONS = {
    "org_id": "e.org_id = :org_id",
    "since": "e.at >= :since",
    "until": "e.at < :until",
    "area": "starts_with(e.action, :area)",
    "action": "e.action = :action",
    "subject": "(e.subject_id = :subject OR e.subject_kind = :subject)",
    "person": "(e.actor IN (SELECT id FROM people) OR e.subject_kind = 'user' AND s.id IN (SELECT id FROM people))",
    "before_at": "(e.at, e.id) < (:before_at, :before_id)",
}


@dataclass(frozen=True, slots=True)
class EventRow:
    """A line as it is shown; names are those of today, and None of whom nothing is known any more."""

    id: UUID
    seq: int
    at: datetime
    org_id: UUID | None
    org_name: str | None
    actor: UUID | None
    actor_name: str | None
    actor_kind: str
    action: str
    subject_kind: str
    subject_id: str
    subject_name: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    request_id: UUID | None
    address_hash: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are looked for; None and an empty text ask for nothing in particular."""

    org_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    area: str = ""
    """The beginning of an action's name, such as `token.`."""
    action: str = ""
    person: str = ""
    """Part of a name, an e-mail address or an id: of who did it, or whom it was done to."""
    subject: str = ""
    """A subject's kind or id."""


def search(
    connection: Connection,
    wanted: Wanted,
    *,
    most: int,
    sees_everybody: bool,
    before: tuple[datetime, UUID] | None = None,
) -> Iterator[EventRow]:
    """The newest lines first, after `before` where one goes on; a few thousand are fetched at a time.

    Names are those of today: of members, or with `sees_everybody` of everybody.
    """
    values = {name: value for name, value in asdict(wanted).items() if value}
    if before is not None:
        values |= {"before_at": before[0], "before_id": before[1]}
    conditions = " AND ".join(_CONDITIONS[name] for name in values if name in _CONDITIONS) or "true"
    statement = text(f"{_SEARCH} WHERE {conditions} ORDER BY e.at DESC, e.id DESC LIMIT :most")
    given = {"person": "", **values, "of_org": wanted.org_id, "sees_everybody": sees_everybody, "most": most}
    found = connection.execute(statement, given, execution_options={"yield_per": FETCHED_AT_ONCE})
    for row in found.mappings():
        yield EventRow(**row)
