"""Of what the model of the meter is made: limits and periods, organisations, members, keys and holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from core.metering.meter import Feature, HoldRequest

FREE_EARLY_CUTS = 5
BATCH_SLOTS = 8
OPEN = ("reserved", "in_flight")
ZERO = Decimal(0)
MEMBER_FEATURES = {
    Feature.CHAT_QUERY: ("chat_queries_day", "day"),
    Feature.PORTFOLIO_ANALYSIS: ("portfolio_analyses_day", "day"),
    Feature.SEC_FILING: ("sec_filings_month", "month"),
}


@dataclass(frozen=True)
class Limits:
    """A plan's limits; None is unlimited."""

    chat_queries_day: int | None = None
    portfolio_analyses_day: int | None = None
    sec_filings_month: int | None = None
    signal_validations_day: int | None = None
    requests_month: int | None = None
    requests_minute: int | None = None
    requests_hour: int | None = None
    signal_validations_minute: int | None = None
    concurrent_requests: int | None = None
    request_ceiling_usd: Decimal | None = None
    carry_over_share: Decimal = ZERO
    free_credits_day: int = 10


@dataclass(frozen=True)
class Span:
    """A period, its end not included."""

    starts: datetime
    ends: datetime


@dataclass(frozen=True)
class Refusal:
    """A limit that refuses."""

    metric: str
    scope: str
    maximum: Decimal
    used: Decimal
    resets_at: datetime | None


@dataclass
class Rate:
    """Grants in the buckets of a sliding rate."""

    newest: int = 0
    grants: list[int] = field(default_factory=list)

    def within(self, bucket: int, *, later: int = 0) -> int:
        """Grants in the sixty buckets that end `later` after `bucket`."""
        return sum(bucket + later - 60 < grant <= bucket for grant in self.grants)

    def wait(self, bucket: int, limit: int) -> int:
        """Buckets until there is room."""
        return next((step for step in range(1, 61) if self.within(bucket, later=step) < limit), 60)


@dataclass
class Periods:
    """The running day and month of a meter row, and those that were closed."""

    day: Span
    month: Span
    closed: dict[str, list[Span]] = field(default_factory=lambda: {"day": [], "month": []})

    def roll(self, at: datetime, zone: str) -> bool:
        """Closes what ended by `at`."""
        has_moved = False
        for unit in ("day", "month"):
            running: Span = getattr(self, unit)
            if at >= running.ends:
                self.closed[unit].append(running)
                setattr(self, unit, following(unit, running.ends, at, zone))
                has_moved = True
        return has_moved


@dataclass
class Organisation:
    """An organisation and its row."""

    id: UUID
    plan: str
    zone: str = "UTC"
    budget: Decimal | None = None
    periods: Periods | None = None
    plans: dict[datetime, str] = field(default_factory=dict)
    """Since when it was on which."""
    pools: bool = False
    pools_until: datetime | None = None
    """Until when a pool that was switched off still holds."""
    balance: Decimal | None = None
    """Credits that came in less those taken out without a hold; None: there is no wallet yet."""

    def pools_at(self, moment: datetime) -> bool:
        """Whether the quotas of its members are one."""
        return self.pools or (self.pools_until is not None and moment < self.pools_until)

    def plan_at(self, moment: datetime) -> str:
        """The last plan by then, or the first of all."""
        before = [at for at in self.plans if at <= moment]
        return self.plans[max(before) if before else min(self.plans)]


@dataclass
class Boost:
    """A limit that is raised for a time, for one member or for each."""

    organisation: Organisation
    member: Member | None
    metric: str
    amount: int
    span: Span


@dataclass
class Member:
    """A membership and its row."""

    organisation: Organisation
    user_id: UUID
    role: str = "analyst"
    budget: Decimal | None = None
    periods: Periods | None = None
    cap: Decimal | None = None
    carries: dict[str, int] = field(default_factory=lambda: {"requests_month": 0, "sec_filings_month": 0})
    early_cuts: int = 0
    minute: Rate = field(default_factory=Rate)
    hour: Rate = field(default_factory=Rate)
    validations: Rate = field(default_factory=Rate)
    has_left: bool = False

    @property
    def may_ask(self) -> bool:
        """Whether they belong to the organisation, and are no viewer."""
        return self.role != "viewer" and not self.has_left


@dataclass
class ModelKey:
    """An own key: of one member, or of the organisation."""

    id: UUID
    owner: Member
    is_shared: bool
    month: Span
    limit: Decimal | None = None
    is_revoked: bool = False

    def is_usable(self, member: Member, request: HoldRequest) -> bool:
        """Whether it may pay for a member's request."""
        is_theirs = member is self.owner and request.acts_as == "member"
        is_ours = self.is_shared and member.organisation is self.owner.organisation
        return request.own_key and not self.is_revoked and (is_theirs or is_ours)

    def month_at(self, at: datetime) -> Span:
        """The month that it counts for a request at that moment."""
        zone = self.owner.organisation.zone
        return following("month", self.month.ends, at, zone) if at >= self.month.ends else self.month


@dataclass
class ModelHold:
    """A hold with the periods it is counted in."""

    id: UUID
    member: Member
    request: HoldRequest
    held: Decimal
    bound: Decimal
    expires: datetime
    starts: dict[str, datetime]
    state: str = "reserved"
    resolution: str | None = None
    was_called: bool = False
    quota_charged: int = 0
    request_charged: int = 0
    charged: Decimal = ZERO
    cost: Decimal = ZERO
    key: ModelKey | None = None
    credits: Decimal = ZERO
    """Held of the wallet, where credits cover it."""
    free: Decimal = ZERO
    """Held of the user's free ones of `free_day`."""
    free_day: date | None = None
    credits_charged: Decimal = ZERO
    free_charged: Decimal = ZERO

    @property
    def is_under_credits(self) -> bool:
        """Whether credits cover it, and not the plan."""
        return self.free_day is not None

    @property
    def quota(self) -> int:
        """What it holds of its feature's quota."""
        return int(self.request.feature is not None and not self.is_under_credits)

    @property
    def is_open(self) -> bool:
        """Whether it still holds what it reserved."""
        return self.state in OPEN

    @property
    def is_batch(self) -> bool:
        """Whether the organisation acts for itself: then nothing of it is the member's."""
        return self.request.acts_as == "organisation"

    @property
    def requests(self) -> int:
        """AI requests that it holds."""
        return int(self.request.counts_request and not self.is_batch)


@dataclass(frozen=True)
class Ended:
    """What settle and release answer."""

    outcome: str
    charged: Decimal
    quota_used: int | None
    credits: Decimal


def longest(refusals: list[Refusal]) -> Refusal:
    """Of several refusals the one with the latest reset, the first of equals; one that never resets lasts longest."""
    forever = datetime.max.replace(tzinfo=UTC)
    return max(refusals, key=lambda refusal: refusal.resets_at or forever)


def calendar(unit: str, at: datetime, zone: str) -> Span:
    """The calendar day or month of a zone that holds `at`."""
    start = _floor(unit, at.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
    return Span(_instant(start, zone), _instant(_next(unit, start), zone))


def following(unit: str, previous_end: datetime, at: datetime, zone: str) -> Span:
    """The period that holds `at` after one that ended at `previous_end`, which may be no boundary of a new zone.

    Then a bridging one runs from there to the first boundary that leaves it no shorter than a calendar period.
    """
    if calendar(unit, previous_end, zone).starts != previous_end:
        least = _next(unit, previous_end)
        boundary = _floor(unit, previous_end.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        while _instant(boundary, zone) < least:
            boundary = _next(unit, boundary)
        if at < _instant(boundary, zone):
            return Span(previous_end, _instant(boundary, zone))
    return calendar(unit, at, zone)


def _floor(unit: str, local: datetime) -> datetime:
    return local.replace(day=1 if unit == "month" else local.day, hour=0, minute=0, second=0, microsecond=0)


def _next(unit: str, moment: datetime) -> datetime:
    """A day or a month later; the last day of a shorter month where there is no such day."""
    if unit == "day":
        return moment + timedelta(days=1)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month)


def _instant(local: datetime, zone: str) -> datetime:
    """A local time as an instant: of one shown twice the second; one that is skipped is told by the old offset."""
    first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
    is_twice = first.utcoffset() > second.utcoffset()  # type: ignore[operator]
    return (second if is_twice else first).astimezone(UTC)
