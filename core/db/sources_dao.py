"""The statements of the sources' allowances and circuits; straight to the driver, each one round trip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime

from psycopg.rows import class_row

from core.db.engine import Driver

_TAKE = """
    SELECT granted, is_probe, refused_by, wait_s, taken_on FROM source_take(%(name)s, %(wanted)s,
        %(per_second)s::integer, %(per_minute)s::integer, %(per_day)s::integer, %(probe_s)s)
"""
_SETTLE = """
    SELECT source_settle(%(name)s, %(has_answered)s, %(failures)s, %(unused)s, %(taken_on)s, %(is_probe)s,
        %(failure)s::text, %(block_s)s::double precision, %(latency_ms)s::integer, %(most_failures)s, %(rest_s)s,
        %(longest_rest_s)s)
"""
_STATES = """
    SELECT name, per_second, per_minute, per_day,
        rate_sum(rate_moved(second_counts, second_tick, greatest(second_tick, second_tick(epoch)))) AS second_used,
        rate_sum(rate_moved(minute_counts, minute_tick, greatest(minute_tick, minute_tick(epoch)))) AS minute_used,
        CASE WHEN day >= (moment AT TIME ZONE 'UTC')::date THEN day_used ELSE 0 END AS day_used,
        CASE WHEN rests_until IS NULL THEN 'closed' WHEN rests_until > moment THEN 'open' ELSE 'half_open' END
            AS circuit,
        CASE WHEN rests_until > moment THEN rests_until END AS rests_until,
        CASE WHEN blocked_until > moment THEN blocked_until END AS blocked_until,
        failures, answered_at, latency_ms, failed_at, failure
    FROM sources, (SELECT assay_now() AS moment) AS n, LATERAL (SELECT extract(epoch FROM moment)::float8 AS epoch) AS e
    ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class TakeRow:
    """What was taken; where that is nothing, who refused and for how long."""

    granted: int
    is_probe: bool
    refused_by: str | None
    """blocked, circuit, second, minute or day."""
    wait_s: float | None
    taken_on: date
    """The day, in UTC, whose allowance was charged."""


@dataclass(frozen=True, slots=True)
class SettleRow:
    """What came of requests that were taken together."""

    has_answered: bool
    failures: int
    """After the last one that was answered."""
    unused: int
    taken_on: date
    """The day that was charged for them; what is unused is given back to no other."""
    is_probe: bool
    failure: str | None
    block_s: float | None
    """Seconds for which the source takes nothing more, as it said itself."""
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class StateRow:
    """How a source fares at this moment."""

    name: str
    per_second: int | None
    per_minute: int | None
    per_day: int | None
    second_used: int
    minute_used: int
    day_used: int
    circuit: str
    """closed, open or half_open."""
    rests_until: datetime | None
    blocked_until: datetime | None
    failures: int
    answered_at: datetime | None
    latency_ms: int | None
    failed_at: datetime | None
    failure: str | None


def take(
    driver: Driver,
    name: str,
    wanted: int,
    *,
    per_second: int | None,
    per_minute: int | None,
    per_day: int | None,
    probe_s: float,
) -> TakeRow:
    """Takes as many of the requests that are wanted as fit."""
    values = {
        "name": name,
        "wanted": wanted,
        "per_second": per_second,
        "per_minute": per_minute,
        "per_day": per_day,
        "probe_s": probe_s,
    }
    with driver.cursor(row_factory=class_row(TakeRow)) as cursor:
        row = cursor.execute(_TAKE, values).fetchone()
    assert row is not None
    return row


def settle(
    driver: Driver, name: str, settled: SettleRow, *, most_failures: int, rest_s: float, longest_rest_s: float
) -> None:
    """Writes down what came of them; the circuit opens after `most_failures` in a row."""
    policy = {"most_failures": most_failures, "rest_s": rest_s, "longest_rest_s": longest_rest_s}
    driver.execute(_SETTLE, {"name": name, **asdict(settled), **policy})


def states(driver: Driver) -> list[StateRow]:
    """Every source that was ever asked."""
    with driver.cursor(row_factory=class_row(StateRow)) as cursor:
        return cursor.execute(_STATES).fetchall()
