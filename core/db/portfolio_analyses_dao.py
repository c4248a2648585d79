"""The statements of kept analyses, under the app role: whoever sees a portfolio sees what was analysed of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation, InsufficientPrivilege
from sqlalchemy import Connection, RowMapping, text
from sqlalchemy.exc import DBAPIError

_KEPT = text(
    """
    SELECT id, content, author, created_at, expires_at FROM portfolio_analyses
    WHERE org_id = bound_org() AND key = :key AND expires_at > assay_now()
    """
)
_KEEP = text(
    """
    INSERT INTO portfolio_analyses (id, org_id, portfolio_id, key, content, author, created_at, expires_at)
    VALUES (:id, bound_org(), :portfolio_id, :key, CAST(:content AS jsonb), :author, assay_now(),
        assay_now() + make_interval(hours => :hours))
    ON CONFLICT (org_id, key) DO UPDATE SET id = excluded.id, content = excluded.content, author = excluded.author,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    RETURNING id, content, author, created_at, expires_at
    """
)
_FORGET = text(
    """
    DELETE FROM portfolio_analyses WHERE id IN
        (SELECT id FROM portfolio_analyses WHERE expires_at <= assay_now() ORDER BY expires_at LIMIT :most)
    """
)


@dataclass(frozen=True, slots=True)
class AnalysisRow:
    """A kept analysis."""

    id: UUID
    content: Mapping[str, Any]
    author: str
    created_at: datetime
    expires_at: datetime


def kept(connection: Connection, key: bytes) -> AnalysisRow | None:
    """The analysis of this data that has not expired, where the principal sees what it is of."""
    return _row(connection.execute(_KEPT, {"key": key}).mappings().one_or_none())


def keep(
    connection: Connection,
    analysis_id: UUID,
    *,
    portfolio_id: UUID | None,
    key: bytes,
    content: Mapping[str, Any],
    author: str,
    hours: int,
) -> AnalysisRow | None:
    """Keeps an analysis under the hash of its data, in the place of one of the same data.

    None where the portfolio is gone meanwhile, or the principal sees it no more.
    """
    values = {"id": analysis_id, "portfolio_id": portfolio_id, "key": key, "author": author, "hours": hours}
    try:
        with connection.begin_nested():
            found = connection.execute(_KEEP, {**values, "content": json.dumps(content, allow_nan=False)})
            return AnalysisRow(**found.mappings().one())
    except DBAPIError as error:
        if isinstance(error.orig, InsufficientPrivilege | ForeignKeyViolation):
            return None
        raise


def forget(connection: Connection, *, most: int) -> int:
    """Deletes expired analyses of every organisation, under the service role; says how many."""
    return int(connection.execute(_FORGET, {"most": most}).rowcount)


def _row(found: RowMapping | None) -> AnalysisRow | None:
    return None if found is None else AnalysisRow(**found)
