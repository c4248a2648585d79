"""The statements of reactions to answers, under the app role: a user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

_ANSWER = """
    FROM messages WHERE id = :id AND role = 'assistant' AND state IN ('complete', 'partial')
        AND coalesce(conversation_id = cast(:conversation_id AS uuid), true)
"""
# The lock keeps the answer until the reaction to it is there, so that one which is deleted meanwhile is not found.
_PUT = text(
    f"""
    INSERT INTO message_reactions (message_id, org_id, user_id, reaction, note, changed_at)
    SELECT id, org_id, user_id, :reaction, :note, assay_now() {_ANSWER} FOR KEY SHARE
    ON CONFLICT (message_id) DO UPDATE
        SET reaction = excluded.reaction, note = excluded.note, changed_at = excluded.changed_at
    RETURNING message_id, reaction, note, changed_at
    """  # noqa: S608 (the parts are written above)
)
_IS_THERE = text(f"SELECT true {_ANSWER}")


@dataclass(frozen=True, slots=True)
class ReactionRow:
    """What its reader thought of an answer."""

    message_id: UUID
    reaction: str | None
    note: str | None
    changed_at: datetime


def put(
    connection: Connection, message_id: UUID, conversation_id: UUID | None, reaction: str | None, note: str | None
) -> ReactionRow | None:
    """Keeps a reaction in place of the one before; None where the bound user has no such answer."""
    values = {"id": message_id, "conversation_id": conversation_id, "reaction": reaction, "note": note}
    row = connection.execute(_PUT, values).mappings().one_or_none()
    return ReactionRow(**row) if row else None


def delete(connection: Connection, message_id: UUID, conversation_id: UUID | None) -> bool:
    """Forgets a reaction; False where the bound user has no such answer."""
    values = {"id": message_id, "conversation_id": conversation_id}
    if connection.execute(_IS_THERE, values).scalar() is None:
        return False
    connection.execute(text("DELETE FROM message_reactions WHERE message_id = :id"), {"id": message_id})
    return True


def of(connection: Connection, message_ids: Sequence[UUID]) -> list[ReactionRow]:
    """The bound user's reactions to these answers."""
    statement = text(
        "SELECT message_id, reaction, note, changed_at FROM message_reactions WHERE message_id = ANY(:ids)"
    )
    return [ReactionRow(**row) for row in connection.execute(statement, {"ids": list(message_ids)}).mappings()]
