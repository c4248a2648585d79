"""Jobs are submitted once, done once, and told of: on a real Postgres, with workers of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from core.db.engine import Database
from core.errors import InvalidRequest
from core.ops.job_run import INTERNAL
from core.ops.jobs import Job, JobContext, JobStatus, Queue
from core.ops.worker import Worker, WorkerTimes

QUICK = WorkerTimes(
    heartbeat_s=0.2, stalled_after_s=1.0, sweep_s=0.2, poll_s=0.1, finish_within_s=1.0, backoff_s=(0.05, 0.1)
)
PATIENCE_S = 20.0

StartWorker = Callable[..., Worker]


@pytest.fixture
def queue(database: Database) -> Queue:
    """A queue on the test's database."""
    return Queue(database)


@pytest.fixture
def start_worker(database: Database, queue: Queue) -> Iterator[StartWorker]:
    """Starts workers that are quick to notice; stopped with the test."""
    with ExitStack() as stack:

        def start(times: WorkerTimes = QUICK, *, jobs_at_once: int = 2) -> Worker:
            worker = Worker(database, queue, jobs_at_once=jobs_at_once, times=times)
            worker.start()
            stack.callback(worker.stop)
            return worker

        yield start


def finished(queue: Queue, job: Job) -> Job:
    """The job as it ended; asked for until then."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        seen = queue.find(job.id)
        if seen.is_finished:
            return seen
        pause.wait(0.02)
    raise AssertionError(f"It did not end: {seen}")


def test_twenty_who_submit_the_same_at_once_share_one_job(queue: Queue) -> None:
    at_once = threading.Barrier(20)

    def submit(number: int) -> Job:
        at_once.wait()
        return queue.submit("scan", {"number": number}, key="sp500 2010-08-20", org_id=None)

    with ThreadPoolExecutor(20) as pool:
        jobs = list(pool.map(submit, range(20)))
    assert len({job.id for job in jobs}) == 1
    assert queue.figures().waiting == 1


def test_a_job_is_done_with_its_arguments_and_its_progress_is_seen(queue: Queue, start_worker: StartWorker) -> None:
    seen, go_on = threading.Event(), threading.Event()

    def count(context: JobContext) -> None:
        context.progress(done=1, total=context.job.arguments["parts"], detail="counting")
        seen.set()
        go_on.wait(PATIENCE_S)
        context.progress(done=3)

    queue.handle({"count": count})
    start_worker()
    job = queue.submit("count", {"parts": 3}, key="all", org_id=None)
    assert seen.wait(PATIENCE_S)
    half = queue.find(job.id)
    assert (half.status, half.done, half.total, half.detail) == (JobStatus.RUNNING, 1, 3, "counting")
    go_on.set()
    whole = finished(queue, job)
    assert (whole.status, whole.done, whole.error, whole.attempts) == (JobStatus.DONE, 3, None, 1)


def test_an_error_of_ours_fails_the_job_in_its_words(queue: Queue, start_worker: StartWorker) -> None:
    def refuse(_context: JobContext) -> None:
        raise InvalidRequest("The universe 'moon' is not known.")

    queue.handle({"refuse": refuse})
    start_worker()
    ended = finished(queue, queue.submit("refuse", {}, key="x", org_id=None))
    assert (ended.status, ended.error, ended.attempts) == (JobStatus.FAILED, "The universe 'moon' is not known.", 1)


def test_an_unexpected_error_is_tried_again_and_then_told_without_its_words(
    queue: Queue, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_context: JobContext) -> None:
        raise RuntimeError("the key is hunter2")

    queue.handle({"break": break_down})
    start_worker()
    ended = finished(queue, queue.submit("break", {}, key="x", org_id=None))
    assert (ended.status, ended.error, ended.attempts) == (JobStatus.FAILED, INTERNAL, 3)
    assert "hunter2" not in caplog.text
    assert caplog.text.count("RuntimeError in break_down") == 3


def test_a_kind_that_nobody_knows_fails_with_a_sentence(queue: Queue, start_worker: StartWorker) -> None:
    start_worker()
    ended = finished(queue, queue.submit("levitate", {}, key="x", org_id=None))
    assert ended.status is JobStatus.FAILED
    assert "'levitate'" in str(ended.error)
