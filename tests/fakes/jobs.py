"""Waits for jobs that a worker does."""

from __future__ import annotations

import time

from core.ops.jobs import Job, Queue

LIMIT_S = 60.0


def finished(queue: Queue, job: Job, limit_s: float = LIMIT_S) -> Job:
    """The job once it has ended."""
    until = time.monotonic() + limit_s
    while not job.is_finished:
        assert time.monotonic() < until, f"{job.kind} goes on: {job.done} of {job.total}, {job.detail}"
        time.sleep(0.02)
        job = queue.find(job.id)
    return job
