"""A worker: takes jobs from the queue and does them, in a thread with an event loop of its own.

Procrastinate fetches, listens, beats and defers what is periodic; each job is handled in a daemon thread, so that
neither a slow job nor a stop waits for another. A job begins within milliseconds of its submission. A worker that dies
is noticed by its heartbeat: another takes its jobs over within `stalled_after_s + sweep_s + poll_s` (27 s). One that is
told to stop finishes what it can within `finish_within_s`, and hands the rest back.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

from procrastinate import App, BaseRetryStrategy, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job as QueuedJob
from procrastinate.worker import Worker as Engine

from core.db import jobs_dao as dao
from core.db.engine import Database
from core.db.queue_connection import QUEUE, queue_connector
from core.errors import AssayError, DatabaseUnavailable, place_of
from core.ops.job_run import INTERNAL, RETRIES, JobRun
from core.ops.jobs import JOB_TASK, STALLED_AFTER_S, Periodic, Queue

MOST_DEATHS = 5
"""A periodic run whose worker died so often is not made again; of jobs, each run counts its own."""
STOP_MARGIN_S = 5.0
"""For handing back, beyond the time in which jobs may finish."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WorkerTimes:
    """How long a worker waits for what."""

    heartbeat_s: float = 5.0
    stalled_after_s: float = STALLED_AFTER_S
    sweep_s: float = 5.0
    """Between two looks for workers that died."""
    poll_s: float = 2.0
    """Between two looks for jobs that nobody announced: those to try again, or taken over."""
    finish_within_s: float = 10.0
    """What runs when the worker is told to stop may take so long to finish."""
    backoff_s: tuple[float, ...] = RETRIES
    """Pauses before a job that failed unexpectedly is tried again."""
    restart_s: float = 1.0
    """Pause after losing the database."""


class _AgainLater(Exception):
    """Tells Procrastinate when to bring the job again."""

    def __init__(self, after_s: float) -> None:
        super().__init__("The job is to be tried again")
        self.after_s = after_s


class _Retries(BaseRetryStrategy):
    """What we asked for is tried again then; what a stopping worker interrupted, at once."""

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:
        """When Procrastinate brings the job again."""
        del job
        if isinstance(exception, _AgainLater):
            return RetryDecision(retry_at=datetime.now(UTC) + timedelta(seconds=exception.after_s))
        return RetryDecision() if isinstance(exception, JobAborted | asyncio.CancelledError) else None


class Worker:
    """Works on the queue until it is stopped; comes back by itself when the database does."""

    def __init__(
        self, database: Database, queue: Queue, *, jobs_at_once: int = 2, times: WorkerTimes | None = None
    ) -> None:
        self._database = database
        self._queue = queue
        self._jobs_at_once = jobs_at_once
        self._times = times or WorkerTimes()
        self._starting = threading.Lock()
        self._is_stopping = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._thread = threading.Thread(target=self._run, name="assay-worker", daemon=True)

    def start(self) -> None:
        """Begins to work, in a thread of its own; once."""
        self._thread.start()

    def stop(self) -> None:
        """Takes no more jobs, lets those at work finish within the limit, and hands back those that do not."""
        with self._starting:
            self._is_stopping = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._ask_to_stop)
        if self._thread.is_alive():
            self._thread.join(self._times.finish_within_s + STOP_MARGIN_S)

    def _ask_to_stop(self) -> None:
        if self._engine is not None:
            _stop(self._engine)
        elif self._main is not None:
            self._main.cancel()

    def _run(self) -> None:
        # The selector's loop is the one that the driver works with on every system.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            with self._starting:
                if self._is_stopping:
                    return
                self._loop = runner.get_loop()
            with suppress(asyncio.CancelledError):
                runner.run(self._work_on())
            with self._starting:
                self._loop = None

    async def _work_on(self) -> None:
        """Works, and begins anew after whatever ended that."""
        self._main = asyncio.current_task()
        told = ""
        while not self._is_stopping:
            try:
                await self._work()
                told = ""
            except Exception as error:  # noqa: BLE001 (the outermost edge of a thread)
                if told != (told := place_of(error)):
                    _log.warning("The worker lost the database, and tries again: %s.", told)
            if not self._is_stopping:
                await asyncio.sleep(self._times.restart_s)

    async def _work(self) -> None:
        times = self._times
        # One connection for each job that is fetched or ends, one for heartbeats; LISTEN has its own.
        app = App(connector=queue_connector(self._database.service_login, pool_size=self._jobs_at_once + 1))
        app.task(name=JOB_TASK, queue=QUEUE, retry=_Retries())(self._do_job)
        for name, periodic in self._queue.periodic.items():
            _add_periodic(app, name, periodic, self._queue)
        async with app.open_async():
            engine = Engine(
                app,
                queues=[QUEUE],
                concurrency=self._jobs_at_once,
                fetch_job_polling_interval=times.poll_s,
                shutdown_graceful_timeout=times.finish_within_s,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=times.heartbeat_s,
                stalled_worker_timeout=times.stalled_after_s,
            )
            sweeper = asyncio.create_task(self._sweep(engine))
            try:
                if not self._is_stopping:
                    self._engine = engine
                    await engine.run()  # type: ignore[no-untyped-call]  # it has no annotations
            finally:
                self._engine = None
                sweeper.cancel()
                with suppress(asyncio.CancelledError):
                    await sweeper

    async def _sweep(self, engine: Engine) -> None:
        """Looks for workers that died, and takes their jobs over."""
        times, steady_since = self._times, float("-inf")
        stalled = timedelta(seconds=times.stalled_after_s)
        while True:
            await asyncio.sleep(times.sweep_s)
            if engine.worker_id is None or time.monotonic() - steady_since < times.stalled_after_s:
                continue
            try:
                seen = await _to_its_end(_in_thread(partial(self._look, engine.worker_id, stalled)))
            except Exception as error:  # noqa: BLE001 (the outermost edge of a task)
                # While the database was away nobody could give a sign of life: all get the time for one.
                steady_since = time.monotonic()
                _log.warning("The worker could not look for others that died: %s.", place_of(error))
                continue
            if seen.taken:
                _log.warning("%d jobs of workers that died are taken over.", seen.taken)
            if not seen.is_registered:
                _log.warning("This worker was silent for too long and was given up; it begins anew.")
                _stop(engine)

    def _look(self, worker: int, stalled: timedelta) -> dao.Sweep:
        with self._database.service() as connection:
            return dao.sweep(connection, worker, stalled=stalled, counted_but=JOB_TASK, most_attempts=MOST_DEATHS)

    async def _do_job(self, job_id: str) -> None:
        run = JobRun(self._database, self._queue, UUID(job_id), backoff_s=self._times.backoff_s)
        try:
            again = await _in_thread(run.work)
        except asyncio.CancelledError:
            run.interrupt()
            await _in_thread(run.hand_back)
            raise
        except DatabaseUnavailable:
            # What became of it could not be recorded, and nor may be that it is to come again. Where it is not, this
            # worker's next beginning, under another number, has it taken over.
            if self._engine is not None:
                _stop(self._engine)
            raise _AgainLater(self._times.restart_s) from None
        if again is not None:
            raise _AgainLater(again.after_s)


def _stop(engine: Engine) -> None:
    engine.stop()  # type: ignore[no-untyped-call]  # it has no annotations


def cron_of(minutes: float) -> str:
    """The schedule of what is done every so many minutes, counted from midnight UTC; a day is the longest.

    Raises:
        ValueError: the times of a day would not be the same every day.
    """
    seconds = round(minutes * 60)
    for unit, pattern, units in _UNITS:
        count, rest = divmod(seconds, unit)
        if not rest and 1 <= count <= units and units % count == 0:
            return pattern.format("*" if count == 1 else "0" if count == units else f"*/{count}")
    raise ValueError(f"Every {minutes} minutes does not divide an hour or a day")


_UNITS = ((3600, "0 {} * * *", 24), (60, "{} * * * *", 60), (1, "* * * * * {}", 60))


def _add_periodic(app: App, name: str, periodic: Periodic, queue: Queue) -> None:
    def work() -> None:
        try:
            periodic.handler()
        except Exception as error:  # noqa: BLE001 (the outermost edge of a job)
            _log.error("What is done every %g minutes failed (%s): %s.", periodic.minutes, name, place_of(error))
            with suppress(DatabaseUnavailable):  # then that is what is wrong
                queue.note_failed(name, error.detail if isinstance(error, AssayError) else INTERNAL)

    async def run(timestamp: int) -> None:
        del timestamp
        await _in_thread(work)

    task = app.task(name=f"every:{name}", queue=QUEUE, lock=name, queueing_lock=name, retry=_Retries())(run)
    app.periodic(cron=cron_of(periodic.minutes), periodic_id=name)(task)


async def _to_its_end(step: Coroutine[None, None, _T]) -> _T:
    """What a step gives; one that is cancelled is waited for, so that it holds no connection any more."""
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_MARGIN_S)
        raise


async def _in_thread(work: Callable[[], _T]) -> _T:
    """What `work` gives, called in a daemon thread: one that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def tell(result: Callable[[], None]) -> None:
        def settle() -> None:
            if not future.done():
                result()

        with suppress(RuntimeError):  # the worker has ended meanwhile
            loop.call_soon_threadsafe(settle)

    def run() -> None:
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 (the outermost edge of a thread; raised again where it is awaited)
            failure = error
            tell(lambda: future.set_exception(failure))
        else:
            tell(lambda: future.set_result(value))

    threading.Thread(target=run, name="assay-job", daemon=True).start()
    return await future
