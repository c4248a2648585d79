"""The screener, composed once: scans, what they find and what it was worth; pages and routes reach it here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.db.engine import Database
from core.db.instruments_dao import MemberRow
from core.errors import NotConfigured
from core.market.as_of import AsOf, Reason
from core.market.market import Market
from core.ops.jobs import TIDY_MINUTES, JobContext, Queue
from core.ops.mail import Mailer
from core.ops.notifications import Notifications
from core.ops.processes import Processes
from core.screener.alerting import Alerting, open_alerting
from core.screener.alerts import Alerts
from core.screener.nights import TICK_MINUTES, NightParts, Nights
from core.screener.presets import load_presets
from core.screener.record_store import Records
from core.screener.scan_jobs import ScanJobs, ScanParts
from core.screener.scan_plan import ScanPlan, ScanPlanner
from core.screener.scans import Scans
from core.screener.screens import Screens
from core.screener.studies import Studies
from core.settings import DATA, Settings


@dataclass(frozen=True)
class Screener:
    """The services of the screener, over one market and one queue."""

    planner: ScanPlanner
    scans: Scans
    studies: Studies
    records: Records
    screens: Screens
    alerts: Alerts
    alerting: Alerting
    """What alerts do by themselves: after scans, and to deliver."""
    nights: Nights
    jobs: ScanJobs
    processes: Processes

    def close(self) -> None:
        """Ends what is computed and what is delivered."""
        self.processes.close()
        self.alerting.delivery.close()


def open_screener(
    settings: Settings, database: Database, queue: Queue, market: Market, mailer: Mailer, notifications: Notifications
) -> Screener:
    """Composes the screener, and says to the queue what it does.

    Raises:
        ConfigurationError: a mistake in the presets; the sentence names the line.
    """
    processes = Processes(settings.scan_processes)
    planner = ScanPlanner(market.universes, market.store, market.calendars)
    records = Records(market.bars, database, market.store.folder, processes)
    scans = Scans(database, queue, market.time, planner)
    screens = Screens(database, load_presets(DATA / "presets.yaml"))
    alerting = open_alerting(
        settings,
        database,
        queue,
        screens,
        find_universe=market.universes.get,
        latest_scan=scans.latest,
        mailer=mailer,
        notifications=notifications,
    )
    jobs = ScanJobs(
        ScanParts(
            database=database,
            queue=queue,
            planner=planner,
            bars=market.bars,
            records=records,
            processes=processes,
            clock=market.clock,
            after=(alerting.watch.after_scan,),
        )
    )
    nights = _nights(database, queue, market, planner, records, alerting)
    queue.handle({**jobs.handlers(), **nights.handlers()})
    queue.when_given_up({**jobs.given_up(), **nights.given_up()})
    queue.every("forget_scans", TIDY_MINUTES, jobs.forget)
    return Screener(
        planner=planner,
        scans=scans,
        studies=Studies(market.bars, scans, records, market.time),
        records=records,
        screens=screens,
        alerts=alerting.alerts,
        alerting=alerting,
        nights=nights,
        jobs=jobs,
        processes=processes,
    )


def _nights(
    database: Database, queue: Queue, market: Market, planner: ScanPlanner, records: Records, alerting: Alerting
) -> Nights:
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
            awaited=alerting.watch.awaited,
        )
    )
    queue.every("nights", TICK_MINUTES, tick)
    return nights
