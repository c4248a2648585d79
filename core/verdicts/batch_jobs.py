"""The jobs of batches: one validates an organisation's signals, another starts those of all and counts them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from core.db import jobs_dao
from core.db import verdict_batches_dao as dao
from core.db.engine import Database
from core.db.scans_dao import ScanRow
from core.db.verdict_batches_dao import SettingsRow
from core.errors import AssayError, DatabaseUnavailable
from core.market.market_time import spoken
from core.ops.jobs import GivenUp, Handler, Job, JobContext, JobStatus, Queue
from core.principal import Principal
from core.verdicts.batch_run import BatchRun, BatchSteps, sentence
from core.verdicts.batches import FAILED, VALIDATE_BATCH, Batches, LatestScan, Selection, acting, member
from core.verdicts.validations import Validations

VALIDATE_ALL = "validate_all"
"""The kind of job that starts the batches of all organisations that switched them on."""
KEPT = timedelta(days=90)
"""So long what became of each signal of a batch can be looked up; verdicts stay."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BatchParts:
    """What batches are done with."""

    database: Database
    queue: Queue
    batches: Batches
    validations: Validations
    latest_scan: LatestScan
    sweep: Callable[[UUID], object]
    """Ends an organisation's overdue holds."""
    score_soon: Callable[[], object]
    """Has verdicts scored whose outcome is known already."""


class BatchJobs:
    """The handlers of these jobs, and what starts them by itself."""

    def __init__(self, parts: BatchParts) -> None:
        self._parts = parts

    def handlers(self) -> Mapping[str, Handler]:
        """What is done for each kind of job."""
        return {VALIDATE_BATCH: self._validate, VALIDATE_ALL: self._start_all}

    def given_up(self) -> Mapping[str, GivenUp]:
        """What is done about each kind of job that failed for good."""
        return {VALIDATE_BATCH: self._give_up}

    def start_all(self) -> Job:
        """Starts the batches of all organisations that switched them on, on the newest scans, or joins that."""
        return self._parts.queue.submit(VALIDATE_ALL, {}, key=VALIDATE_ALL, org_id=None)

    def after_scan(self, scan: ScanRow) -> None:
        """Starts the nightly batch of each organisation that waits for this scan, once for each day of signals.

        One that is not the newest which the organisation sees, or is of a past date, starts nothing.
        """
        with self._parts.database.service() as connection:
            found = dao.nightly(connection, universe_id=scan.universe_id, org_id=scan.org_id)
        for wanting in found:
            try:
                self._start_night(wanting, scan=scan)
            except DatabaseUnavailable:
                raise
            except AssayError as error:  # of one organisation: the others have their batch all the same
                _log.warning("A nightly batch was not started: %s", error.detail)

    def forget(self) -> None:
        """Forgets batches that ended long ago."""
        with self._parts.database.service() as connection:
            dao.forget(connection, KEPT)

    def _validate(self, context: JobContext) -> None:
        job, parts = context.job, self._parts
        principal = acting(parts.database, job)
        batch = parts.batches.begin(job)
        if batch is None:
            context.progress(done=0, failed=0, total=0, detail="The signals of this day had their nightly batch.")
            return

        def validate(signal_id: UUID) -> UUID:
            return parts.validations.validate_as_organisation(principal, signal_id, model=batch.model, job_id=job.id).id

        steps = BatchSteps(
            validate=validate,
            prepare=lambda signal_ids: parts.validations.prepare(principal, signal_ids),
            sweep=lambda: parts.sweep(principal.org_id),
            tell=lambda: self._tell(context),
            check=context.progress,
        )
        steps.tell()
        BatchRun(parts.database, job.id, steps).work()
        steps.tell()
        self._finish(job.id)
        parts.score_soon()

    def _tell(self, context: JobContext) -> None:
        """Says how far a batch is, to whoever looks at its job and at the one that counts it."""
        with self._parts.database.service() as connection:
            batch, counts = dao.get(connection, context.job.id), dao.counts(connection, context.job.id)
        context.progress(
            done=counts.done + counts.abstained,
            failed=counts.failed,
            total=counts.total,
            detail=sentence(counts, batch.stopped_reason if batch else None),
        )
        if batch is not None and batch.parent_id is not None:
            self._count(batch.parent_id)

    def _finish(self, job_id: UUID) -> None:
        with self._parts.database.service() as connection:
            dao.finish(connection, job_id)
            batch = dao.get(connection, job_id)
        if batch is not None and batch.parent_id is not None:
            self._count(batch.parent_id)

    def _count(self, parent_id: UUID) -> None:
        """Counts the signals of all its batches on a job, and ends it with the last of them."""
        with self._parts.database.service() as connection:
            if dao.tell_parent(connection, parent_id):
                jobs_dao.finish(connection, parent_id, None, status=JobStatus.DONE)

    def _give_up(self, job: Job, failure: str) -> None:
        self._parts.batches.begin(job)
        with self._parts.database.service() as connection:
            dao.stop(connection, job.id, FAILED, failure)
        self._finish(job.id)

    def _start_all(self, context: JobContext) -> None:
        """Starts the batches, and leaves the job to them: the last one ends it."""
        with self._parts.database.service() as connection:
            found = dao.nightly(connection)
        if not found:
            context.progress(done=0, failed=0, total=0, detail="No organisation has switched nightly validation on.")
            return
        context.progress(detail="Starting batches")
        told = [self._started(wanting, context.job.id) for wanting in found]
        context.progress(detail=_all_told(told))
        context.leave_running()
        self._count(context.job.id)

    def _started(self, wanting: SettingsRow, parent_id: UUID) -> str | None:
        """Starts one organisation's batch; None, or why there is none."""
        try:
            return self._start_night(wanting, parent_id=parent_id)
        except DatabaseUnavailable:
            raise
        except AssayError as error:
            _log.warning("A nightly batch was not started: %s", error.detail)
            return error.detail

    def _start_night(
        self, wanting: SettingsRow, *, scan: ScanRow | None = None, parent_id: UUID | None = None
    ) -> str | None:
        """Starts the batch of an organisation's newest scan; None, or why there is none.

        Told of a scan, it starts one only if that scan is the newest, and once a day. Asked for outright, it tries
        again what of the day's signals has no verdict yet.
        """
        assert wanting.universe_id is not None
        assert wanting.switched_on_by is not None
        principal = member(self._parts.database, wanting.switched_on_by, wanting.org_id)
        newest = self._parts.latest_scan(principal, wanting.universe_id)
        if newest is None:
            return "Its universe was not scanned yet."
        if scan is not None and newest.about.id != scan.id:
            return "Another scan is newer."
        return self._start_of(principal, newest.about, wanting, is_once=scan is not None, parent_id=parent_id)

    def _start_of(
        self, principal: Principal, scan: ScanRow, wanting: SettingsRow, *, is_once: bool, parent_id: UUID | None
    ) -> str | None:
        batches, night = self._parts.batches, (scan.universe_id, scan.as_of)
        if is_once:
            with self._parts.database.service() as connection:
                if dao.has_night(connection, principal.org_id, *night):
                    return "It had its batch."
        # The same signals however often it is started, so that a night never asks about more than was wanted.
        signals = batches.wanted(principal, Selection(universe_id=scan.universe_id), model=wanting.model)
        new = [row for row in signals[: wanting.most] if not row.is_validated]
        if not new:
            return f"No signal of {spoken(scan.as_of)} waits for a verdict."
        batches.submit(principal, new, model=wanting.model, night=night, is_once=is_once, parent_id=parent_id)
        return None


def _all_told(told: list[str | None]) -> str:
    started = sum(each is None for each in told)
    reasons = list(dict.fromkeys(each for each in told if each is not None))
    first = f"Validating the signals of {started:,} organisation{'' if started == 1 else 's'}."
    return " ".join([first, *reasons[:3]])
