"""A worker as a process of its own, quick to notice others: `python -m tests.core.ops.worker_process FOLDER [SECONDS]`.

DATABASE_URL names the database. Its handlers tell what they do, and learn what to do, by files of the folder; where
one is called `often` it has something to do every second.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from core.db.engine import Database
from core.ops.jobs import Handler, JobContext, Queue
from core.ops.worker import Worker, WorkerTimes

QUICK = WorkerTimes(
    heartbeat_s=0.2, stalled_after_s=1.0, sweep_s=0.2, poll_s=0.1, finish_within_s=10.0, backoff_s=(0.05, 0.1)
)
PATIENCE_S = 20.0
POLL_S = 0.02


def wait_for(path: Path) -> None:
    """Waits until there is such a file."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / POLL_S)):
        if path.exists():
            return
        pause.wait(POLL_S)
    raise AssertionError(f"There is no file {path.name!r}")


def lines_of(folder: Path) -> list[list[str]]:
    """What was done: the job's key and the process, line by line."""
    path = folder / "done"
    return [line.split() for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def handlers_in(folder: Path) -> Mapping[str, Handler]:
    """What the workers of these tests know how to do."""

    def write_down(context: JobContext) -> None:
        with (folder / "done").open("a", encoding="utf-8") as lines:
            lines.write(f"{context.job.key} {os.getpid()}\n")

    def meet(context: JobContext) -> None:
        (folder / context.job.key).touch()
        wait_for(folder / str(context.job.arguments["other"]))
        write_down(context)

    def begin_and_wait(context: JobContext) -> None:
        context.progress(done=1, total=2)
        (folder / "begun").touch()
        wait_for(folder / "go on")
        write_down(context)
        context.progress(done=2)

    return {"write": write_down, "meet": meet, "wait": begin_and_wait}


def _begin_and_wait_often(folder: Path) -> None:
    (folder / "begun").touch()
    wait_for(folder / "go on")
    with (folder / "done").open("a", encoding="utf-8") as lines:
        lines.write(f"often {os.getpid()}\n")


def main(folder: Path, finish_within_s: float) -> None:
    """Works until SIGTERM."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with closing(Database(os.environ["DATABASE_URL"])) as database:
        queue = Queue(database)
        queue.handle(handlers_in(folder))
        if (folder / "often").exists():
            queue.every("often", 1 / 60, partial(_begin_and_wait_often, folder))
        worker = Worker(database, queue, jobs_at_once=1, times=replace(QUICK, finish_within_s=finish_within_s))
        worker.start()
        (folder / f"worker {os.getpid()}").touch()
        stop.wait()
        worker.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
