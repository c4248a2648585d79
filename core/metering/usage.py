"""What was used and what is left: the figures behind the Usage page and its API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from core.db import metering_dao, retention_dao, rollups_dao, usage_dao
from core.db.engine import Database
from core.db.metering_dao import AllowanceRow
from core.db.usage_dao import DIMENSIONS, DayRow, LogRow, ProviderCallsRow, Reach, TotalRow
from core.errors import InvalidRequest
from core.metering.meter import QuotaState
from core.metering.plans import Plan, Plans
from core.metering.usage_log import UsageLog
from core.principal import Principal

MAX_LOG_ROWS = 10_000
MAX_DAYS = 400
MAX_GROUPS = 2_000
"""Groups that are told apart; of more the dearest."""
MONTH = "requests_month"
"""A metric whose period is the running month."""
_OF_ROLLUPS = {"day": "local_day", "model": "model", "provider": "provider", "user": "user_id", "feature": "feature"}
"""What totals of a whole organisation are grouped by in its rollups; the rest is read from the log."""
MAX_SUMS = 100_000
"""Sums that are read of rollups: days of each model, or groups to choose the dearest of."""
ONE_DAY = timedelta(days=1)
WARNING_SHARE = Decimal("0.8")
"""From this share of a quota on, it is marked."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One quota as it stands; `limit`, `remaining` and `share` are None where unlimited."""

    metric: str
    scope: str
    """`user` or `organisation`."""
    period: str
    """`day`, `month`, or `minute`, which slides."""
    limit: Decimal | None
    used: Decimal
    starts_at: datetime
    ends_at: datetime

    @property
    def remaining(self) -> Decimal | None:
        """What is left."""
        return None if self.limit is None else max(Decimal(0), self.limit - self.used)

    @property
    def share(self) -> Decimal | None:
        """Used part of the limit, as a fraction; a limit of zero counts as used up."""
        if self.limit is None:
            return None
        return self.used / self.limit if self.limit else Decimal(1)

    @property
    def state(self) -> QuotaState:
        """The same in whole numbers, for what is counted."""
        return QuotaState(self.metric, None if self.limit is None else int(self.limit), int(self.used), self.ends_at)

    @property
    def is_near_limit(self) -> bool:
        """Whether 80 % or more is used."""
        return self.share is not None and self.share >= WARNING_SHARE


@dataclass(frozen=True, slots=True)
class Overview:
    """A plan and what is left of it."""

    plan: Plan
    allowances: dict[str, Allowance]
    """By metric: the quotas, the rate `requests_minute`, and `charge_usd_month`, what was charged this month."""


Bound = date | datetime
"""Where a time begins or ends: a whole day, or exactly."""
Place = tuple[datetime, UUID]
"""Time and id of a row of the log."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time, and the zone in which its days begin."""

    starts_at: datetime
    ends_at: datetime
    """The first moment that is not part of it."""
    zone: str


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over requests."""

    total: TotalRow
    groups: list[TotalRow]


class Usage:
    """Reads usage as the principal may see it: of one person by row-level security, of a whole organisation, for those
    who manage it, from its rollups and the rows that are not in them yet."""

    def __init__(self, database: Database, plans: Plans, log: UsageLog) -> None:
        self._database = database
        self._plans = plans
        self._log = log

    def overview(self, principal: Principal) -> Overview:
        """The quotas of this membership as they stand now."""
        with self._database.app(principal) as connection:
            rows = metering_dao.allowances(connection)
        return Overview(self._plans.get(principal.plan), allowances_of(rows))

    def quota(self, principal: Principal, metric: str = "chat_queries_day") -> QuotaState:
        """One quota as it stands now."""
        return self.overview(principal).allowances[metric].state

    def by_day(
        self, principal: Principal, first: date, last: date, *, whole_organisation: bool = False
    ) -> list[DayRow]:
        """Totals per day in the principal's zone, provider and model, both days included.

        Those of a whole organisation are read from rollups.

        Raises:
            InvalidRequest: the days are in the wrong order, or too many.
        """
        _check_days(first, last)
        self._log.flush()
        user_id = _who(principal, whole_organisation)
        if user_id is None:
            return self._days_of_all(principal, first, last)
        with self._database.app(principal) as connection:
            return usage_dao.by_day(
                connection, org_id=principal.org_id, user_id=user_id, zone=principal.zone, first=first, last=last
            )

    def log(
        self,
        principal: Principal,
        first: date,
        last: date,
        *,
        whole_organisation: bool = False,
        statuses: Sequence[str] = (),
        models: Sequence[str] = (),
        before: Place | None = None,
        most: int = 500,
    ) -> list[LogRow]:
        """Requests of days in the principal's zone, newest first, at most `most`; `before` as in `page`.

        Raises:
            InvalidRequest: the days are in the wrong order, or too many; `most` is out of bounds.
        """
        _check_days(first, last)
        zone = ZoneInfo(principal.zone)
        span = Span(_midnight(first, zone), _midnight(last + ONE_DAY, zone), principal.zone)
        return self.page(
            principal,
            span,
            whole_organisation=whole_organisation,
            statuses=statuses,
            models=models,
            before=before,
            most=most,
        )

    def page(
        self,
        principal: Principal,
        span: Span,
        *,
        whole_organisation: bool = True,
        statuses: Sequence[str] = (),
        models: Sequence[str] = (),
        before: Place | None = None,
        most: int,
    ) -> list[LogRow]:
        """Requests, newest first, at most `most`; `before` pages on from the last row seen.

        Raises:
            InvalidRequest: `most` is out of bounds.
        """
        if not 1 <= most <= MAX_LOG_ROWS:
            raise InvalidRequest(f"At most {MAX_LOG_ROWS:,} rows at once.")
        self._log.flush()
        with self._database.app(principal) as connection:
            return usage_dao.log(
                connection,
                _reach(principal, span, whole_organisation),
                statuses=statuses,
                models=models,
                before=before,
                most=most,
            )

    def span(self, principal: Principal, first: Bound | None, last: Bound | None) -> Span:
        """From `first` to `last`: a date is the whole day in the organisation's zone, a time is exact, and the last
        time is the first that is not part of it. Without either, the organisation's running month.

        Raises:
            InvalidRequest: they are in the wrong order, or too far apart.
        """
        with self._database.app(principal) as connection:
            name = usage_dao.zone_of(connection, principal.org_id)
            months = [row for row in metering_dao.allowances(connection) if row.metric == MONTH]
        zone, month = ZoneInfo(name), months[0]
        starts_at = month.starts_at if first is None else _moment(first, zone)
        ends_at = month.ends_at if last is None else _moment(last, zone, days_later=ONE_DAY)
        if starts_at >= ends_at:
            raise InvalidRequest("The time ends before it begins: from is not before to.")
        if ends_at - starts_at > (MAX_DAYS + 1) * ONE_DAY:
            raise InvalidRequest(f"At most {MAX_DAYS} days at once.")
        return Span(starts_at, ends_at, name)

    def totals(self, principal: Principal, span: Span, group_by: str) -> Totals:
        """The sums of all requests that the principal may see, and those of each group.

        Raises:
            InvalidRequest: usage is not grouped by that.
        """
        if group_by not in DIMENSIONS:
            raise InvalidRequest(f"group_by is one of {', '.join(DIMENSIONS)}.")
        self._log.flush()
        reach = _reach(principal, span, whole_organisation=True)
        if reach.user_id is None and group_by in _OF_ROLLUPS:
            return self._totals_of_all(reach, group_by, span.zone)
        with self._database.app(principal) as connection:
            total, *groups = usage_dao.totals(connection, reach, group_by=group_by, zone=span.zone, most=MAX_GROUPS)
        return Totals(total, groups)

    def kept_from(self) -> datetime | None:
        """The first moment of which requests are kept one by one, as retention has it; None: all are."""
        with self._database.single() as connection:
            return retention_dao.kept_from(connection)

    def calls_by_provider(self) -> dict[str, ProviderCallsRow]:
        """How the calls of the last hour went, by provider; of all organisations together."""
        with self._database.service() as connection:
            return {row.provider: row for row in usage_dao.calls_by_provider(connection)}

    def _days_of_all(self, principal: Principal, first: date, last: date) -> list[DayRow]:
        zone = ZoneInfo(principal.zone)
        span = rollups_dao.Span(_midnight(first, zone), _midnight(last + ONE_DAY, zone), principal.org_id)
        by = ("local_day", "provider", "model")
        with self._database.snapshot() as transaction:
            found = rollups_dao.sums(transaction, span, by, most=MAX_SUMS, zone=principal.zone)
        rows = [
            DayRow(
                day=row.keys[0],
                provider=row.keys[1],
                model=row.keys[2],
                requests=row.requests,
                cached=row.cached,
                denied=row.denied,
                prompt_tokens=row.prompt_tokens,
                completion_tokens=row.completion_tokens,
                charged_usd=row.charged_usd,
                cost_usd=row.cost_usd,
                saved_usd=row.saved_usd,
            )
            for row in found
        ]
        return sorted(rows, key=lambda row: (row.day, row.provider, row.model))

    def _totals_of_all(self, reach: Reach, group_by: str, zone: str) -> Totals:
        span, key = rollups_dao.Span(reach.starts_at, reach.ends_at, reach.org_id), _OF_ROLLUPS[group_by]
        with self._database.snapshot() as transaction:
            (total,) = rollups_dao.sums(transaction, span)
            groups = rollups_dao.sums(transaction, span, (key,), most=MAX_SUMS, zone=zone)
        rows = [_total(row, _named(group_by, row.keys[0])) for row in groups]
        if group_by == "day":
            rows.sort(key=lambda row: row.key or "")
        else:
            rows.sort(key=lambda row: (-row.charged_usd, -row.requests, row.key is None, row.key or ""))
        return Totals(_total(total, None, is_total=True), rows[:MAX_GROUPS])


def _named(group_by: str, key: object) -> str | None:
    """A group as the log names it, where a request without a feature has none."""
    return None if group_by == "feature" and not key else str(key)


def _total(row: rollups_dao.Sums, key: str | None, *, is_total: bool = False) -> TotalRow:
    return TotalRow(
        is_total,
        key,
        *(row.requests, row.cached, row.denied, row.failed + row.broken, row.prompt_tokens, row.completion_tokens),
        *(row.charged_usd, row.cost_usd, row.saved_usd),
    )


def allowances_of(rows: Iterable[AllowanceRow]) -> dict[str, Allowance]:
    """Quotas as they were read, by metric; for services that read them beside something of theirs."""
    return {
        row.metric: Allowance(row.metric, row.scope, row.period, row.maximum, row.used, row.starts_at, row.ends_at)
        for row in rows
    }


def _reach(principal: Principal, span: Span, whole_organisation: bool) -> Reach:
    return Reach(principal.org_id, _who(principal, whole_organisation), span.starts_at, span.ends_at)


def _moment(bound: Bound, zone: ZoneInfo, *, days_later: timedelta = timedelta(0)) -> datetime:
    """A time as it is; of a day its first moment, or with `days_later` the first that is no longer part of it."""
    return bound if isinstance(bound, datetime) else _midnight(bound + days_later, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _who(principal: Principal, whole_organisation: bool) -> UUID | None:
    return None if whole_organisation and principal.role.manages else principal.user_id


def _check_days(first: date, last: date) -> None:
    if first > last:
        raise InvalidRequest("The first day is after the last.")
    if (last - first).days > MAX_DAYS:
        raise InvalidRequest(f"At most {MAX_DAYS} days at once.")
