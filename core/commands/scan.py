"""`python -m core scan`: scans a universe here and now, through the same queue as everybody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date

from core.errors import AssayError, InvalidRequest, NotFound
from core.market.as_of import AsOf, Reason
from core.market.market_time import spoken
from core.ops.jobs import Job, JobStatus
from core.screener.scans import submit_scan
from core.settings import Settings
from core.workbench import Workbench, open_workbench

POLL_S = 0.1
MOST_LINES = 40
"""Skipped symbols that are printed; all are counted."""


def run(settings: Settings, *, universe: str | None, org: str | None, day: date | None) -> int:
    """Scans a universe, the default one where none is named; 1 where it failed."""
    with closing(open_workbench(settings)) as opened:
        opened.market.load_shipped()
        org_id = opened.directory.owner(org).org_id if org else None
        as_of = _as_of(opened, day)
        plan = opened.screener.planner.plan(_universe_id(opened, universe, org), as_of, org_id)
        with _working(opened):
            job = _finished(opened, submit_scan(opened.queue, plan))
        if job.status is not JobStatus.DONE:
            raise _Failed(job.error or "The scan failed.")
        scan = opened.screener.scans.of_job(job.id)
    skipped = scan.skipped or ()
    print(
        f"{plan.universe.title} as of {spoken(scan.as_of)}: {scan.scanned:,} of {scan.total:,} scanned "
        f"in {(scan.duration_ms or 0) / 1000:.1f} s; {len(skipped):,} skipped."
    )
    for symbol, reason in skipped[:MOST_LINES]:
        print(f"{symbol:12}{reason}")
    if len(skipped) > MOST_LINES:
        print(f"and {len(skipped) - MOST_LINES:,} more")
    return 0


class _Failed(AssayError):
    """The scan failed."""

    title = "The scan failed"


def _as_of(opened: Workbench, day: date | None) -> AsOf:
    now, newest = opened.market.clock.now(), opened.market.time.default()
    if day in (None, newest.day):  # of today a session may be to come
        return newest
    if day > now.date():
        raise InvalidRequest(f"{spoken(day)} has not passed.")
    return AsOf(day, Reason.CHOSEN, now)


def _universe_id(opened: Workbench, universe: str | None, org: str | None) -> str:
    if universe is None:
        return opened.market.lists.universes[0].id
    found = [each.id for each in opened.market.lists.universes if universe in (each.id, each.title)]
    if org is not None:
        owner = opened.directory.owner(org)
        listed = opened.market.universes.list(owner)
        found = [each.id for each in listed if universe in (each.id, each.title)]
    if not found:
        raise NotFound("There is no such universe; of an organisation's own say whose it is (--org).")
    return found[0]


@contextmanager
def _working(opened: Workbench) -> Iterator[None]:
    worker = opened.worker()
    worker.start()
    try:
        yield
    finally:
        worker.stop()


def _finished(opened: Workbench, job: Job) -> Job:
    """The job once it has ended; says how far it is in between."""
    told = 0
    while not job.is_finished:
        time.sleep(POLL_S)
        job = opened.queue.find(job.id)
        if job.total and job.done != told:
            told = job.done
            print(f"{job.done:,} of {job.total:,}", flush=True)
    return job
