"""Nights: at 22:00 in an exchange's zone the bars of its session, then records, then the scan and what follows it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from core.clock import Clock
from core.db import scans_dao as dao
from core.db.engine import Database
from core.db.instruments_dao import MemberRow
from core.db.scans_dao import NewScan
from core.errors import AssayError, NotEnoughData, NotFound, StaleBars
from core.market.as_of import AsOf, Reason
from core.market.calendars import Calendars
from core.market.market_time import spoken
from core.ops.jobs import GivenUp, Handler, Job, JobContext, Queue
from core.screener.scan_plan import ScanPlan, ScanPlanner
from core.screener.scans import submit_scan
from core.screener.version import FORMULA_VERSION

NIGHT = "night"
"""The kind of job that is one universe's night; one at a time, since fetching can take an hour and others wait."""
NIGHTLY = "nightly"
"""The kind of job that a scheduler outside starts: all universes that are followed, at once."""
STARTS_AT = time(22, 0)
"""In the exchange's zone, on days with a session."""
TICK_MINUTES = 5
FOLLOWED_DAYS = 30
"""A universe whose scan somebody asked for in so many days is followed every night; nights do not ask."""

MOST_TRIES = 3
TRY_AGAIN_MINUTES = 30

UpdateBars = Callable[[Sequence[MemberRow]], None]
"""Brings bars up to date, as far as the sources give them."""
UpdateRecords = Callable[[ScanPlan, JobContext], None]
"""Brings the records of a universe's signals up to a session."""
Followed = tuple[str, UUID | None]
"""A universe, and whose; None: everybody's."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NightParts:
    """What nights are made of."""

    database: Database
    queue: Queue
    planner: ScanPlanner
    calendars: Calendars
    clock: Clock
    as_of: Callable[[], AsOf]
    """The day at which nobody chose another."""
    default_universe: str
    has_sources: bool
    """Whether a source of bars is configured."""
    update_bars: UpdateBars
    update_records: UpdateRecords
    awaited: Callable[[], Sequence[Followed]]
    """Universes that somebody waits for though nobody scanned them lately."""


class Nights:
    """Starts the night of each universe that is followed, once for each session."""

    def __init__(self, parts: NightParts) -> None:
        self.parts = parts
        """What it is made of; with another clock, these are the nights of another moment."""

    def handlers(self) -> Mapping[str, Handler]:
        """What is done for each kind of job."""
        return {NIGHT: self._work, NIGHTLY: self._work_all}

    def given_up(self) -> Mapping[str, GivenUp]:
        """What is done about each kind of job that failed for good."""
        return {NIGHT: self._record_failure}

    def tick(self) -> list[Job]:
        """Starts the nights that are due; gives their jobs. Called every few minutes."""
        now = self.parts.clock.now()
        jobs = []
        for universe_id, org_id in self._followed():
            try:
                day = self._due(universe_id, org_id, now)
            except AssayError as error:  # of one universe: the others have their night all the same
                _log.info("No night for universe %s: %s", universe_id, error.detail)
                continue
            if day is not None:
                jobs.append(self.start(universe_id, day, org_id))
        return jobs

    def start(self, universe_id: str, day: date, org_id: UUID | None) -> Job:
        """Starts the night of one universe, or joins it."""
        arguments = {"universe_id": universe_id, "day": day.isoformat()}
        return self.parts.queue.submit(NIGHT, arguments, key=f"{universe_id}/{day}", org_id=org_id, lock=NIGHT)

    def start_all(self) -> Job:
        """Starts the scans of all universes that are followed, whatever the hour, or joins that."""
        return self.parts.queue.submit(NIGHTLY, {}, key=NIGHTLY, org_id=None, lock=NIGHT)

    def _followed(self) -> list[Followed]:
        with self.parts.database.service() as connection:
            scanned = dao.recent(connection, FOLLOWED_DAYS)
        return list(dict.fromkeys([*scanned, *self.parts.awaited()]))

    def _due(self, universe_id: str, org_id: UUID | None, now: datetime) -> date | None:
        """The session whose night it is and that was not scanned, nor tried too often or too lately."""
        exchange = self.parts.planner.exchange(universe_id, org_id)
        if exchange is None:
            return None
        sessions = self.parts.calendars
        day = sessions.last_session(exchange, now)
        if now < datetime.combine(day, STARTS_AT, ZoneInfo(sessions.of(exchange).zone)):
            return None
        with self.parts.database.service() as connection:
            tried = dao.tries(connection, universe_id, org_id, day, FORMULA_VERSION)
        waits = tried.last_at is not None and now < tried.last_at + timedelta(minutes=TRY_AGAIN_MINUTES)
        is_open = not tried.is_done and tried.count < MOST_TRIES and not waits
        return day if is_open and self._may_have_bars(universe_id, org_id, day) else None

    def _may_have_bars(self, universe_id: str, org_id: UUID | None, day: date) -> bool:
        """Whether the bars of a session can be fetched, or were brought: without either there is nothing to try."""
        if self.parts.has_sources and not self.parts.planner.universe(universe_id, org_id)[0].is_generated:
            return True
        as_of = AsOf(day, Reason.CHOSEN, self.parts.clock.now())
        return self.parts.planner.plan(universe_id, as_of, org_id).day == day

    def _work_all(self, context: JobContext) -> None:
        """Scans every universe that is followed, and the default one, whatever the hour."""
        followed = list(dict.fromkeys([(self.parts.default_universe, None), *self._followed()]))
        context.progress(done=0, failed=0, total=len(followed), detail="Fetching bars")
        found = [self._planned(universe_id, org_id) for universe_id, org_id in followed]
        plans = [plan for plan in found if isinstance(plan, ScanPlan)]
        if not plans:
            refused = next(each for each in found if isinstance(each, AssayError))
            raise NotEnoughData(f"None of {len(followed):,} universes can be scanned; the first: {refused.detail}")
        context.progress(failed=len(followed) - len(plans), detail=f"Scanning {len(plans)} universes")
        jobs = [submit_scan(self.parts.queue, plan, parent_id=context.job.id) for plan in plans]
        own = {job.id for job in jobs if job.arguments.get("parent_id") == str(context.job.id)}
        with suppress(NotFound):  # the last of them ended it
            # What is under way on another's account, or is the same for two, is told of once or not at all.
            if not self.parts.queue.advance(context.job.id, done=len(plans) - len(own)).has_all_parts:
                context.leave_running()

    def _planned(self, universe_id: str, org_id: UUID | None) -> ScanPlan | AssayError:
        """The plan of a scan on fresh bars; where there can be none why, which stands in the log too."""
        try:
            self._fetch(universe_id, org_id)
            return self.parts.planner.plan(universe_id, self.parts.as_of(), org_id)
        except AssayError as error:
            _log.warning("Universe %s is not scanned: %s", universe_id, error.detail)
            return error

    def _fetch(self, universe_id: str, org_id: UUID | None) -> None:
        universe, members = self.parts.planner.universe(universe_id, org_id)
        if not universe.is_generated:
            self.parts.update_bars(members)

    def _work(self, context: JobContext) -> None:
        job = context.job
        universe_id, day = str(job.arguments["universe_id"]), date.fromisoformat(job.arguments["day"])
        context.progress(detail="Fetching bars")
        self._fetch(universe_id, job.org_id)
        plan = self.parts.planner.plan(universe_id, AsOf(day, Reason.CHOSEN, self.parts.clock.now()), job.org_id)
        if plan.day < day:
            raise StaleBars(f"The bars of {spoken(day)} are not there yet; they end on {spoken(plan.day)}.", plan.day)
        context.progress(detail="Bringing records of signals up to date")
        plan = replace(plan, org_id=job.org_id)  # whose night it is has its scan, also where own bars are gone
        self.parts.update_records(plan, context)
        submit_scan(self.parts.queue, plan)

    def _record_failure(self, job: Job, failure: str) -> None:
        """A night that failed, whatever the reason, is a scan that failed: it is not tried for ever."""
        scan = NewScan(
            id=job.id,
            org_id=job.org_id,
            universe_id=job.arguments["universe_id"],
            exchange=None,
            as_of=date.fromisoformat(job.arguments["day"]),
            formula_version=FORMULA_VERSION,
            bars_version=0,
            parts=(),
        )
        with self.parts.database.service() as connection:
            dao.begin(connection, scan)
            dao.fail(connection, job.id, failure)
