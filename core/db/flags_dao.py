"""The statements of flags and experiments: read by every process, changed under the service role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_FLAGS = text(
    "SELECT name, description, is_on, plans, org_ids, user_ids, percentage, changed_at FROM flags ORDER BY name"
)
_PUT_FLAG = text(
    """
    INSERT INTO flags (name, description, is_on, plans, org_ids, user_ids, percentage, changed_at, changed_by)
        VALUES (:name, :description, :is_on, :plans, :org_ids, :user_ids, :percentage, assay_now(), :changed_by)
        ON CONFLICT (name) DO UPDATE SET description = excluded.description, is_on = excluded.is_on,
            plans = excluded.plans, org_ids = excluded.org_ids, user_ids = excluded.user_ids,
            percentage = excluded.percentage, changed_at = excluded.changed_at, changed_by = excluded.changed_by
    """
)
_DROP_FLAG = text("DELETE FROM flags WHERE name = :name")
_EXPERIMENTS = text(
    """
    SELECT id, name, kind, task, variant, percentage, plans, org_ids, started_at, ended_at FROM experiments
        WHERE NOT :only_running OR ended_at IS NULL ORDER BY started_at DESC, id LIMIT :most
    """
)
_START = text(
    """
    INSERT INTO experiments (id, name, kind, task, variant, percentage, plans, org_ids, started_at, started_by)
        VALUES (:id, :name, :kind, :task, :variant, :percentage, :plans, :org_ids, assay_now(), :started_by)
        ON CONFLICT (task) WHERE ended_at IS NULL DO NOTHING RETURNING started_at
    """
)
_END = text("UPDATE experiments SET ended_at = assay_now() WHERE id = :id AND ended_at IS NULL RETURNING ended_at")
# An answer's reaction is found by its request, its verdict likewise; a verdict counts once it is scored.
_ARMS = text(
    """
    SELECT l.arm, count(*) AS calls, count(DISTINCT l.user_id) AS users,
        count(*) FILTER (WHERE l.status = 'success') AS answered,
        count(*) FILTER (WHERE l.error_code = 'unusable_answer') AS unusable,
        coalesce(sum(l.cost_usd), 0) AS cost_usd, coalesce(sum(l.charged_usd), 0) AS charged_usd,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY l.latency_ms) FILTER (WHERE l.status = 'success') AS latency_ms_p50,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY l.latency_ms) FILTER (WHERE l.status = 'success')
            AS latency_ms_p95,
        coalesce(sum(r.up), 0) AS up, coalesce(sum(r.down), 0) AS down,
        coalesce(sum(v.scored), 0) AS scored, coalesce(sum(v.rightly), 0) AS rightly
    FROM usage_log l
        LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE e.reaction = 'up') AS up, count(*) FILTER (WHERE e.reaction = 'down') AS down
            FROM messages m JOIN message_reactions e ON e.message_id = m.id
            WHERE m.org_id = l.org_id AND m.user_id = l.user_id AND m.request_id = l.request_id) r ON true
        LEFT JOIN LATERAL (
            SELECT count(*) AS scored, count(*) FILTER (WHERE CASE d.verdict WHEN 'BUY' THEN s.move_20 > 0
                WHEN 'SELL' THEN s.move_20 < 0
                ELSE CASE d.direction WHEN 'bullish' THEN s.move_20 <= 0 ELSE s.move_20 >= 0 END END) AS rightly
            FROM verdicts d JOIN verdict_scores s ON s.verdict_id = d.id AND s.move_20 IS NOT NULL
            WHERE d.org_id = l.org_id AND d.request_id = l.request_id AND d.verdict <> 'HOLD') v ON true
    WHERE l.experiment_id = :id GROUP BY l.arm ORDER BY l.arm
    """
)


@dataclass(frozen=True, slots=True)
class FlagRow:
    """A flag."""

    name: str
    description: str
    is_on: bool
    plans: Sequence[str]
    org_ids: Sequence[UUID]
    user_ids: Sequence[UUID]
    percentage: Decimal
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class ExperimentRow:
    """An experiment; it runs while `ended_at` is None."""

    id: UUID
    name: str
    kind: str
    task: str
    variant: str
    percentage: Decimal
    plans: Sequence[str]
    org_ids: Sequence[UUID]
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ArmRow:
    """What calls of one arm came to; those of the cache are no calls."""

    arm: str
    calls: int
    users: int
    answered: int
    unusable: int
    """Answers that did not follow their schema, also after a repair."""
    cost_usd: Decimal
    charged_usd: Decimal
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    up: int
    down: int
    scored: int
    """Verdicts other than HOLD whose 20 sessions are over."""
    rightly: int


def flags(connection: Connection) -> list[FlagRow]:
    """Every flag."""
    return [FlagRow(**row) for row in connection.execute(_FLAGS).mappings()]


def put_flag(
    connection: Connection,
    *,
    name: str,
    description: str,
    is_on: bool,
    plans: Sequence[str],
    org_ids: Sequence[UUID],
    user_ids: Sequence[UUID],
    percentage: Decimal,
    changed_by: UUID,
) -> None:
    """Makes a flag, or changes it."""
    values = {"name": name, "description": description, "is_on": is_on, "plans": list(plans)}
    values |= {"org_ids": list(org_ids), "user_ids": list(user_ids), "percentage": percentage}
    connection.execute(_PUT_FLAG, {**values, "changed_by": changed_by})


def drop_flag(connection: Connection, name: str) -> bool:
    """Deletes a flag; False where there was none."""
    return connection.execute(_DROP_FLAG, {"name": name}).rowcount > 0


def experiments(connection: Connection, *, only_running: bool, most: int) -> list[ExperimentRow]:
    """The experiments, the latest first."""
    found = connection.execute(_EXPERIMENTS, {"only_running": only_running, "most": most})
    return [ExperimentRow(**row) for row in found.mappings()]


def start(
    connection: Connection,
    experiment_id: UUID,
    *,
    name: str,
    kind: str,
    task: str,
    variant: str,
    percentage: Decimal,
    plans: Sequence[str],
    org_ids: Sequence[UUID],
    started_by: UUID,
) -> bool:
    """Starts an experiment; False where another of the same task runs."""
    values = {"id": experiment_id, "name": name, "kind": kind, "task": task, "variant": variant}
    values |= {"percentage": percentage, "plans": list(plans), "org_ids": list(org_ids), "started_by": started_by}
    return connection.execute(_START, values).scalar_one_or_none() is not None


def end(connection: Connection, experiment_id: UUID) -> bool:
    """Ends an experiment; False where there is none that runs."""
    return connection.execute(_END, {"id": experiment_id}).scalar_one_or_none() is not None


def arms(connection: Connection, experiment_id: UUID) -> list[ArmRow]:
    """What the arms of an experiment came to."""
    return [ArmRow(**row) for row in connection.execute(_ARMS, {"id": experiment_id}).mappings()]
