"""The statements of what operators decide of models, and of how models fared hour by hour; for the service role."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_ALL = text("SELECT provider, model, is_on, weight, changed_at FROM model_switches ORDER BY provider, model")
_PUT = text(
    """
    INSERT INTO model_switches (provider, model, is_on, weight, changed_at, changed_by)
        VALUES (:provider, :model, :is_on, :weight, assay_now(), :changed_by)
        ON CONFLICT (provider, model) DO UPDATE SET is_on = excluded.is_on, weight = excluded.weight,
            changed_at = excluded.changed_at, changed_by = excluded.changed_by
    """
)
_BEFORE = text(
    "SELECT provider, model, is_on, weight, changed_at FROM model_switches "
    "WHERE provider = :provider AND model = :model FOR UPDATE"
)
# A block range index finds the hours of the latest day, however long the log is.
_HOURS = text(
    """
    SELECT date_trunc('hour', at, 'UTC') AS hour, provider, model, count(*) AS calls,
        count(*) FILTER (WHERE status IN ('failed', 'broken')) AS failed,
        count(*) FILTER (WHERE error_code IN ('provider_timeout')) AS timed_out,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE status = 'success') AS latency_ms_p50
    FROM attempts WHERE at >= date_trunc('hour', assay_now(), 'UTC') - make_interval(hours => :hours - 1)
    GROUP BY 1, 2, 3 ORDER BY 2, 3, 1
    """
)


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """What was decided of a provider or a model."""

    provider: str
    model: str
    """Empty: the provider as a whole."""
    is_on: bool
    weight: Decimal
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class HourRow:
    """How the calls of one hour to one model went."""

    hour: datetime
    provider: str
    model: str
    calls: int
    failed: int
    timed_out: int
    latency_ms_p50: int | None
    """Of those that were answered."""


def switches(connection: Connection) -> list[SwitchRow]:
    """What was decided of any provider or model."""
    return [SwitchRow(*row) for row in connection.execute(_ALL).all()]


def switch_of(connection: Connection, provider: str, model: str) -> SwitchRow | None:
    """What was decided of one, held until the transaction ends; None where nothing was."""
    row = connection.execute(_BEFORE, {"provider": provider, "model": model}).one_or_none()
    return None if row is None else SwitchRow(*row)


def put_switch(
    connection: Connection, *, provider: str, model: str, is_on: bool, weight: Decimal, changed_by: UUID
) -> None:
    """Writes down what was decided."""
    values = {"provider": provider, "model": model, "is_on": is_on, "weight": weight, "changed_by": changed_by}
    connection.execute(_PUT, values)


def hours(connection: Connection, *, hours: int) -> list[HourRow]:
    """The calls of the last hours, the running one included, by provider, model and hour (UTC)."""
    return [HourRow(*row) for row in connection.execute(_HOURS, {"hours": hours}).all()]
