"""The overview: who uses what, what it costs, whether it is healthy, and what each plan brings in.

Days are of UTC: a period of n days is today, as far as it has come, and the n - 1 days before it. Requests, tokens and
money are sums over the log; what has no basis is None, never 0. The margin is estimated: what plans cost by their list
price for the days that organisations were on them, and what was charged in credits that somebody paid for, less what
providers bill to the platform. Portfolio analyses and lists of filings, which call no model, are told by feature alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from core.accounts.permissions import require_operator
from core.admin.reach import reach_of
from core.admin.revenue import subscriptions_usd
from core.db import overview_dao as dao
from core.db import rollups_dao as rollups
from core.db.engine import Database, Transaction
from core.db.overview_dao import CountsRow, NearRow
from core.db.rollups_dao import Latency, Span, Sums
from core.errors import InvalidRequest
from core.metering.meter import Feature
from core.metering.plans import Plan, Plans
from core.metering.pricing import USD_PER_CREDIT
from core.metering.usage import WARNING_SHARE
from core.metering.usage_log import UsageLog
from core.principal import Principal

PERIODS = (1, 7, 30, 90)
"""Days of which the overview can be had."""
USE_DAYS = 7
"""Days over which the average use by plan is told."""
PEAK_DAYS = 7
"""Most days over which an organisation's hours of the day are added up: they are read from its rows of the log, as no
sums of hours know both an organisation and a feature."""
TRIES_HOURS = 24
MOST_GROUPS = 200
"""Groups that are told apart; of more the dearest."""
MOST_NEAR = 100
Dimension = Literal["provider", "model", "feature", "plan", "org_id", "day"]
DIMENSIONS: tuple[Dimension, ...] = get_args(Dimension)
NOT_AI = (Feature.PORTFOLIO_ANALYSIS, Feature.SEC_FILING)
"""What is counted without a model being asked: no part of calls, means and percentiles."""


@dataclass(frozen=True, slots=True)
class Period:
    """The days that figures are of, in UTC; the last is today, as far as it has come."""

    days: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What one group of requests came to; shares are None where there is nothing that they are shares of."""

    sums: Sums
    latency: Latency | None
    """Of its answers; None where nothing was answered."""

    @property
    def calls(self) -> int:
        """Requests for which a provider was called, or would have been: neither denied nor answered by the cache."""
        return self.sums.requests - self.sums.denied - self.sums.cached

    @property
    def cache_hit_rate(self) -> float | None:
        """Share of the requests that were not denied which the cache answered."""
        return _share(self.sums.cached, self.sums.requests - self.sums.denied)

    @property
    def error_rate(self) -> float | None:
        """Share of the calls that failed, broke off, or whose end is not known."""
        return _share(self.sums.failed + self.sums.broken + self.sums.unresolved, self.calls)

    @property
    def denial_rate(self) -> float | None:
        """Share of all requests that a limit refused."""
        return _share(self.sums.denied, self.sums.requests)

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.sums.prompt_tokens + self.sums.completion_tokens

    @property
    def tokens_per_call(self) -> float | None:
        """On the average."""
        return self.tokens / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Tries:
    """Calls to providers in the last `TRIES_HOURS` hours, each try by itself."""

    n: int
    failed: int
    timed_out: int

    @property
    def time_out_rate(self) -> float | None:
        """Share that took longer than our limits."""
        return _share(self.timed_out, self.n)


@dataclass(frozen=True, slots=True)
class Headline:
    """The whole period at one look."""

    period: Period
    users: int
    """People who asked something, denials included."""
    organisations: int
    """Organisations of theirs."""
    counts: CountsRow
    """How many there are of both."""
    figures: Figures
    tries: Tries


@dataclass(frozen=True, slots=True)
class PeakHours:
    """When people ask."""

    days: int
    """Of the last so many days; the last is today."""
    requests: Mapping[int, int]
    """By the hour of the day (UTC); those without any left out."""


@dataclass(frozen=True, slots=True)
class Group:
    """One provider, model, feature, plan, organisation or day."""

    key: Any
    """Its id; a `datetime` for a day."""
    name: str
    """What it is called where the id says nothing; else the id."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class PlanMargin:
    """What a plan is estimated to bring in within a period, and what it cost."""

    plan: str
    label: str
    organisations: int
    """Those with an active member that were on it at some time of the period."""
    subscriptions_usd: Decimal | None
    """As `core.admin.revenue` reckons it; None where it is by contract."""
    credits_usd: Decimal
    """Credits that were charged, without the free ones of each day."""
    cost_usd: Decimal
    """What providers bill to the platform: without what own keys pay for."""

    @property
    def margin_usd(self) -> Decimal | None:
        """What is left, estimated."""
        return None if self.subscriptions_usd is None else self.subscriptions_usd + self.credits_usd - self.cost_usd

    @property
    def margin_share(self) -> float | None:
        """Of what came in; None where nothing did."""
        if self.subscriptions_usd is None or self.margin_usd is None:
            return None
        income = self.subscriptions_usd + self.credits_usd
        return float(self.margin_usd / income) if income else None


@dataclass(frozen=True, slots=True)
class PlanUse:
    """How much one plan's active people ask on the average, over `USE_DAYS` days."""

    plan: str
    label: str
    users: int
    """Who asked something (n)."""
    requests_per_user_day: float
    """Requests, denials included, by a person and day; days without any count."""
    tokens_per_call: float | None
    cost_per_user_usd: Decimal
    """Providers' cost of all these days."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """Who left plans that cost nothing for others within a period, and who came back."""

    period: Period
    on_free: int
    """Organisations that were on a plan without a price at some time of it (n)."""
    converted: int
    on_paid: int
    lapsed: int

    @property
    def rate(self) -> float | None:
        """Share of those on a plan without a price that left it for another."""
        return _share(self.converted, self.on_free)

    @property
    def lapse_rate(self) -> float | None:
        """Share of those on a priced plan that left it for one without a price."""
        return _share(self.lapsed, self.on_paid)


@dataclass(frozen=True, slots=True)
class PlansOverview:
    """What plans bring in and how they are used."""

    period: Period
    margins: Sequence[PlanMargin]
    use: Sequence[PlanUse]
    conversion: Conversion | None
    """Of the whole installation; None for one organisation."""


@dataclass(frozen=True, slots=True)
class NearLimits:
    """Who has used 80 % or more of a quota."""

    users: int
    """People in all."""
    rows: Sequence[NearRow]
    """At most `MOST_NEAR`, the most used first; those of an organisation as a whole name no person."""


class Overview:
    """The figures within reach of the principal; each method is a few bounded statements on one moment."""

    def __init__(self, database: Database, plans: Plans, log: UsageLog) -> None:
        self._database = database
        self._plans = plans
        self._log = log

    def headline(self, principal: Principal, days: int, *, everything: bool = False) -> Headline:
        """The period at one look.

        Raises:
            InvalidRequest: not one of `PERIODS`.
            Forbidden: as `reach_of`.
        """
        span, period = self._span(principal, days, everything)
        with self._database.snapshot() as transaction:
            active = rollups.active(transaction, span)
            tries = dao.tries(transaction, span.org_id, hours=TRIES_HOURS)
            return Headline(
                period=period,
                users=active[0].users if active else 0,
                organisations=active[0].organisations if active else 0,
                counts=dao.counts(transaction, span.org_id),
                figures=_whole(transaction, _of_ai(span)),
                tries=Tries(tries.tries, tries.failed, tries.timed_out),
            )

    def groups(self, principal: Principal, days: int, by: Dimension, *, everything: bool = False) -> list[Group]:
        """The same told apart: days in their order, others dearest first, at most `MOST_GROUPS`.

        By feature, what calls no model is told too.

        Raises:
            InvalidRequest: not one of `PERIODS` or of `DIMENSIONS`.
            Forbidden: as `reach_of`.
        """
        if by not in DIMENSIONS:
            raise InvalidRequest(f"The overview is told apart by one of {', '.join(DIMENSIONS)}.")
        whole, _ = self._span(principal, days, everything)
        span = whole if by == "feature" else _of_ai(whole)
        with self._database.snapshot() as transaction:
            found = rollups.sums(transaction, span, (by,), most=MOST_GROUPS)
            latencies = {each.keys: each for each in rollups.latencies(transaction, span, (by,))}
            names = dao.names(transaction, [each.keys[0] for each in found]) if by == "org_id" else {}
        return [
            Group(each.keys[0], names.get(each.keys[0], str(each.keys[0])), Figures(each, latencies.get(each.keys)))
            for each in found
        ]

    def hours(self, principal: Principal, days: int = PEAK_DAYS, *, everything: bool = False) -> PeakHours:
        """Requests by the hour of the day; of an organisation over at most `PEAK_DAYS` days.

        Raises:
            InvalidRequest: not one of `PERIODS`.
            Forbidden: as `reach_of`.
        """
        span, period = self._span(principal, days, everything)
        if span.org_id is not None and days > PEAK_DAYS:
            span, period = self._span(principal, PEAK_DAYS, everything)
        with self._database.snapshot() as transaction:
            found = rollups.sums(transaction, _of_ai(span), ("hour_of_day",))
        return PeakHours(period.days, {each.keys[0]: each.requests for each in found})

    def plans(self, principal: Principal, days: int, *, everything: bool = False) -> PlansOverview:
        """What each plan is estimated to bring in, how it is used, and who changes to a priced one.

        Raises:
            InvalidRequest: not one of `PERIODS`.
            Forbidden: not an operator.
        """
        require_operator(principal)
        span, period = self._span(principal, days, everything)
        week, _ = self._span(principal, USE_DAYS, everything)
        within = dao.Within(span.starts_at, span.ends_at, span.org_id)
        with self._database.snapshot() as transaction:
            sums = {each.keys[0]: each for each in rollups.sums(transaction, span, ("plan",))}
            on_plans = {row.plan: row for row in dao.plan_days(transaction, within)}
            free, own = dao.free_credits(transaction, within), dao.own_key_cost(transaction, within)
            use = rollups.sums(transaction, _of_ai(week), ("plan",))
            active = {each.keys[0]: each.users for each in rollups.active(transaction, week, ("plan",))}
            conversion = self._conversion(transaction, period) if everything else None
        names = [name for name in self._plans.plans if name in on_plans or name in sums]
        margins = [
            self._margin(self._plans.get(name), on_plans.get(name), sums.get(name), (free, own)) for name in names
        ]
        return PlansOverview(period, margins, self._use(use, active), conversion)

    def near_limits(self, principal: Principal, *, everything: bool = False) -> NearLimits:
        """Who has used 80 % or more of a quota in its running period; what is held counts as used.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = reach_of(principal, everything=everything)
        with self._database.snapshot() as transaction:
            rows = dao.near_limits(transaction, org_id, share=WARNING_SHARE, most=MOST_NEAR)
        return NearLimits(rows[0].users if rows else 0, rows)

    def _span(self, principal: Principal, days: int, everything: bool) -> tuple[Span, Period]:
        org_id = reach_of(principal, everything=everything)
        if days not in PERIODS:
            raise InvalidRequest(f"The overview is of {', '.join(map(str, PERIODS))} days.")
        self._log.flush()
        span = rollups.days_back(self._now(), days, org_id)
        return span, Period(days, span.starts_at, span.ends_at)

    def _now(self) -> datetime:
        with self._database.single() as connection:
            return dao.now(connection).astimezone(UTC)

    def _conversion(self, transaction: Transaction, period: Period) -> Conversion:
        free = [name for name, plan in self._plans.plans.items() if plan.price_usd == 0]
        row = dao.conversion(transaction, period.starts_at, period.ends_at, free=free)
        return Conversion(period, row.on_free, row.converted, row.on_paid, row.lapsed)

    def _margin(
        self,
        plan: Plan,
        on_plan: dao.PlanDaysRow | None,
        sums: Sums | None,
        free_and_own: tuple[Mapping[str, Decimal], Mapping[str, Decimal]],
    ) -> PlanMargin:
        free, own = (each.get(plan.name, Decimal(0)) for each in free_and_own)
        credits_charged = sums.credits - free if sums else Decimal(0)
        return PlanMargin(
            plan=plan.name,
            label=plan.label,
            organisations=on_plan.organisations if on_plan else 0,
            subscriptions_usd=subscriptions_usd(plan, on_plan),
            credits_usd=max(Decimal(0), credits_charged) * USD_PER_CREDIT,
            cost_usd=max(Decimal(0), sums.cost_usd - own) if sums else Decimal(0),
        )

    def _use(self, sums: Sequence[Sums], active: Mapping[str, int]) -> list[PlanUse]:
        told = []
        for name, plan in self._plans.plans.items():
            row, users = next((each for each in sums if each.keys[0] == name), None), active.get(name, 0)
            if row is None or not users:
                continue
            figures = Figures(row, None)
            told.append(
                PlanUse(
                    plan=name,
                    label=plan.label,
                    users=users,
                    requests_per_user_day=row.requests / users / USE_DAYS,
                    tokens_per_call=figures.tokens_per_call,
                    cost_per_user_usd=row.cost_usd / users,
                )
            )
        return told


def _of_ai(span: Span) -> Span:
    return replace(span, without=NOT_AI)


def _whole(transaction: Transaction, span: Span) -> Figures:
    sums = rollups.sums(transaction, span)
    latencies = rollups.latencies(transaction, span)
    latency = latencies[0] if latencies and latencies[0].answered else None
    return Figures(sums[0] if sums else NOTHING, latency)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


_ZERO = Decimal(0)
NOTHING = Sums((), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, _ZERO, _ZERO, _ZERO, _ZERO, 0)
"""The sums of no requests."""
