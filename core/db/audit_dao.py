"""The statements of the audit log: lines are added and read, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

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
    """Writes a line; for the service role."""
    values = {**asdict(event), "before": _json(event.before), "after": _json(event.after)}
    connection.execute(_ADD, values)


def pseudonym(connection: Connection, address: str) -> bytes:
    """The keyed hash of an address."""
    return bytes(connection.execute(_PSEUDONYM, {"address": address}).scalar_one())


def _json(values: Mapping[str, Any] | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)
