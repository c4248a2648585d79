"""Jobs are submitted once, done once, and told of: on a real Postgres, with workers of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from procrastinate.schema import SchemaManager

from core.db import jobs_dao
from core.db.engine import Database, Transaction
from core.db.migrate import MIGRATIONS
from core.errors import DatabaseUnavailable, InvalidRequest, NotFound
from core.ids import new_id
from core.ops.job_run import INTERNAL
from core.ops.jobs import Job, JobContext, JobStatus, JobTakenOver, Queue
from core.ops.worker import Worker, WorkerTimes
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime

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


def test_the_same_key_in_two_organisations_is_two_jobs(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann"), member("bob")
    queue = workbench.queue
    jobs = [queue.submit("scan", {}, key="x", org_id=org_id) for org_id in (ann.org_id, bob.org_id, None)]
    assert len({job.id for job in jobs}) == 3
    assert queue.get(ann, jobs[0].id) == jobs[0]
    assert queue.get(ann, jobs[2].id) == jobs[2]
    with pytest.raises(NotFound):
        queue.get(ann, jobs[1].id)


def test_jobs_of_one_lock_leave_room_for_others(queue: Queue, start_worker: StartWorker) -> None:
    go_on, begun = threading.Event(), list[str]()

    def wait(context: JobContext) -> None:
        begun.append(context.job.key)
        assert go_on.wait(PATIENCE_S)

    queue.handle({"long": wait, "short": lambda _context: None})
    long = [queue.submit("long", {}, key=key, org_id=None, lock="long") for key in ("one", "two")]
    start_worker()
    assert finished(queue, queue.submit("short", {}, key="x", org_id=None)).status is JobStatus.DONE
    assert begun == ["one"]
    go_on.set()
    assert [finished(queue, job).status for job in long] == [JobStatus.DONE] * 2
    assert begun == ["one", "two"]


def test_a_finished_job_is_not_joined(queue: Queue, start_worker: StartWorker) -> None:
    queue.handle({"count": lambda _context: None})
    start_worker()
    first = finished(queue, queue.submit("count", {}, key="x", org_id=None))
    assert queue.submit("count", {}, key="x", org_id=None).id != first.id


def test_a_job_that_is_left_running_is_finished_by_the_last_of_its_parts(
    queue: Queue, start_worker: StartWorker
) -> None:
    def begin(context: JobContext) -> None:
        context.progress(total=5)
        for number in range(5):
            queue.submit("part", {"whole": str(context.job.id)}, key=f"{context.job.id}/{number}", org_id=None)
        context.leave_running()

    def part(context: JobContext) -> None:
        whole = queue.advance(UUID(context.job.arguments["whole"]), done=1)
        if whole.done == whole.total:
            queue.finish(whole.id)

    queue.handle({"whole": begin, "part": part})
    start_worker(jobs_at_once=4)
    ended = finished(queue, queue.submit("whole", {}, key="x", org_id=None))
    assert (ended.status, ended.done, ended.total) == (JobStatus.DONE, 5, 5)
    with pytest.raises(NotFound):
        queue.advance(ended.id, done=1)
    assert not queue.fail(ended.id, "too late")


def test_a_run_whose_job_was_taken_over_is_told_so_and_changes_nothing(database: Database, queue: Queue) -> None:
    job = queue.submit("count", {}, key="x", org_id=None)
    runs = [new_id(), new_id()]
    for run in runs:
        with database.service() as connection:
            assert jobs_dao.begin(connection, job.id, run) is not None
    slow, quick = (JobContext(database, job, run) for run in runs)
    with pytest.raises(JobTakenOver):
        slow.progress(done=7)
    with database.service() as connection:
        assert not jobs_dao.finish(connection, job.id, runs[0], status=JobStatus.DONE)
    quick.progress(done=1)
    assert queue.find(job.id).done == 1


def test_a_job_that_its_workers_do_not_survive_fails_in_the_end(
    database: Database, queue: Queue, start_worker: StartWorker
) -> None:
    job = queue.submit("count", {}, key="x", org_id=None)
    for _ in range(3):
        with database.service() as connection:
            jobs_dao.begin(connection, job.id, new_id())
    queue.handle({"count": lambda _context: None})
    start_worker()
    ended = finished(queue, job)
    assert (ended.status, ended.error) == (JobStatus.FAILED, "Its worker died 3 times while working on it.")


def test_who_wants_to_know_is_told_of_each_job_that_failed_for_good(
    database: Database, queue: Queue, start_worker: StartWorker, move_time: MoveTime
) -> None:
    told: dict[str, str] = {}

    def refuse(_context: JobContext) -> None:
        raise InvalidRequest("No.")

    def break_down(_context: JobContext) -> None:
        raise RuntimeError

    def note(job: Job, error: str) -> None:
        assert not queue.find(job.id).is_finished or job.key == "unheard"
        told[job.key] = error

    queue.handle({"refuse": refuse, "break": break_down, "leave": lambda context: context.leave_running()})
    queue.when_given_up(dict.fromkeys(("refuse", "break", "leave"), note))
    died = queue.submit("refuse", {}, key="died", org_id=None)
    for _ in range(3):
        with database.service() as connection:
            jobs_dao.begin(connection, died.id, new_id())
    start_worker()
    for job in (died, *(queue.submit(kind, {}, key=kind, org_id=None) for kind in ("refuse", "break"))):
        assert finished(queue, job).status is JobStatus.FAILED
    assert told == {"died": "Its worker died 3 times while working on it.", "refuse": "No.", "break": INTERNAL}
    unheard = queue.submit("leave", {}, key="unheard", org_id=None)
    with database.service() as connection:
        run = new_id()
        jobs_dao.begin(connection, unheard.id, run)
        jobs_dao.leave(connection, unheard.id, run)
    move_time(timedelta(hours=2))
    queue.tidy()
    assert told["unheard"] == queue.find(unheard.id).error


def test_a_job_is_counted_once_by_the_one_that_started_it_which_ends_with_its_last(
    database: Database, queue: Queue
) -> None:
    whole, *parts = (queue.submit("count", {}, key=key, org_id=None) for key in ("whole", "one", "two"))
    with database.service() as connection:
        run = new_id()
        jobs_dao.begin(connection, whole.id, run)
        jobs_dao.progress(connection, whole.id, run, jobs_dao.Progress(None, None, 2, None))
        jobs_dao.leave(connection, whole.id, run)
    assert queue.finish(parts[0].id, parent_id=whole.id)
    assert not queue.finish(parts[0].id, parent_id=whole.id)
    half = queue.find(whole.id)
    assert (half.status, half.done) == (JobStatus.RUNNING, 1)
    assert queue.fail(parts[1].id, "No.", parent_id=whole.id)
    ended = queue.find(whole.id)
    assert (ended.status, ended.done, ended.failed) == (JobStatus.DONE, 1, 1)


def test_a_database_that_is_away_for_a_handler_is_a_reason_to_try_again(
    queue: Queue, start_worker: StartWorker
) -> None:
    def fail_once(context: JobContext) -> None:
        if context.job.attempts == 1:
            raise DatabaseUnavailable

    queue.handle({"count": fail_once})
    start_worker()
    ended = finished(queue, queue.submit("count", {}, key="x", org_id=None))
    assert (ended.status, ended.attempts) == (JobStatus.DONE, 2)


def test_a_job_whose_end_could_not_be_recorded_is_done_again(
    database: Database, queue: Queue, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.ops.job_run.RECORD_AGAIN_S", ())
    single, is_away = database.single, threading.Event()

    def gone_once() -> AbstractContextManager[Transaction]:
        if is_away.is_set() and threading.current_thread().name == "assay-job":
            is_away.clear()
            raise DatabaseUnavailable
        return single()

    def go_away_at_first(context: JobContext) -> None:
        if context.job.attempts == 1:
            is_away.set()

    monkeypatch.setattr(database, "single", gone_once)
    queue.handle({"count": go_away_at_first})
    start_worker()
    ended = finished(queue, queue.submit("count", {}, key="x", org_id=None))
    assert (ended.status, ended.attempts) == (JobStatus.DONE, 2)


def test_a_job_that_no_queue_knows_is_given_up(
    queue: Queue, service: psycopg.Connection[tuple[object, ...]], move_time: MoveTime
) -> None:
    lost = queue.submit("count", {}, key="lost", org_id=None)
    service.execute("DELETE FROM procrastinate_jobs")
    waiting = queue.submit("count", {}, key="waiting", org_id=None)
    move_time(timedelta(hours=2))
    queue.tidy()
    assert queue.find(lost.id).status is JobStatus.FAILED
    assert queue.find(waiting.id).status is JobStatus.WAITING


def test_finished_jobs_are_forgotten_after_a_month_and_those_left_running_given_up(
    database: Database, queue: Queue, move_time: MoveTime
) -> None:
    old, left, waiting = (queue.submit("count", {}, key=key, org_id=None) for key in ("old", "left", "waiting"))
    queue.finish(old.id)
    run = new_id()
    with database.service() as connection:
        jobs_dao.begin(connection, left.id, run)
        jobs_dao.leave(connection, left.id, run)
    queue.tidy()
    assert queue.find(old.id).status is JobStatus.DONE
    assert queue.find(left.id).status is JobStatus.RUNNING
    move_time(timedelta(days=31))
    queue.tidy()
    with pytest.raises(NotFound):
        queue.find(old.id)
    assert queue.find(left.id).status is JobStatus.FAILED
    assert queue.find(waiting.id).status is JobStatus.WAITING


def test_procrastinate_keeps_nothing_of_jobs_that_ended(
    queue: Queue, start_worker: StartWorker, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    queue.handle({"count": lambda _context: None})
    worker = start_worker()
    finished(queue, queue.submit("count", {}, key="x", org_id=None))
    finished(queue, queue.submit("unknown", {}, key="x", org_id=None))
    worker.stop()
    for table in ("jobs", "events", "workers"):
        row = service.execute(f"SELECT count(*) FROM procrastinate_{table}").fetchone()
        assert row == (0,), table


def test_the_queue_of_this_version_is_that_of_the_installed_package() -> None:
    shipped = (MIGRATIONS / "versions" / "0011_queue.sql").read_text("utf-8")
    whole = SchemaManager.get_schema()
    assert whole[whole.index("-- Enums") :].strip() in shipped
