"""The books, on demand: the same look that `doctor --accounting` takes, for operators at the page."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from core.accounts.permissions import require_operator
from core.db.engine import Database
from core.errors import Conflict
from core.metering.books import NOBODY, ODD_ADVICE, Audit, DifferenceRow, OddCall, advice, audit
from core.principal import Principal

__all__ = ["BookLook", "Books", "Difference", "OddKind"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A kind of difference, with what it means and what to do."""

    kind: str
    count: int
    advice: str
    rows: Sequence[DifferenceRow]
    """The first few."""


@dataclass(frozen=True, slots=True)
class OddKind:
    """Calls whose cost is not certain, of one kind; no difference."""

    kind: str
    count: int
    total_usd: Decimal
    advice: str
    calls: Sequence[OddCall]
    """The newest few."""


@dataclass(frozen=True, slots=True)
class BookLook:
    """What a look found."""

    audit: Audit
    differences: Sequence[Difference]
    odd: Sequence[OddKind]


class Books:
    """Looks at the books for operators; one look at a time in a process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looking = threading.Lock()

    def look(self, principal: Principal) -> BookLook:
        """Compares everything that is kept twice; takes seconds where there are millions of rows, and blocks nobody.

        Raises:
            Forbidden: not an operator.
            Conflict: another look is under way in this process.
        """
        require_operator(principal)
        if not self._looking.acquire(blocking=False):
            raise Conflict("The books are being looked at already; wait for that look to end.")
        try:
            found = audit(self._database)
        finally:
            self._looking.release()
        return BookLook(found, _differences(found), _odd(found))


def owner_words(row: DifferenceRow) -> str:
    """Whose figure it is, by ids."""
    if row.org_id is None:
        return "nobody's"
    if row.user_id in (None, NOBODY):
        return f"organisation {row.org_id}"
    return f"user {row.user_id} in organisation {row.org_id}"


def _differences(found: Audit) -> list[Difference]:
    by_kind: dict[str, list[DifferenceRow]] = {}
    for row in found.differences:
        by_kind.setdefault(row.kind, []).append(row)
    return [Difference(kind, rows[0].of_kind, advice(kind), rows) for kind, rows in by_kind.items()]


def _odd(found: Audit) -> list[OddKind]:
    by_kind: dict[str, list[OddCall]] = {}
    for call in found.odd_calls:
        by_kind.setdefault(call.kind, []).append(call)
    return [
        OddKind(kind, calls[0].of_kind, calls[0].total_usd, ODD_ADVICE[kind], calls) for kind, calls in by_kind.items()
    ]
