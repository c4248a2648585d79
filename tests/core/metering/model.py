"""What the meter must count, said a second time in plain Python: no counters, only holds that are added up.

The state machine does every step to this model and to the database, and compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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


@dataclass
class Member:
    """A membership and its row."""

    organisation: Organisation
    user_id: UUID
    role: str = "analyst"
    budget: Decimal | None = None
    periods: Periods | None = None
    early_cuts: int = 0
    minute: Rate = field(default_factory=Rate)
    hour: Rate = field(default_factory=Rate)
    validations: Rate = field(default_factory=Rate)


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


class Model:
    """Organisations, members and holds, under a clock that stands still unless moved."""

    def __init__(self, plans: dict[str, Limits], at: datetime) -> None:
        self.plans = plans
        self.at = at
        self.members: list[Member] = []
        self.holds: dict[UUID, ModelHold] = {}
        self.keys: dict[UUID, ModelKey] = {}

    def reserve(self, member: Member, request: HoldRequest) -> str | Refusal:
        """`granted`, `forbidden`, or the refusal that lasts longest; with what the meter does about overdue holds."""
        told = self._reserve_once(member, request)
        if isinstance(told, Refusal) and told.scope == "organisation" and self.sweep(member.organisation):
            told = self._reserve_once(member, request)
        return told

    def mark(self, hold: ModelHold) -> bool:
        """Whether the call may begin."""
        if hold.state != "reserved" or self.at >= hold.expires:
            return False
        hold.state, hold.was_called = "in_flight", True
        return True

    def top_up(self, hold: ModelHold, held: Decimal) -> bool:
        """Whether a dearer candidate is covered."""
        if hold.state != "in_flight" or self.at >= hold.expires:
            return False
        more = held - hold.bound
        if more <= 0:
            return True
        member, organisation = hold.member, hold.member.organisation
        assert member.periods and organisation.periods
        if not hold.request.own_key:
            ceiling = self.plans[organisation.plan].request_ceiling_usd
            is_late = (member.periods.month.starts, organisation.periods.month.starts) != (
                hold.starts["month"],
                hold.starts["org_month"],
            )
            over_user = not hold.is_batch and member.budget is not None and self.charges(member) + more > member.budget
            over_org = organisation.budget is not None and self.charges(organisation) + more > organisation.budget
            if is_late or over_user or over_org or (ceiling is not None and held > ceiling):
                return False
            hold.held = held
        if hold.key is not None:
            is_late = hold.key.month.starts != hold.starts["key"]
            is_over = hold.key.limit is not None and self.key_counts(hold.key) + more > hold.key.limit
            if is_late or is_over or hold.key.is_revoked:
                return False
        hold.bound = held
        return True

    def settle(self, hold: ModelHold, outcome: str, charged: Decimal, cost: Decimal) -> Ended:
        """Charges a call."""
        if hold.state != "in_flight" or self.at >= hold.expires:
            return self._late(hold)
        is_free = False
        if outcome == "early_cut":
            hold.member.early_cuts += 1
            is_free = hold.member.early_cuts <= FREE_EARLY_CUTS
        hold.state, hold.resolution, hold.cost = "settled", outcome, cost
        if not is_free:
            hold.quota_charged, hold.request_charged = int(hold.request.feature is not None), hold.requests
            hold.charged = ZERO if hold.request.own_key else charged
        return Ended("settled", hold.charged, self.used_now(hold))

    def release(self, hold: ModelHold, status: str, cost: Decimal) -> Ended:
        """Returns what a call held."""
        if not hold.is_open or self.at >= hold.expires:
            return self._late(hold)
        hold.state, hold.resolution, hold.cost = "released", status, cost
        return Ended("released", ZERO, self.used_now(hold))

    def expire(self, hold: ModelHold) -> bool:
        """Ends an overdue hold."""
        if not hold.is_open or self.at < hold.expires:
            return False
        hold.resolution = "unresolved" if hold.was_called else "never_called"
        hold.cost = hold.bound if hold.was_called else ZERO
        hold.state = "expired"
        return True

    def sweep(self, organisation: Organisation | None) -> int:
        """Ends every overdue hold of an organisation, or of all."""
        return sum(
            self.expire(hold)
            for hold in self.holds.values()
            if organisation in (None, hold.member.organisation) and hold.is_open
        )

    def counted(self, of: Member | Organisation, kind: str, unit: str, start: datetime) -> tuple[Decimal, Decimal]:
        """What is used and what is held of a counter, in the period that began at `start`."""
        key = unit if isinstance(of, Member) else f"org_{unit}"
        used = held = ZERO
        for hold in self.holds.values():
            if of not in (hold.member, hold.member.organisation) or hold.starts[key] != start:
                continue
            if isinstance(of, Member) and hold.is_batch:
                continue
            if kind == "request":
                amounts: tuple[Decimal | int, Decimal | int] = hold.request_charged, hold.requests
            elif kind == "charge_usd":
                amounts = hold.charged, hold.held
            elif hold.request.feature != kind:
                continue
            else:
                amounts = hold.quota_charged, 1
            used += amounts[0]
            held += amounts[1] if hold.is_open else 0
        return used, held

    def used_now(self, hold: ModelHold) -> int | None:
        """What the hold's feature counts in the running period."""
        feature = hold.request.feature
        return None if feature is None else int(self._feature(hold.member, feature)[0])

    def charges(self, of: Member | Organisation) -> Decimal:
        """Charges of the running month, open holds included."""
        assert of.periods
        return sum(self.counted(of, "charge_usd", "month", of.periods.month.starts), ZERO)

    def key_used(self, key: ModelKey, start: datetime) -> tuple[Decimal, Decimal]:
        """What a key was used for and what is held of it, in the month that began at `start`."""
        holds = [hold for hold in self.holds.values() if hold.key is key and hold.starts["key"] == start]
        used = sum((hold.cost for hold in holds if not hold.is_open), ZERO)
        return used, sum((hold.bound for hold in holds if hold.is_open), ZERO)

    def key_counts(self, key: ModelKey, month: Span | None = None) -> Decimal:
        """What counts against a key's limit in a month, by default the one it is in."""
        return sum(self.key_used(key, (month or key.month).starts), ZERO)

    def open_holds(self, member: Member) -> int:
        """Holds that take a slot."""
        return sum(hold.member is member and hold.is_open and not hold.is_batch for hold in self.holds.values())

    def open_batch_holds(self, organisation: Organisation) -> int:
        """Holds that take a slot of the organisation's own."""
        holds = self.holds.values()
        return sum(hold.member.organisation is organisation and hold.is_open and hold.is_batch for hold in holds)

    def _late(self, hold: ModelHold) -> Ended:
        outcome = "expired" if self.expire(hold) else "not_open" if hold.state == "reserved" else hold.state
        return Ended(outcome, hold.charged, self.used_now(hold))

    def _reserve_once(self, member: Member, request: HoldRequest) -> str | Refusal:
        organisation = member.organisation
        for owner in (member, organisation):
            if owner.periods is None:
                zone = organisation.zone
                owner.periods = Periods(calendar("day", self.at, zone), calendar("month", self.at, zone))
        known = self.holds.get(request.hold_id)
        if known is not None:
            return "granted" if known.is_open and known.member is member else "forbidden"
        self._expire_own(member)
        is_batch = request.acts_as == "organisation"
        if member.role == "viewer" or (is_batch and request.feature in MEMBER_FEATURES):
            return "forbidden"
        key = self.keys[request.key_id] if request.key_id else None
        if key is not None and not key.is_usable(member, request):
            return "forbidden"
        assert member.periods and organisation.periods
        early_cuts_end = member.periods.day.ends
        has_moved = [owner.periods.roll(self.at, organisation.zone) for owner in (member, organisation)]  # type: ignore[union-attr]
        if self.at >= early_cuts_end:
            member.early_cuts = 0
        second = max(int(self.at.timestamp()), member.minute.newest)
        minute = max(second // 60, member.hour.newest)
        refusals = [*self._refusals(member, request, second, minute)]
        if refusals and not any(has_moved):
            return longest(refusals)
        self._move_rates(member, request, second, minute)
        if refusals:
            return longest(refusals)
        self._grant(member, request, second, minute)
        return "granted"

    def _expire_own(self, member: Member) -> None:
        if self.open_holds(member):  # an organisation's own holds are looked for where they take a slot from somebody
            for hold in self.holds.values():
                if hold.member is member:
                    self.expire(hold)

    def _move_rates(self, member: Member, request: HoldRequest, second: int, minute: int) -> None:
        member.minute.newest, member.hour.newest = second, minute
        if request.feature is Feature.SIGNAL_VALIDATION:
            member.validations.newest = max(second, member.validations.newest)

    def _grant(self, member: Member, request: HoldRequest, second: int, minute: int) -> None:
        assert member.periods and member.organisation.periods
        is_batch = request.acts_as == "organisation"
        if request.counts_request and not is_batch:
            member.minute.grants.append(second)
            member.hour.grants.append(minute)
        if request.feature is Feature.SIGNAL_VALIDATION and not is_batch:
            member.validations.grants.append(second)
        key = self.keys[request.key_id] if request.key_id else None
        starts = {}
        if key is not None:
            key.month = key.month_at(self.at)
            starts["key"] = key.month.starts
        self.holds[request.hold_id] = ModelHold(
            request.hold_id,
            member,
            request,
            ZERO if request.own_key else request.held_usd,
            request.held_usd,
            self.at + timedelta(seconds=request.lifetime_s),
            {
                "day": member.periods.day.starts,
                "month": member.periods.month.starts,
                "org_day": member.organisation.periods.day.starts,
                "org_month": member.organisation.periods.month.starts,
                **starts,
            },
            key=key,
        )

    def _feature(self, member: Member, feature: Feature) -> tuple[Decimal, str, str, datetime]:
        """Used in the running period, its limit's name and scope, and its end."""
        if feature is Feature.SIGNAL_VALIDATION:
            of: Member | Organisation = member.organisation
            metric, unit, scope = "signal_validations_day", "day", "organisation"
        else:
            of, scope = member, "user"
            metric, unit = MEMBER_FEATURES[feature]
        span: Span = getattr(of.periods, unit)
        return sum(self.counted(of, feature, unit, span.starts), ZERO), metric, scope, span.ends

    def _refusals(self, member: Member, request: HoldRequest, second: int, minute: int) -> Iterator[Refusal]:
        organisation, limits = member.organisation, self.plans[member.organisation.plan]
        assert member.periods and organisation.periods

        def full(metric: str, scope: str, used: Decimal | int, resets_at: datetime | None) -> Iterator[Refusal]:
            maximum = getattr(limits, metric)
            if maximum is not None and used >= maximum:
                yield Refusal(metric, scope, Decimal(maximum), Decimal(used), resets_at)

        if request.feature is not None:
            used, metric, scope, ends = self._feature(member, request.feature)
            yield from full(metric, scope, used, ends)
        soon = self.at + timedelta(seconds=1)
        if request.acts_as == "organisation":
            batch = self.open_batch_holds(organisation)
            if batch >= BATCH_SLOTS:
                yield Refusal("concurrent_batch_requests", "organisation", Decimal(BATCH_SLOTS), Decimal(batch), soon)
            yield from self._money(member, request, limits)
            return
        if request.counts_request:
            asked = sum(self.counted(member, "request", "month", member.periods.month.starts), ZERO)
            yield from full("requests_month", "user", asked, member.periods.month.ends)
            for rate, metric, bucket, size in (
                (member.minute, "requests_minute", second, 1),
                (member.hour, "requests_hour", minute, 60),
            ):
                free = size * (bucket + rate.wait(bucket, getattr(limits, metric) or 0))
                yield from full(metric, "user", rate.within(bucket), datetime.fromtimestamp(free, UTC))
        if request.feature is Feature.SIGNAL_VALIDATION:
            free = second + member.validations.wait(second, limits.signal_validations_minute or 0)
            resets_at = datetime.fromtimestamp(free, UTC)
            yield from full("signal_validations_minute", "user", member.validations.within(second), resets_at)
        yield from full("concurrent_requests", "user", self.open_holds(member), soon)
        yield from self._money(member, request, limits)

    def _money(self, member: Member, request: HoldRequest, limits: Limits) -> Iterator[Refusal]:
        organisation = member.organisation
        assert member.periods and organisation.periods
        charge = ZERO if request.own_key else request.held_usd
        for owner, metric, scope in (
            (member, "user_budget_usd_month", "user"),
            (organisation, "org_budget_usd_month", "organisation"),
        ):
            used = self.charges(owner)
            if owner is member and request.acts_as == "organisation":
                continue
            if owner.budget is not None and used + charge > owner.budget:
                assert owner.periods
                yield Refusal(metric, scope, owner.budget, used, owner.periods.month.ends)
        key = self.keys[request.key_id] if request.key_id else None
        if key is not None and key.limit is not None:
            month = key.month_at(self.at)
            used = self.key_counts(key, month)
            if used + request.held_usd > key.limit:
                scope = "organisation" if key.is_shared else "user"
                yield Refusal("key_limit_usd_month", scope, key.limit, used, month.ends)
        if limits.request_ceiling_usd is not None and charge > limits.request_ceiling_usd:
            yield Refusal("request_ceiling_usd", "request", limits.request_ceiling_usd, charge, None)


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
