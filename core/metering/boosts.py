"""Boosts: more of one limit for a time, asked for with a reason and decided on by somebody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from core.accounts.permissions import Action, require, require_operator
from core.db import credits_dao as dao
from core.db import people_dao
from core.db.engine import Database, Transaction
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.ids import new_id
from core.metering.credits import checked_reason
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
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
MAX_OPEN = 3
"""Requests of one member that wait for a decision at once."""
MAX_BOOSTS = 500
STATES = ("requested", "granted", "refused", "ended")
_OPEN_AT_MOST = 10_000
_DAY_S = 86_400


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
    """requested, granted, refused or ended; a granted one is in force until `ends_at`."""
    requested_by: UUID
    requested_by_name: str | None
    requested_at: datetime
    decided_by: UUID | None
    decided_by_name: str | None
    decided_at: datetime | None
    note: str | None
    """What whoever decided had to say."""

    @property
    def life(self) -> timedelta:
        """How long it lasts."""
        return self.ends_at - self.starts_at


class Boosts:
    """Asks for boosts, and decides on them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def request(
        self, principal: Principal, *, metric: str, amount: int, days: int, reason: str, for_all: bool = False
    ) -> Boost:
        """Asks for more of one limit for so many days; another manager or an operator decides.

        `for_all` asks for every member of the organisation, which limits of the organisation always are.

        Raises:
            Forbidden: a viewer, or a token that may not ask.
            InvalidRequest: a metric, amount, time or reason that cannot be.
            Conflict: as many requests of theirs as may be wait already.
        """
        require(principal, Action.ASK_FOR_BOOSTS)
        user_id = None if for_all or metric in OF_ORGANISATION else principal.user_id
        values = _checked(principal, user_id, metric=metric, amount=amount, days=days, reason=reason)
        with self._database.service() as connection:
            people_dao.lock_membership(connection, principal.org_id, principal.user_id)
            waiting = dao.boosts(connection, principal.org_id, ["requested"], most=_OPEN_AT_MOST)
            if sum(row.requested_by == principal.user_id for row in waiting) >= MAX_OPEN:
                raise Conflict(f"{MAX_OPEN} of your requests wait for a decision; ask again once one is decided.")
            row = dao.add_boost(connection, values)
            _record(connection, principal, AuditAction.BOOST_REQUESTED, row)
        return self._named(principal, [row])[0]

    def decide(
        self,
        principal: Principal,
        boost_id: UUID,
        *,
        granted: bool,
        note: str = "",
        amount: int | None = None,
        everything: bool = False,
    ) -> Boost:
        """Grants a request, of the whole or another amount, or refuses it; a granted time begins now.

        Nobody grants their own request but who runs the installation. `everything` decides for any organisation.

        Raises:
            Forbidden: not a manager, their own request, more than a manager may grant (see `check_share`), or no
                operator where it is for any organisation.
            NotFound: no request that they may decide.
            Conflict: it was decided already.
            InvalidRequest: an amount or note that cannot be.
        """
        org_id = _reach(principal, everything=everything)
        if amount is not None:
            _check_amount(amount)
        said = checked_reason(note) if note.strip() else None
        with self._database.service() as connection:
            asked = _found(connection, boost_id, org_id)
            if granted and _is_own(principal, asked):
                raise Forbidden("Nobody grants their own request; another manager or an operator can.")
            if granted:
                check_share(connection, principal, asked.org_id, asked.user_id, asked.metric, amount or asked.amount)
            row = dao.decide_boost(
                connection,
                boost_id,
                org_id,
                grants=granted,
                decided_by=principal.user_id,
                note=said,
                amount=amount,
            )
            if row is None:
                raise Conflict("It was decided already.")
            _record(connection, principal, AuditAction.BOOST_DECIDED, row, before=asked)
        return self._named(principal, [row])[0]

    def end(self, principal: Principal, boost_id: UUID, *, note: str = "", everything: bool = False) -> Boost:
        """Ends a granted boost now.

        Raises:
            Forbidden: not a manager.
            NotFound: no boost that they may decide on.
            Conflict: it is not in force.
        """
        org_id = _reach(principal, everything=everything)
        said = checked_reason(note) if note.strip() else None
        with self._database.service() as connection:
            before = _found(connection, boost_id, org_id)
            row = dao.end_boost(connection, boost_id, org_id, decided_by=principal.user_id, note=said)
            if row is None:
                raise Conflict("It is not in force.")
            _record(connection, principal, AuditAction.BOOST_ENDED, row, before=before)
        return self._named(principal, [row])[0]

    def all(
        self, principal: Principal, *, state: str | None = None, most: int = 200, everything: bool = False
    ) -> list[Boost]:
        """The boosts of the organisation, or of every one, the newest first; for managers and operators.

        Raises:
            Forbidden: not a manager, or no operator where it is everything.
            InvalidRequest: a state there is not, or `most` is out of bounds.
        """
        org_id = _reach(principal, everything=everything)
        _check_list(state, most)
        with self._database.service() as connection:
            rows = dao.boosts(connection, org_id, STATES if state is None else [state], most=most)
        return self._named(principal, rows)

    def mine(self, principal: Principal, *, most: int = 100) -> list[Boost]:
        """The boosts that the principal asked for or has, and those of everybody, newest first.

        Raises:
            InvalidRequest: `most` is out of bounds.
        """
        require(principal, Action.READ)
        _check_list(None, most)
        with self._database.app(principal) as connection:
            rows = dao.boosts(connection, principal.org_id, STATES, most=MAX_BOOSTS)
        mine = (None, principal.user_id)
        return self._named(
            principal, [row for row in rows if row.user_id in mine or row.requested_by == principal.user_id][:most]
        )

    def _named(self, principal: Principal, rows: list[dao.BoostRow]) -> list[Boost]:
        """Boosts with the names of those members that the principal may see."""
        if not rows:
            return []
        with self._database.app(principal) as connection:
            names = {member.user_id: member.name for member in people_dao.members(connection)}
        return [_boost(row, names) for row in rows]


def give(
    transaction: Transaction,
    principal: Principal,
    org_id: UUID,
    user_id: UUID | None,
    *,
    metric: str,
    amount: int,
    days: int,
    reason: str,
) -> dao.BoostRow:
    """Grants a boost that nobody asked for, from now on; for one member, or (None) for all.

    Nobody gives themselves one, nor all, but who runs the installation. That they may decide there is the caller's to
    make sure of, and that the member belongs there.

    Raises:
        Forbidden: only an operator may (see `check_share` too).
        InvalidRequest: a metric, amount, time or reason that cannot be.
    """
    values = _checked(principal, user_id, metric=metric, amount=amount, days=days, reason=reason)
    if user_id in (None, principal.user_id) and not principal.is_operator:
        raise Forbidden("Nobody grants a boost to themselves; another manager or an operator can.")
    check_share(transaction, principal, org_id, user_id, metric, amount)
    asked = dao.add_boost(transaction, {**values, "org_id": org_id})
    row = dao.decide_boost(transaction, asked.id, org_id, grants=True, decided_by=principal.user_id, note=None)
    assert row is not None  # it was asked for in this transaction
    _record(transaction, principal, AuditAction.BOOST_DECIDED, row, as_operator=principal.is_operator)
    return row


def check_share(
    transaction: Transaction, principal: Principal, org_id: UUID, user_id: UUID | None, metric: str, amount: int
) -> None:
    """Lets a manager grant as much as the plan itself allows, in sum over the boosts in force of whom it is for.

    Who runs the installation grants any. The organisation stays locked, so that managers decide one after the other.

    Raises:
        Forbidden: it would be more.
    """
    if principal.is_operator:
        return
    allowed = dao.lock_plan_limit(transaction, org_id, metric)
    in_force = dao.boosts(transaction, org_id, ["granted"], in_force=True, most=_OPEN_AT_MOST)
    raised: Counter[UUID | None] = Counter()
    for row in in_force:
        raised[row.user_id] += row.amount if row.metric == metric else 0
    of_all = raised.pop(None, 0)
    of_whom = max(raised.values(), default=0) if user_id is None else raised[user_id]
    if allowed is not None and of_all + of_whom + amount > allowed:
        raise Forbidden(
            f"Managers grant as much again as the plan allows: {allowed:,} {METRICS[metric]} in all boosts together. "
            "An operator can grant more."
        )


def _checked(
    principal: Principal, user_id: UUID | None, *, metric: str, amount: int, days: int, reason: str
) -> dict[str, Any]:
    """What is asked for, as the statement takes it.

    Raises:
        InvalidRequest: a metric, amount, time or reason that cannot be.
    """
    if metric not in METRICS:
        raise InvalidRequest(f"There is no boost of {metric[:40]!r}; there are {', '.join(METRICS)}.")
    _check_amount(amount)
    if not 1 <= days <= MAX_DAYS:
        raise InvalidRequest(f"A boost lasts 1 to {MAX_DAYS} days.")
    return {
        "id": new_id(),
        "org_id": principal.org_id,
        "user_id": user_id,
        "metric": metric,
        "amount": amount,
        "life_s": days * _DAY_S,
        "reason": checked_reason(reason),
        "requested_by": principal.user_id,
    }


def _check_amount(amount: int) -> None:
    if not 1 <= amount <= MAX_AMOUNT:
        raise InvalidRequest(f"A boost adds 1 to {MAX_AMOUNT:,} to a limit.")


def _check_list(state: str | None, most: int) -> None:
    if state is not None and state not in STATES:
        raise InvalidRequest(f"A boost is {', '.join(STATES)}.")
    if not 1 <= most <= MAX_BOOSTS:
        raise InvalidRequest(f"At most {MAX_BOOSTS} boosts at once.")


def _reach(principal: Principal, *, everything: bool) -> UUID | None:
    """The organisation whose boosts the principal decides on; None: those of all.

    Operators decide in the organisation that they are in whatever their role in it.
    """
    if everything or principal.is_operator:
        require_operator(principal)
    else:
        require(principal, Action.DECIDE_BOOSTS)
    return None if everything else principal.org_id


def _is_own(principal: Principal, boost: dao.BoostRow) -> bool:
    """Whether who decides gains by it, and does not run the installation."""
    return not principal.is_operator and principal.user_id in (boost.requested_by, boost.user_id)


def _found(transaction: Transaction, boost_id: UUID, org_id: UUID | None) -> dao.BoostRow:
    row = dao.boost(transaction, boost_id, org_id)
    if row is None:
        raise NotFound("There is no such boost.")
    return row


def _record(
    transaction: Transaction,
    principal: Principal,
    action: AuditAction,
    row: dao.BoostRow,
    *,
    before: dao.BoostRow | None = None,
    as_operator: bool = False,
) -> None:
    event = audit_principal(
        principal,
        action,
        Subject("boost", str(row.id)),
        before=None if before is None else {"state": before.state, "amount": before.amount},
        after={
            "state": row.state,
            "metric": row.metric,
            "amount": row.amount,
            "user_id": row.user_id,
            "ends_at": row.ends_at,
            "reason": row.reason,
            "note": row.note,
        },
        org_id=row.org_id,
        as_operator=as_operator or row.org_id != principal.org_id,
    )
    Audit.record(transaction, event)


def _boost(row: dao.BoostRow, names: Mapping[UUID, str]) -> Boost:
    return Boost(
        id=row.id,
        org_id=row.org_id,
        user_id=row.user_id,
        user_name=None if row.user_id is None else names.get(row.user_id),
        metric=row.metric,
        amount=row.amount,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        reason=row.reason,
        state=row.state,
        requested_by=row.requested_by,
        requested_by_name=names.get(row.requested_by),
        requested_at=row.requested_at,
        decided_by=row.decided_by,
        decided_by_name=None if row.decided_by is None else names.get(row.decided_by),
        decided_at=row.decided_at,
        note=row.note,
    )
