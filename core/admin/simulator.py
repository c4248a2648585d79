"""The plan simulator: a changed plan replayed over the real log of a period, beside the plan as it is.

Both are replayed by the same rules over the same requests (`core.admin.replay`), so that their difference is the
change's alone. Nothing is changed. What a log cannot know is said in `NOTES`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from core.accounts.permissions import require_operator
from core.admin.replay import Asked, Boosted, Ground, Refusal, Replay
from core.admin.revenue import CONVENTION, subscriptions_usd
from core.ai.catalogue import Catalogue
from core.clock import Clock, SystemClock
from core.db import simulator_dao as dao
from core.db.engine import Database, Transaction
from core.db.oversight_looks_dao import bound
from core.db.overview_dao import PlanDaysRow, Within, now, plan_days
from core.errors import DatabaseTooSlow, InvalidRequest
from core.metering.plans import Plan, Plans
from core.metering.pricing import USD_PER_CREDIT
from core.principal import Principal

MAX_DAYS = 92
MAX_ROWS = 200_000
"""Rows of the period's log that one simulation reads; where there are more it ends earlier, and says when."""
MAX_SUMS = 500_000
"""Sums of the months before it: a member's day and feature each; of more the latest."""
LONGEST_S = 60.0
"""Longest time of one simulation, in the database and in the replay; one that needs more is refused."""
CHECKED_EACH = 1_000
"""Requests after which a replay looks at the time."""
MAX_ORGANISATIONS = 20_000
MAX_BOOSTS = 10_000
MAX_LISTED = 500
"""Users that are listed as limited; all are counted."""
TOO_DEAR = "cost_ceiling"
REPLAYED_REFUSALS = (
    *("quota_exceeded", "rate_limited", "too_many_concurrent", "plan_required", TOO_DEAR),
    "insufficient_credits",
)
"""Refusals of the log that another plan might not have made; they are asked again under either."""
NOTES = (
    "Organisations are those with an active member that were on the plan within the period, for the time that they "
    "were on it; their members, time zone and pooling are today's.",
    "What was asked in the two months before fills the counters, summed up by day; rates and slots begin an hour "
    "before the period.",
    "A refused request of the log is asked again; where the changed plan lets it through, its cost is the mean of the "
    "answered requests of its feature in this period.",
    "What the ceiling of a request refused, its amount unknown, is let through where the changed ceiling is higher.",
    "A question whose model the changed plan does not have counts as refused; Auto might have chosen another model.",
    "Nobody asks more or less than they did: what people do once they are refused, or no longer are, is not simulated.",
    "Whether a wallet had credits for what the plan no longer covers is not known: those users are marked.",
    f"Revenue is estimated as the overview does it: {CONVENTION}; and the credits spent, without each day's free ones. "
    "Cost is the providers', without own keys.",
)
"""What the figures mean, for the page."""
TOO_LONG = "So many requests take too long to replay: choose fewer days, or a plan with fewer organisations."
_SMALLEST_USD = Decimal("0.000000001")
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limited:
    """A user whom the plan would have limited."""

    org_id: UUID
    org_name: str
    user_id: UUID
    email: str
    metric: str
    """What refused first."""
    first_at: datetime
    refusals: int
    by_metric: Mapping[str, int]
    may_use_credits: bool
    """Whether this user lets credits take over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one plan would have come to in the period."""

    requests: int
    """n: what was asked, refusals of the log included."""
    answered: int
    refused: int
    refused_by: Mapping[str, int]
    """Refusals by the limit that lasted longest, the most frequent first."""
    newly_answered: int
    """Refusals of the log that were let through."""
    users: int
    """n: who asked at all."""
    users_limited: int
    limited: Sequence[Limited]
    """The most refused first, at most MAX_LISTED."""
    subscriptions_usd: Decimal | None
    """None: the price is by contract."""
    credits_usd: Decimal
    cost_usd: Decimal
    estimated_usd: Decimal
    """The part of the cost that is estimated, for what was let through anew."""

    @property
    def revenue_usd(self) -> Decimal | None:
        """Subscriptions and credits; None where the price is by contract."""
        return None if self.subscriptions_usd is None else self.subscriptions_usd + self.credits_usd

    @property
    def margin_usd(self) -> Decimal | None:
        """Revenue less cost."""
        return None if self.revenue_usd is None else self.revenue_usd - self.cost_usd

    @property
    def margin(self) -> Decimal | None:
        """Margin as a share of revenue; None where there is no revenue."""
        if self.margin_usd is None or not self.revenue_usd:
            return None
        return self.margin_usd / self.revenue_usd


@dataclass(frozen=True, slots=True)
class Simulation:
    """Two plans over the same requests."""

    plan: str
    first: date
    last: date
    starts_at: datetime
    ends_at: datetime
    """Until when the log was replayed; before the period's end where it is cut."""
    is_cut: bool
    """Whether there were more rows than MAX_ROWS."""
    rows: int
    """n: requests of the log, those before the period included, which only fill the counters."""
    organisations: int
    seats: int
    present: Outcome
    changed: Outcome


@dataclass(frozen=True, slots=True)
class Span:
    """A period in UTC days, and what is counted before it."""

    first: date
    last: date

    @property
    def counted_from(self) -> datetime:
        """The first moment that is counted: a day before the month before that of any zone's first day."""
        month = (self.first - _ONE_DAY).replace(day=1)
        return _midnight((month - _ONE_DAY).replace(day=1) - _ONE_DAY)

    @property
    def begins_at(self) -> datetime:
        """The first moment that is replayed request by request, for what slides: an hour."""
        return self.starts_at - timedelta(hours=1)

    @property
    def starts_at(self) -> datetime:
        """The first moment that is told."""
        return _midnight(self.first)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it."""
        return _midnight(self.last + _ONE_DAY)


@dataclass(frozen=True, slots=True)
class _Log:
    """What was read of the log."""

    organisations: Sequence[dao.OrganisationRow]
    on_plan: PlanDaysRow | None
    """How long they were on the plan."""
    ground: Ground
    sums: Sequence[dao.SumRow]
    rows: Sequence[dao.RequestRow]
    """Those of the hour before the period, and of the period."""
    ends_at: datetime
    is_cut: bool


@dataclass(frozen=True, slots=True)
class _Deadline:
    """When a simulation is given up."""

    clock: Clock
    at: float
    """By the monotonic clock."""

    def left_s(self) -> float:
        """Seconds that are left.

        Raises:
            InvalidRequest: there are none.
        """
        left = self.at - self.clock.monotonic()
        if left <= 0:
            raise InvalidRequest(TOO_LONG)
        return left

    def bound(self, connection: Transaction) -> None:
        """Gives each further statement of a transaction what is left."""
        bound(connection, within_s=ceil(self.left_s()))


class Simulator:
    """Replays plans for operators."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        catalogue: Catalogue,
        *,
        clock: Clock | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`longest_s` is the longest time of one simulation, by `clock`."""
        self._database = database
        self._plans = plans
        self._clock = clock or SystemClock()
        self._longest_s = longest_s
        self._classes = {row.id: row.model_class for row in catalogue.all()}

    def run(
        self, principal: Principal, plan: str, changed: Plan, first: date, last: date, *, most: int = MAX_ROWS
    ) -> Simulation:
        """Replays a plan and its change over the requests of the organisations that are on it.

        Args:
            principal: an operator.
            plan: name of a plan of the plans file.
            changed: the plan as it would be.
            first: first day (UTC).
            last: last day, included.
            most: rows of the log that are read at most.

        Raises:
            Forbidden: not an operator.
            InvalidRequest: no such plan, days that are in the wrong order or too many, or it takes too long.
        """
        require_operator(principal)
        present, span = self._plans.get(plan), Span(first, last)
        if first > last or (last - first).days >= MAX_DAYS:
            raise InvalidRequest(f"A simulation covers 1 to {MAX_DAYS} days, the first not after the last.")
        if not 1 <= most <= MAX_ROWS:
            raise InvalidRequest(f"At most {MAX_ROWS:,} rows of the log at once.")
        deadline = _Deadline(self._clock, self._clock.monotonic() + self._longest_s)
        try:
            log = self._read(present.name, span, most, deadline)
        except DatabaseTooSlow:
            raise InvalidRequest(TOO_LONG) from None
        asked = sorted((self._asked(row, present) for row in log.rows), key=lambda each: each.at)
        told = {each.id: each for each in log.organisations}
        tallies = [_replayed(each, log, asked, span, deadline) for each in (present, changed)]
        emails = self._emails(tallies)
        outcomes = [
            tally.outcome({key: row.name for key, row in told.items()}, emails, subscriptions_usd(each, log.on_plan))
            for tally, each in zip(tallies, (present, changed), strict=True)
        ]
        return Simulation(
            plan=present.name,
            first=first,
            last=last,
            starts_at=span.starts_at,
            ends_at=log.ends_at,
            is_cut=log.is_cut,
            rows=len(log.rows) + sum(row.count for row in log.sums),
            organisations=len(log.organisations),
            seats=sum(row.members for row in log.organisations),
            present=outcomes[0],
            changed=outcomes[1],
        )

    def _read(self, plan: str, span: Span, most: int, deadline: _Deadline) -> _Log:
        """The period first, as far as `most` rows reach, then what is before it."""
        with self._database.snapshot() as connection:
            deadline.bound(connection)
            organisations = dao.organisations(connection, plan, span.starts_at, span.ends_at, most=MAX_ORGANISATIONS)
            period = dao.Wanted([row.id for row in organisations], span.starts_at, span.ends_at, REPLAYED_REFUSALS)
            rows = dao.requests(connection, period, most=most + 1)
            is_cut, rows = len(rows) > most, rows[:most]
            ends_at = min(rows[-1].logged_at, span.ends_at) if is_cut else span.ends_at
            hour = dao.requests(
                connection, replace(period, starts_at=span.begins_at, ends_at=span.starts_at), most=MAX_ROWS
            )
            deadline.bound(connection)
            before = replace(period, starts_at=span.counted_from, ends_at=span.begins_at)
            within = Within(span.starts_at, max(span.starts_at, min(ends_at, now(connection))), None)
            return _Log(
                organisations=organisations,
                on_plan=next((row for row in plan_days(connection, within) if row.plan == plan), None),
                ground=Ground(
                    zones={row.id: row.zone for row in organisations},
                    boosts=[
                        Boosted(**_fields(row))
                        for row in dao.boosts(connection, replace(period, starts_at=span.counted_from), most=MAX_BOOSTS)
                    ],
                    pools={row.id: row.askers for row in organisations if row.is_pooled},
                    known_since=dao.known_since(connection, before),
                ),
                sums=dao.sums(connection, before, most=MAX_SUMS),
                rows=[*hour, *rows],
                ends_at=ends_at,
                is_cut=is_cut,
            )

    def _emails(self, tallies: Sequence[_Tally]) -> dict[UUID, str]:
        ids = sorted({user_id for tally in tallies for _, user_id in tally.most_refused()})
        with self._database.service() as connection:
            return dao.emails(connection, ids) if ids else {}

    def _asked(self, row: dao.RequestRow, present: Plan) -> Asked:
        """As the replay takes it; what was too dear has cost more than the plan's ceiling, no matter how much."""
        ceiling = present.limits.request_ceiling_usd if row.refused_by == TOO_DEAR else None
        return Asked(
            at=row.at,
            ends_at=row.ends_at,
            org_id=row.org_id,
            user_id=row.user_id,
            feature=row.feature,
            model_class=self._class_of(row.model),
            acts_as=row.acts_as,
            counts_request=row.counts_request,
            keeps_quota=row.keeps_quota,
            held_usd=row.held_usd if ceiling is None else ceiling + _SMALLEST_USD,
            cost_usd=row.cost_usd,
            credits=row.paid_credits,
            on_credits=row.on_credits,
            was_refused=row.refused_by is not None,
            uses_credits=row.uses_credits,
        )

    def _class_of(self, model: str) -> str | None:
        """The class of a model; None where the catalogue does not know it, as the offline answers of a program."""
        return self._classes.get(model)


def changed_plan(plan: Plan, changes: Mapping[str, Any]) -> Plan:
    """A plan with other limits (by their names; None is unlimited), `price_usd`, `model_classes` or `carry_over_share`.

    Raises:
        InvalidRequest: a limit that there is not, or a value that it cannot have.
    """
    document = plan.model_dump()
    limits = {**document["limits"]}
    for name, value in changes.items():
        place = limits if name in limits else document
        if name not in place or name in ("limits", "name"):
            raise InvalidRequest(f"A plan has no {name!r}.")
        place[name] = value
    shown = {key: _as_written(value) for key, value in limits.items()}
    price = document["price_usd"]
    try:
        return Plan.model_validate(
            {
                **document,
                "price_usd": "by contract" if price is None else str(price),
                "carry_over_share": str(document["carry_over_share"]),
                "limits": shown,
            }
        )
    except ValidationError as error:
        flaw = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in flaw["loc"])
        raise InvalidRequest(f"{where}: {flaw['msg']}.") from None


def _as_written(value: object) -> object:
    if value is None:
        return "unlimited"
    return str(value) if isinstance(value, Decimal) else value


@dataclass(slots=True)
class _Tally:
    """What a replay counts."""

    requests: int = 0
    answered: int = 0
    newly: Counter[str | None] = field(default_factory=Counter)
    by_metric: Counter[str] = field(default_factory=Counter)
    users: set[tuple[UUID, UUID]] = field(default_factory=set)
    firsts: dict[tuple[UUID, UUID], tuple[str, datetime, bool]] = field(default_factory=dict)
    of_user: dict[tuple[UUID, UUID], Counter[str]] = field(default_factory=dict)
    credits: Decimal = Decimal(0)
    cost_usd: Decimal = Decimal(0)
    means: Mapping[str | None, Decimal] = field(default_factory=dict)

    def count(self, asked: Asked, refusal: Refusal | None, *, on_plan: bool) -> None:
        """Notes one request."""
        self.requests += 1
        self.users.add(asked.member)
        if refusal is not None:
            self.by_metric[refusal.metric] += 1
            self.firsts.setdefault(asked.member, (refusal.metric, asked.at, asked.uses_credits))
            self.of_user.setdefault(asked.member, Counter())[refusal.metric] += 1
            return
        self.answered += 1
        if asked.was_refused:
            self.newly[asked.feature] += 1
            return
        self.cost_usd += asked.cost_usd
        if not on_plan:
            self.credits += asked.credits

    def most_refused(self) -> list[tuple[UUID, UUID]]:
        """The members who were refused most often, then earliest."""
        order = sorted(self.of_user, key=lambda who: (-self.of_user[who].total(), self.firsts[who][1], who))
        return order[:MAX_LISTED]

    def outcome(
        self, names: Mapping[UUID, str], emails: Mapping[UUID, str], subscriptions_usd: Decimal | None
    ) -> Outcome:
        """The figures as they are told."""
        estimated = sum(
            (self.means.get(feature, Decimal(0)) * count for feature, count in self.newly.items()), Decimal(0)
        ).quantize(Decimal("0.000000001"))
        return Outcome(
            requests=self.requests,
            answered=self.answered,
            refused=self.by_metric.total(),
            refused_by=dict(sorted(self.by_metric.items(), key=lambda item: (-item[1], item[0]))),
            newly_answered=self.newly.total(),
            users=len(self.users),
            users_limited=len(self.of_user),
            limited=[self._limited(who, names, emails) for who in self.most_refused()],
            subscriptions_usd=subscriptions_usd,
            credits_usd=self.credits * USD_PER_CREDIT,
            cost_usd=self.cost_usd + estimated,
            estimated_usd=estimated,
        )

    def _limited(self, who: tuple[UUID, UUID], names: Mapping[UUID, str], emails: Mapping[UUID, str]) -> Limited:
        metric, first_at, uses_credits = self.firsts[who]
        counts = self.of_user[who]
        return Limited(
            org_id=who[0],
            org_name=names.get(who[0], ""),
            user_id=who[1],
            email=emails.get(who[1], ""),
            metric=metric,
            first_at=first_at,
            refusals=counts.total(),
            by_metric=dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))),
            may_use_credits=uses_credits,
        )


def _replayed(plan: Plan, log: _Log, asked: Sequence[Asked], span: Span, deadline: _Deadline) -> _Tally:
    """The plan over everything that these organisations asked; what they asked on another plan is not told."""
    told = {row.id: row for row in log.organisations}
    replay, tally = Replay(plan, log.ground), _Tally(means=_means(asked, span))
    for number, row in enumerate(log.sums):
        if number % CHECKED_EACH == 0:
            deadline.left_s()
        first = Asked(
            row.at, row.at, row.org_id, row.user_id, row.feature, acts_as=row.acts_as, counts_request=row.counts_request
        )
        replay.count(first, row.count, row.on_credits)
    for number, each in enumerate(asked):
        if number % CHECKED_EACH == 0:
            deadline.left_s()
        refusal = replay.decide(each)
        if each.at >= span.starts_at and told[each.org_id].was_on_plan(each.at):
            tally.count(each, refusal, on_plan=replay.on_plan)
    return tally


def _means(asked: Sequence[Asked], span: Span) -> dict[str | None, Decimal]:
    """Mean cost of the answered requests of the period, by feature."""
    sums: dict[str | None, Decimal] = {}
    counts = Counter[str | None]()
    for each in asked:
        if each.at >= span.starts_at and not each.was_refused and each.keeps_quota:
            sums[each.feature] = sums.get(each.feature, Decimal(0)) + each.cost_usd
            counts[each.feature] += 1
    return {feature: sums[feature] / counts[feature] for feature in sums}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _fields(row: dao.BoostRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("org_id", "user_id", "metric", "amount", "starts_at", "ends_at")}
