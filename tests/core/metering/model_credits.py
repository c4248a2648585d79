"""Credits, boosts, pools and carries in the model: what each wallet and free day must say, from the holds alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import floor
from uuid import UUID

from core.metering.meter import Feature, HoldRequest
from tests.core.metering.model_parts import (
    ZERO,
    Boost,
    Limits,
    Member,
    ModelHold,
    ModelKey,
    Organisation,
    Refusal,
    Span,
    calendar,
    following,
)

POOLED = {
    "chat_queries_day": ("chat_query", "day"),
    "portfolio_analyses_day": ("portfolio_analysis", "day"),
    "sec_filings_month": ("sec_filing", "month"),
    "requests_month": ("request", "month"),
}
"""Limits that a pool has in common: their counter and their period."""
OF_THE_PLAN = {*POOLED, "signal_validations_day"}


@dataclass(frozen=True)
class Cover:
    """Credits that cover a request, or what refuses them."""

    day: date
    free: Decimal
    taken: Decimal
    refusals: list[Refusal]


class CreditsModel:
    """The part of the model that knows credits and what raises limits."""

    def __init__(self, plans: dict[str, Limits], at: datetime) -> None:
        self.plans = plans
        self.at = at
        self.members: list[Member] = []
        self.holds: dict[UUID, ModelHold] = {}
        self.keys: dict[UUID, ModelKey] = {}
        self.boosts: list[Boost] = []
        self.users_of_credits: set[UUID] = set()
        self.granted: dict[tuple[UUID, date], int] = {}
        """Free credits of a user and day."""

    def counted(self, of: Member | Organisation, kind: str, unit: str, start: datetime) -> tuple[Decimal, Decimal]:
        """What is used and what is held of a counter, in the period that began at `start`."""
        raise NotImplementedError

    def wallet(self, organisation: Organisation) -> tuple[Decimal, Decimal, Decimal]:
        """Available, held and overdraft: what came in repays, so that never two of the outer ones are there."""
        mine = [hold for hold in self.holds.values() if hold.member.organisation is organisation]
        held = sum((hold.credits for hold in mine if hold.is_open), ZERO)
        charged = sum((hold.credits_charged - hold.free_charged for hold in mine), ZERO)
        left = (organisation.balance or ZERO) - charged - held
        return max(left, ZERO), held, max(-left, ZERO)

    def free_day(self, user_id: UUID, day: date) -> tuple[Decimal, Decimal]:
        """Used and held of a user's free credits, over all organisations."""
        mine = [hold for hold in self.holds.values() if hold.member.user_id == user_id and hold.free_day == day]
        used = sum((hold.free_charged for hold in mine), ZERO)
        return used, sum((hold.free for hold in mine if hold.is_open), ZERO)

    def free_left(self, user_id: UUID, day: date) -> Decimal:
        """What is left of them."""
        return self.granted.get((user_id, day), ZERO) - sum(self.free_day(user_id, day), ZERO)

    def may_use_credits(self, member: Member, request: HoldRequest) -> bool:
        """Whether credits may take over where the plan's allowance refuses."""
        is_theirs = request.acts_as == "member" and not request.own_key and request.credits > 0
        is_asked = request.feature in (None, Feature.CHAT_QUERY, Feature.SIGNAL_VALIDATION)
        return is_theirs and is_asked and member.user_id in self.users_of_credits

    def cover(self, member: Member, request: HoldRequest, resets_at: datetime | None) -> Cover:
        """Today's free credits first, then the wallet's, within the member's cap."""
        assert member.periods
        organisation, day = member.organisation, self.at.astimezone(UTC).date()
        organisation.balance = organisation.balance or ZERO
        free_a_day = self.plans[organisation.plan].free_credits_day
        if free_a_day:
            self.granted.setdefault((member.user_id, day), free_a_day)
        left = self.free_left(member.user_id, day)
        free = min(request.credits, left)
        taken = request.credits - free
        available, _, overdraft = self.wallet(organisation)
        refusals = []
        if resets_at is not None and not overdraft and request.credits <= available + free_a_day:
            resets_at = min(resets_at, datetime.combine(day + timedelta(days=1), time(), UTC))
        if taken > available or overdraft:
            most = -overdraft if overdraft else available + left
            refusals.append(Refusal("credits", "organisation", max(most, ZERO), request.credits, resets_at))
        used = self.credits_of(member)
        if member.cap is not None and taken and used + taken > member.cap:
            refusals.append(Refusal("credits_cap_month", "user", member.cap, used, member.periods.month.ends))
        return Cover(day, free, taken, refusals)

    def free_for(self, hold: ModelHold, more: Decimal) -> Decimal:
        """Of more credits for a hold, the free ones that its day has left while it lasts."""
        day = self.at.astimezone(UTC).date()
        return min(more, self.free_left(hold.member.user_id, day)) if hold.free_day == day else ZERO

    def top_up_credits(self, hold: ModelHold, more: Decimal) -> bool:
        """Whether a hold takes more."""
        member, free = hold.member, self.free_for(hold, more)
        available, _, overdraft = self.wallet(member.organisation)
        is_over = member.cap is not None and more > free and self.credits_of(member) + more - free > member.cap
        if overdraft or more - free > available or is_over:
            return False
        hold.free += free
        hold.credits += more - free
        return True

    def credits_of(self, member: Member) -> Decimal:
        """What a member's cap counts in the running month."""
        assert member.periods
        return sum(self.counted(member, "credits", "month", member.periods.month.starts), ZERO)

    def check_credits(self, hold: ModelHold) -> None:
        """A request that credits cover leaves no overdraft; one that takes some of the wallet no cap exceeded."""
        if hold.is_under_credits:
            member, cap = hold.member, hold.member.cap
            assert self.wallet(member.organisation)[2] == 0
            assert cap is None or not hold.credits or self.credits_of(member) <= cap, "cap"

    def limit(self, member: Member, metric: str, carry: int | None = None) -> int | None:
        """A limit of the member's plan with what raises it."""
        organisation = member.organisation
        base: int | None = getattr(self.plans[organisation.plan], metric)
        if base is None or metric not in OF_THE_PLAN:
            return base
        mates = [mate for mate in self.members if mate.organisation is organisation]
        is_pool = organisation.pools_at(self.at) and metric in POOLED
        if is_pool:
            base *= sum(mate.may_ask for mate in mates)
        base += member.carries.get(metric, 0) if carry is None else carry
        if is_pool:
            others = [mate for mate in mates if mate is not member and self._runs(mate, "month")]
            base += sum(mate.carries.get(metric, 0) for mate in others)
        in_force = [boost for boost in self.boosts if boost.span.starts <= self.at < boost.span.ends]
        return base + sum(
            boost.amount
            for boost in in_force
            if boost.organisation is organisation
            and boost.metric == metric
            and (organisation.pools_at(self.at) or boost.member in (None, member))
        )

    def pool_end(self, organisation: Organisation) -> datetime:
        """When a pool that is switched off ends: with the month of the organisation, or the last of its members."""
        periods = [member.periods for member in self.members if member.organisation is organisation and member.periods]
        ends = [end for each in periods for end in (each.day.ends, each.month.ends)]
        return max([calendar("month", self.at, organisation.zone).ends, *ends])

    def used_by_others(self, member: Member, metric: str) -> Decimal:
        """What the other members of a pool used and hold in their running periods."""
        kind, unit = POOLED[metric]
        return sum(
            (
                sum(self.counted(mate, kind, unit, getattr(mate.periods, unit).starts), ZERO)
                for mate in self.members
                if mate.organisation is member.organisation and mate is not member and self._runs(mate, unit)
            ),
            ZERO,
        )

    def carries_at(self, member: Member, at: datetime) -> dict[str, int]:
        """What is carried over into the month that runs at that moment."""
        assert member.periods
        organisation, month = member.organisation, member.periods.month
        if at < month.ends:
            return member.carries
        span: Span = following("month", month.ends, at, organisation.zone)
        plan = self.plans[organisation.plan_at(span.starts - timedelta(microseconds=1))]
        carried = {}
        for metric in member.carries:
            allowed: int | None = getattr(plan, metric)
            used = sum(self.counted(member, POOLED[metric][0], "month", month.starts), ZERO)
            left = 0 if allowed is None else max(ZERO, allowed - (used if span.starts == month.ends else ZERO))
            is_pools = organisation.pools_at(span.starts - timedelta(days=27))
            carried[metric] = 0 if is_pools else floor(plan.carry_over_share * left)
        return carried

    def _runs(self, mate: Member, unit: str) -> bool:
        return mate.periods is not None and bool(getattr(mate.periods, unit).ends > self.at)
