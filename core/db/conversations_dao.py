"""The statements of conversations, under the app role: a user's own, in the bound organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_MESSAGES = text(
    "SELECT id, role, text, state, request_id, provider, model, is_cached, is_offline, is_estimated, prompt_tokens, "
    "completion_tokens, cost_usd, note, created_at FROM messages "
    "WHERE conversation_id = :id AND state <> 'replaced' ORDER BY created_at, id LIMIT :most"
)
_ADD_MESSAGE = text(
    """
    INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, request_id, provider, model,
        is_cached, is_offline, is_estimated, prompt_tokens, completion_tokens, cost_usd, note, created_at)
    VALUES (:id, :conversation_id, bound_org(), bound_user(), :role, :text, :state, :request_id, :provider, :model,
        :is_cached, :is_offline, :is_estimated, :prompt_tokens, :completion_tokens, :cost_usd, :note, assay_now())
    """
)


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation in the list."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message as it is shown; the columns about an answer are None on a question."""

    id: UUID
    role: str
    text: str
    state: str
    request_id: UUID | None
    provider: str | None
    model: str | None
    is_cached: bool
    is_offline: bool
    is_estimated: bool
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: Decimal | None
    note: str | None
    created_at: datetime


def conversations(connection: Connection, *, most: int) -> list[ConversationRow]:
    """The bound user's conversations, the latest first."""
    statement = text(
        "SELECT id, title, created_at, updated_at FROM conversations WHERE org_id = bound_org() "
        "AND user_id = bound_user() ORDER BY updated_at DESC, id DESC LIMIT :most"
    )
    return [ConversationRow(**row) for row in connection.execute(statement, {"most": most}).mappings()]


def conversation(connection: Connection, conversation_id: UUID) -> ConversationRow | None:
    """One of the bound user's conversations; None where there is none of that id for them."""
    statement = text("SELECT id, title, created_at, updated_at FROM conversations WHERE id = :id")
    row = connection.execute(statement, {"id": conversation_id}).mappings().one_or_none()
    return ConversationRow(**row) if row else None


def add_conversation(connection: Connection, conversation_id: UUID, title: str) -> None:
    """Opens a conversation of the bound user."""
    connection.execute(
        text(
            "INSERT INTO conversations (id, org_id, user_id, title, created_at, updated_at) "
            "VALUES (:id, bound_org(), bound_user(), :title, assay_now(), assay_now())"
        ),
        {"id": conversation_id, "title": title},
    )


def touch_conversation(connection: Connection, conversation_id: UUID) -> None:
    """Moves a conversation to the top of the list."""
    connection.execute(
        text("UPDATE conversations SET updated_at = assay_now() WHERE id = :id"), {"id": conversation_id}
    )


def messages(connection: Connection, conversation_id: UUID, *, most: int) -> list[MessageRow]:
    """The messages of a conversation that are shown, in order."""
    rows = connection.execute(_MESSAGES, {"id": conversation_id, "most": most}).mappings()
    return [MessageRow(**row) for row in rows]


def add_message(connection: Connection, values: Mapping[str, Any]) -> None:
    """Adds a message to one of the bound user's conversations."""
    connection.execute(_ADD_MESSAGE, values)


def replace_message(connection: Connection, message_id: UUID) -> None:
    """Shows a message no more: another takes its place."""
    connection.execute(text("UPDATE messages SET state = 'replaced' WHERE id = :id"), {"id": message_id})


def delete_conversation(connection: Connection, conversation_id: UUID) -> bool:
    """Deletes one of the bound user's conversations with its messages; False where there is none of that id."""
    deleted = connection.execute(
        text("DELETE FROM conversations WHERE id = :id RETURNING id"), {"id": conversation_id}
    ).scalar()
    return deleted is not None
