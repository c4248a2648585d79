"""Scans as people meet them: the newest of a universe, its rows and signals, and the start of another."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from core.db import scans_dao as dao
from core.db.engine import Database
from core.db.scans_dao import ScanRow, SignalRow, SignalsWanted
from core.errors import NotFound
from core.market.market_time import MarketTime
from core.market.universes import require_analyst
from core.ops.jobs import Job, Queue
from core.principal import Principal
from core.screener.frames import frame_of
from core.screener.scan_plan import ScanPlan, ScanPlanner
from core.screener.version import FORMULA_VERSION

if TYPE_CHECKING:
    import polars as pl

KEPT_FRAMES = 8
"""Results of scans that are kept in memory, about 3 MB each at 5,000 symbols."""
MOST_SIGNALS = 1_000
"""Signals that one call gives."""
SCAN = "scan"
"""The kind of job that scans."""


@dataclass(frozen=True)
class Scan:
    """A finished scan."""

    about: ScanRow
    results: pl.DataFrame
    """A row for each symbol that was scanned; see `partition` and `merge` for its columns."""
    sessions_behind: int
    """How many sessions have closed since its day, up to the day that is seen."""


class Scans:
    """What has been scanned, as each caller may see it."""

    def __init__(self, database: Database, queue: Queue, time: MarketTime, planner: ScanPlanner) -> None:
        self._database = database
        self._queue = queue
        self._time = time
        self._planner = planner
        self._frames: OrderedDict[tuple[UUID, datetime | None], pl.DataFrame] = OrderedDict()
        self._lock = threading.Lock()

    def latest(self, principal: Principal, universe_id: str) -> Scan | None:
        """The newest finished scan of a universe as of the caller's day; None where there is none.

        Raises:
            NotFound: there is no such universe that this caller may see.
        """
        as_of = self._time.of(principal)
        with self._database.app(principal) as connection:
            found = dao.latest(
                connection, universe_id, as_of.day, formula_version=FORMULA_VERSION, org_id=principal.org_id
            )
            if found is None:
                return None
            frame = self._kept(found)
            if frame is None:
                frame = self._keep(found, dao.results(connection, found.id))
        return Scan(found, frame, self._planner.sessions_behind(found.exchange, found.as_of, as_of))

    def request(self, principal: Principal, universe_id: str) -> Job:
        """Starts a scan as of the caller's day, or joins the one that is under way.

        Raises:
            NotFound: there is no such universe that this caller may see.
            Forbidden: a viewer, or a token that may only read.
            StaleBars, NotEnoughData: the bars do not serve.
        """
        require_analyst(principal)
        plan = self._planner.plan(universe_id, self._time.of(principal), principal.org_id)
        return submit_scan(self._queue, plan, requested_by=principal.user_id)

    def plan(self, principal: Principal, universe_id: str) -> ScanPlan:
        """What a scan would be of as of the caller's day; raises as `request` but for what the role may."""
        return self._planner.plan(universe_id, self._time.of(principal), principal.org_id)

    def of_job(self, job_id: UUID) -> ScanRow:
        """The scan that a finished job made; for commands.

        Raises:
            NotFound: it made none.
        """
        with self._database.service() as connection:
            found = dao.scan(connection, job_id)
        if found is None:
            raise NotFound("There is no such scan.")
        return found

    def signals(
        self, principal: Principal, scan_id: UUID, wanted: SignalsWanted, most: int = MOST_SIGNALS
    ) -> Sequence[SignalRow]:
        """Signals of a scan, in the order of their ids; none where the caller may not see the scan."""
        with self._database.app(principal) as connection:
            return dao.signals(connection, scan_id, wanted, min(most, MOST_SIGNALS))

    def signal(self, principal: Principal, signal_id: UUID) -> SignalRow:
        """One signal, as of the caller's day.

        Raises:
            NotFound: there is none of that id that this caller may see, or it is of a later day.
        """
        as_of = self._time.of(principal)
        with self._database.app(principal) as connection:
            found = dao.signal(connection, signal_id)
        if found is None or found.day > as_of.day:
            raise NotFound("There is no such signal.")
        return found

    def _kept(self, scan: ScanRow) -> pl.DataFrame | None:
        with self._lock:
            frame = self._frames.get((scan.id, scan.stamped_at))
            if frame is not None:
                self._frames.move_to_end((scan.id, scan.stamped_at))
            return frame

    def _keep(self, scan: ScanRow, written: bytes | None) -> pl.DataFrame:
        if written is None:
            raise NotFound("The results of this scan are no longer kept.")
        frame = frame_of(written)
        with self._lock:
            self._frames[scan.id, scan.stamped_at] = frame
            while len(self._frames) > KEPT_FRAMES:
                self._frames.popitem(last=False)
        return frame


def submit_scan(
    queue: Queue, plan: ScanPlan, *, requested_by: UUID | None = None, parent_id: UUID | None = None
) -> Job:
    """Starts the scan of a plan, or joins the one of the same universe and day that is under way.

    A parent is a job that was left running: it is told when the scan that it started has ended.
    """
    arguments = {"universe_id": plan.universe.id, "day": plan.day.isoformat()}
    return queue.submit(
        SCAN,
        arguments | ({"parent_id": str(parent_id)} if parent_id else {}),
        key=f"{plan.universe.id}/{plan.day}",
        org_id=plan.org_id,
        requested_by=requested_by,
    )
