"""The statements of tours."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text

_HAS_ENDED = text("SELECT toured_at IS NOT NULL FROM users WHERE id = :user_id")
_END = text("UPDATE users SET toured_at = coalesce(toured_at, assay_now()) WHERE id = :user_id")


def has_ended(connection: Connection, user_id: UUID) -> bool:
    """Whether a user was shown around, or did not want to be."""
    return bool(connection.execute(_HAS_ENDED, {"user_id": user_id}).scalar())


def end(connection: Connection, user_id: UUID) -> None:
    """Notes that a user need not be offered it again."""
    connection.execute(_END, {"user_id": user_id})
