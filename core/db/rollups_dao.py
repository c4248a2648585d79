"""Sums over the log of usage: from its rollups where they reach, from its rows elsewhere, so that they are never stale.

Every reading function takes a transaction of `Database.snapshot()`, in which all statements see one moment, and a `Span`
whose `org_id` is `reach_of(…)`: one organisation, or None for all. A span of whole days of UTC (`days_back`) is read
fastest: of others the broken first and last day are read row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sqrt
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.db.engine import Transaction
from core.db.usage_tables import BUCKET_STEP, COUNTS, FIRST_BUCKET_MS, LATENCIES, LATENCY_BUCKETS, MEASURES, MONEY

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAX_ROWS = 10_000
LATENCY_ERROR = sqrt(BUCKET_STEP) - 1
"""A percentile is off by at most this share of itself (8.6 %): the middle of its bucket stands for it."""
STATUSES = {
    **{"answered": "success", "cached": "cached", "denied": "denied", "failed": "failed"},
    **{"broken": "broken", "cut": "cut", "unresolved": "unresolved"},
}
"""Status of the rows that a column counts."""
_KEYS = {
    "hour": "date_trunc('hour', at, 'UTC')",
    "day": "date_trunc('day', at, 'UTC')",
    "hour_of_day": "extract(hour FROM at AT TIME ZONE 'UTC')::integer",
    "org_id": "org_id",
    "user_id": "user_id",
    "provider": "provider",
    "model": "model",
    "feature": "coalesce(feature, '')",
    "channel": "channel",
    "plan": "coalesce(plan, '')",
}
"""What sums can be grouped by, as a row of the log has it."""
DIMENSIONS = tuple(_KEYS)


@dataclass(frozen=True, slots=True)
class _Rollup:
    """A table of sums, the length of what each of its rows covers, and what it can be grouped by."""

    table: str
    unit: timedelta
    name: str
    """Of the column that holds the unit's start."""
    keys: tuple[str, ...]

    @property
    def derived(self) -> dict[str, str]:
        """Keys that follow from the unit's start."""
        if self.unit == DAY:
            return {"day": "day"}
        of_hour = "date_trunc('day', hour, 'UTC')"
        return {"hour": "hour", "day": of_hour, "hour_of_day": "extract(hour FROM hour AT TIME ZONE 'UTC')::integer"}

    def expression(self, key: str) -> str | None:
        """A key as this table has it; None where it has not."""
        return self.derived.get(key) or (key if key in self.keys else None)


# In the order of their size: the first that knows the keys is read.
_USER_DAYS = _Rollup("usage_user_days", DAY, "day", ("org_id", "user_id", "plan"))
_ORG_DAYS = _Rollup("usage_org_days", DAY, "day", ("org_id", "provider", "model", "feature", "plan"))
_HOURS = _Rollup("usage_hours", HOUR, "hour", ("provider", "model", "feature", "channel", "plan"))
_DAYS = _Rollup("usage_days", DAY, "day", ("org_id", "user_id", "provider", "model", "feature", "plan"))
ROLLUPS = (_ORG_DAYS, _USER_DAYS, _HOURS, _DAYS)


@dataclass(frozen=True, slots=True)
class Span:
    """Whose requests, and from which moment to which."""

    starts_at: datetime
    ends_at: datetime
    """The first moment that is not part of it."""
    org_id: UUID | None
    """None is every organisation."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one group; without keys those of all."""

    keys: tuple[Any, ...]
    """In the order that was asked for: `datetime` for hour and day, `int` for hour_of_day, `UUID` for org_id and user_id,
    else `str`, empty where a request has none."""
    requests: int
    answered: int
    cached: int
    denied: int
    failed: int
    broken: int
    cut: int
    unresolved: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    charged_usd: Decimal
    saved_usd: Decimal
    credits: Decimal
    latency_ms: int
    """Summed over the answered."""

    @property
    def latency_ms_mean(self) -> float | None:
        """Mean time of an answer; None where nothing was answered."""
        return self.latency_ms / self.answered if self.answered else None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long answers of one group took, in milliseconds; each figure is off by at most LATENCY_ERROR of itself."""

    keys: tuple[Any, ...]
    answered: int
    """n of the percentiles."""
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Active:
    """How many people asked something (denials included), of one group."""

    keys: tuple[Any, ...]
    users: int
    organisations: int


def sums(transaction: Transaction, span: Span, by: Sequence[str] = (), *, most: int = MAX_ROWS) -> list[Sums]:
    """The sums of each group of `by` (of DIMENSIONS), times in their order, others by cost, at most `most`."""
    raise NotImplementedError


def latencies(transaction: Transaction, span: Span, by: Sequence[str] = ()) -> list[Latency]:
    """Percentiles of the time of answers (status success), by day, org_id, provider, model, feature or plan."""
    raise NotImplementedError


def active(transaction: Transaction, span: Span, by: Sequence[str] = ()) -> list[Active]:
    """How many people and organisations were active, by day, org_id or plan; of all without."""
    raise NotImplementedError


def rolled_until(transaction: Transaction) -> datetime:
    """The first moment that is in no rollup."""
    raise NotImplementedError


def days_back(now: datetime, days: int, org_id: UUID | None) -> Span:
    """Whole days of UTC up to now: today and so many less one before it."""
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Span(midnight - (days - 1) * DAY, now, org_id)
