"""The books: whether counters, holds, usage rows and attempts say the same."""

from __future__ import annotations

from dataclasses import dataclass

from core.db import books_dao as dao
from core.db.books_dao import DifferenceRow, OddCall
from core.db.engine import Database

MAX_LISTED = 200


@dataclass(frozen=True, slots=True)
class Audit:
    """What a look at the books found."""

    differences: list[DifferenceRow]
    unresolved: list[OddCall]
    quarantined: list[OddCall]
    overdue_holds: int

    @property
    def balances(self) -> bool:
        """Whether there is no difference."""
        return not self.differences


def audit(database: Database) -> Audit:
    """Compares everything that is kept twice, in one transaction that sees one moment."""
    with database.snapshot() as connection:
        return Audit(
            differences=dao.differences(connection, most=MAX_LISTED),
            unresolved=dao.unresolved(connection, most=MAX_LISTED),
            quarantined=dao.quarantined(connection, most=MAX_LISTED),
            overdue_holds=dao.overdue_holds(connection),
        )
