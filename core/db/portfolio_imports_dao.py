"""The statements of imports into portfolios, and of how a person read files, under the app role."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_IMPORTS = text(
    """
    SELECT id, file_name, sha256, preset, rows, added, author, created_at FROM portfolio_imports
    WHERE org_id = bound_org() AND portfolio_id = :portfolio_id AND coalesce(sha256 = :sha256, true)
    ORDER BY created_at DESC, id DESC LIMIT :most
    """
)
_ONE = text(
    """
    SELECT id, file_name, sha256, preset, rows, added, author, created_at FROM portfolio_imports
    WHERE org_id = bound_org() AND portfolio_id = :portfolio_id AND id = :id
    """
)
_MAPPING = text(
    """
    SELECT mapping FROM portfolio_mappings
    WHERE org_id = bound_org() AND user_id = bound_user() AND headings = :headings
    """
)
_KEEP_MAPPING = text(
    """
    INSERT INTO portfolio_mappings (org_id, user_id, headings, mapping, updated_at)
    VALUES (bound_org(), bound_user(), :headings, CAST(:mapping AS jsonb), assay_now())
    ON CONFLICT (org_id, user_id, headings)
        DO UPDATE SET mapping = excluded.mapping, updated_at = excluded.updated_at
    """
)


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A file that was imported."""

    id: UUID
    file_name: str
    sha256: bytes
    preset: str
    rows: int
    """Of the file."""
    added: int
    """Transactions that it brought."""
    author: str
    created_at: datetime


def imports(
    connection: Connection, portfolio_id: UUID, *, sha256: bytes | None = None, most: int = 100
) -> list[ImportRow]:
    """The files that were imported into a portfolio, the newest first; of one content where `sha256` is given."""
    found = connection.execute(_IMPORTS, {"portfolio_id": portfolio_id, "sha256": sha256, "most": most}).mappings()
    return [ImportRow(**row) for row in found]


def one(connection: Connection, portfolio_id: UUID, import_id: UUID) -> ImportRow | None:
    """An import into a portfolio; None where there is none of that id."""
    found = connection.execute(_ONE, {"portfolio_id": portfolio_id, "id": import_id}).mappings().one_or_none()
    return None if found is None else ImportRow(**found)


def mapping(connection: Connection, headings: bytes) -> Mapping[str, Any] | None:
    """How the principal read the last file with these headings; None where there was none."""
    found: Mapping[str, Any] | None = connection.execute(_MAPPING, {"headings": headings}).scalar()
    return found


def keep_mapping(connection: Connection, headings: bytes, mapping: Mapping[str, Any]) -> None:
    """Keeps how the principal read a file, for the next with these headings."""
    connection.execute(_KEEP_MAPPING, {"headings": headings, "mapping": json.dumps(mapping)})
