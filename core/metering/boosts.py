"""Boosts: more of one limit for a time, asked for with a reason and decided on by a manager."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.db.engine import Database
from core.principal import Principal

METRICS = {
    "chat_queries_day": "chat questions a day",
    "portfolio_analyses_day": "portfolio analyses a day",
    "sec_filings_month": "SEC filings a month",
    "requests_month": "AI requests a month",
    "signal_validations_day": "signal validations a day",
}
"""What can be boosted, in words."""
OF_ORGANISATION = frozenset({"signal_validations_day"})
"""Limits that are the organisation's: a boost of one is for all its members."""
MAX_AMOUNT = 1_000_000
MAX_DAYS = 90
"""Longest time of a boost."""
MAX_REASON_CHARS = 500
MAX_OPEN = 3
"""Requests of one member that wait for a decision at once."""


@dataclass(frozen=True, slots=True)
class Boost:
    """More of one limit for a time."""

    id: UUID
    org_id: UUID
    user_id: UUID | None
    """For whom; None: for every member of the organisation."""
    user_name: str | None
    metric: str
    amount: int
    """What is added to the limit."""
    starts_at: datetime
    ends_at: datetime
    reason: str
    state: str
    """requested, granted, refused or ended."""
    requested_by: UUID | None
    requested_by_name: str | None
    requested_at: datetime
    decided_by: UUID | None
    decided_by_name: str | None
    decided_at: datetime | None
    note: str | None
    """What whoever decided had to say."""


class Boosts:
    """Asks for boosts, and decides on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(
        self, principal: Principal, *, metric: str, amount: int, days: int, reason: str, for_all: bool = False
    ) -> Boost:
        """Asks for more of one limit from now on, for so many days; a manager decides.

        `for_all` asks for every member of the organisation, which limits of the organisation always are.

        Raises:
            Forbidden: a viewer, or a token that may not ask.
            InvalidRequest: a metric, amount, time or reason that cannot be, or too many requests wait already.
        """
        raise NotImplementedError

    def decide(
        self, principal: Principal, boost_id: UUID, *, granted: bool, note: str = "", amount: int | None = None
    ) -> Boost:
        """Grants a request, of the whole or another amount, or refuses it; a granted time begins now.

        Raises:
            Forbidden: not a manager.
            NotFound: no request of this organisation.
            Conflict: it was decided already.
            InvalidRequest: an amount that cannot be.
        """
        raise NotImplementedError

    def give(
        self, principal: Principal, *, user_id: UUID | None, metric: str, amount: int, days: int, reason: str
    ) -> Boost:
        """Grants a boost that nobody asked for, from now on; for one member, or (None) for all.

        Raises:
            Forbidden: not a manager.
            NotFound: no member of this organisation.
            InvalidRequest: as `request`.
        """
        raise NotImplementedError

    def end(self, principal: Principal, boost_id: UUID) -> Boost:
        """Ends a granted boost now.

        Raises:
            Forbidden: not a manager.
            NotFound: no boost of this organisation.
            Conflict: it is not in force.
        """
        raise NotImplementedError

    def all(self, principal: Principal, *, state: str | None = None, most: int = 200) -> list[Boost]:
        """The boosts of the organisation, those that wait first, then the newest; for managers.

        Raises:
            Forbidden: not a manager.
        """
        raise NotImplementedError

    def mine(self, principal: Principal, *, most: int = 100) -> list[Boost]:
        """The boosts that the principal asked for or has, and those of everybody, newest first."""
        raise NotImplementedError
