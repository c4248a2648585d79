"""The statements of the shared cache of answers; entries come into it with their settlement (`keep_entry`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

_GET = text(
    "SELECT value, extract(epoch FROM expires_at - assay_now()) AS remaining_s FROM cache_entries "
    "WHERE scope = :scope AND key = :key AND expires_at > assay_now()"
)
_DROP = text("DELETE FROM cache_entries WHERE scope = :scope AND key = :key")
_TRIM = text(
    """
    DELETE FROM cache_entries WHERE expires_at <= assay_now() OR (scope = :scope AND created_at <= (
        SELECT created_at FROM cache_entries WHERE scope = :scope ORDER BY created_at DESC OFFSET :most LIMIT 1))
    """
)


@dataclass(frozen=True, slots=True)
class CacheRow:
    """A live entry and how long it stays one."""

    value: Mapping[str, Any]
    remaining_s: float


def get(connection: Connection, scope: str, key: bytes) -> CacheRow | None:
    """The live entry under that key of that scope."""
    row = connection.execute(_GET, {"scope": scope, "key": key}).one_or_none()
    return CacheRow(row.value, float(row.remaining_s)) if row else None


def drop(connection: Connection, scope: str, key: bytes) -> None:
    """Forgets an entry."""
    connection.execute(_DROP, {"scope": scope, "key": key})


def trim(connection: Connection, scope: str, most: int) -> None:
    """Forgets what is over for everyone, and the oldest of a scope that holds more than `most`."""
    connection.execute(_TRIM, {"scope": scope, "most": most})
