"""Credits: what an organisation has in its wallet, each entry of its ledger, and how credits come in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from core.accounts.permissions import Action, require, require_operator
from core.db import credits_dao as dao
from core.db import people_dao, wallets_dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, DatabaseUnavailable, Forbidden, InvalidRequest, NotFound, place_of
from core.ids import new_id
from core.metering.pricing import CREDIT, MAX_CREDITS, USD_PER_CREDIT, BillingFile, Package
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, audit_principal
from core.principal import Principal

__all__ = ["USD_PER_CREDIT", "Balance", "Credits", "LedgerEntry", "MemberCap"]

MAX_ENTRIES = 1_000
MAX_CAPS = 10_000
"""Members whose caps are told at once."""
MAX_REASON_CHARS = 500
MAX_KEY_CHARS = 200
EXPIRED_AT_ONCE = 100
_log = logging.getLogger(__name__)


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
    cap_resets_at: datetime | None
    """When the month of the cap ends; None: nothing was asked yet."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of the ledger: an amount that moved from one account to another."""

    number: int
    """Its place: a later entry has a larger number."""
    at: datetime
    kind: str
    """grant, purchase, hold, release, charge, refund, reversal, expiry, adjustment, overdraft or repayment."""
    amount: Decimal
    """In credits, above zero."""
    debit: str
    """The account that it came from: cash, promotion, available, held, overdraft, free…"""
    credit: str
    """The account that it went to."""
    change: Decimal
    """By how much it changed the balance that is shown."""
    user_id: UUID | None
    """The member whose request or purchase it was."""
    user_name: str | None
    author_id: UUID | None
    """Who granted or adjusted it; None: a rule, or the command line."""
    author_name: str | None
    reason: str | None
    hold_id: UUID | None
    """The hold that it belongs to, which has the id of the usage row."""
    payment: str | None
    """The payment that it belongs to."""
    free_day: date | None
    """The day (UTC) of which these free credits are, which are part of no balance; None: they are the wallet's."""


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
        """What the principal's organisation and they themselves have to spend now.

        Raises:
            Forbidden: a token that may not read, or a membership that has ended.
        """
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = dao.balance(connection, principal.org_id, principal.user_id)
        if row is None:
            raise Forbidden("You do not belong to this organisation any more.")
        return Balance(balance=row.available - row.overdraft, **asdict(row))

    def entries(self, principal: Principal, *, before: int | None = None, most: int = 100) -> list[LedgerEntry]:
        """Entries of the ledger, newest first; managers see all, others those of their own requests and purchases.

        Args:
            principal: who reads.
            before: the number of the last entry seen, to read on from there.
            most: how many at most.

        Raises:
            InvalidRequest: `most` is out of bounds.
        """
        require(principal, Action.READ)
        if not 1 <= most <= MAX_ENTRIES:
            raise InvalidRequest(f"At most {MAX_ENTRIES:,} entries at once.")
        whose = None if principal.role.manages else principal.user_id
        with self._database.app(principal) as connection:
            rows = dao.entries(connection, principal.org_id, user_id=whose, before=before, most=most)
            names = {member.user_id: member.name for member in people_dao.members(connection)} if rows else {}
        return [_entry(row, names) for row in rows]

    def grant(
        self,
        org_id: UUID,
        amount: Decimal,
        *,
        reason: str,
        author: UUID | None,
        expires_at: datetime | None = None,
        key: str | None = None,
    ) -> Decimal:
        """Grants credits, for whoever runs the installation; gives the balance after it.

        `key` is the grant's own: the organisation is granted once under it.

        Raises:
            InvalidRequest: an amount, reason, end or key that cannot be.
            NotFound: there is no such organisation.
            Conflict: another amount was granted under this key.
        """
        given, why, own_key = checked_credits(amount), checked_reason(reason), _grant_key(org_id, key)
        movement = dao.Movement(org_id, given, own_key, author=author, reason=why)
        with self._database.service() as connection:
            _check_organisation(connection, org_id)
            if expires_at is not None and expires_at <= wallets_dao.now(connection):
                raise InvalidRequest("A grant ends in the future, or not at all.")
            if dao.put_in(connection, "grant", movement, expires_at=expires_at):
                after = {"amount": given, "reason": why, "expires_at": expires_at}
                Audit.record(
                    connection,
                    AuditEvent(org_id, author, "command", AuditAction.CREDITS_GRANTED, _wallet(org_id), after=after),
                )
            elif dao.moved(connection, own_key) != given:
                raise Conflict("Another amount was granted under this key. Use a new key for a new grant.")
            return wallets_dao.shown_balance(connection, org_id)

    def adjust(self, principal: Principal, org_id: UUID, amount: Decimal, reason: str) -> Decimal:
        """Corrects a wallet as an operator, up or (below zero) down; gives the balance after it.

        Raises:
            Forbidden: not an operator.
            InvalidRequest: an amount or reason that cannot be, or more than there is to take.
            NotFound: there is no such organisation.
        """
        require_operator(principal)
        number = new_id()
        movement = dao.Movement(
            org_id,
            checked_credits(abs(amount)),
            f"adjustment:{number}",
            author=principal.user_id,
            reason=checked_reason(reason),
        )
        after = {"amount": amount, "reason": movement.reason}
        event = audit_principal(
            principal,
            AuditAction.CREDITS_ADJUSTED,
            _wallet(org_id),
            after=after,
            org_id=org_id,
            as_operator=True,
        )
        with self._database.service() as connection:
            _check_organisation(connection, org_id)
            if amount > 0:
                dao.put_in(connection, "adjustment", movement)
            elif dao.take_out(connection, "adjustment", movement) == "insufficient":
                raise InvalidRequest(
                    "The wallet has less than that to take; what is held for requests in flight and what is owed are "
                    "not part of it."
                )
            Audit.record(connection, event)
            return wallets_dao.shown_balance(connection, org_id)

    def set_cap(self, principal: Principal, user_id: UUID, cap: Decimal | None) -> None:
        """Sets what a member may spend of the wallet in a month; None lifts it.

        Raises:
            Forbidden: not a manager.
            InvalidRequest: a cap that cannot be.
            NotFound: no member of this organisation.
        """
        require(principal, Action.SET_CAPS)
        if cap is not None and cap != 0:
            cap = checked_credits(cap)
        with self._database.service() as connection:
            kept = wallets_dao.lock_cap(connection, principal.org_id, user_id)
            if kept is None:
                raise NotFound("There is no such member in this organisation.")
            dao.set_cap(connection, principal.org_id, user_id, cap)
            event = audit_principal(
                principal,
                AuditAction.MEMBER_CAP_SET,
                Subject("user", str(user_id)),
                before={"credits_cap_month": kept.cap_month},
                after={"credits_cap_month": cap},
            )
            Audit.record(connection, event)

    def caps(self, principal: Principal) -> list[MemberCap]:
        """What each member may spend in a month, and has spent, for managers.

        Raises:
            Forbidden: not a manager.
        """
        require(principal, Action.SEE_MEMBERS)
        with self._database.app(principal) as connection:
            rows = wallets_dao.caps(connection, principal.org_id, most=MAX_CAPS)
        return [MemberCap(row.user_id, row.name, row.email, row.cap_month, row.used) for row in rows]

    def expire_due(self) -> int:
        """Takes back what is left of grants that have ended, each by an entry; says of how many.

        A wallet that cannot be gone through is logged, and holds up no other.
        """
        with self._database.service() as connection:
            due = dao.due_wallets(connection, most=EXPIRED_AT_ONCE)
        ended = 0
        for org_id in due:
            try:
                ended += self._expire(org_id)
            except DatabaseUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 (the outermost edge of one wallet: it holds up no other)
                _log.error("Grants of organisation %s that have ended were not taken: %s.", org_id, place_of(error))
        return ended

    def _expire(self, org_id: UUID) -> int:
        with self._database.service() as connection:
            grants = dao.expire(connection, org_id)
            if grants:
                what, after = AuditAction.CREDITS_EXPIRED, {"grants": grants}
                Audit.record(connection, AuditEvent(org_id, None, "system", what, _wallet(org_id), after=after))
        return grants

    def purchased(
        self, transaction: Transaction, org_id: UUID, amount: Decimal, *, payment: str, user_id: UUID | None
    ) -> bool:
        """Credits a payment, once; False where it was credited before. In the caller's transaction.

        Raises:
            InvalidRequest: an amount that cannot be.
        """
        bought = checked_credits(amount)
        movement = dao.Movement(org_id, bought, f"purchase:{payment}", user_id=user_id, payment=payment)
        is_new = dao.put_in(transaction, "purchase", movement)
        if is_new:
            what, after = AuditAction.CREDITS_PURCHASED, {"amount": bought, "payment": payment}
            Audit.record(transaction, AuditEvent(org_id, user_id, "stripe", what, _wallet(org_id), after=after))
        return is_new

    def taken_back(
        self, transaction: Transaction, org_id: UUID, amount: Decimal, *, payment: str, event: str, reason: str
    ) -> None:
        """Takes credits of a payment back, once an event, below zero if need be. In the caller's transaction.

        Raises:
            InvalidRequest: an amount or reason that cannot be.
        """
        taken, why = checked_credits(amount), checked_reason(reason)
        movement = dao.Movement(org_id, taken, f"refund:{event}", reason=why, payment=payment)
        if dao.take_out(transaction, "refund", movement) == "done":
            what, after = AuditAction.CREDITS_TAKEN_BACK, {"amount": taken, "payment": payment, "reason": why}
            Audit.record(transaction, AuditEvent(org_id, None, "stripe", what, _wallet(org_id), after=after))

    def given_back(
        self, transaction: Transaction, org_id: UUID, amount: Decimal, *, payment: str, event: str, reason: str
    ) -> None:
        """Reverses what was taken back of a payment, once an event. In the caller's transaction.

        Raises:
            InvalidRequest: an amount or reason that cannot be.
        """
        given, why = checked_credits(amount), checked_reason(reason)
        movement = dao.Movement(org_id, given, f"reversal:{event}", reason=why, payment=payment)
        if dao.put_in(transaction, "reversal", movement):
            what, after = AuditAction.CREDITS_GIVEN_BACK, {"amount": given, "payment": payment, "reason": why}
            Audit.record(transaction, AuditEvent(org_id, None, "stripe", what, _wallet(org_id), after=after))


def _grant_key(org_id: UUID, key: str | None) -> str:
    if key is None:
        return f"grant:{new_id()}"
    if not 1 <= len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise InvalidRequest(f"The key of a grant has 1 to {MAX_KEY_CHARS} printable characters.")
    return f"grant:{org_id}:{key}"


def checked_credits(amount: Decimal) -> Decimal:
    """The amount, which can be one of credits.

    Raises:
        InvalidRequest: it is not above zero, too large, or has more than six decimals.
    """
    if not amount.is_finite() or not 0 < amount <= MAX_CREDITS:
        raise InvalidRequest(f"An amount of credits is above 0 and at most {MAX_CREDITS:,}.")
    if amount != amount.quantize(CREDIT):
        raise InvalidRequest("An amount of credits has at most six decimals.")
    return amount


def checked_reason(reason: str) -> str:
    """The reason, without white space around it.

    Raises:
        InvalidRequest: it is empty or too long.
    """
    kept = " ".join(reason.split())
    if not 1 <= len(kept) <= MAX_REASON_CHARS or "\x00" in kept:
        raise InvalidRequest(f"A reason has 1 to {MAX_REASON_CHARS} characters.")
    return kept


def _entry(row: dao.EntryRow, names: Mapping[UUID, str]) -> LedgerEntry:
    return LedgerEntry(
        number=row.id,
        at=row.at,
        kind=row.kind,
        amount=row.amount,
        debit=row.debit,
        credit=row.credit,
        change=row.amount * (_WEIGHT.get(row.credit, 0) - _WEIGHT.get(row.debit, 0)),
        user_id=row.user_id,
        user_name=None if row.user_id is None else names.get(row.user_id),
        author_id=row.author,
        author_name=None if row.author is None else names.get(row.author),
        reason=row.reason,
        hold_id=row.hold_id,
        payment=row.payment,
        free_day=row.free_day,
    )


_WEIGHT = {"available": 1, "overdraft": 1}
"""Accounts whose entries change the balance that is shown: what goes into them raises it."""


def _wallet(org_id: UUID) -> Subject:
    return Subject("wallet", str(org_id))


def _check_organisation(transaction: Transaction, org_id: UUID) -> None:
    if not any(found.id == org_id for found in people_dao.organisations_named(transaction, str(org_id))):
        raise NotFound("There is no such organisation.")
