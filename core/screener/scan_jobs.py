"""How a scan is done: its universe is cut into parts, each a job that any worker takes, and the last one joins them.

A part is a pure function of its bars, so that it does not matter who computes it, or how often. Bars are read here and
the figures computed in processes of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from core.clock import Clock
from core.db import scans_dao as dao
from core.db.engine import Database
from core.db.scans_dao import Finished, Kept, NewScan, ScanRow, SignalRow
from core.errors import NotFound
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.market.bars import Bars
from core.ops.jobs import GivenUp, Handler, Job, JobContext, Queue
from core.ops.processes import Processes
from core.screener.frames import bytes_of, frame_of
from core.screener.merge import ScanResult, merged, with_confidences
from core.screener.partition import PartitionResult, scan_partition
from core.screener.record_store import Records
from core.screener.records import Confidence
from core.screener.scan_plan import ScanPlan, ScanPlanner
from core.screener.scans import SCAN
from core.screener.version import FORMULA_VERSION

if TYPE_CHECKING:
    import polars as pl

WINDOW = 260
"""Bars of each symbol that are read: 252 before the last, and some that the averages need to settle."""
PART = "scan_part"
"""The kind of job that computes a part."""
STAMP = "scan_records"
"""The kind of job that brings records up to a scan's day, and gives its signals their confidences."""
MOST_SYMBOLS = 2_500
"""Symbols of a part: more would take more memory than is worth it."""
LEAST_SYMBOLS = 100
"""Fewer symbols than these are not worth a part of their own."""
KEPT = Kept(
    results=timedelta(days=400),
    overtaken_results=timedelta(days=1),
    overtaken_signals=timedelta(days=30),
    failed=timedelta(days=30),
)
"""How long what a scan left is kept; signals of scans that no other overtook stay."""

_COPIED = (
    "symbol type direction family state day confirmed_at close entry stop target reward_risk confidence confidence_n"
).split()
_LEVELS = ("entry", "stop", "target", "reward_risk")

AfterScan = Callable[[ScanRow, "pl.DataFrame"], None]
"""Is told of each finished scan and its rows, once its signals have their confidences; may be told again."""


@dataclass(frozen=True)
class ScanParts:
    """What scans are done with."""

    database: Database
    queue: Queue
    planner: ScanPlanner
    bars: Bars
    records: Records
    processes: Processes
    clock: Clock
    after: Sequence[AfterScan] = ()


class ScanJobs:
    """The handlers of the jobs that a scan is made of."""

    def __init__(self, parts: ScanParts) -> None:
        self._parts = parts

    def handlers(self) -> Mapping[str, Handler]:
        """What is done for each kind of job."""
        return {SCAN: self._begin, PART: self._compute, STAMP: self._stamp}

    def given_up(self) -> Mapping[str, GivenUp]:
        """What is done about each kind of job that failed for good."""
        # Without one of its parts a scan has failed, whatever became of the worker that was at it.
        return {
            SCAN: lambda job, error: self._fail(job.id, error),
            PART: lambda job, error: self._fail(UUID(job.arguments["scan_id"]), error),
            STAMP: lambda job, _error: self._stamp_and_tell(UUID(job.arguments["scan_id"])),
        }

    def forget(self) -> None:
        """Forgets what nobody looks at any more: old rows, what another scan of the day overtook, failures."""
        with self._parts.database.service() as connection:
            dao.forget(connection, KEPT)

    def _begin(self, context: JobContext) -> None:
        job = context.job
        plan = self._plan(job.arguments["universe_id"], date.fromisoformat(job.arguments["day"]), job.org_id)
        scan = NewScan(
            id=job.id,
            org_id=job.org_id,
            universe_id=plan.universe.id,
            exchange=plan.exchange,
            as_of=plan.day,
            formula_version=FORMULA_VERSION,
            bars_version=plan.bars_version,
            parts=_cut(plan.symbols, self._parts.processes.count),
        )
        with self._parts.database.service() as connection:
            dao.begin(connection, scan)
            begun = dao.scan(connection, job.id)  # by a run before, of the members and processes that there were then
        assert begun is not None
        context.progress(done=0, total=begun.total, detail=f"Scanning {plan.universe.title}")
        for number in range(begun.parts):
            arguments = {"scan_id": str(job.id), "number": number}
            self._parts.queue.submit(PART, arguments, key=f"{job.id}/{number}", org_id=job.org_id)
        context.leave_running()

    def _compute(self, context: JobContext) -> None:
        scan_id, number = UUID(context.job.arguments["scan_id"]), int(context.job.arguments["number"])
        self._compute_part(scan_id, number)
        self._finish(scan_id)

    def _compute_part(self, scan_id: UUID, number: int) -> None:
        with self._parts.database.service() as connection:
            scan, part = dao.scan(connection, scan_id), dao.part(connection, scan_id, number)
        if scan is None or part is None or part.is_done:
            return
        panel = self._parts.bars.panel(part.symbols, self._as_of(scan.as_of), WINDOW, scan.org_id).bare()
        sessions = self._parts.planner.sessions(scan.exchange, scan.as_of)
        result = self._parts.processes.run(scan_partition, panel, scan.as_of, chart_patterns=True, sessions=sessions)
        with self._parts.database.service() as connection:
            is_new = dao.keep_part(connection, scan_id, number, result.to_bytes())
        if is_new:
            with suppress(NotFound):
                self._parts.queue.advance(scan_id, done=len(part.symbols))

    def _finish(self, scan_id: UUID) -> None:
        """Joins the parts where all are there, and sees to what follows; made again, it changes nothing."""
        with self._parts.database.service() as connection:
            scan = dao.scan(connection, scan_id)
        if scan is None:
            return
        if scan.status == "failed":
            self._end(scan_id, scan.failure)
            return
        confidences = self._parts.records.confidences(scan.universe_id, scan.as_of, scan.org_id)
        if scan.status == "running" and not self._join(scan, confidences):
            return
        self._end(scan_id)
        if confidences is None:
            self.bring_records(scan)
        else:
            self._tell(scan_id)

    def _join(self, scan: ScanRow, confidences: Mapping[str, Confidence] | None) -> bool:
        """Records what the parts come to together; False where some are under way, or another joined them.

        Without confidences, which take the records of the scan's day, its signals get them later.
        """
        members = self._plan(scan.universe_id, scan.as_of, scan.org_id).members
        with self._parts.database.service() as connection:
            locked = dao.scan(connection, scan.id, lock=True)
            written = dao.parts(connection, scan.id)
            done = [PartitionResult.from_bytes(each) for each in written if each is not None]
            if locked is None or locked.status != "running" or len(done) < len(written):
                return False
            result = merged(done, members, confidences or {})
            dao.finish(connection, scan.id, scan.org_id, _finished(scan.id, result, confidences))
            return True

    def bring_records(self, scan: ScanRow) -> Job:
        """Starts bringing records up to a scan's day, and its signals their confidences, or joins that."""
        # Each scan has its job, and one runs at a time: of two scans of a day the second finds the records there.
        arguments = {"scan_id": str(scan.id)}
        return self._parts.queue.submit(STAMP, arguments, key=str(scan.id), org_id=scan.org_id, lock=STAMP)

    def _stamp(self, context: JobContext) -> None:
        scan_id = UUID(context.job.arguments["scan_id"])
        with self._parts.database.service() as connection:
            scan = dao.scan(connection, scan_id)
        if scan is None or scan.status != "done":
            return
        if self._parts.records.confidences(scan.universe_id, scan.as_of, scan.org_id) is None:
            plan = self._plan(scan.universe_id, scan.as_of, scan.org_id)
            self._parts.records.update(
                scan.universe_id, plan.symbols, self._as_of(scan.as_of), scan.org_id, progress=context.progress
            )
        self._stamp_and_tell(scan_id)

    def _stamp_and_tell(self, scan_id: UUID) -> None:
        """What waits for a scan's confidences goes on; where records cannot be had, with those that there are."""
        self.stamp(scan_id)
        self._tell(scan_id)

    def stamp(self, scan_id: UUID) -> None:
        """Gives the signals of a finished scan the confidences of the records that are known by its day."""
        import polars as pl

        with self._parts.database.service() as connection:
            scan, written = dao.scan(connection, scan_id, lock=True), dao.results(connection, scan_id)
            if scan is None or written is None:
                return
            confidences = self._parts.records.confidences(scan.universe_id, scan.as_of, scan.org_id) or {}
            kinds = {name: pl.Float64 if name in _LEVELS else pl.String for name in dao.LEADING_COLUMNS}
            found = pl.DataFrame(dao.leading(connection, scan_id), schema=kinds, orient="row")
            frame = with_confidences(frame_of(written), found, confidences)
            dao.stamp(connection, scan_id, bytes_of(frame), [_stamped(*item) for item in confidences.items()])

    def _tell(self, scan_id: UUID) -> None:
        with self._parts.database.service() as connection:
            scan, written = dao.scan(connection, scan_id), dao.results(connection, scan_id)
        if scan is None or written is None:
            return
        for tell in self._parts.after:
            tell(scan, frame_of(written))

    def _fail(self, scan_id: UUID, failure: str) -> None:
        with self._parts.database.service() as connection:
            dao.fail(connection, scan_id, failure)
        self._end(scan_id, failure)

    def _end(self, scan_id: UUID, failure: str | None = None) -> None:
        """Ends the scan's job, and has the one that started it count it."""
        queue = self._parts.queue
        with suppress(NotFound):  # it ended so long ago that it was forgotten
            given = queue.find(scan_id).arguments.get("parent_id")
            parent_id = UUID(given) if given else None
            if failure is None:
                queue.finish(scan_id, parent_id=parent_id)
            else:
                queue.fail(scan_id, failure, parent_id=parent_id)

    def _plan(self, universe_id: str, day: date, org_id: UUID | None) -> ScanPlan:
        return self._parts.planner.plan(universe_id, self._as_of(day), org_id)

    def _as_of(self, day: date) -> AsOf:
        return AsOf(day, Reason.CHOSEN, self._parts.clock.now())


def _cut(symbols: Sequence[str], processes: int) -> list[Sequence[str]]:
    """The symbols in parts: as many as there are processes, of a size that is worth it."""
    fewest = -(-len(symbols) // MOST_SYMBOLS)
    parts = max(1, fewest, min(processes, len(symbols) // LEAST_SYMBOLS))
    size = -(-len(symbols) // parts)
    return [symbols[begin : begin + size] for begin in range(0, len(symbols), size)]


def _finished(scan_id: UUID, result: ScanResult, confidences: Mapping[str, Confidence] | None) -> Finished:
    return Finished(
        scanned=result.results.height,
        skipped=[(skip.symbol, skip.reason) for skip in result.skipped],
        market=result.market,
        results=bytes_of(result.results),
        signals=[_signal(scan_id, row, confidences or {}) for row in result.signals.iter_rows(named=True)],
        is_stamped=confidences is not None,
    )


def _signal(scan_id: UUID, row: Mapping[str, Any], confidences: Mapping[str, Confidence]) -> SignalRow:
    known = confidences.get(row["type"])
    return SignalRow(
        id=new_id(),
        scan_id=scan_id,
        **{name: row[name] for name in _COPIED},
        base_rate=known.base_rate if known else None,
        shape={"pivots": json.loads(row["pivots"])} if row["pivots"] else None,
    )


def _stamped(type_id: str, confidence: Confidence) -> Mapping[str, str | float | int | None]:
    return {"type": type_id, "value": confidence.value, "n": confidence.n, "base_rate": confidence.base_rate}
