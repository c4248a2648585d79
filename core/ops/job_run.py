"""One run of one job: begun, handled, and its end recorded, whatever the handler does."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from core.db import jobs_dao as dao
from core.db.engine import Database, Transaction
from core.errors import AssayError, DatabaseUnavailable, place_of
from core.ids import new_id
from core.ops.jobs import MAX_WORDS, Handler, Job, JobContext, JobStatus, JobTakenOver, Queue

INTERNAL = "Something went wrong inside (internal). The operator's log has more."
RETRIES = (2.0, 20.0)
"""Pauses in seconds before a job that failed unexpectedly is tried again; then it has failed."""
RECORD_AGAIN_S = (0.1, 0.5, 2.0, 5.0, 10.0, 20.0)
"""Pauses between attempts to record how a job ended, while the database is away."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Again:
    """The job waits, and is to be tried again."""

    after_s: float


class JobRun:
    """Handles a job in the thread that calls `work`; another may interrupt it."""

    def __init__(self, database: Database, queue: Queue, job_id: UUID, *, backoff_s: tuple[float, ...]) -> None:
        self._database = database
        self._queue = queue
        self._job_id = job_id
        self._run = new_id()
        self._backoff_s = backoff_s
        self._context: JobContext | None = None
        self._is_interrupted = False

    def work(self) -> Again | None:
        """Does the job, and records how it ended; or says when to try again.

        Raises:
            DatabaseUnavailable: how it ended could not be recorded.
        """
        with self._database.single() as connection:
            row = dao.begin(connection, self._job_id, self._run)
        if row is None:
            return None
        job = Job.of(row)
        handler = self._queue.handlers.get(job.kind)
        if handler is None:
            self._failed(job, f"No worker of this version knows jobs of the kind {job.kind!r}.")
            return None
        if job.attempts > len(self._backoff_s) + 1:
            self._failed(job, f"Its worker died {job.attempts - 1} times while working on it.")
            return None
        self._context = JobContext(self._database, job, self._run)
        if self._is_interrupted:
            return None
        return self._handled(handler, self._context)

    def interrupt(self) -> None:
        """Refuses whatever the handler says from now on; its thread may go on for a while."""
        self._is_interrupted = True
        if self._context is not None:
            self._context.interrupt()

    def hand_back(self) -> None:
        """Lets the job wait again, as if this run had never begun."""
        with self._database.single() as connection:
            dao.hand_back(connection, self._job_id, self._run, is_counted=False)

    def _handled(self, handler: Handler, context: JobContext) -> Again | None:
        try:
            handler(context)
        except JobTakenOver:
            return None
        except DatabaseUnavailable as error:
            return self._again(context.job, error.detail)
        except AssayError as error:
            self._failed(context.job, error.detail)
            return None
        except BaseException as error:  # noqa: BLE001 (the outermost edge of a job)
            if not self._is_interrupted:
                _log.error("A job of the kind %r failed: %s.", context.job.kind, place_of(error))
            return self._again(context.job, INTERNAL)
        if not context.is_left_running:
            self._record(JobStatus.DONE)
        return None

    def _again(self, job: Job, sentence: str) -> Again | None:
        if job.attempts > len(self._backoff_s) or (self._context is not None and self._context.is_left_running):
            self._failed(job, sentence)
            return None
        if not self._is_interrupted:
            self._persist(lambda connection: dao.hand_back(connection, self._job_id, self._run, is_counted=True))
        return Again(self._backoff_s[job.attempts - 1])

    def _failed(self, job: Job, sentence: str) -> None:
        if not self._is_interrupted:
            self._patiently(lambda: self._tell_given_up(job, sentence))
        self._record(JobStatus.FAILED, sentence[:MAX_WORDS])

    def _tell_given_up(self, job: Job, sentence: str) -> None:
        """Before the failure is recorded: a worker that dies in between is replaced by one that tells again."""
        try:
            self._queue.tell_given_up(job, sentence)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 (the outermost edge of a job)
            _log.error("Nobody could be told that a job of the kind %r failed: %s.", job.kind, place_of(error))

    def _record(self, status: JobStatus, error: str | None = None) -> None:
        is_left = self._context is not None and self._context.is_left_running
        run = None if is_left else self._run
        self._persist(lambda connection: dao.finish(connection, self._job_id, run, status=status, error=error))

    def _persist(self, write: Callable[[Transaction], object]) -> None:
        def written() -> None:
            with self._database.single() as connection:
                write(connection)

        self._patiently(written)

    def _patiently(self, step: Callable[[], object]) -> None:
        """Does a step, again and again while the database is away."""
        for pause_s in (*RECORD_AGAIN_S, None):
            try:
                step()
                return
            except DatabaseUnavailable:
                if pause_s is None or self._is_interrupted:
                    raise
                time.sleep(pause_s)
