"""The statements of how models fare; straight to the driver, each one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from core.db.engine import Driver

_REPORT = "SELECT model_report(%(rows)s, %(most_failures)s, %(rest_s)s, %(longest_rest_s)s)"
_PROBE = "SELECT granted, wait_s, probes FROM model_probe(%(provider)s, %(model)s, %(probe_s)s)"
_STATES = """
    SELECT provider, model, failures, rests,
        extract(epoch FROM rests_until - moment)::float8 AS rests_s,
        extract(epoch FROM probed_until - moment)::float8 AS probed_s,
        extract(epoch FROM blocked_until - moment)::float8 AS blocked_s,
        extract(epoch FROM moment - failed_at)::float8 AS failed_ago_s,
        answered_at, first_token_ms, calls, failed_calls, failed_at, failure
    FROM model_states, (SELECT assay_now() AS moment) AS n
    ORDER BY provider, model
"""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """What came of a model's calls, or of a provider's; see `model_report`."""

    provider: str
    model: str
    """Empty: the provider as a whole."""
    has_answered: bool
    answered_ago_s: float
    """Of the last answer."""
    failures: int
    """After the last answer."""
    calls: int
    failed_calls: int
    failed_ago_s: float | None
    """Of the last failure."""
    failure: str | None
    block_s: float | None
    """Seconds for which it takes nothing more, as it said itself."""
    first_token_ms: int | None
    ends_probe: bool
    is_probe_failed: bool


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """Whether one call may find out."""

    granted: bool
    wait_s: float | None
    probes: list[str] | None
    """What it finds out about: the model's id, and an empty text for the provider."""


@dataclass(frozen=True, slots=True)
class StateRow:
    """How a model, or a provider, fares at this moment."""

    provider: str
    model: str
    """Empty: the provider as a whole."""
    failures: int
    rests: int
    rests_s: float | None
    """Seconds for which its circuit is open; none or fewer than none left: it is half open. None: it is closed."""
    probed_s: float | None
    blocked_s: float | None
    failed_ago_s: float | None
    answered_at: datetime | None
    first_token_ms: int | None
    calls: int
    failed_calls: int
    failed_at: datetime | None
    failure: str | None


def report(
    driver: Driver, rows: Sequence[ReportRow], *, most_failures: int, rest_s: float, longest_rest_s: float
) -> None:
    """Writes down what came of calls; a circuit opens after `most_failures` in a row."""
    policy = {"most_failures": most_failures, "rest_s": rest_s, "longest_rest_s": longest_rest_s}
    driver.execute(_REPORT, {"rows": Jsonb([asdict(row) for row in rows]), **policy})


def probe(driver: Driver, provider: str, model: str, *, probe_s: float) -> ProbeRow:
    """Takes the one call that may be made where a circuit is half open."""
    values = {"provider": provider, "model": model, "probe_s": probe_s}
    with driver.cursor(row_factory=class_row(ProbeRow)) as cursor:
        row = cursor.execute(_PROBE, values).fetchone()
    assert row is not None
    return row


def states(driver: Driver) -> list[StateRow]:
    """Every model and provider that was ever asked."""
    with driver.cursor(row_factory=class_row(StateRow)) as cursor:
        return cursor.execute(_STATES).fetchall()
