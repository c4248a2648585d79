"""The statements behind the page's part on jobs: what waits, runs and failed; for the service role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

# What is unfinished is little; what has finished is found by its index on when it did.
_KINDS = text(
    """
    SELECT kind, count(*) FILTER (WHERE status = 'waiting') AS waiting,
        count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'done') AS done, count(*) FILTER (WHERE status = 'failed') AS failed,
        extract(epoch FROM assay_now() - min(created_at) FILTER (WHERE status = 'waiting'))::float8 AS oldest_waits_s
    FROM jobs WHERE (finished_at IS NULL OR finished_at > assay_now() - make_interval(days => :days))
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    GROUP BY kind ORDER BY kind
    """
)
_FAILED = text(
    """
    SELECT j.id, j.org_id, o.name AS org_name, j.kind, j.key, j.arguments, j.error, j.attempts, j.created_at,
        j.finished_at
    FROM jobs j LEFT JOIN organisations o ON o.id = j.org_id
    WHERE j.status = 'failed' AND j.finished_at > assay_now() - make_interval(days => :days)
        AND (cast(:org_id AS uuid) IS NULL OR j.org_id = :org_id)
    ORDER BY j.finished_at DESC, j.id LIMIT :most
    """
)
_ONE = text(
    """
    SELECT j.id, j.org_id, o.name AS org_name, j.kind, j.key, j.arguments, j.error, j.attempts, j.created_at,
        j.finished_at
    FROM jobs j LEFT JOIN organisations o ON o.id = j.org_id
    WHERE j.id = :id AND j.status = 'failed' AND (cast(:org_id AS uuid) IS NULL OR j.org_id = :org_id)
    """
)


@dataclass(frozen=True, slots=True)
class KindRow:
    """How many jobs of a kind there are; of the finished ones those of the last days."""

    kind: str
    waiting: int
    running: int
    done: int
    failed: int
    oldest_waits_s: float | None


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A job that failed; the columns of the statement, in its order."""

    id: UUID
    org_id: UUID | None
    org_name: str | None
    kind: str
    key: str
    arguments: Mapping[str, Any]
    error: str | None
    attempts: int
    created_at: datetime
    finished_at: datetime


def kinds(connection: Connection, org_id: UUID | None, *, days: int) -> list[KindRow]:
    """The jobs of an organisation, or of all and of the installation, by kind."""
    return [KindRow(*row) for row in connection.execute(_KINDS, {"org_id": org_id, "days": days}).all()]


def failed(connection: Connection, org_id: UUID | None, *, days: int, most: int) -> list[FailedRow]:
    """The jobs that failed, the latest first."""
    values = {"org_id": org_id, "days": days, "most": most}
    return [FailedRow(*row) for row in connection.execute(_FAILED, values).all()]


def failed_one(connection: Connection, org_id: UUID | None, job_id: UUID) -> FailedRow | None:
    """One that failed; None where there is none of that id within reach."""
    row = connection.execute(_ONE, {"id": job_id, "org_id": org_id}).one_or_none()
    return None if row is None else FailedRow(*row)
