"""The statements of jobs, and those on Procrastinate's tables that it has no call for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, RowMapping, text

_COLUMNS = (
    "id, org_id, kind, key, arguments, status, done, failed, total, detail, error, attempts, created_at, "
    "started_at, finished_at"
)
_ADD = text(
    """
    INSERT INTO jobs (id, org_id, kind, key, arguments, status, done, failed, requested_by, attempts, is_left_running,
        created_at, updated_at)
    VALUES (:id, :org_id, :kind, :key, cast(:arguments AS jsonb), 'waiting', 0, 0, :requested_by, 0, false,
        assay_now(), assay_now())
    ON CONFLICT (kind, key, org_id) WHERE finished_at IS NULL DO NOTHING
    """
)
_UNFINISHED = text(
    f"SELECT {_COLUMNS} FROM jobs "  # noqa: S608 (a constant of this module)
    "WHERE kind = :kind AND key = :key AND org_id IS NOT DISTINCT FROM :org_id AND finished_at IS NULL"
)
_GET = text(f"SELECT {_COLUMNS} FROM jobs WHERE id = :id")  # noqa: S608 (a constant of this module)
_BEGIN = text(
    f"""
    UPDATE jobs SET status = 'running', held_by = :run, attempts = attempts + 1, updated_at = assay_now(),
        started_at = coalesce(started_at, assay_now())
    WHERE id = :id AND finished_at IS NULL AND NOT is_left_running RETURNING {_COLUMNS}
    """  # noqa: S608 (a constant of this module)
)
_PROGRESS = text(
    """
    UPDATE jobs SET done = coalesce(:done, done), failed = coalesce(:failed, failed), total = coalesce(:total, total),
        detail = coalesce(:detail, detail), updated_at = assay_now()
    WHERE id = :id AND finished_at IS NULL AND held_by = :run
    """
)
_ADVANCE = text(
    f"""
    UPDATE jobs SET done = done + :done, failed = failed + :failed, detail = coalesce(:detail, detail),
        updated_at = assay_now()
    WHERE id = :id AND finished_at IS NULL RETURNING {_COLUMNS}
    """  # noqa: S608 (a constant of this module)
)
_LEAVE = text(
    "UPDATE jobs SET is_left_running = true, held_by = NULL, updated_at = assay_now() "
    "WHERE id = :id AND held_by = :run AND finished_at IS NULL"
)
_FINISH = text(
    """
    UPDATE jobs SET status = :status, error = :error, held_by = NULL, updated_at = assay_now(),
        finished_at = assay_now()
    WHERE id = :id AND finished_at IS NULL AND (held_by = :run OR cast(:run AS uuid) IS NULL)
    """
)
_NOTE_FAILURE = text(
    """
    WITH noted AS (
        UPDATE jobs SET error = :error, attempts = attempts + 1, updated_at = assay_now(), finished_at = assay_now()
        WHERE kind = :kind AND key = :key AND org_id IS NULL AND status = 'failed'
            AND finished_at > assay_now() - cast(:within AS interval)
            AND started_at > assay_now() - cast(:within AS interval)
        RETURNING id
    )
    INSERT INTO jobs (id, kind, key, arguments, status, done, failed, error, attempts, is_left_running, created_at,
        updated_at, started_at, finished_at)
    SELECT :id, :kind, :key, cast('{}' AS jsonb), 'failed', 0, 0, :error, 1, false, n.at, n.at, n.at, n.at
    FROM (SELECT assay_now() AS at) n WHERE NOT EXISTS (SELECT FROM noted)
    """
)
_HAND_BACK = text(
    """
    UPDATE jobs SET status = 'waiting', held_by = NULL, attempts = attempts - :refund, updated_at = assay_now()
    WHERE id = :id AND finished_at IS NULL AND held_by = :run
    """
)
_GIVE_UP = text(
    f"""
    UPDATE jobs SET status = 'failed', error = :error, updated_at = assay_now(), finished_at = assay_now()
    WHERE finished_at IS NULL AND updated_at < assay_now() - cast(:unheard AS interval) AND (is_left_running
        OR NOT EXISTS (SELECT FROM procrastinate_jobs queued WHERE queued.args ->> 'job_id' = jobs.id::text))
    RETURNING {_COLUMNS}
    """  # noqa: S608 (a constant of this module)
)
_PRUNE_QUEUED = text("DELETE FROM procrastinate_jobs WHERE status NOT IN ('todo', 'doing')")
_PRUNE = text(
    """
    DELETE FROM jobs WHERE id IN (
        SELECT id FROM jobs WHERE finished_at < assay_now() - cast(:age AS interval) ORDER BY finished_at LIMIT :most
        FOR UPDATE SKIP LOCKED)
    """
)
_FIGURES = text(
    """
    SELECT count(*) FILTER (WHERE status = 'waiting') AS waiting, count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'failed' AND finished_at > assay_now() - interval '1 day') AS failed,
        (SELECT count(*) FROM procrastinate_workers
            WHERE last_heartbeat > now() - cast(:stalled AS interval)) AS workers
    FROM jobs WHERE finished_at IS NULL OR finished_at > assay_now() - interval '1 day'
    """
)
_PRUNE_WORKERS = text("DELETE FROM procrastinate_workers WHERE last_heartbeat < now() - cast(:stalled AS interval)")
# One statement: who comes second sees the row as the first one left it, and takes nothing. What is done every so often,
# and waits to be done again already, waits for this lock: put back beside it, neither would ever run.
_TAKE_OVER = text(
    """
    UPDATE procrastinate_jobs j SET scheduled_at = NULL, attempts = attempts + 1, status = cast(
        CASE WHEN (attempts < :most OR task_name = :task) AND NOT EXISTS (SELECT FROM procrastinate_jobs next
                WHERE next.status = 'todo' AND next.queueing_lock = j.queueing_lock)
            THEN 'todo' ELSE 'failed' END AS procrastinate_job_status)
    WHERE status = 'doing' AND worker_id IS NULL
    """
)
_IS_REGISTERED = text("SELECT EXISTS (SELECT FROM procrastinate_workers WHERE id = :worker)")


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it is stored."""

    id: UUID
    org_id: UUID | None
    kind: str
    key: str
    arguments: Mapping[str, Any]
    status: str
    done: int
    failed: int
    total: int | None
    detail: str | None
    error: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewJob:
    """What is known of a job when it is submitted."""

    id: UUID
    org_id: UUID | None
    kind: str
    key: str
    arguments: Mapping[str, Any]
    requested_by: UUID | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is; None leaves a figure as it is."""

    done: int | None
    failed: int | None
    total: int | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class FiguresRow:
    """How many jobs wait, run and failed within a day, and how many workers are alive."""

    waiting: int
    running: int
    failed: int
    workers: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a look at the other workers gave."""

    taken: int
    """Jobs of dead workers that are back in the queue."""
    is_registered: bool
    """Whether the worker that looked is still known as alive."""


def add(connection: Connection, job: NewJob) -> bool:
    """Adds a job; False where an unfinished one has its kind, key and organisation."""
    values = {
        "id": job.id,
        "org_id": job.org_id,
        "kind": job.kind,
        "key": job.key,
        "arguments": json.dumps(job.arguments),
        "requested_by": job.requested_by,
    }
    return connection.execute(_ADD, values).rowcount == 1


def unfinished(connection: Connection, *, kind: str, key: str, org_id: UUID | None) -> JobRow | None:
    """The unfinished job of a kind, key and organisation."""
    found = connection.execute(_UNFINISHED, {"kind": kind, "key": key, "org_id": org_id})
    return _job(found.mappings().one_or_none())


def get(connection: Connection, job_id: UUID) -> JobRow | None:
    """A job; under the app role one that the principal may see."""
    return _job(connection.execute(_GET, {"id": job_id}).mappings().one_or_none())


def begin(connection: Connection, job_id: UUID, run: UUID) -> JobRow | None:
    """Takes a job for a run; None where it is finished, or others are at it."""
    return _job(connection.execute(_BEGIN, {"id": job_id, "run": run}).mappings().one_or_none())


def progress(connection: Connection, job_id: UUID, run: UUID, figures: Progress) -> bool:
    """Writes how far a run is; False where the job is not this run's any more."""
    return connection.execute(_PROGRESS, {"id": job_id, "run": run, **asdict(figures)}).rowcount == 1


def advance(connection: Connection, job_id: UUID, *, done: int, failed: int, detail: str | None) -> JobRow | None:
    """Adds to what is done of an unfinished job; gives it as it is then."""
    values = {"id": job_id, "done": done, "failed": failed, "detail": detail}
    return _job(connection.execute(_ADVANCE, values).mappings().one_or_none())


def leave(connection: Connection, job_id: UUID, run: UUID) -> None:
    """Lets a job go on without its run."""
    connection.execute(_LEAVE, {"id": job_id, "run": run})


def finish(connection: Connection, job_id: UUID, run: UUID | None, *, status: str, error: str | None = None) -> bool:
    """Ends a job that this run holds, or, without a run, whoever holds it; False where it has ended before."""
    values = {"id": job_id, "run": run, "status": status, "error": error}
    return connection.execute(_FINISH, values).rowcount == 1


def note_failure(connection: Connection, job_id: UUID, *, kind: str, key: str, error: str, within: timedelta) -> None:
    """Keeps a failure of what is no job as one that failed, or adds to that which began `within` the time before."""
    values = {"id": job_id, "kind": kind, "key": key, "error": error, "within": within}
    connection.execute(_NOTE_FAILURE, values)


def hand_back(connection: Connection, job_id: UUID, run: UUID, *, is_counted: bool) -> None:
    """Lets a job wait again; a run that is not counted leaves its number of attempts as it was."""
    connection.execute(_HAND_BACK, {"id": job_id, "run": run, "refund": 0 if is_counted else 1})


def give_up(connection: Connection, *, unheard: timedelta, error: str) -> list[JobRow]:
    """Ends jobs that were left running, or are in no queue, and of which nothing was heard for so long; gives them."""
    found = connection.execute(_GIVE_UP, {"unheard": unheard, "error": error})
    return [JobRow(**row) for row in found.mappings()]


def prune(connection: Connection, *, age: timedelta, most: int) -> int:
    """Deletes jobs that ended longer ago than `age`, the oldest first, and what Procrastinate kept of its own."""
    connection.execute(_PRUNE_QUEUED)
    return connection.execute(_PRUNE, {"age": age, "most": most}).rowcount


def figures(connection: Connection, *, stalled: timedelta) -> FiguresRow:
    """How the queue is; a worker is alive whose last heartbeat is younger than `stalled`."""
    return FiguresRow(**connection.execute(_FIGURES, {"stalled": stalled}).mappings().one())


def sweep(connection: Connection, worker: int, *, stalled: timedelta, counted_but: str, most_attempts: int) -> Sweep:
    """Forgets workers without a heartbeat for so long, and puts what they were at back into the queue; tasks of another
    name than `counted_but` at most so many times."""
    connection.execute(_PRUNE_WORKERS, {"stalled": stalled})
    taken = connection.execute(_TAKE_OVER, {"most": most_attempts, "task": counted_but}).rowcount
    return Sweep(taken, bool(connection.execute(_IS_REGISTERED, {"worker": worker}).scalar()))


def _job(row: RowMapping | None) -> JobRow | None:
    return None if row is None else JobRow(**row)
