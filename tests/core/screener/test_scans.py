"""Scans end to end: submitted, cut, computed in other processes, joined, recorded, and read by whoever may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from core.db.scans_dao import SignalsWanted
from core.errors import Forbidden, NotFound, StaleBars
from core.ops.jobs import Job, JobStatus
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.fakes.jobs import finished

UNIVERSE = "sp500_2010"
LAST = date(2010, 8, 20)


@pytest.fixture
def working(workbench: Workbench) -> Iterator[Workbench]:
    """The workbench with what is shipped, and a worker at work."""
    workbench.market.load_shipped()
    worker = workbench.worker()
    worker.start()
    yield workbench
    worker.stop()


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member("ann")


def _scanned(working: Workbench, principal: Principal) -> Job:
    job = finished(working.queue, working.screener.scans.request(principal, UNIVERSE))
    assert job.status is JobStatus.DONE, job.error
    return job


def test_a_scan_says_what_it_read_and_whom_it_left_out(working: Workbench, ann: Principal) -> None:
    job = _scanned(working, ann)
    scan = working.screener.scans.latest(ann, UNIVERSE)
    assert scan is not None
    assert (scan.about.id, scan.about.as_of, scan.about.org_id) == (job.id, LAST, None)
    assert scan.about.scanned == scan.results.height > 400
    assert scan.about.scanned + len(scan.about.skipped or ()) == scan.about.total
    assert job.done == job.total == scan.about.total
    assert scan.sessions_behind == 0
    assert set(scan.results["day"]) >= {LAST}
    print(scan.about.duration_ms, scan.about.market["breadth"], scan.about.skipped)
