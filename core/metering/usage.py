"""What was used and what is left: the figures behind the Usage page and its API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from core.db import metering_dao, usage_dao
from core.db.engine import Database
from core.db.usage_dao import DayRow, LogRow
from core.errors import InvalidRequest
from core.metering.meter import QuotaState
from core.metering.plans import Plan, Plans
from core.metering.usage_log import UsageLog
from core.principal import Principal

MAX_LOG_ROWS = 10_000
MAX_DAYS = 400
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
    def is_near_limit(self) -> bool:
        """Whether 80 % or more is used."""
        return self.share is not None and self.share >= WARNING_SHARE


@dataclass(frozen=True, slots=True)
class Overview:
    """A plan and what is left of it."""

    plan: Plan
    allowances: dict[str, Allowance]
    """By metric: the quotas, the rate `requests_minute`, and `charge_usd_month`, what was charged this month."""


class Usage:
    """Reads usage as the principal may see it; row-level security decides, not a WHERE."""

    def __init__(self, database: Database, plans: Plans, log: UsageLog) -> None:
        self._database = database
        self._plans = plans
        self._log = log

    def overview(self, principal: Principal) -> Overview:
        """The quotas of this membership as they stand now."""
        with self._database.app(principal) as connection:
            rows = metering_dao.allowances(connection)
        allowances = {
            row.metric: Allowance(row.metric, row.scope, row.period, row.maximum, row.used, row.starts_at, row.ends_at)
            for row in rows
        }
        return Overview(self._plans.get(principal.plan), allowances)

    def quota(self, principal: Principal, metric: str = "chat_queries_day") -> QuotaState:
        """One quota as it stands now."""
        found = self.overview(principal).allowances[metric]
        return QuotaState(metric, None if found.limit is None else int(found.limit), int(found.used), found.ends_at)

    def by_day(
        self, principal: Principal, first: date, last: date, *, whole_organisation: bool = False
    ) -> list[DayRow]:
        """Totals per day in the principal's zone, provider and model, both days included.

        Raises:
            InvalidRequest: the days are in the wrong order, or too many.
        """
        _check_days(first, last)
        self._log.flush()
        with self._database.app(principal) as connection:
            return usage_dao.by_day(
                connection,
                org_id=principal.org_id,
                user_id=_who(principal, whole_organisation),
                zone=principal.zone,
                first=first,
                last=last,
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
        before: UUID | None = None,
        most: int = 500,
    ) -> list[LogRow]:
        """Requests, newest first, at most `most`; `before` pages on from the last row seen.

        Raises:
            InvalidRequest: the days are in the wrong order, or too many; `most` is out of bounds.
        """
        _check_days(first, last)
        if not 1 <= most <= MAX_LOG_ROWS:
            raise InvalidRequest(f"At most {MAX_LOG_ROWS:,} rows at once.")
        self._log.flush()
        with self._database.app(principal) as connection:
            return usage_dao.log(
                connection,
                org_id=principal.org_id,
                user_id=_who(principal, whole_organisation),
                zone=principal.zone,
                first=first,
                last=last,
                statuses=statuses,
                models=models,
                before=before,
                most=most,
            )


def _who(principal: Principal, whole_organisation: bool) -> UUID | None:
    return None if whole_organisation and principal.role.sees_organisation else principal.user_id


def _check_days(first: date, last: date) -> None:
    if first > last:
        raise InvalidRequest("The first day is after the last.")
    if (last - first).days > MAX_DAYS:
        raise InvalidRequest(f"At most {MAX_DAYS} days at once.")
