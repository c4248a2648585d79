"""The screener, composed once: scans, what they find and what it was worth; pages and routes reach it here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.db.engine import Database
from core.db.instruments_dao import MemberRow
from core.errors import NotConfigured
from core.market.as_of import AsOf, Reason
from core.market.market import Market
from core.ops.jobs import JobContext, Queue
from core.ops.processes import Processes
from core.screener.nights import TICK_MINUTES, Followed, NightParts, Nights
from core.screener.record_store import Records
from core.screener.scan_jobs import AfterScan, ScanJobs, ScanParts
from core.screener.scan_plan import ScanPlan, ScanPlanner
from core.screener.scans import Scans
from core.screener.studies import Studies
from core.settings import Settings

A_DAY_MINUTES = 24 * 60


@dataclass(frozen=True)
class Screener:
    """The services of the screener, over one market and one queue."""

    planner: ScanPlanner
    scans: Scans
    studies: Studies
    records: Records
    nights: Nights
    jobs: ScanJobs
    processes: Processes

    def close(self) -> None:
        """Ends the processes that compute."""
        self.processes.close()


def open_screener(
    settings: Settings,
    database: Database,
    queue: Queue,
    market: Market,
    *,
    after: Sequence[AfterScan] = (),
    awaited: Callable[[], Sequence[Followed]] = tuple,
) -> Screener:
    """Composes the screener, and says to the queue what it does; `after` is told of each finished scan."""
    processes = Processes(settings.scan_processes)
    planner = ScanPlanner(market.universes, market.store, market.calendars)
    records = Records(market.bars, database, market.store.folder, processes)
    scans = Scans(database, queue, market.time, planner)
    jobs = ScanJobs(
        ScanParts(
            database=database,
            queue=queue,
            planner=planner,
            bars=market.bars,
            records=records,
            processes=processes,
            clock=market.clock,
            after=after,
        )
    )

    def update_bars(members: Sequence[MemberRow]) -> None:
        with suppress(NotConfigured):  # without a source the bars are those that are brought
            market.update_bars(members)

    def update_records(plan: ScanPlan, context: JobContext) -> None:
        as_of = AsOf(plan.day, Reason.CHOSEN, market.clock.now())
        records.update(plan.universe.id, plan.symbols, as_of, plan.org_id, progress=context.progress)

    def tick() -> None:
        nights.tick()

    nights = Nights(
        NightParts(
            database=database,
            queue=queue,
            planner=planner,
            calendars=market.calendars,
            clock=market.clock,
            as_of=market.time.default,
            default_universe=market.lists.universes[0].id,
            has_sources=bool(market.sources.bars),
            update_bars=update_bars,
            update_records=update_records,
            awaited=awaited,
        )
    )
    queue.handle({**jobs.handlers(), **nights.handlers()})
    queue.every("nights", TICK_MINUTES, tick)
    queue.every("forget_scans", A_DAY_MINUTES, jobs.forget)
    return Screener(planner, scans, Studies(market.bars, scans, records, market.time), records, nights, jobs, processes)
