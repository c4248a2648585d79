"""The books as a rule sees them: an audit a few times a day, of which each check has a bounded time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal

from core.admin.alerts.looks import Found, Look
from core.admin.alerts.rules import Finding
from core.admin.alerts.watch import AlertWatch
from core.db import books_dao, oversight_looks_dao
from core.db.engine import Database, Transaction
from core.errors import DatabaseUnavailable, place_of
from core.metering.books import CHECKS

RULE = "books_out_of_balance"
AUDIT_MINUTES = 6 * 60.0
CHECK_WITHIN_S = 300
"""Longest time of one check; one that takes longer says nothing this time."""
LISTED = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BooksWatch:
    """Audits the books, and raises or clears their alert."""

    database: Database
    watch: AlertWatch
    check_within_s: int = CHECK_WITHIN_S

    def look(self) -> int:
        """Audits now; how many alerts were raised."""
        found = self._audited()
        return self.watch.take(Look("books", (RULE,), lambda _transaction: found))

    def _audited(self) -> Found:
        """What the checks find; incomplete where one of them was not done in time."""
        kinds: dict[str, int] = {}
        is_complete = True
        for check in CHECKS:
            try:
                with self.database.snapshot() as connection:
                    kinds.update(self._kinds(connection, check.name))
            except DatabaseUnavailable as error:
                is_complete = False
                _log.warning("The books: %s were not audited in time: %s.", check.looks_at, place_of(error))
        if not kinds:
            return Found((), is_complete)
        count = sum(kinds.values())
        told = [f"{kind.replace('_', ' ')} ({of_kind:,})" for kind, of_kind in sorted(kinds.items())]
        more = f" and {len(told) - LISTED} more kinds" if len(told) > LISTED else ""
        words = {"differences": f"{count:,}", "kinds": ", ".join(told[:LISTED]) + more}
        return Found([Finding(RULE, None, None, "books", "", Decimal(count), words)], is_complete)

    def _kinds(self, connection: Transaction, check: str) -> dict[str, int]:
        """How many differences of each kind one check finds."""
        now = books_dao.prepare(connection)
        oversight_looks_dao.bound(connection, within_s=self.check_within_s)
        return {row.kind: row.of_kind for row in books_dao.differences(connection, check, now=now, most=1)}
