"""Workers as processes: they share, die, stop, and lose the database, and every job is done all the same."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from core.db import queue_connection
from core.db.embedded import attach
from core.db.engine import Database, normal_url
from core.db.migrate import migrate
from core.db.queue_connection import service_connection
from core.errors import Conflict, DatabaseUnavailable
from core.ops.job_run import INTERNAL
from core.ops.jobs import Job, JobStatus, Queue
from core.ops.worker import Worker, cron_of
from core.settings import ROOT
from tests.core.ops.worker_process import PATIENCE_S, QUICK, handlers_in, lines_of, wait_for

StartProcess = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def queue(database: Database, tmp_path: Path) -> Queue:
    """A queue whose handlers are those of the processes."""
    made = Queue(database)
    made.handle(handlers_in(tmp_path))
    return made


@pytest.fixture
def start_process(database_url: str, tmp_path: Path) -> Iterator[StartProcess]:
    """Starts a worker as a process; killed with the test."""
    with ExitStack() as stack:

        def start(finish_within_s: float = 10.0) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.core.ops.worker_process", str(tmp_path), str(finish_within_s)],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": database_url},
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_for(tmp_path / f"worker {process.pid}")
            return process

        yield start


@pytest.fixture
def start_worker(database: Database, queue: Queue) -> Iterator[Callable[[], Worker]]:
    """Starts a worker in this process."""
    with ExitStack() as stack:

        def start() -> Worker:
            worker = Worker(database, queue, times=replace(QUICK, finish_within_s=1.0))
            worker.start()
            stack.callback(worker.stop)
            return worker

        yield start


def finished(queue: Queue, job: Job) -> Job:
    """The job as it ended."""
    return seen_as(queue, job, lambda seen: seen.is_finished)


def seen_as(queue: Queue, job: Job, is_so: Callable[[Job], bool]) -> Job:
    """The job once it is so; asked for until then."""
    pause, seen = threading.Event(), job
    for _ in range(int(PATIENCE_S / 0.02)):
        with suppress(DatabaseUnavailable):
            seen = queue.find(job.id)
        if is_so(seen):
            return seen
        pause.wait(0.02)
    raise AssertionError(f"It never was: {seen}")


def test_two_workers_share_the_jobs_and_none_is_done_twice(
    queue: Queue, start_process: StartProcess, tmp_path: Path
) -> None:
    processes = [start_process(), start_process()]
    # Each of these two waits for the other: one worker alone, with one job at once, would never end them.
    jobs = [queue.submit("meet", {"other": other}, key=own, org_id=None) for own, other in ("ab", "ba")]
    jobs += [queue.submit("write", {}, key=f"job-{number}", org_id=None) for number in range(30)]
    assert {finished(queue, job).status for job in jobs} == {JobStatus.DONE}
    done = lines_of(tmp_path)
    assert sorted(key for key, _ in done) == sorted(job.key for job in jobs)
    assert {pid for _, pid in done} == {str(process.pid) for process in processes}


def test_the_job_of_a_killed_worker_is_finished_by_another(
    queue: Queue, start_process: StartProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = start_process()
    job = queue.submit("wait", {}, key="x", org_id=None)
    wait_for(tmp_path / "begun")
    assert queue.find(job.id).status is JobStatus.RUNNING
    first.kill()
    first.wait()
    second = start_process()
    (tmp_path / "go on").touch()
    ended = finished(queue, job)
    assert (ended.status, ended.done, ended.total, ended.attempts) == (JobStatus.DONE, 2, 2, 2)
    assert lines_of(tmp_path) == [["x", str(second.pid)]]


def test_what_is_done_every_so_often_goes_on_after_a_worker_was_killed_at_it(
    start_process: StartProcess, service: psycopg.Connection[tuple[object, ...]], tmp_path: Path
) -> None:
    (tmp_path / "often").touch()
    first = start_process()
    wait_for(tmp_path / "begun")
    pause = threading.Event()
    while service.execute("SELECT FROM procrastinate_jobs WHERE status = 'todo'").fetchone() is None:
        pause.wait(0.02)  # until the next run waits for the lock of this one
    first.kill()
    first.wait()
    (tmp_path / "go on").touch()
    second = start_process()
    for _ in range(int(PATIENCE_S / 0.02)):
        if lines_of(tmp_path):
            break
        pause.wait(0.02)
    assert lines_of(tmp_path)[:1] == [["often", str(second.pid)]]


def test_a_worker_that_is_told_to_stop_finishes_what_it_is_at(
    queue: Queue, start_process: StartProcess, tmp_path: Path
) -> None:
    process = start_process()
    job = queue.submit("wait", {}, key="x", org_id=None)
    wait_for(tmp_path / "begun")
    process.send_signal(signal.SIGTERM)
    other = queue.submit("write", {}, key="y", org_id=None)
    (tmp_path / "go on").touch()
    assert process.wait(PATIENCE_S) == 0
    assert queue.find(job.id).status is JobStatus.DONE
    assert queue.find(other.id).status is JobStatus.WAITING


def test_what_a_stopping_worker_cannot_finish_is_taken_up_by_another(
    queue: Queue, start_process: StartProcess, tmp_path: Path
) -> None:
    process = start_process(finish_within_s=0.2)
    job = queue.submit("wait", {}, key="x", org_id=None)
    wait_for(tmp_path / "begun")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    assert time.monotonic() - began < 5
    waiting = queue.find(job.id)
    assert (waiting.status, waiting.attempts) == (JobStatus.WAITING, 0)
    second = start_process()
    (tmp_path / "go on").touch()
    assert finished(queue, job).status is JobStatus.DONE
    assert lines_of(tmp_path) == [["x", str(second.pid)]]


def test_jobs_begin_at_once_and_not_when_the_worker_looks_again(database: Database, queue: Queue) -> None:
    worker = Worker(database, queue, times=replace(QUICK, poll_s=5.0))
    worker.start()
    try:
        # Submitted before the worker listens, it may wait until the worker looks.
        finished(queue, queue.submit("write", {}, key="first", org_id=None))
        began = time.monotonic()
        for number in range(3):
            finished(queue, queue.submit("write", {}, key=str(number), org_id=None))
        assert time.monotonic() - began < 4
    finally:
        worker.stop()


def test_a_worker_outlives_a_restart_of_the_database_and_so_does_its_job(tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="assay-worker-"))
    home.chmod(0o755)  # Postgres runs as another user than root
    server = attach(home)
    migrate(server.url)
    with closing(Database(server.url, revive=lambda: attach(home))) as database:
        queue = Queue(database)
        queue.handle(handlers_in(tmp_path))
        worker = Worker(database, queue, times=replace(QUICK, stalled_after_s=10.0))
        worker.start()
        job = queue.submit("wait", {}, key="x", org_id=None)
        wait_for(tmp_path / "begun")
        os.kill(int((server.data_dir / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        (tmp_path / "go on").touch()
        assert finished(queue, job).attempts == 1
        later = queue.submit("write", {}, key="y", org_id=None)
        assert finished(queue, later).status is JobStatus.DONE
        assert lines_of(tmp_path) == [["x", str(os.getpid())], ["y", str(os.getpid())]]
        worker.stop()
    shutil.rmtree(home, ignore_errors=True)


def test_what_is_done_every_so_often_is_done_once_by_all_workers(
    queue: Queue, start_worker: Callable[[], Worker]
) -> None:
    runs: list[float] = []
    three = threading.Event()

    def run() -> None:
        runs.append(time.monotonic())
        if len(runs) == 3:
            three.set()

    queue.every("count", 1 / 60, run)
    for _ in range(3):
        start_worker()
    assert three.wait(PATIENCE_S)
    # The first may be of the second before; each worker would bring its own, were they not one.
    assert runs[2] - runs[0] > 0.9


@pytest.mark.parametrize(
    ("problem", "said"),
    [(ZeroDivisionError(), INTERNAL), (Conflict("Two of them."), "Two of them.")],
    ids=["unexpected", "of-ours"],
)
def test_what_is_done_every_so_often_and_fails_is_one_failed_job_an_hour(
    queue: Queue,
    start_worker: Callable[[], Worker],
    service: psycopg.Connection[tuple[object, ...]],
    problem: Exception,
    said: str,
) -> None:
    runs: list[int] = []
    three = threading.Event()

    def run() -> None:
        runs.append(len(runs))
        if len(runs) == 3:  # what the first two left is recorded
            three.set()
        raise problem

    queue.every("count", 1 / 60, run)
    start_worker()
    assert three.wait(PATIENCE_S)
    rows = service.execute("SELECT kind, status, error, org_id, attempts > 1 FROM jobs").fetchall()
    assert rows == [("count", "failed", said, None, True)]
    service.execute("UPDATE jobs SET started_at = started_at - interval '2 hours'")
    queue.note_failed("count", "Again.")
    assert service.execute("SELECT count(*) FROM jobs").fetchone() == (2,)


@pytest.mark.parametrize(
    ("minutes", "cron"),
    [(5, "*/5 * * * *"), (1, "* * * * *"), (60, "0 * * * *"), (120, "0 */2 * * *"), (1440, "0 0 * * *")],
)
def test_a_number_of_minutes_is_a_schedule(minutes: int, cron: str) -> None:
    assert cron_of(minutes) == cron


@pytest.mark.parametrize("minutes", [0, 7, 50, 2880, -5])
def test_minutes_that_do_not_divide_a_day_are_refused(minutes: int) -> None:
    with pytest.raises(ValueError, match="does not divide"):
        cron_of(minutes)


def test_the_command_works_until_it_is_told_to_stop(database_url: str, queue: Queue, tmp_path: Path) -> None:
    environ = {**os.environ, "DATABASE_URL": database_url, "ASSAY_HOME": str(tmp_path / "home"), "ASSAY_DEMO": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "worker"], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Working on jobs")
        ended = finished(queue, queue.submit("levitate", {}, key="x", org_id=None))
        assert "'levitate'" in str(ended.error)
        assert queue.figures().workers == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert queue.figures().workers == 0


def test_a_connection_that_could_not_be_made_ready_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'not ready'"
    monkeypatch.setattr(queue_connection, "preparation", lambda _role: "SELECT 1 / 0")
    address = normal_url(database.service_login.url).set(drivername="postgresql").render_as_string(hide_password=False)
    with pytest.raises(psycopg.errors.DivisionByZero):
        asyncio.run(service_connection(database.service_login).connect(address, application_name="not ready"))
    deadline = time.monotonic() + PATIENCE_S
    while service.execute(open_ones).fetchone() != (0,):
        assert time.monotonic() < deadline
        time.sleep(0.05)
