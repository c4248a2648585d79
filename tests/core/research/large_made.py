"""Large requests on a workbench of a test's own, and workers that work them off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from core.db.large_requests_dao import RequestRow
from core.ops.worker import Worker
from core.principal import Principal
from core.research.large_requests import LargeParts, LargeRequests, open_large_requests
from core.research.large_run import SLICE_S
from core.workbench import Workbench
from tests.core.ops.worker_process import QUICK

MODEL = "gpt-4o-mini"
LIMIT_S = 60.0


def large_of(bench: Workbench, *, slice_s: float = SLICE_S) -> LargeRequests:
    """Its large requests, known to its queue."""
    parts = LargeParts(bench.database, bench.queue, bench.gateway, bench.meter, bench.plans, slice_s)
    return open_large_requests(parts)


@contextmanager
def working(bench: Workbench) -> Iterator[None]:
    """A worker of this process."""
    worker = Worker(bench.database, bench.queue, jobs_at_once=2, times=QUICK)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def ended(large: LargeRequests, who: Principal, request_id: UUID) -> RequestRow:
    """The request once it is at its end."""
    until = time.monotonic() + LIMIT_S
    while (row := large.get(who, request_id)).ended_at is None:
        assert time.monotonic() < until, row
        time.sleep(0.02)
    return row
