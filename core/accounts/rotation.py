"""Rotation: everything that is encrypted is put under the newest key, a few rows at a time.

Each few rows are a transaction of their own, and a value that is under the newest key stays as it is: a rotation that
was interrupted, or killed, is begun again and goes on with the rest. Until it has said that all is done, the old keys
stay in ENCRYPTION_KEYS: every process that runs reads values of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from core.accounts.audited import by_command
from core.accounts.encryption import Encryption, Undecryptable
from core.db import provider_keys_dao as dao
from core.db.engine import Database
from core.db.provider_keys_dao import ENCRYPTED, EncryptedColumn
from core.ops.audit import Audit, AuditAction, Subject

ROWS_AT_ONCE = 50
MAX_FAULTS = 100
"""Values that cannot be decrypted and are told; more are counted."""
_FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of one column."""

    place: EncryptedColumn
    renewed: int
    """Values that are under the newest key now and were not."""
    current: int
    """Values that were under it already."""
    failed: int
    """Values that none of the keys decrypts; they are as they were."""
    faults: tuple[UUID, ...]
    """Rows of the first of these."""


def rotate(database: Database, encryption: Encryption, *, rows_at_once: int = ROWS_AT_ONCE) -> list[Rotated]:
    """Puts every encrypted value under the newest key; one that cannot be decrypted stays, and holds up no other.

    Raises:
        NotConfigured: there is no key.
    """
    return [_column(database, encryption, place, rows_at_once) for place in ENCRYPTED]


def _column(database: Database, encryption: Encryption, place: EncryptedColumn, rows_at_once: int) -> Rotated:
    renewed, current, faults, after = 0, 0, list[UUID](), _FIRST
    while True:
        of_before = renewed
        with database.service() as connection:
            rows = dao.encrypted(connection, place, after=after, most=rows_at_once)
            for row_id, kept in rows:
                try:
                    fresh = encryption.renewed_text(kept) if place.is_text else encryption.renewed(kept)
                except Undecryptable:
                    faults.append(row_id)
                    continue
                if fresh is None:
                    current += 1
                    continue
                dao.write_encrypted(connection, place, row_id, fresh)
                renewed += 1
            if renewed > of_before:
                column, number = Subject("column", f"{place.table}.{place.column}"), {"renewed": renewed - of_before}
                Audit.record(connection, by_command(None, AuditAction.SECRETS_ROTATED, column, after=number))
        if len(rows) < rows_at_once:
            return Rotated(place, renewed, current, len(faults), tuple(faults[:MAX_FAULTS]))
        after = rows[-1][0]
