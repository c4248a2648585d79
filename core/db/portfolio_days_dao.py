"""The statements of values by day that are kept: one row a portfolio, which may be lost."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

_FIND = text("SELECT key, content FROM portfolio_days WHERE org_id = bound_org() AND portfolio_id = :portfolio_id")
_KEEP = text(
    """
    INSERT INTO portfolio_days (portfolio_id, org_id, key, content, computed_at)
    VALUES (:portfolio_id, bound_org(), :key, :content, assay_now())
    ON CONFLICT (portfolio_id) DO UPDATE
        SET key = excluded.key, content = excluded.content, computed_at = excluded.computed_at
    """
)


@dataclass(frozen=True, slots=True)
class KeptDaysRow:
    """What is kept of a portfolio."""

    key: str
    """Of what it was computed from."""
    content: bytes


def find(connection: Connection, portfolio_id: UUID) -> KeptDaysRow | None:
    """What is kept of a portfolio that the principal sees."""
    row = connection.execute(_FIND, {"portfolio_id": portfolio_id}).one_or_none()
    return KeptDaysRow(row.key, bytes(row.content)) if row else None


def keep(connection: Connection, portfolio_id: UUID, key: str, content: bytes) -> bool:
    """Keeps the values of a portfolio that the principal sees, in place of older ones.

    False where the database does not take them: it is read-only, or the portfolio is gone. Nothing is lost by that.
    """
    try:
        with connection.begin_nested():
            connection.execute(_KEEP, {"portfolio_id": portfolio_id, "key": key, "content": content})
    except DBAPIError:
        return False
    return True
