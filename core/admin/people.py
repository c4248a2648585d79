"""People and plans: who belongs where, what each may use and why, and what an administrator changes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from core.accounts.members import Members
from core.accounts.permissions import require_operator
from core.admin import changes
from core.admin.changes import Boosting, Effect, Granting
from core.admin.reach import reach_of
from core.db import credits_dao, metering_dao, people_dao
from core.db import oversight_people_dao as dao
from core.db.credits_dao import BalanceRow
from core.db.engine import Database, Transaction
from core.db.oversight_people_dao import OrganisationRow, PersonRow, Sought
from core.errors import InvalidRequest, NotFound
from core.ids import new_id
from core.metering.plans import Plans
from core.principal import Principal, Role

__all__ = ["EffectiveLimit", "LimitPart", "OrganisationRow", "Page", "People", "PersonRow", "Sought"]

MAX_AT_ONCE = 200
MAX_SKIPPED = 100_000
MAX_WORDS_CHARS = 200
_POOLED = ("chat_queries_day", "portfolio_analyses_day", "sec_filings_month", "requests_month")
"""Quotas of members, which an organisation may make one."""
_RATES = {
    "requests_minute": "user",
    "requests_hour": "user",
    "signal_validations_minute": "user",
    "concurrent_requests": "user",
    "request_ceiling_usd": "request",
    "user_budget_usd": "user",
    "org_budget_usd": "organisation",
}
"""Limits that are a plan's or a budget's figure and nothing more."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was found."""

    people: Sequence[PersonRow]
    total: int


@dataclass(frozen=True, slots=True)
class LimitPart:
    """One of the numbers that a limit is made of."""

    source: str
    """plan, boost, carry, pool or budget."""
    amount: Decimal
    words: str
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EffectiveLimit:
    """A limit as it stands for one member, and where each of its numbers comes from."""

    metric: str
    scope: str
    """user, organisation or request."""
    maximum: Decimal | None
    """What is enforced now; None is unlimited."""
    parts: Sequence[LimitPart]
    """They add up to the maximum; empty where it is unlimited."""
    used: Decimal | None = None
    """None: not counted over a period."""
    resets_at: datetime | None = None


class People:
    """People and organisations, for managers of one and operators of all."""

    def __init__(self, database: Database, members: Members, plans: Plans) -> None:
        self._database = database
        self._members = members
        self._plans = plans

    def search(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> Page:
        """Members of the principal's organisation, or of all, by address.

        Raises:
            Forbidden: nobody who oversees that.
            InvalidRequest: too much at once, or too long words.
        """
        org_id = reach_of(principal, everything=everything)
        _check_page(sought, skipped, most)
        with self._database.service() as connection:
            rows = dao.people(connection, org_id, sought, skipped=skipped, most=most)
        return Page(rows, rows[0].total if rows else 0)

    def organisations(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> list[OrganisationRow]:
        """The principal's organisation, or those that are found, by name; each row tells how many there are.

        Raises:
            Forbidden: nobody who oversees that.
            InvalidRequest: too much at once, or too long words.
        """
        org_id = reach_of(principal, everything=everything)
        _check_page(sought, skipped, most)
        wanted = sought if org_id is None else Sought()
        with self._database.service() as connection:
            return dao.organisations(connection, org_id, wanted, skipped=skipped, most=most)

    def limits(self, principal: Principal, org_id: UUID, user_id: UUID) -> list[EffectiveLimit]:
        """What a member may use now, and where each number comes from.

        Raises:
            Forbidden: another organisation's member, and not an operator.
            NotFound: no such member.
        """
        self._check_oversees(principal, org_id)
        with self._database.service() as connection:
            row = dao.parts(connection, org_id, user_id)
            if row is None:
                raise NotFound("There is no such member in this organisation.")
            boosts = dao.boosts_in_force(connection, org_id)
        member = replace(principal, org_id=org_id, user_id=user_id, role=Role.ANALYST)
        with self._database.app(member) as connection:
            told = {each.metric: each for each in metering_dao.allowances(connection)}
        quotas = [_quota(metric, told[metric], row, boosts, user_id) for metric in (*_POOLED, "signal_validations_day")]
        rates = {metric: _rate(metric, scope, getattr(row, metric)) for metric, scope in _RATES.items()}
        charged = told["charge_usd_month"]
        rates["user_budget_usd"] = replace(rates["user_budget_usd"], used=charged.used, resets_at=charged.ends_at)
        return [*quotas, *rates.values()]

    def balance(self, principal: Principal, org_id: UUID, user_id: UUID) -> BalanceRow:
        """The credits that a member can spend: today's free ones, the wallet's, and their own cap.

        Raises:
            Forbidden: another organisation's member, and not an operator.
            NotFound: no such member.
        """
        self._check_oversees(principal, org_id)
        with self._database.service() as connection:
            row = credits_dao.balance(connection, org_id, user_id)
        if row is None:
            raise NotFound("There is no such member in this organisation.")
        return row

    def invite(self, principal: Principal, org_id: UUID, email: str, role: Role) -> str | None:
        """Invites an address into an organisation; gives the link where no mail can be sent, as `Members.invite`."""
        return self._members.invite(self.acting(principal, org_id), email, role)

    def set_role(self, principal: Principal, org_id: UUID, user_id: UUID, role: Role) -> None:
        """Gives a member another role, as `Members.set_role`."""
        self._members.set_role(self.acting(principal, org_id), user_id, role)

    def remove(self, principal: Principal, org_id: UUID, user_id: UUID) -> None:
        """Lets a member go, as `Members.remove`."""
        self._members.remove(self.acting(principal, org_id), user_id)

    def set_active(self, principal: Principal, user_id: UUID, *, is_active: bool) -> Effect:
        """Deactivates an account in all its organisations, or takes that back, as `changes.set_active`."""
        require_operator(principal)
        with self._database.service() as connection:
            return changes.set_active(connection, principal, user_id, is_active=is_active)

    def set_plan(self, principal: Principal, org_id: UUID, plan: str) -> Effect:
        """Puts an organisation on a plan, as `changes.set_plan`."""
        require_operator(principal)
        return self._in(principal, org_id, lambda t, org: changes.set_plan(t, principal, org, plan, self._plans))

    def give_boost(self, principal: Principal, org_id: UUID, email: str, boost: Boosting) -> Effect:
        """Raises a limit for a time, as `changes.give_boost`."""
        return self._in(principal, org_id, lambda t, org: changes.give_boost(t, principal, org, email, boost))

    def grant_credits(
        self, principal: Principal, org_id: UUID, amount: Decimal, *, reason: str, expires_at: datetime | None = None
    ) -> Effect:
        """Gives credits to an organisation, as `changes.grant_credits`."""
        require_operator(principal)
        grant = Granting(amount, reason, f"admin:{new_id()}", expires_at)
        return self._in(principal, org_id, lambda t, org: changes.grant_credits(t, principal, org, grant))

    def set_cap(self, principal: Principal, org_id: UUID, email: str, cap: Decimal | None) -> Effect:
        """Sets what a member may spend of the wallet in a month, as `changes.set_cap`."""
        return self._in(principal, org_id, lambda t, org: changes.set_cap(t, principal, org, email, cap))

    def set_pooling(self, principal: Principal, org_id: UUID, *, pools: bool) -> Effect:
        """Makes the members' quotas one, or each their own, as `changes.set_pooling`."""
        return self._in(principal, org_id, lambda t, org: changes.set_pooling(t, principal, org, pools=pools))

    def acting(self, principal: Principal, org_id: UUID) -> Principal:
        """The principal as they act in an organisation, for services that change one's own: an operator as its owner.

        Raises:
            Forbidden: another organisation's, and not an operator.
            NotFound: there is no such organisation.
        """
        if not principal.is_operator and org_id == principal.org_id:
            return principal
        require_operator(principal)
        with self._database.service() as connection:
            found = people_dao.organisations_named(connection, str(org_id))
        if not found:
            raise NotFound("There is no such organisation.")
        return changes.acting_in(principal, found[0])

    def _in(
        self, principal: Principal, org_id: UUID, do: Callable[[Transaction, people_dao.OrganisationRow], _T]
    ) -> _T:
        with self._database.service() as connection:
            return do(connection, changes.locked_organisation(connection, principal, org_id))

    def _check_oversees(self, principal: Principal, org_id: UUID) -> None:
        own = reach_of(principal, everything=False)
        if own != org_id:
            require_operator(principal)


def _quota(
    metric: str, told: metering_dao.AllowanceRow, row: dao.PartsRow, boosts: Sequence[dao.BoostRow], user_id: UUID
) -> EffectiveLimit:
    """A quota: the plan's figure (of each member where quotas are pooled), boosts in force, and what was carried over:
    the rest, which the meter keeps."""
    base: int | None = getattr(row, metric)
    maximum, used = told.maximum, told.used
    if base is None or maximum is None:
        return EffectiveLimit(metric, told.scope, None, (), used, told.ends_at)
    is_pooled = row.is_pooled and metric in _POOLED
    parts = [LimitPart("plan", Decimal(base), f"the plan {row.plan}")]
    if is_pooled and row.askers != 1:
        more = Decimal(base) * (row.askers - 1)
        parts.append(LimitPart("pool", more, f"pooled: {row.askers:,} members with {base:,} each"))
    for boost in boosts:
        is_theirs = boost.user_id is None or boost.user_id == user_id or is_pooled
        if boost.metric == metric and is_theirs:
            whose = "for all members" if boost.user_id is None else "for one member" if is_pooled else "for this member"
            words = f"boost {whose}: {boost.reason}"
            parts.append(LimitPart("boost", Decimal(boost.amount), words, boost.ends_at))
    carried = maximum - sum((part.amount for part in parts), Decimal(0))
    if carried:
        parts.append(LimitPart("carry", carried, "carried over from last month", told.ends_at))
    return EffectiveLimit(metric, told.scope, maximum, parts, used, told.ends_at)


def _rate(metric: str, scope: str, figure: Decimal | int | None) -> EffectiveLimit:
    if figure is None:
        return EffectiveLimit(metric, scope, None, ())
    amount = Decimal(figure)
    source = "budget" if "budget" in metric else "plan"
    return EffectiveLimit(metric, scope, amount, (LimitPart(source, amount, f"the {source}'s own figure"),))


def _check_page(sought: Sought, skipped: int, most: int) -> None:
    if not 1 <= most <= MAX_AT_ONCE or not 0 <= skipped <= MAX_SKIPPED:
        raise InvalidRequest(f"At most {MAX_AT_ONCE} at once, and none behind the first {MAX_SKIPPED:,}.")
    if len(sought.words) > MAX_WORDS_CHARS:
        raise InvalidRequest(f"What is looked for has at most {MAX_WORDS_CHARS} characters.")
    if any(each == "\x00" or "\ud800" <= each <= "\udfff" for each in sought.words):
        raise InvalidRequest("What is looked for has a character that is no text; type it anew.")


METRIC_WORDS: Mapping[str, str] = {
    "chat_queries_day": "Chat questions a day",
    "portfolio_analyses_day": "Portfolio analyses a day",
    "sec_filings_month": "SEC filings a month",
    "requests_month": "AI requests a month",
    "signal_validations_day": "Signal validations a day",
    "requests_minute": "AI requests a minute",
    "requests_hour": "AI requests an hour",
    "signal_validations_minute": "Signal validations a minute",
    "concurrent_requests": "AI requests at once",
    "request_ceiling_usd": "Dearest request, USD",
    "user_budget_usd": "Budget of the member a month, USD",
    "org_budget_usd": "Budget of the organisation a month, USD",
    "model_classes": "Class of the model",
}
"""What each limit is called on a page."""
