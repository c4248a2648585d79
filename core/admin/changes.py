"""What an administrator changes of people and organisations: each change in the transaction that it is given.

One page's button and one line of a file go the same way: both keep the same rules, and leave the same audit line.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.accounts.permissions import Action, require, require_operator
from core.db import credits_dao, joining_dao, people_dao, sign_in_dao, wallets_dao
from core.db import oversight_people_dao as dao
from core.db.engine import Transaction
from core.db.people_dao import OrganisationRow
from core.errors import Conflict, Forbidden, InvalidRequest, NotFound
from core.metering import boosts
from core.metering.credits import checked_credits, checked_reason
from core.metering.plans import Plans
from core.ops.audit import Audit, AuditAction, Subject, audit_principal
from core.principal import Principal, Role

MAX_CREDIT_DAYS = 3_650
"""Longest life of granted credits that end."""
_NO_MEMBER = "There is no such member in this organisation."


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change did: the figure as it was, and as it is."""

    subject: str
    before: str
    after: str
    org_id: UUID | None = None
    user_id: UUID | None = None

    @property
    def changes(self) -> bool:
        """Whether anything is different."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Boosting:
    """More of one limit for a time."""

    metric: str
    amount: int
    days: int
    reason: str


@dataclass(frozen=True, slots=True)
class Granting:
    """Credits that are given."""

    amount: Decimal
    reason: str
    key: str
    """The same key again grants nothing."""
    expires_at: datetime | None = None


def acting_in(principal: Principal, organisation: OrganisationRow) -> Principal:
    """The principal as they act in an organisation: operators as one of its owners, everybody else in their own alone.

    Raises:
        Forbidden: another organisation's, and they are no operator.
    """
    if principal.is_operator:
        require_operator(principal)
        return replace(
            principal,
            org_id=organisation.id,
            org_name=organisation.name,
            plan=organisation.plan,
            role=Role.OWNER,
        )
    if organisation.id != principal.org_id:
        raise Forbidden("You manage your own organisation alone.")
    return principal


def locked_organisation(transaction: Transaction, principal: Principal, org_id: UUID) -> OrganisationRow:
    """An organisation that the principal may change, locked until the transaction ends.

    Raises:
        Forbidden: another organisation's, and they are no operator.
        NotFound: there is no such organisation.
    """
    if not principal.is_operator and org_id != principal.org_id:
        raise Forbidden("You manage your own organisation alone.")
    if not people_dao.organisations_named(transaction, str(org_id)):
        raise NotFound("There is no such organisation.")
    return people_dao.lock_organisation(transaction, org_id)


def set_plan(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, plan: str, plans: Plans
) -> Effect:
    """Puts an organisation on a plan, from its next request on; what is in flight ends under the plan it began with.

    Raises:
        Forbidden: not an operator.
        InvalidRequest: there is no such plan.
    """
    require_operator(principal)
    name = plans.get(plan).name
    before = people_dao.organisation(transaction, organisation.id).plan
    if name != before:
        people_dao.set_plan(transaction, organisation.id, name)
        _record(
            transaction,
            principal,
            AuditAction.PLAN_SET,
            Subject("organisation", str(organisation.id)),
            org_id=organisation.id,
            before={"plan": before},
            after={"plan": name},
        )
    return Effect(organisation.name, before, name, organisation.id)


def set_role(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, email: str, role: Role
) -> Effect:
    """Gives a member another role; their sessions end, and unless they own it, the invitations they sent.

    Raises:
        Forbidden: not a manager, or an admin who would make or change an owner.
        NotFound: no such member.
        Conflict: it is the last owner.
    """
    acting = acting_in(principal, organisation)
    require(acting, Action.MANAGE_MEMBERS)
    user, before = _member(transaction, organisation, email)
    if Role.OWNER in (role, before):
        require(acting, Action.MANAGE_OWNERS)
    if role is not before:
        if before is Role.OWNER and not people_dao.has_other_owner(transaction, organisation.id, user.id):
            raise Conflict("The last owner cannot become less: make another member an owner first.")
        people_dao.put_membership(transaction, organisation.id, user.id, role)
        if role is not Role.OWNER:
            joining_dao.end_invitations_by(transaction, user.id, org_id=organisation.id)
        sign_in_dao.revoke_sessions_of(transaction, user.id)
        _record(
            transaction,
            principal,
            AuditAction.MEMBER_ROLE_CHANGED,
            Subject("user", str(user.id)),
            org_id=organisation.id,
            before={"role": before},
            after={"role": role},
        )
    return Effect(f"{user.email}, {organisation.name}", before, role, organisation.id, user.id)


def set_active(transaction: Transaction, principal: Principal, user_id: UUID, *, is_active: bool) -> Effect:
    """Deactivates an account, or takes that back. Sessions, tokens and invitations they sent stop at once.

    A call in flight goes on to its end and is charged as any other; one whose process is gone expires, uncharged.

    Raises:
        Forbidden: not an operator.
        NotFound: there is no such user.
        Conflict: the principal themselves, or the last active owner of an organisation that others belong to.
    """
    require_operator(principal)
    account = dao.lock_account(transaction, user_id)
    if account is None:
        raise NotFound("There is no such user.")
    if account.is_active is not is_active:
        if not is_active:
            _check_can_go(transaction, principal, user_id)
        people_dao.set_active(transaction, user_id, is_active=is_active)
        if not is_active:
            sign_in_dao.revoke_sessions_of(transaction, user_id)
            joining_dao.end_invitations_by(transaction, user_id)
        _record(
            transaction,
            principal,
            AuditAction.USER_REACTIVATED if is_active else AuditAction.USER_DEACTIVATED,
            Subject("user", str(user_id)),
            org_id=None,
            before={"is_active": account.is_active},
            after={"is_active": is_active},
        )
    return Effect(account.email, _active_words(account.is_active), _active_words(is_active), None, user_id)


def give_boost(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, email: str, boost: Boosting
) -> Effect:
    """Raises a limit for some days from now on, for one member or (an empty address) for all.

    Nobody gives themselves one, nor all, but who runs the installation.

    Raises:
        Forbidden: not a manager, or only an operator may.
        NotFound: no such member.
        InvalidRequest: a metric, amount, time or reason that cannot be.
    """
    require(acting_in(principal, organisation), Action.DECIDE_BOOSTS)
    if email and boost.metric in boosts.OF_ORGANISATION:
        raise InvalidRequest(f"{boost.metric} is the organisation's: a boost of it names no user.")
    user_id = _member(transaction, organisation, email)[0].id if email else None
    before = sum(
        row.amount
        for row in dao.boosts_in_force(transaction, organisation.id)
        if (row.metric, row.user_id) == (boost.metric, user_id)
    )
    boosts.give(transaction, principal, organisation.id, user_id, **asdict(boost))
    words, whose = boosts.METRICS[boost.metric], f"{email}, {organisation.name}" if email else organisation.name
    after = f"+{before + boost.amount:,} {words}, {boost.amount:,} of them for {_days(boost.days)}"
    return Effect(whose, f"+{before:,} {words}", after, organisation.id, user_id)


def grant_credits(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, grant: Granting
) -> Effect:
    """Gives credits to an organisation's wallet; they repay an overdraft first.

    Raises:
        Forbidden: not an operator.
        InvalidRequest: an amount or reason that cannot be.
    """
    require_operator(principal)
    amount, reason = checked_credits(grant.amount), checked_reason(grant.reason)
    before = wallets_dao.shown_balance(transaction, organisation.id)
    is_new = credits_dao.put_in(
        transaction,
        "grant",
        credits_dao.Movement(
            org_id=organisation.id, amount=amount, key=grant.key, author=principal.user_id, reason=reason
        ),
        expires_at=grant.expires_at,
    )
    after = wallets_dao.shown_balance(transaction, organisation.id)
    if is_new:
        _record(
            transaction,
            principal,
            AuditAction.CREDITS_GRANTED,
            Subject("organisation", str(organisation.id)),
            org_id=organisation.id,
            before={"balance": before},
            after={"balance": after, "amount": amount, "reason": reason, "ends_at": grant.expires_at},
        )
    return Effect(organisation.name, f"{credits_words(before)}", f"{credits_words(after)}", organisation.id)


def set_cap(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, email: str, cap: Decimal | None
) -> Effect:
    """Sets the most of the wallet's credits that a member may spend in a month; None lifts it.

    Raises:
        Forbidden: not a manager.
        NotFound: no such member.
        InvalidRequest: a cap that cannot be.
    """
    require(acting_in(principal, organisation), Action.SET_CAPS)
    if cap:
        cap = checked_credits(cap)
    user, _ = _member(transaction, organisation, email)
    kept = wallets_dao.lock_cap(transaction, organisation.id, user.id)
    before = kept.cap_month if kept else None
    if before != cap:
        credits_dao.set_cap(transaction, organisation.id, user.id, cap)
        _record(
            transaction,
            principal,
            AuditAction.MEMBER_CAP_SET,
            Subject("user", str(user.id)),
            org_id=organisation.id,
            before={"credits_cap_month": before},
            after={"credits_cap_month": cap},
        )
    return Effect(f"{user.email}, {organisation.name}", _cap_words(before), _cap_words(cap), organisation.id, user.id)


def set_pooling(
    transaction: Transaction, principal: Principal, organisation: OrganisationRow, *, pools: bool
) -> Effect:
    """Makes the quotas of an organisation's members one of all together, or each their own again.

    Raises:
        Forbidden: not a manager.
    """
    require(acting_in(principal, organisation), Action.SET_ORGANISATION)
    [row] = dao.organisations(transaction, organisation.id, dao.Sought(), skipped=0, most=1)
    if row.pools is not pools:
        credits_dao.set_pooling(transaction, organisation.id, pools)
        _record(
            transaction,
            principal,
            AuditAction.POOLING_SET,
            Subject("organisation", str(organisation.id)),
            org_id=organisation.id,
            before={"pools": row.pools},
            after={"pools": pools},
        )
    return Effect(organisation.name, _pool_words(row.pools), _pool_words(pools), organisation.id)


def revoke_token(transaction: Transaction, principal: Principal, token_id: UUID, org_id: UUID | None) -> None:
    """Ends somebody's token, of an organisation or (None) of any.

    Raises:
        NotFound: there is no such valid token.
    """
    whose = dao.revoke_token(transaction, token_id, org_id)
    if whose is None:
        raise NotFound("This token has ended already.")
    _record(
        transaction,
        principal,
        AuditAction.TOKEN_REVOKED,
        Subject("token", str(token_id)),
        org_id=whose[0],
        before={"is_valid": True},
        after={"is_valid": False, "user_id": whose[1]},
    )


def credits_words(amount: Decimal) -> str:
    """Credits with every digit that counts: 1,250.5 credits."""
    whole = f"{amount.normalize():,f}".replace("-", "−") if amount else "0"
    return f"{whole} credits"


def _member(transaction: Transaction, organisation: OrganisationRow, email: str) -> tuple[people_dao.UserRow, Role]:
    user = people_dao.user_by_email(transaction, email)
    role = None if user is None else people_dao.role_of(transaction, organisation.id, user.id)
    if user is None or role is None:
        raise NotFound(_NO_MEMBER)
    return user, Role(role)


def _check_can_go(transaction: Transaction, principal: Principal, user_id: UUID) -> None:
    if user_id == principal.user_id:
        raise Conflict("You cannot deactivate yourself; another operator has to do that.")
    name = dao.left_without_owner(transaction, user_id)
    if name is not None:
        raise Conflict(f"{name} would be left without an owner: make another of its members an owner first.")


def _record(
    transaction: Transaction,
    principal: Principal,
    action: AuditAction,
    subject: Subject,
    *,
    org_id: UUID | None,
    before: dict[str, object] | None,
    after: dict[str, object],
) -> None:
    event = audit_principal(
        principal,
        action,
        subject,
        before=before,
        after=after,
        org_id=org_id,
        as_operator=principal.is_operator,
    )
    Audit.record(transaction, event)


def _active_words(is_active: bool) -> str:
    return "active" if is_active else "deactivated"


def _pool_words(pools: bool) -> str:
    return "one quota of all members" if pools else "each member their own"


def _cap_words(cap: Decimal | None) -> str:
    return "no cap" if cap is None else f"{credits_words(cap)} a month"


def _days(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"
