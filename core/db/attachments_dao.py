"""The statements of files that come with questions, under the app role: a user's own, in the bound organisation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

EXCERPT_CHARS = 300
"""Characters of the beginning of a file's text that are listed with it."""

_ROW = f"""id, name, kind, media_type, size_bytes, sha256, width, height, pages, notes, message_id, created_at,
    left(text, {EXCERPT_CHARS}) AS excerpt"""
_ORDER = "ORDER BY created_at, id"
_ADD = text(
    """
    INSERT INTO attachments (id, org_id, user_id, name, kind, media_type, size_bytes, sha256, text, image, width,
        height, pages, notes, created_at)
    VALUES (:id, bound_org(), bound_user(), :name, :kind, :media_type, :size_bytes, :sha256, :text, :image, :width,
        :height, :pages, :notes, assay_now())
    """
)
_ONE = text(f"SELECT {_ROW} FROM attachments WHERE id = :id")  # noqa: S608 (ours)
_CONTENT = text(f"SELECT {_ROW}, text, image FROM attachments WHERE id = :id")  # noqa: S608 (ours)
_OF_MESSAGES = text(
    f"SELECT {_ROW} FROM attachments WHERE message_id = ANY(:messages) {_ORDER}"  # noqa: S608 (ours)
)
_LATEST_OF_MESSAGES = text(
    f"SELECT {_ROW}, text, image FROM attachments WHERE message_id = ANY(:messages) "  # noqa: S608 (ours)
    "ORDER BY created_at DESC, id DESC LIMIT :most"
)
_OF_CONVERSATION = text(
    f"SELECT {_ROW} FROM attachments WHERE conversation_id = :id {_ORDER} LIMIT :most"  # noqa: S608 (ours)
)
_UNUSED = text(
    f"SELECT {_ROW} FROM attachments "  # noqa: S608 (ours)
    f"WHERE org_id = bound_org() AND user_id = bound_user() AND message_id IS NULL {_ORDER} LIMIT :most"
)
_BIND = text(
    "UPDATE attachments SET conversation_id = :conversation_id, message_id = :message_id, created_at = assay_now() "
    "WHERE id = :id AND message_id IS NULL RETURNING id"
)
_COPY = text(
    """
    INSERT INTO attachments (id, org_id, user_id, conversation_id, message_id, name, kind, media_type, size_bytes,
        sha256, text, image, width, height, pages, notes, created_at)
    SELECT :new_id, org_id, user_id, :conversation_id, :message_id, name, kind, media_type, size_bytes, sha256,
        text, image, width, height, pages, notes, assay_now() FROM attachments WHERE id = :id RETURNING id
    """
)
_IS_PRIVATE = text(
    """
    SELECT EXISTS (SELECT 1 FROM attachments WHERE conversation_id = :id)
        OR EXISTS (SELECT 1 FROM messages WHERE conversation_id = :id AND role = 'assistant' AND state <> 'replaced'
            AND evidence IS NOT NULL AND coalesce(evidence ->> 'is_private', 'true') = 'true')
    """
)


@dataclass(frozen=True, slots=True)
class AttachmentRow:
    """A file as it is listed."""

    id: UUID
    name: str
    kind: str
    media_type: str
    size_bytes: int
    sha256: bytes
    """Of the file that was sent."""
    width: int | None
    height: int | None
    pages: int | None
    notes: list[str]
    message_id: UUID | None
    created_at: datetime
    excerpt: str


@dataclass(frozen=True, slots=True)
class AttachmentContent(AttachmentRow):
    """A file with what was read of it."""

    text: str
    image: bytes | None


def add(connection: Connection, values: Mapping[str, Any]) -> None:
    """Adds a file that no question was asked with yet."""
    connection.execute(_ADD, values)


def one(connection: Connection, attachment_id: UUID) -> AttachmentRow | None:
    """One of the bound user's files; None where there is none of that id for them."""
    row = connection.execute(_ONE, {"id": attachment_id}).mappings().one_or_none()
    return None if row is None else AttachmentRow(**row)


def content(connection: Connection, attachment_id: UUID) -> AttachmentContent | None:
    """As `one`, with what was read of it."""
    row = connection.execute(_CONTENT, {"id": attachment_id}).mappings().one_or_none()
    return None if row is None else AttachmentContent(**row)


def of_messages(connection: Connection, message_ids: Sequence[UUID]) -> list[AttachmentRow]:
    """The files that came with some questions, in order."""
    return [AttachmentRow(**row) for row in _rows(connection, _OF_MESSAGES, {"messages": list(message_ids)})]


def latest_contents(connection: Connection, message_ids: Sequence[UUID], *, most: int) -> list[AttachmentContent]:
    """The latest files that came with some questions, with what was read of them, in order."""
    values = {"messages": list(message_ids), "most": most}
    return [AttachmentContent(**row) for row in _rows(connection, _LATEST_OF_MESSAGES, values)][::-1]


def of_conversation(connection: Connection, conversation_id: UUID, *, most: int) -> list[AttachmentRow]:
    """The files of a conversation, in order."""
    return [AttachmentRow(**row) for row in _rows(connection, _OF_CONVERSATION, {"id": conversation_id, "most": most})]


def unused(connection: Connection, *, most: int) -> list[AttachmentRow]:
    """The bound user's files that no question was asked with yet, in order."""
    return [AttachmentRow(**row) for row in _rows(connection, _UNUSED, {"most": most})]


def unused_count(connection: Connection) -> int:
    """How many files of the bound user no question was asked with yet; another of theirs waits until this ends."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('attachments/' || bound_user()::text, 0))"))
    statement = text(
        "SELECT count(*) FROM attachments WHERE org_id = bound_org() AND user_id = bound_user() AND message_id IS NULL"
    )
    return int(connection.execute(statement).scalar_one())


def bind(connection: Connection, attachment_id: UUID, *, conversation_id: UUID, message_id: UUID, new_id: UUID) -> bool:
    """Gives one of the bound user's files to a question; one that came with another question already is copied, under
    `new_id`. False where there is none of that id for them."""
    values = {"id": attachment_id, "conversation_id": conversation_id, "message_id": message_id}
    if connection.execute(_BIND, values).scalar() is not None:
        return True
    return connection.execute(_COPY, {**values, "new_id": new_id}).scalar() is not None


def unbind(connection: Connection, message_id: UUID) -> None:
    """Takes a question's files back from it: they wait for another."""
    statement = text("UPDATE attachments SET conversation_id = NULL, message_id = NULL WHERE message_id = :id")
    connection.execute(statement, {"id": message_id})


def remove(connection: Connection, attachment_id: UUID) -> bool:
    """Forgets one of the bound user's files that no question was asked with; False where there is none such."""
    statement = text("DELETE FROM attachments WHERE id = :id AND message_id IS NULL RETURNING id")
    return connection.execute(statement, {"id": attachment_id}).scalar() is not None


def forget_unused(connection: Connection, *, hours: int, most: int) -> int:
    """Forgets files that no question was asked with for so long, at most so many; of all users, as a service."""
    statement = text(
        "DELETE FROM attachments WHERE id IN (SELECT id FROM attachments WHERE message_id IS NULL "
        "AND created_at < assay_now() - make_interval(hours => :hours) LIMIT :most)"
    )
    return connection.execute(statement, {"hours": hours, "most": most}).rowcount


def is_private(connection: Connection, conversation_id: UUID) -> bool:
    """Whether a conversation holds what is its owner's alone: a file, or an answer that was made for them alone. One of
    which that is not known counts."""
    return bool(connection.execute(_IS_PRIVATE, {"id": conversation_id}).scalar_one())


def keeps_conversation(connection: Connection, conversation_id: UUID) -> bool:
    """Whether one of the bound user's conversations is there, and stays so until the transaction ends."""
    statement = text("SELECT 1 FROM conversations WHERE id = :id FOR KEY SHARE")
    return connection.execute(statement, {"id": conversation_id}).scalar() is not None


def _rows(connection: Connection, statement: Any, values: Mapping[str, Any]) -> Any:
    return connection.execute(statement, values).mappings()
