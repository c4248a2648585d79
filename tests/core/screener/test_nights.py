"""Nights on the demo's universe with moved time: once for each session, after 22:00 at its exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from core.clock import SystemClock
from core.db import scans_dao
from core.db.instruments_dao import MemberRow
from core.errors import StaleBars
from core.ops.jobs import Job, JobStatus
from core.principal import Principal
from core.screener.nights import MOST_TRIES, NIGHT, TRY_AGAIN_MINUTES, Nights
from core.screener.scans import Scan, submit_scan
from core.screener.version import FORMULA_VERSION
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.fakes.jobs import finished

UNIVERSE = "sp500_2010"
NEW_YORK = ZoneInfo("America/New_York")
THURSDAY = date(2010, 8, 19)


class MovedClock(SystemClock):
    """A clock that stands at a moment."""

    def __init__(self, moment: datetime) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """The moment."""
        return self._moment


Night = Callable[[datetime], Nights]


@pytest.fixture
def at(working: Workbench) -> Night:
    """The installation's nights as they are at a moment."""

    def moved(moment: datetime) -> Nights:
        return Nights(replace(working.screener.nights.parts, clock=MovedClock(moment)))

    return moved


@pytest.fixture(scope="module")
def ann(made: MakeMember) -> Principal:
    return made("ann")


def _followed(working: Workbench, ann: Principal, title: str) -> str:
    """An own universe that was scanned lately, and so is followed; with few members, since nights fetch them all."""
    universe_id = _of_five(working, ann, title)
    job = working.screener.scans.request(replace(ann, as_of=date(2010, 8, 10)), universe_id)
    assert finished(working.queue, job).status is JobStatus.DONE
    return universe_id


def _of_five(working: Workbench, ann: Principal, title: str) -> str:
    """An own universe of five symbols."""
    members = [MemberRow(symbol, symbol, "", "XNYS", "USD", None, None) for symbol in ("GE", "XOM", "KO", "PG", "CVX")]
    return working.market.universes.replace(ann, title, members, source="this test").id


def _of(jobs: list[Job], universe_id: str) -> list[Job]:
    return [job for job in jobs if job.arguments["universe_id"] == universe_id]


def test_the_night_of_a_session_scans_it_once_with_records_first(working: Workbench, ann: Principal, at: Night) -> None:
    universe_id = _followed(working, ann, "Five of the index")
    assert _of(at(datetime(2010, 8, 19, 21, 59, tzinfo=NEW_YORK)).tick(), universe_id) == []
    jobs = _of(at(datetime(2010, 8, 19, 22, 0, tzinfo=NEW_YORK)).tick(), universe_id)
    assert [job.arguments["day"] for job in jobs] == ["2010-08-19"]
    assert finished(working.queue, jobs[0]).status is JobStatus.DONE
    scan = _scan_of(working, ann, universe_id, THURSDAY)
    assert (scan.about.scanned, scan.about.org_id) == (5, ann.org_id)
    assert working.screener.records.confidences(universe_id, THURSDAY, ann.org_id) is not None
    assert _of(at(datetime(2010, 8, 20, 3, 0, tzinfo=NEW_YORK)).tick(), universe_id) == []
    friday = _of(
        at(datetime(2010, 8, 22, 12, 0, tzinfo=NEW_YORK)).tick(), universe_id
    )  # on Sunday: that of Friday was missed
    assert [job.arguments["day"] for job in friday] == ["2010-08-20"]


def _scan_of(working: Workbench, ann: Principal, universe_id: str, day: date) -> Scan:
    """The scan of a day, once it is done."""
    scans, until = working.screener.scans, time.monotonic() + 30
    while (scan := scans.latest(replace(ann, as_of=day), universe_id)) is None or scan.about.as_of != day:
        assert time.monotonic() < until
        time.sleep(0.05)
    return scan


def test_a_night_without_bars_says_so_is_tried_again_and_then_given_up(
    working: Workbench, ann: Principal, at: Night
) -> None:
    universe_id = _followed(working, ann, "Five without a Monday")
    monday = datetime(2010, 8, 23, 22, 5, tzinfo=NEW_YORK)
    assert _of(at(monday).tick(), universe_id) == []  # nothing could bring them

    def nights() -> Nights:
        return Nights(replace(at(monday).parts, has_sources=True))

    for _ in range(MOST_TRIES):
        (job,) = _of(nights().tick(), universe_id)
        job = finished(working.queue, job)
        assert job.status is JobStatus.FAILED
        assert job.error == "The bars of Mon 23 Aug 2010 are not there yet; they end on Fri 20 Aug 2010."
        assert _of(nights().tick(), universe_id) == []  # too soon
        _age_tries(working, universe_id, monday)
    assert _of(nights().tick(), universe_id) == []


def _age_tries(working: Workbench, universe_id: str, until: datetime) -> None:
    """Lets what was tried of a universe have been tried an hour before a moment."""
    with working.database.service() as connection:
        connection.execute(
            text("UPDATE scans SET started_at = :at, finished_at = :at WHERE universe_id = :id AND status = 'failed'"),
            {"at": until - timedelta(hours=1), "id": universe_id},
        )


def test_a_scheduler_outside_starts_all_that_is_followed_and_sees_it_end(working: Workbench, ann: Principal) -> None:
    universe_id = _followed(working, ann, "Five for the scheduler")
    job = finished(working.queue, working.screener.nights.start_all())
    assert (job.status, job.failed, job.org_id) == (JobStatus.DONE, 0, None)
    assert job.total is not None and job.done == job.total >= 2
    scan = working.screener.scans.latest(ann, universe_id)
    assert scan is not None and scan.about.as_of == date(2010, 8, 20)
    assert working.screener.scans.latest(ann, UNIVERSE) is not None


def test_a_night_in_which_no_universe_can_be_scanned_has_failed_and_says_why(
    working: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise StaleBars("The bars end long ago.", THURSDAY)

    with monkeypatch.context() as patched:
        patched.setattr(working.screener.planner, "plan", refuse)
        job = finished(working.queue, working.screener.nights.start_all())
    assert (job.status, job.done) == (JobStatus.FAILED, 0)
    assert job.error is not None and "can be scanned; the first: The bars end long ago." in job.error
    with monkeypatch.context() as patched:
        patched.setattr(working.screener.processes, "run", refuse)
        job = finished(working.queue, working.screener.nights.start_all())
    assert (job.status, job.done, job.failed) == (JobStatus.FAILED, 0, job.total)
    assert job.error is not None and job.error.endswith("failed; the last: The bars end long ago.")


def test_a_scan_that_is_under_way_already_does_not_hold_up_who_started_all(
    working: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, go_on = working.screener.processes.run, threading.Event()

    def wait(*args: Any, **kwargs: Any) -> Any:
        assert go_on.wait(30)
        return run(*args, **kwargs)

    monkeypatch.setattr(working.screener.processes, "run", wait)
    universe_id = _of_five(working, ann, "Five under way")
    scan = working.screener.scans.request(ann, universe_id)
    night = working.screener.nights.start_all()
    while working.queue.find(night.id).detail in (None, "Fetching bars"):
        time.sleep(0.02)
    go_on.set()
    assert finished(working.queue, scan).status is JobStatus.DONE
    ended = finished(working.queue, night)
    assert (ended.status, ended.done) == (JobStatus.DONE, ended.total)


def test_a_night_and_a_records_job_leave_room_for_somebodys_scan(
    working: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, go_on, at_it = working.screener.records.update, threading.Event(), list[str]()
    night, scanned, asked = (_of_five(working, ann, f"Five beside {number}") for number in range(3))

    def wait(of: str, *args: Any, **kwargs: Any) -> Any:
        if of in (night, scanned):  # not of what other tests left to do
            at_it.append(of)
            assert go_on.wait(30)
        return update(of, *args, **kwargs)

    monkeypatch.setattr(working.screener.records, "update", wait)
    jobs = [working.screener.nights.start(night, THURSDAY, ann.org_id), working.screener.scans.request(ann, scanned)]
    until = time.monotonic() + 30
    while {*at_it} != {night, scanned}:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert finished(working.queue, working.screener.scans.request(ann, asked)).status is JobStatus.DONE
    assert not working.queue.find(jobs[0].id).is_finished
    go_on.set()
    assert finished(working.queue, jobs[0]).status is JobStatus.DONE


def test_a_night_that_breaks_for_a_reason_of_its_own_is_not_tried_for_ever(
    working: Workbench, ann: Principal, at: Night
) -> None:
    universe_id = _followed(working, ann, "Five that break")
    thursday = datetime(2010, 8, 19, 22, 5, tzinfo=NEW_YORK)
    job = working.queue.submit("night of a test", {}, key=universe_id, org_id=ann.org_id)
    night = replace(job, kind=NIGHT, arguments={"universe_id": universe_id, "day": "2010-08-19"})
    working.queue.tell_given_up(night, "Its worker died 3 times while working on it.")
    _age_tries(working, universe_id, thursday + timedelta(minutes=60 - TRY_AGAIN_MINUTES + 1))
    assert _of(at(thursday).tick(), universe_id) == []
    with working.database.service() as connection:
        tried = scans_dao.tries(connection, universe_id, ann.org_id, THURSDAY, FORMULA_VERSION)
    assert (tried.count, tried.is_done) == (1, False)


def test_members_are_not_read_to_see_that_no_night_is_due(
    working: Workbench, ann: Principal, at: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    universe_id, planner = _followed(working, ann, "Five in the daytime"), working.screener.planner
    foreign = working.market.universes.replace(
        ann,
        "Two places",
        [
            MemberRow(symbol, symbol, "", exchange, "USD", None, None)
            for symbol, exchange in (("VOD.L", "XLON"), ("GE", "XNYS"), ("XOM", "XNYS"), ("AZN.L", "XLON"))
        ],
        source="this test",
    )
    assert planner.exchange(foreign.id, ann.org_id) == "XLON", "of two alike that of the first member"
    assert planner.exchange(universe_id, ann.org_id) == planner.exchange(UNIVERSE, None) == "XNYS"
    assert planner.exchange(universe_id, None) is None, "it is an organisation's own"
    assert planner.exchange("gone", None) is None

    job = working.screener.scans.request(replace(ann, as_of=date(2010, 8, 18)), universe_id)
    assert finished(working.queue, job).status is JobStatus.DONE
    of_job, read = working.market.universes.of_job, list[str]()

    def noted(of: str, org_id: UUID | None) -> Any:
        if threading.current_thread() is threading.main_thread():  # jobs of before may still be at work
            read.append(of)
        return of_job(of, org_id)

    monkeypatch.setattr(working.market.universes, "of_job", noted)
    assert _of(at(datetime(2010, 8, 19, 12, 0, tzinfo=NEW_YORK)).tick(), universe_id) == []
    assert universe_id not in read


def test_a_night_does_not_keep_its_own_universe_followed(working: Workbench, ann: Principal) -> None:
    universe_id = _of_five(working, ann, "Five once")
    job = submit_scan(working.queue, working.screener.scans.plan(ann, universe_id))
    assert finished(working.queue, job).status is JobStatus.DONE
    asked = _followed(working, ann, "Five asked for")
    with working.database.service() as connection:
        followed = {followed for followed, _ in scans_dao.recent(connection, 30)}
    assert asked in followed and universe_id not in followed
