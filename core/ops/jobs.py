"""Jobs: work that outlives a request, submitted once, done by a worker, looked up by whoever may see it.

What is known of a job is a row of ours; Procrastinate's queue only says whose turn it is. Both are written in the
transaction that submits. Delivery is at least once: a handler may be run again after its worker died, and does its work
so that this changes nothing. What a run writes to its job after another has taken it over is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.db import jobs_dao as dao
from core.db.engine import Database, Transaction
from core.db.queue_connection import enqueue
from core.errors import AssayError, Conflict, DatabaseUnavailable, NotFound
from core.ids import new_id
from core.principal import Principal

JOB_TASK = "job"
KEEP = timedelta(days=30)
"""So long a finished job can be looked up."""
TIDY_MINUTES = 60
"""How often what is old is forgotten: a worker that is off at one moment of the day forgets all the same."""
PRUNED_AT_ONCE = 10_000
UNHEARD = timedelta(hours=1)
"""A job that was left running, and of which nothing was heard for so long, has failed."""
PERIODIC_KEY = "periodic"
FAILURES_JOINED = timedelta(hours=1)
"""Failures of the same periodic work within so long are one failed job."""
STALLED_AFTER_S = 20.0
"""A worker without a heartbeat for so long is dead, and its jobs are taken over."""
MAX_WORDS = 500
_JOINS = 5
_UNHEARD = "Nothing was heard of it for an hour: start it again."


class JobStatus(StrEnum):
    """Where a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, and how far it is."""

    id: UUID
    org_id: UUID | None
    """Whose it is; None: the installation's."""
    kind: str
    key: str
    """What is the same piece of work: there is one unfinished job of a kind and key."""
    arguments: Mapping[str, Any]
    status: JobStatus
    done: int
    failed: int
    total: int | None
    """Parts in all, as soon as it is known."""
    detail: str | None
    """What it is at, in words."""
    error: str | None
    """Why it failed, in a sentence."""
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.finished_at is not None

    @property
    def has_all_parts(self) -> bool:
        """Whether each of its parts is done or has failed."""
        return self.total is not None and self.done + self.failed >= self.total

    @classmethod
    def of(cls, row: dao.JobRow) -> Job:
        """A job as it is stored."""
        values = {name: getattr(row, name) for name in cls.__slots__}
        return cls(**{**values, "status": JobStatus(row.status)})


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """How the queue is."""

    waiting: int
    running: int
    failed: int
    """In the last 24 hours."""
    workers: int
    """Workers that gave a sign of life."""


class JobTakenOver(AssayError):
    """The job is not this run's any more: it was interrupted, or another run took it over."""

    title = "The job goes on elsewhere"

    def __init__(self, detail: str = "This run's job was taken over.") -> None:
        super().__init__(detail)


class JobContext:
    """What a handler is given: its job, and how to say how far it is."""

    def __init__(self, database: Database, job: Job, run: UUID) -> None:
        self.job = job
        self._database = database
        self._run = run
        self._is_interrupted = False
        self._is_left = False

    @property
    def is_left_running(self) -> bool:
        """Whether the handler said that others will finish the job."""
        return self._is_left

    def progress(
        self, *, done: int | None = None, failed: int | None = None, total: int | None = None, detail: str | None = None
    ) -> None:
        """Says how far the job is, for all to see at once; what is not given stays. Lost while the database is away.

        Raises:
            JobTakenOver: stop now, others do it.
        """
        if self._is_interrupted:
            raise JobTakenOver
        words = detail[:MAX_WORDS] if detail else detail
        figures = dao.Progress(done, failed, total, words)
        with suppress(DatabaseUnavailable), self._database.single() as connection:
            if not dao.progress(connection, self.job.id, self._run, figures):
                raise JobTakenOver

    def leave_running(self) -> None:
        """Lets the job go on after the handler has returned, until `Queue.finish` or `Queue.fail`.

        Say it last, after the jobs that carry it on are submitted: a run that dies before is made again.
        """
        if self._is_interrupted:
            raise JobTakenOver
        with self._database.single() as connection:
            dao.leave(connection, self.job.id, self._run)
        self._is_left = True

    def interrupt(self) -> None:
        """For the worker: whatever the handler still says is refused from now on."""
        self._is_interrupted = True


Handler = Callable[[JobContext], None]
"""Does one job. An `AssayError` ends it as failed, in that error's words; anything else is tried again a few times."""
GivenUp = Callable[[Job, str], None]
"""Is told of a job that failed for good, whatever became of its worker, and why; it may be told again."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """Something that one worker of all does every so many minutes."""

    minutes: float
    handler: Callable[[], object]


class Queue:
    """Where jobs are submitted and looked up; what workers know how to do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, Handler] = {}
        self._given_up: dict[str, GivenUp] = {}
        self._periodic: dict[str, Periodic] = {}

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What is done for each kind of job."""
        return self._handlers

    @property
    def periodic(self) -> Mapping[str, Periodic]:
        """What is done every so often, by name."""
        return self._periodic

    def handle(self, handlers: Mapping[str, Handler]) -> None:
        """Says who does which kinds of jobs; before a worker starts."""
        self._handlers.update(handlers)

    def when_given_up(self, told: Mapping[str, GivenUp]) -> None:
        """Says who is told of jobs of these kinds that failed for good; before a worker starts."""
        self._given_up.update(told)

    def every(self, name: str, minutes: float, handler: Callable[[], object]) -> None:
        """Has one worker of all call this every so many minutes, never twice at once; before a worker starts."""
        self._periodic[name] = Periodic(minutes, handler)

    def submit(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        *,
        key: str,
        org_id: UUID | None,
        requested_by: UUID | None = None,
        lock: str | None = None,
    ) -> Job:
        """Asks for a piece of work; joins the unfinished job of the same kind, key and organisation where there is one.

        Jobs of one lock are done one after another, so that long ones leave room for others.

        Raises:
            DatabaseUnavailable: nothing was submitted.
        """
        wanted = dao.NewJob(new_id(), org_id, kind, key, arguments, requested_by)
        for _ in range(_JOINS):
            with self._database.service() as connection:
                if dao.add(connection, wanted):
                    enqueue(connection, JOB_TASK, lock, job_id=str(wanted.id))
                # One that we waited for, and that ended in between, is not found any more: ours is added then.
                row = dao.unfinished(connection, kind=kind, key=key, org_id=org_id)
            if row is not None:
                return Job.of(row)
        raise Conflict("Jobs of this kind end as quickly as they are asked for. Try again.")

    def get(self, principal: Principal, job_id: UUID) -> Job:
        """A job of the principal's organisation, or of the installation.

        Raises:
            NotFound: there is none that they may see.
        """
        with self._database.app(principal) as connection:
            return _found(dao.get(connection, job_id))

    def find(self, job_id: UUID) -> Job:
        """A job, whoever's it is: for handlers and commands.

        Raises:
            NotFound: there is none.
        """
        with self._database.single() as connection:
            return _found(dao.get(connection, job_id))

    def find_of_installation(self, job_id: UUID) -> Job:
        """A job of the installation, for the scheduler that started it.

        Raises:
            NotFound: there is none, or it is an organisation's.
        """
        with self._database.single() as connection:
            row = dao.get(connection, job_id)
        return _found(row if row is not None and row.org_id is None else None)

    def advance(self, job_id: UUID, *, done: int = 0, failed: int = 0, detail: str | None = None) -> Job:
        """Adds to what is done of a job, whoever else does; gives it as it then is: exactly one sees the last part.

        Raises:
            NotFound: it has ended.
        """
        with self._database.single() as connection:
            return _found(dao.advance(connection, job_id, done=done, failed=failed, detail=detail))

    def finish(self, job_id: UUID, *, parent_id: UUID | None = None) -> bool:
        """Ends a job that was left running; False where it has ended before.

        A parent is another that was left running: it counts this one, once, and ends with its last; as failed where
        each of its parts did.
        """
        return self._end(job_id, None, parent_id)

    def fail(self, job_id: UUID, error: str, *, parent_id: UUID | None = None) -> bool:
        """Ends a job that was left running as failed, with a sentence; otherwise as `finish`."""
        return self._end(job_id, error[:MAX_WORDS], parent_id)

    def tell_given_up(self, job: Job, error: str) -> None:
        """For the worker: tells who wanted to know that a job failed for good."""
        told = self._given_up.get(job.kind)
        if told is not None:
            told(job, error)

    def note_failed(self, name: str, error: str) -> None:
        """For the worker: keeps a failure of periodic work as a failed job, once an hour at most."""
        with self._database.service() as connection:
            dao.note_failure(
                connection, new_id(), kind=name, key=PERIODIC_KEY, error=error[:MAX_WORDS], within=FAILURES_JOINED
            )

    def figures(self, *, stalled_after_s: float = STALLED_AFTER_S) -> QueueFigures:
        """How many jobs wait, run and failed, and how many workers are alive."""
        with self._database.single() as connection:
            row = dao.figures(connection, stalled=timedelta(seconds=stalled_after_s))
        return QueueFigures(row.waiting, row.running, row.failed, row.workers)

    def tidy(self) -> None:
        """Deletes jobs that ended `KEEP` ago, and ends those that nobody carries on."""
        with self._database.service() as connection:
            given_up = dao.give_up(connection, unheard=UNHEARD, error=_UNHEARD)
            dao.prune(connection, age=KEEP, most=PRUNED_AT_ONCE)
        for row in given_up:
            self.tell_given_up(Job.of(row), _UNHEARD)

    def _end(self, job_id: UUID, error: str | None, parent_id: UUID | None) -> bool:
        status = JobStatus.DONE if error is None else JobStatus.FAILED
        with self._database.service() as connection:
            if not dao.finish(connection, job_id, None, status=status, error=error):
                return False
            if parent_id is not None:
                counted = {"done": int(error is None), "failed": int(error is not None)}
                parent = dao.advance(connection, parent_id, **counted, detail=None)
                if parent is not None and Job.of(parent).has_all_parts:
                    _finish_parent(connection, Job.of(parent), error)
            return True


def _finish_parent(connection: Transaction, parent: Job, error: str | None) -> None:
    """Ends a job whose last part has ended, with an error where it failed."""
    if parent.done or error is None:
        dao.finish(connection, parent.id, None, status=JobStatus.DONE)
        return
    told = f"All {parent.failed:,} parts of it failed; the last: {error}" if parent.failed > 1 else error
    dao.finish(connection, parent.id, None, status=JobStatus.FAILED, error=told[:MAX_WORDS])


def _found(row: dao.JobRow | None) -> Job:
    if row is None:
        raise NotFound("There is no such job.")
    return Job.of(row)
