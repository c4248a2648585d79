"""Credits: what an organisation has in its wallet, each entry of its ledger, and how credits come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.db.engine import Database, Transaction
from core.metering.pricing import USD_PER_CREDIT, BillingFile, Package
from core.principal import Principal

__all__ = ["USD_PER_CREDIT", "Balance", "Credits", "LedgerEntry", "MemberCap"]

MAX_ENTRIES = 1_000


@dataclass(frozen=True, slots=True)
class Balance:
    """What there is to spend, as one member sees it."""

    balance: Decimal
    """What is shown: available less overdraft. What is held for requests in flight, and free ones, are not in it."""
    available: Decimal
    held: Decimal
    """For requests in flight."""
    overdraft: Decimal
    """What was spent or taken back beyond what there was; the next credits that come in pay it first."""
    daily_free: Decimal
    """Free credits of this user a day (UTC)."""
    daily_free_remaining: Decimal
    """What is left of them today; not part of the balance."""
    cap_month: Decimal | None
    """Most that this member may spend of the wallet in a month; None: there is no cap."""
    cap_used: Decimal
    """What they spent and hold of it in the running month."""
    uses_credits: bool
    """Whether this user lets credits take over where the plan's allowance is used up."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of the ledger: an amount that moved from one account to another."""

    number: int
    """Its place: a later entry has a larger number."""
    at: datetime
    kind: str
    """grant, purchase, hold, release, charge, refund, expiry, adjustment, overdraft or repayment."""
    amount: Decimal
    """In credits, above zero."""
    debit: str
    """The account that it came from, or that grew by it: cash, available, held, free…"""
    credit: str
    """The account that it went to."""
    change: Decimal
    """By how much it changed the balance that is shown."""
    user_id: UUID | None
    """The member whose request or purchase it was."""
    user_name: str | None
    author_id: UUID | None
    """Who granted or adjusted it; None where nobody in person did."""
    author_name: str | None
    reason: str
    hold_id: UUID | None
    """The hold that it belongs to, which has the id of the usage row."""
    payment: str | None
    """The payment that it belongs to."""


@dataclass(frozen=True, slots=True)
class MemberCap:
    """What one member may spend of the wallet in a month, and has spent."""

    user_id: UUID
    name: str
    email: str
    cap_month: Decimal | None
    """None: there is no cap."""
    used: Decimal
    """Spent and held in the running month."""


class Credits:
    """Wallets and the ledger. What a request takes of them is the meter's to hold, settle and return."""

    def __init__(self, database: Database, billing: BillingFile) -> None:
        self._database = database
        self._billing = billing

    @property
    def packages(self) -> tuple[Package, ...]:
        """What can be bought, the smallest first."""
        return self._billing.packages

    @property
    def margins(self) -> Mapping[str, Decimal]:
        """What a provider's cost is multiplied by, by its name; `default` for all others."""
        return self._billing.margins

    def balance(self, principal: Principal) -> Balance:
        """What the principal's organisation and they themselves have to spend now."""
        raise NotImplementedError

    def entries(self, principal: Principal, *, before: int | None = None, most: int = 100) -> list[LedgerEntry]:
        """Entries of the ledger, newest first; managers see all, others those of their own requests and purchases.

        Args:
            principal: who reads.
            before: the number of the last entry seen, to read on from there.
            most: how many at most.

        Raises:
            InvalidRequest: `most` is out of bounds.
        """
        raise NotImplementedError

    def grant(
        self, org_id: UUID, amount: Decimal, *, reason: str, author: UUID | None, expires_at: datetime | None = None
    ) -> Decimal:
        """Grants credits, for whoever runs the installation; gives the balance after it.

        Raises:
            InvalidRequest: an amount, reason or end that cannot be.
            NotFound: there is no such organisation.
        """
        raise NotImplementedError

    def grant_by(
        self, principal: Principal, org_id: UUID, amount: Decimal, *, reason: str, expires_at: datetime | None = None
    ) -> Decimal:
        """Grants credits as an operator; gives the balance after it.

        Raises:
            Forbidden: not an operator.
            InvalidRequest, NotFound: as `grant`.
        """
        raise NotImplementedError

    def adjust(self, principal: Principal, org_id: UUID, amount: Decimal, reason: str) -> Decimal:
        """Corrects a wallet as an operator, up or (below zero) down; gives the balance after it.

        Raises:
            Forbidden: not an operator.
            InvalidRequest: an amount or reason that cannot be, or more than there is to take.
            NotFound: there is no such organisation.
        """
        raise NotImplementedError

    def set_cap(self, principal: Principal, user_id: UUID, cap: Decimal | None) -> None:
        """Sets what a member may spend of the wallet in a month; None lifts it.

        Raises:
            Forbidden: not a manager.
            InvalidRequest: a cap that cannot be.
            NotFound: no member of this organisation.
        """
        raise NotImplementedError

    def caps(self, principal: Principal) -> list[MemberCap]:
        """What each member may spend in a month, and has spent, for managers.

        Raises:
            Forbidden: not a manager.
        """
        raise NotImplementedError

    def expire_due(self) -> int:
        """Takes back what is left of grants that have ended, each by an entry; says of how many."""
        raise NotImplementedError

    def purchased(
        self, transaction: Transaction, org_id: UUID, amount: Decimal, *, payment: str, user_id: UUID | None
    ) -> bool:
        """Credits a payment, once; False where it was credited before. In the caller's transaction."""
        raise NotImplementedError

    def taken_back(
        self, transaction: Transaction, org_id: UUID, amount: Decimal, *, payment: str, event: str, reason: str
    ) -> None:
        """Takes credits of a payment back, once an event, below zero if need be. In the caller's transaction."""
        raise NotImplementedError
