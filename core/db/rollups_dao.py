"""Sums over the log of usage: from its rollups where they reach, from its rows elsewhere, so that they are never stale.

Every function that reads takes a transaction of `Database.snapshot()`, in which all statements see one moment, and a
`Span` whose `org_id` is `reach_of(…)`: one organisation, or None for all. A span of whole days of UTC up to now
(`days_back`) is read fastest: of another one the broken first and last day are read row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import ceil, sqrt
from typing import Any
from uuid import UUID

from sqlalchemy import text

from core.db.engine import Transaction
from core.db.usage_tables import COUNTS, LATENCIES, LATENCY_STEP, LATENCY_STEPS_MS, MEASURES, MONEY

QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_ROWS = 10_000
LATENCY_ERROR = sqrt(LATENCY_STEP) - 1
"""A percentile from 10 ms on is off by at most this share of itself (8.6 %): the middle of its bucket stands for it."""
PERCENTILES = (0.50, 0.95, 0.99)
STATUSES = ("cached", "denied", "failed", "broken", "cut", "unresolved")
"""Results with a column of their name; `answered` counts those of status success."""
TIMES = {
    "quarter": "date_bin('15 minutes', {}, 'epoch')",
    "local_day": "({} AT TIME ZONE :zone)::date",
    "hour": "date_trunc('hour', {}, 'UTC')",
    "day": "date_trunc('day', {}, 'UTC')",
    "hour_of_day": "extract(hour FROM {} AT TIME ZONE 'UTC')::integer",
}
KEYS = {
    **{key: expression.format("at") for key, expression in TIMES.items()},
    "org_id": "org_id",
    "user_id": "user_id",
    "provider": "provider",
    "model": "model",
    "feature": "coalesce(feature, '')",
    "channel": "channel",
    "plan": "coalesce(plan, '')",
}
"""What sums can be grouped by, as a row of the log has it."""
_COUNTED = {
    "requests": "count(*)",
    "answered": "count(*) FILTER (WHERE status = 'success')",
    **{status: f"count(*) FILTER (WHERE status = '{status}')" for status in STATUSES},
    "prompt_tokens": "coalesce(sum(prompt_tokens) FILTER (WHERE hold_id IS NOT NULL), 0)",
    "completion_tokens": "coalesce(sum(completion_tokens) FILTER (WHERE hold_id IS NOT NULL), 0)",
    **{amount: f"coalesce(sum({amount}), 0)" for amount in MONEY},
    "latency_ms": "coalesce(sum(latency_ms) FILTER (WHERE status = 'success'), 0)",
}
RAW_MEASURES = ", ".join(f"{_COUNTED[name]} AS {name}" for name in MEASURES)
"""The measures of a rollup, from rows of the log."""
BUCKET = f"width_bucket(latency_ms, ARRAY[{', '.join(map(str, LATENCY_STEPS_MS))}])"
"""The number of the bucket of a row's latency."""
_WHOLE = ("latency_ms", *COUNTS)
_SUMMED = ", ".join(
    f"coalesce(sum({name}), 0)" + ("::bigint" if name in _WHOLE else "") + f" AS {name}" for name in MEASURES
)


_UNITS = {"quarter": QUARTER, "hour": HOUR, "day": DAY}
_FINEST = {"quarter": QUARTER, "local_day": QUARTER}
"""Times that only so fine a rollup knows; zones differ from UTC by quarters of an hour."""


@dataclass(frozen=True, slots=True)
class _Rollup:
    """A table of sums, what each of its rows covers, and what it knows of it."""

    table: str
    column: str
    """That holds the start of the quarter, the hour or the day."""
    keys: tuple[str, ...]

    @property
    def unit(self) -> timedelta:
        """What a row covers."""
        return _UNITS[self.column]

    def expression(self, key: str) -> str | None:
        """A key as this table has it; None where it has not."""
        if key in TIMES and self.unit <= _FINEST.get(key, HOUR):
            return TIMES[key].format(self.column)
        return key if key in self.keys or key == self.column else None

    def knows(self, keys: Iterable[str]) -> bool:
        """Whether it has all of these keys."""
        return all(self.expression(key) for key in keys)


ALL_DAYS = _Rollup("usage_all_days", "day", ("provider", "model", "feature", "plan"))
ORG_DAYS = _Rollup("usage_org_days", "day", ("org_id", "provider", "model", "feature", "plan"))
USER_DAYS = _Rollup("usage_user_days", "day", ("org_id", "user_id", "plan"))
HOURS = _Rollup("usage_hours", "hour", ("provider", "model", "feature", "channel", "plan"))
DAYS = _Rollup("usage_days", "day", ("org_id", "user_id", "provider", "model", "feature", "plan"))
ORG_QUARTERS = _Rollup("usage_org_quarters", "quarter", ("org_id", "provider", "model"))
ROLLUPS = (ALL_DAYS, USER_DAYS, ORG_DAYS, HOURS, DAYS, ORG_QUARTERS)
"""The first that knows what is asked for is read."""


@dataclass(frozen=True, slots=True)
class Span:
    """Whose requests, and from which moment to which."""

    starts_at: datetime
    ends_at: datetime
    """The first moment that is not part of it."""
    org_id: UUID | None
    """None is every organisation."""
    without: tuple[str, ...] = ()
    """Features that are left out."""


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of one group; without keys those of all."""

    keys: tuple[Any, ...]
    """In the order that was asked for: a `datetime` for quarter, hour and day, a `date` for local_day, an `int` for
    hour_of_day, a `UUID` for org_id and user_id, else a `str`, which is empty where a request has none."""
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


@dataclass(frozen=True, slots=True)
class Latency:
    """How long the answers of one group took, in milliseconds; each is off by at most LATENCY_ERROR of itself."""

    keys: tuple[Any, ...]
    answered: int
    """n of the percentiles."""
    p50: float | None
    p95: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Active:
    """How many people and organisations asked something, be it refused, in one group."""

    keys: tuple[Any, ...]
    users: int
    organisations: int


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Where a span is read: units of a rollup, and times of the log."""

    units: tuple[datetime, datetime] | None
    stale: list[datetime]
    """Units among them to which rows were written since: they are read from the log."""
    times: list[tuple[datetime, datetime]]


def days_back(now: datetime, days: int, org_id: UUID | None) -> Span:
    """Whole days of UTC up to now: today, and so many less one before it."""
    return Span(floored(now, DAY) - (days - 1) * DAY, now, org_id)


def floored(moment: datetime, unit: timedelta) -> datetime:
    """The start of the quarter of an hour, hour or day of UTC."""
    moment = moment.astimezone(UTC)
    return moment - (moment - _EPOCH) % unit


def rolled_until(transaction: Transaction) -> datetime:
    """The first moment that is in no rollup."""
    moment: datetime = transaction.execute(text("SELECT rolled_until FROM usage_progress")).scalar_one()
    return moment


def sums(
    transaction: Transaction, span: Span, by: Sequence[str] = (), *, most: int = MAX_ROWS, zone: str = "UTC"
) -> list[Sums]:
    """The sums of each group of `by` (of KEYS): times in their order, others dearest first, at most `most`.

    `local_day` is a day of `zone`. Of one organisation, `channel` is read row by row, and so are features by the hour.
    """
    query = _Query(transaction, span, by, ROLLUPS)
    names = [f"k{number}" for number in range(len(by))]
    order = ", ".join(names if by and by[0] in TIMES else ["cost_usd DESC", "requests DESC", *names])
    grouped = f"GROUP BY {', '.join(names)}" if names else ""
    branches = [*query.of_rollup(", ".join(MEASURES)), *query.of_log(RAW_MEASURES)]
    statement = (
        f"SELECT {', '.join([*names, _SUMMED])} FROM ({' UNION ALL '.join(branches)}) r {grouped} "  # noqa: S608 (names of ours)
        f"ORDER BY {order} LIMIT :most"
    )
    values = {**query.values, "most": most} | ({"zone": zone} if "local_day" in by else {})
    rows = transaction.execute(text(statement), values).all()
    return [Sums(tuple(row[: len(by)]), *row[len(by) :]) for row in rows]


def latencies(transaction: Transaction, span: Span, by: Sequence[str] = ()) -> list[Latency]:
    """Percentiles (nearest rank) of the time of answers, by day, org_id, provider, model, feature or plan.

    They come from a histogram whose buckets grow by 18 %: each is off by at most LATENCY_ERROR of itself.
    """
    query = _Query(transaction, span, by, (ALL_DAYS, ORG_DAYS))
    names = [f"k{number}" for number in range(len(by))]
    found: dict[tuple[Any, ...], list[int]] = {}
    grouped = f"GROUP BY {', '.join(names)}" if names else ""
    for branch in query.of_rollup(", ".join(LATENCIES)):
        summed = ", ".join(f"coalesce(sum({name}), 0)" for name in LATENCIES)
        statement = f"SELECT {', '.join([*names, summed])} FROM ({branch}) r {grouped}"  # noqa: S608 (names of ours)
        for row in transaction.execute(text(statement), query.values):
            found[tuple(row[: len(by)])] = list(row[len(by) :])
    for branch in query.of_log(f"{BUCKET} AS bucket, count(*) AS n", "status = 'success'", "bucket"):
        for *keys, bucket, count in transaction.execute(text(branch), query.values):
            found.setdefault(tuple(keys), [0] * len(LATENCIES))[bucket] += count
    return [
        Latency(keys, sum(counts), *(percentile(counts, share) for share in PERCENTILES))
        for keys, counts in sorted(found.items(), key=lambda item: tuple(map(str, item[0])))
        if sum(counts)
    ]


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The middle of the bucket in which the row of that rank is; None of no rows."""
    rank = ceil(share * sum(counts))
    seen = 0
    for number, count in enumerate(counts):
        seen += count
        if count and seen >= rank:
            return _middle(number)
    return None


def active(transaction: Transaction, span: Span, by: Sequence[str] = ()) -> list[Active]:
    """How many people and organisations were active, by day, org_id or plan; of all without."""
    query = _Query(transaction, span, by, (USER_DAYS,))
    names = [f"k{number}" for number in range(len(by))]
    branches = [*query.of_rollup("org_id, user_id"), *query.of_log("org_id, user_id", "true", "org_id, user_id")]
    grouped = f"GROUP BY {', '.join(names)} ORDER BY {', '.join(names)}" if names else ""
    statement = (
        f"SELECT {', '.join([*names, 'count(DISTINCT user_id)', 'count(DISTINCT org_id)'])} "  # noqa: S608 (names of ours)
        f"FROM ({' UNION '.join(branches)}) r {grouped} LIMIT :most"
    )
    rows = transaction.execute(text(statement), {**query.values, "most": MAX_ROWS}).all()
    return [Active(tuple(row[: len(by)]), *row[len(by) :]) for row in rows]


class _Query:
    """The parts of a statement over a span: from the rollup that knows the keys, and from the log."""

    def __init__(self, transaction: Transaction, span: Span, by: Sequence[str], rollups: Sequence[_Rollup]) -> None:
        unknown = [key for key in by if key not in KEYS]
        if unknown:
            raise ValueError(f"usage is not grouped by {unknown[0]}")
        needed = [*by, *(["org_id"] if span.org_id is not None else []), *(["feature"] if span.without else [])]
        knowing = [rollup for rollup in rollups if rollup.knows(needed)]
        self._rollup, self._pieces = _pieces(transaction, span, knowing)
        self._by = by
        self.values: dict[str, object] = {} if span.org_id is None else {"org_id": span.org_id}
        if span.without:
            self.values["without"] = list(span.without)
        if self._pieces.units is not None:
            first, end = self._pieces.units
            self.values |= {"first": first, "end": end, "stale": self._pieces.stale}
        for number, (starts_at, ends_at) in enumerate(self._pieces.times):
            self.values |= {f"s{number}": starts_at, f"e{number}": ends_at}

    def of_rollup(self, measures: str) -> list[str]:
        """One statement, or none where no whole unit is rolled up: the keys as k0, k1, …, and the measures."""
        if self._rollup is None or self._pieces.units is None:
            return []
        column = self._rollup.column
        keys = [f"{self._rollup.expression(key)} AS k{number}" for number, key in enumerate(self._by)]
        stale = f" AND {column} <> ALL (CAST(:stale AS timestamptz[]))" if self._pieces.stale else ""
        if not self._pieces.stale:
            self.values.pop("stale", None)
        return [
            f"SELECT {', '.join([*keys, measures])} FROM {self._rollup.table} "  # noqa: S608 (names of ours)
            f"WHERE {column} >= :first AND {column} < :end{stale}{self._of_one}"
        ]

    def of_log(self, measures: str, condition: str = "true", more_keys: str = "") -> list[str]:
        """A statement for each time that is read from the log."""
        keys = [f"{KEYS[key]} AS k{number}" for number, key in enumerate(self._by)]
        names = [*(f"k{number}" for number in range(len(keys))), *([more_keys] if more_keys else [])]
        grouped = f" GROUP BY {', '.join(names)}" if names else ""
        return [
            f"SELECT {', '.join([*keys, measures])} FROM usage_log WHERE {condition} "  # noqa: S608 (names of ours)
            f"AND at >= :s{number} AND at < :e{number}{self._of_one}{grouped}"
            for number in range(len(self._pieces.times))
        ]

    @property
    def _of_one(self) -> str:
        of_org = " AND org_id = :org_id" if "org_id" in self.values else ""
        without = f" AND {KEYS['feature']} <> ALL (CAST(:without AS text[]))" if "without" in self.values else ""
        return of_org + without


def _pieces(transaction: Transaction, span: Span, rollups: Sequence[_Rollup]) -> tuple[_Rollup | None, _Pieces]:
    """The first rollup that holds whole units of the span, and what must be read beside it."""
    until = rolled_until(transaction)
    for rollup in rollups:
        first = floored(span.starts_at, rollup.unit)
        first = first if first == span.starts_at else first + rollup.unit
        end = until if span.ends_at >= until else floored(span.ends_at, rollup.unit)
        if first < end:
            hours = text("SELECT DISTINCT hour FROM usage_late_hours WHERE hour > :first AND hour < :end")
            late = transaction.execute(hours, {"first": first - HOUR, "end": end}).scalars()
            units = {floored(hour, rollup.unit) + at for hour in late for at in _units_of_an_hour(rollup.unit)}
            stale = sorted(unit for unit in units if first <= unit < end)
            again = [(unit, min(unit + rollup.unit, end)) for unit in stale]
            times = _joined([(span.starts_at, first), *again, (end, span.ends_at)])
            return rollup, _Pieces((first, end), stale, times)
    return None, _Pieces(None, [], [(span.starts_at, span.ends_at)])


def _units_of_an_hour(unit: timedelta) -> list[timedelta]:
    """Where the units begin that lie in an hour; of one that is as long, or longer, its own beginning."""
    return [number * unit for number in range(max(1, HOUR // unit))]


def _joined(times: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Times in their order, those that touch made one, without empty ones; one that is empty where all are."""
    joined: list[tuple[datetime, datetime]] = []
    for starts_at, ends_at in times:
        if starts_at >= ends_at:
            continue
        if joined and joined[-1][1] == starts_at:
            joined[-1] = (joined[-1][0], ends_at)
        else:
            joined.append((starts_at, ends_at))
    return joined


def _middle(number: int) -> float:
    """What stands for a bucket: the geometric middle of its least and greatest milliseconds."""
    if number == 0:
        return LATENCY_STEPS_MS[0] / 2
    least = LATENCY_STEPS_MS[number - 1]
    return float(least) if number == len(LATENCY_STEPS_MS) else sqrt(least * (LATENCY_STEPS_MS[number] - 1))
