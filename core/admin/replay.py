"""One plan's limits over a history of requests: which it would have refused, when and by what.

The same rules as `reserve` in `data/migrations/functions`, over what the log and the holds keep: calendar periods in
the organisation's zone, rates that slide in 60 buckets, quotas that are held until a call ends and return where it
failed. Nothing is read or written here; the same history gives the same answer.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import floor
from uuid import UUID
from zoneinfo import ZoneInfo

from core.metering.plans import Plan

BUCKETS = 60
"""Of a rate: seconds of a minute, minutes of an hour."""
NEVER = datetime.max.replace(tzinfo=UTC)
_QUOTAS = {
    "chat_query": "chat_queries_day",
    "portfolio_analysis": "portfolio_analyses_day",
    "sec_filing": "sec_filings_month",
    "signal_validation": "signal_validations_day",
}
"""The quota of each feature."""
CARRIED = frozenset({"requests_month", "sec_filings_month"})
EXTENDED_BY_CREDITS = frozenset({"chat_queries_day", "signal_validations_day", "requests_month"})
"""What credits take over where the plan's allowance is used up."""
_ONE_DAY = timedelta(days=1)

Member = tuple[UUID, UUID]
"""Organisation and user."""
Owner = tuple[UUID, UUID | None]
"""Whose quota it is: a member's, or (None) the organisation's."""
Place = tuple[str, Owner, date]
"""A counter: of a quota, whose, in the period that begins on a day."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the history."""

    at: datetime
    """When it was reserved, or refused."""
    ends_at: datetime
    """When it was settled or released; of one that was refused, `at`."""
    org_id: UUID
    user_id: UUID
    feature: str | None
    model_class: str | None = None
    """None: a class that no plan withholds."""
    acts_as: str = "member"
    counts_request: bool = True
    """Whether it takes one of the AI requests of a minute, an hour and a month."""
    keeps_quota: bool = True
    """Whether its quota and its request were charged; otherwise both return when it ends."""
    held_usd: Decimal = Decimal(0)
    cost_usd: Decimal = Decimal(0)
    credits: Decimal = Decimal(0)
    on_credits: bool = False
    was_refused: bool = False
    uses_credits: bool = False

    @property
    def member(self) -> Member:
        """Who asked, where."""
        return (self.org_id, self.user_id)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A limit that would have refused, and what it stood at."""

    metric: str
    limit: Decimal
    used: Decimal
    resets_at: datetime
    """NEVER: waiting does not help."""


@dataclass(frozen=True, slots=True)
class Boosted:
    """More of one limit for a time, as it was granted."""

    org_id: UUID
    user_id: UUID | None
    metric: str
    amount: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Ground:
    """What holds under either plan: zones, boosts, and organisations that pool their allowances."""

    zones: Mapping[UUID, str]
    boosts: Sequence[Boosted] = ()
    pools: Mapping[UUID, int] = field(default_factory=dict)
    """Active members of each organisation that makes its members' quotas one."""
    known_since: Mapping[Member, date] = field(default_factory=dict)
    """First day of the month in which a member was metered first, of those who were before the history begins."""


@dataclass(slots=True)
class _Rate:
    """Requests in the last 60 buckets of some seconds each; a request keeps its place whatever becomes of it."""

    seconds: int
    buckets: deque[list[int]]
    total: int = 0

    def at(self, second: int) -> int:
        """Moves on to a second, and says how many requests the buckets hold."""
        first = second // self.seconds - BUCKETS + 1
        while self.buckets and self.buckets[0][0] < first:
            self.total -= self.buckets.popleft()[1]
        return self.total

    def take(self, second: int) -> None:
        """Counts a request."""
        bucket = second // self.seconds
        if self.buckets and self.buckets[-1][0] == bucket:
            self.buckets[-1][1] += 1
        else:
            self.buckets.append([bucket, 1])
        self.total += 1

    def resets_at(self, second: int, limit: int) -> datetime:
        """When a full rate has room again."""
        now, left = second // self.seconds, self.total
        for bucket, count in self.buckets:
            left -= count
            if left < limit:
                return _moment((bucket + BUCKETS) * self.seconds)
        return _moment((now + BUCKETS) * self.seconds)


class Replay:
    """The counters of one plan, moved on request by request, in the order of their times."""

    def __init__(self, plan: Plan, ground: Ground) -> None:
        self._plan = plan
        self._limits = plan.limits
        self._ground = ground
        self._boosts: dict[tuple[UUID, str], list[Boosted]] = {}
        for boost in ground.boosts:
            self._boosts.setdefault((boost.org_id, boost.metric), []).append(boost)
        self._calendars = {org_id: Calendar(zone) for org_id, zone in ground.zones.items()}
        self._used: dict[Place, int] = {}
        self._rates: dict[tuple[str, Member], _Rate] = {}
        self._open: dict[Member, int] = {}
        self._known_since = dict(ground.known_since)
        self._carried: dict[tuple[str, Member, date], int] = {}
        self._months: dict[Member, date] = {}
        self._ends: list[tuple[datetime, int, Member, tuple[Place, ...]]] = []
        self._number = self._second = 0
        self.on_plan = False
        """Whether the request that was let through last is covered by the plan, and not by credits."""

    def decide(self, asked: Asked) -> Refusal | None:
        """Takes a request under every limit, or says which refuses it: of several the one with the latest reset."""
        self._end_until(asked.at)
        self._second = floor(asked.at.timestamp())
        refusals = [*self._refusals(asked)]
        on_credits = asked.on_credits and bool(refusals)
        if on_credits and all(each.metric in EXTENDED_BY_CREDITS for each in refusals):
            refusals = []
        if refusals:
            return latest(refusals)
        self.on_plan = not on_credits
        self._take(asked, counts_quota=not on_credits)
        return None

    def count(self, asked: Asked, times: int, on_credits: int) -> None:
        """Counts a day's requests of one kind at once, as far as quotas let them, `on_credits` of them beyond.

        Rates, slots, ceilings and classes are passed over.
        """
        self._begin_month(asked)
        is_counted = asked.counts_request and asked.acts_as == "member"
        taken: dict[str, int] = {}
        for metric in filter(None, (quota_of(asked), "requests_month" if is_counted else None)):
            _, limit, used = self._standing(metric, asked)
            taken[metric] = times if limit is None else min(times, max(0, limit - used))
            times = min(times, taken[metric] + on_credits)
        for metric, covered in taken.items():
            place, _, used = self._standing(metric, asked)
            self._used[place] = used + (times if metric == "requests_month" else min(times, covered))

    def _refusals(self, asked: Asked) -> Iterable[Refusal]:
        if asked.model_class is not None and asked.model_class not in self._plan.model_classes:
            yield Refusal("model_classes", Decimal(0), Decimal(1), NEVER)
            return  # it is refused before anything is reserved
        self._begin_month(asked)
        quota = quota_of(asked)
        if quota is not None:
            yield from self._quota(quota, asked)
        is_member = asked.acts_as == "member"
        if asked.counts_request and is_member:
            yield from self._quota("requests_month", asked)
            yield from self._rate("requests_minute", self._limits.requests_minute, asked)
            yield from self._rate("requests_hour", self._limits.requests_hour, asked)
        if asked.feature == "signal_validation" and is_member:
            yield from self._rate("signal_validations_minute", self._limits.signal_validations_minute, asked)
        slots = self._limits.concurrent_requests
        held = self._open.get(asked.member, 0)
        if is_member and slots is not None and held >= slots:
            yield Refusal("concurrent_requests", Decimal(slots), Decimal(held), asked.at + timedelta(seconds=1))
        ceiling = self._limits.request_ceiling_usd
        if ceiling is not None and asked.held_usd > ceiling:
            yield Refusal("request_ceiling_usd", ceiling, asked.held_usd, NEVER)

    def _quota(self, metric: str, asked: Asked) -> Iterable[Refusal]:
        (_, _, period), limit, used = self._standing(metric, asked)
        if limit is not None and used >= limit:
            resets_at = self._calendars[asked.org_id].end(metric, period)
            yield Refusal(metric, Decimal(limit), Decimal(used), resets_at)

    def _standing(self, metric: str, asked: Asked) -> tuple[Place, int | None, int]:
        """Which counter a request takes of a quota, its limit, and what it stands at."""
        period = self._calendars[asked.org_id].period(metric, asked.at)
        place = (metric, self._owner(metric, asked), period)
        return place, self.limit(metric, asked, period), self._used.get(place, 0)

    def limit(self, metric: str, asked: Asked, period: date) -> int | None:
        """A quota as it stands for a request: the plan's with boosts, and what was carried over; None is unlimited."""
        base: int | None = getattr(self._limits, metric)
        if base is None:
            return None
        is_organisations = metric == "signal_validations_day"
        is_pooled = not is_organisations and asked.org_id in self._ground.pools
        boosted = sum(
            each.amount
            for each in self._boosts.get((asked.org_id, metric), ())
            if each.starts_at <= asked.at < each.ends_at
            and (is_pooled or each.user_id is None or each.user_id == asked.user_id)
        )
        if is_pooled:  # a pool carries nothing over
            return base * self._ground.pools[asked.org_id] + boosted
        return base + boosted + self._carry(metric, asked, period, base)

    def _carry(self, metric: str, asked: Asked, period: date, allowance: int) -> int:
        """floor(share x what was left) of the month before, of the plan's own allowance alone; it stands as the first
        request of the month finds it."""
        share = self._plan.carry_over_share
        if metric not in CARRIED or not share or self._known_since.get(asked.member, period) >= period:
            return 0
        place = (metric, asked.member, period)
        if place not in self._carried:
            before = (period - _ONE_DAY).replace(day=1)
            used = self._used.get((metric, self._owner(metric, asked), before), 0)
            self._carried[place] = floor(share * max(0, allowance - used))
        return self._carried[place]

    def _begin_month(self, asked: Asked) -> None:
        """What is carried into the month of a member's first request in it, whatever that request is for."""
        calendar = self._calendars[asked.org_id]
        month = calendar.period("requests_month", asked.at)
        if self._months.get(asked.member) == month:
            return
        self._months[asked.member] = month
        self._known_since.setdefault(asked.member, month)
        for metric in CARRIED:
            allowance: int | None = getattr(self._limits, metric)
            if allowance is not None and asked.org_id not in self._ground.pools:
                self._carry(metric, asked, month, allowance)

    def _owner(self, metric: str, asked: Asked) -> Owner:
        is_shared = metric == "signal_validations_day" or asked.org_id in self._ground.pools
        return (asked.org_id, None if is_shared else asked.user_id)

    def _rate(self, metric: str, limit: int | None, asked: Asked) -> Iterable[Refusal]:
        if limit is None:
            return
        rate = self._rates.get((metric, asked.member))
        used = 0 if rate is None else rate.at(self._second)
        if rate is not None and used >= limit:
            yield Refusal(metric, Decimal(limit), Decimal(used), rate.resets_at(self._second, limit))

    def _take(self, asked: Asked, *, counts_quota: bool) -> None:
        is_member = asked.acts_as == "member"
        counts_request = asked.counts_request and is_member
        metrics = [quota_of(asked)] if counts_quota else []
        if counts_request:
            metrics.append("requests_month")
            self._count_rate("requests_minute", 1, asked)
            self._count_rate("requests_hour", 60, asked)
        if asked.feature == "signal_validation" and is_member:
            self._count_rate("signal_validations_minute", 1, asked)
        calendar = self._calendars[asked.org_id]
        taken = tuple(
            (metric, self._owner(metric, asked), calendar.period(metric, asked.at)) for metric in metrics if metric
        )
        for place in taken:
            self._used[place] = self._used.get(place, 0) + 1
        if is_member:
            self._open[asked.member] = self._open.get(asked.member, 0) + 1
        self._number += 1
        returned = () if asked.keeps_quota else taken
        if is_member or returned:
            heapq.heappush(self._ends, (asked.ends_at, self._number * 2 + is_member, asked.member, returned))

    def _count_rate(self, metric: str, seconds: int, asked: Asked) -> None:
        place = (metric, asked.member)
        rate = self._rates.get(place)
        if rate is None:
            rate = self._rates[place] = _Rate(seconds, deque())
        rate.at(self._second)
        rate.take(self._second)

    def _end_until(self, moment: datetime) -> None:
        """Ends the calls that had ended by a moment: their slot is free, and what they did not use returns."""
        while self._ends and self._ends[0][0] <= moment:
            _, number, member, returned = heapq.heappop(self._ends)
            if number % 2:
                self._open[member] -= 1
            for place in returned:
                self._used[place] -= 1


class Calendar:
    """The days and months of a zone, bounded as the database bounds them."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._day = self._month = date.min
        self._starts_at = self._ends_at = datetime.min.replace(tzinfo=UTC)

    def period(self, metric: str, moment: datetime) -> date:
        """The first day of the period of a quota that holds a moment."""
        if not self._starts_at <= moment < self._ends_at:
            day = moment.astimezone(self._zone).date()
            if moment < self.start(day):  # an hour that came twice, of which the later is the next day's
                day -= _ONE_DAY
            self._day, self._month = day, day.replace(day=1)
            self._starts_at, self._ends_at = self.start(day), self.start(day + _ONE_DAY)
        return self._day if metric.endswith("_day") else self._month

    def end(self, metric: str, period: date) -> datetime:
        """When a period ends."""
        if metric.endswith("_day"):
            return self.start(period + _ONE_DAY)
        return self.start((period + timedelta(days=31)).replace(day=1))

    def start(self, day: date) -> datetime:
        """The first moment of a day: of a midnight that comes twice the later, of one that there is not the next."""
        local = datetime.combine(day, time(), self._zone)
        other = local.replace(fold=1)
        is_twice = (local.utcoffset() or timedelta(0)) > (other.utcoffset() or timedelta(0))
        return (other if is_twice else local).astimezone(UTC)


def quota_of(asked: Asked) -> str | None:
    """The quota of a request's feature."""
    return _QUOTAS.get(asked.feature or "")


def latest(refusals: Collection[Refusal]) -> Refusal:
    """Of several refusals the one that lasts longest; of equal ones the first."""
    found: Refusal | None = None
    for each in refusals:
        if found is None or each.resets_at > found.resets_at:
            found = each
    assert found is not None
    return found


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
