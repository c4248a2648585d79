"""Commands that start a job, work on the queue themselves, and wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from core.ops.jobs import Job
from core.workbench import Workbench

POLL_S = 0.1


@contextmanager
def working(opened: Workbench) -> Iterator[None]:
    """A worker of this process."""
    worker = opened.worker()
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def finished(opened: Workbench, job: Job) -> Job:
    """The job once it has ended; says how far it is in between."""
    told = 0
    while not job.is_finished:
        time.sleep(POLL_S)
        job = opened.queue.find(job.id)
        ended = job.done + job.failed
        if job.total and ended != told:
            told = ended
            print(f"{ended:,} of {job.total:,}", flush=True)
    return job
