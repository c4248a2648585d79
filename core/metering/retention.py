"""Retention of the log of usage: months that ended long ago are exported to Parquet, and then dropped.

A month goes in three steps. Its file is complete before anything is dropped. One transaction drops the partition, says
so in the audit log and sets `kept_from`, before which the books do not look. What belonged to it (holds that no entry
of the ledger names, attempts, closed periods) is then deleted a few thousand at a time, so that no request waits.
Whatever dies in between, the next run goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.db import audit_blocks_dao, metering_dao
from core.db import retention_dao as dao
from core.db.engine import Database
from core.errors import Conflict, NotConfigured
from core.metering.meter import Meter
from core.metering.rollups import Rollups
from core.metering.usage_archive import Archived, archive
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.ops.audit_seal import Sealing, state_pruned

if TYPE_CHECKING:
    from core.db.engine import Transaction

VARIABLE = "USAGE_RETENTION_MONTHS"
FOLDER = "usage"
"""In ASSAY_HOME."""
MAX_SWEEPS = 100
MAX_STEPS = 100_000
Cause = Literal["system", "command"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DueMonth:
    """A month that ended long enough ago."""

    first: date
    rows: int
    uncertain: int
    """Calls whose cost is not certain: somebody has to compare them with the provider's bill first."""
    open: int
    """Holds made before its end that are not resolved yet."""

    @property
    def kept_because(self) -> str | None:
        """Why it stays; None where it may go."""
        if self.open:
            return f"{self.open:,} requests made before its end have not been resolved"
        if self.uncertain:
            return f"{self.uncertain:,} calls are unresolved or quarantined: compare them with the provider's bill"
        return None


@dataclass(frozen=True, slots=True)
class DroppedMonth:
    """A month that is in its file alone."""

    first: date
    archived: Archived | None
    """None: nobody asked anything in it."""

    def __str__(self) -> str:
        if self.archived is None:
            return f"{self.first:%Y-%m}: nothing was asked."
        file = self.archived
        return f"{self.first:%Y-%m}: {file.rows:,} requests are in {file.path}, SHA-256 {file.sha256}."


class Retention:
    """Keeps the running month and so many before it."""

    def __init__(self, database: Database, folder: Path, months: int | None, *, meter: Meter, rollups: Rollups) -> None:
        self._database = database
        self._folder = folder
        self._months = months
        self._meter = meter
        self._rollups = rollups
        self._sealing = Sealing(database)

    def due(self) -> list[DueMonth]:
        """The months that ended long enough ago, the oldest first; one that stays keeps those after it.

        Raises:
            NotConfigured: everything is kept.
        """
        if not self._months:
            raise NotConfigured(f"All usage is kept. Set {VARIABLE} to the number of months to keep beside this one.")
        with self._database.service() as transaction:
            until = _months_before(metering_dao.now(transaction), self._months)
            return [_due(transaction, first) for first in dao.months(transaction) if first < until]

    def prune(self, *, drops_uncertain: bool = False, cause: Cause = "system") -> Iterator[DroppedMonth]:
        """Exports and drops the months that are due, and tells each when it is gone.

        `drops_uncertain`: calls of uncertain cost, too; they stay in the file.

        Raises:
            NotConfigured: everything is kept.
            Conflict: the log was in use, or changed meanwhile: the month is whole, and goes in the next run.
        """
        self._clear()
        if not self.due():
            return
        self._prepare()
        for due in self.due():
            if due.open or (due.uncertain and not drops_uncertain):
                _log.warning("Usage of %s is kept: %s.", f"{due.first:%Y-%m}", due.kept_because)
                break
            yield self._drop(due, cause)
        self._clear()

    def run(self) -> None:
        """What the worker does every day."""
        if self._months:
            for dropped in self.prune():
                _log.info("Dropped from the log of usage: %s", dropped)

    def _prepare(self) -> None:
        """Ends what is overdue, completes the rollups, and seals."""
        for _ in range(MAX_SWEEPS):
            if not self._meter.sweep():
                break
        self._rollups.make_partitions()
        self._rollups.bring_up_to_date()
        self._sealing.seal()

    def _drop(self, due: DueMonth, cause: Cause) -> DroppedMonth:
        archived = self._archived(due.first) if due.rows else None
        with self._database.service() as transaction:
            sealed_to, _ = audit_blocks_dao.chain_end(transaction)
            if archived is not None and archived.last_place > sealed_to:
                raise Conflict(f"Usage of {due.first:%Y-%m} is not sealed yet, and stays until the next run.")
            state_pruned(transaction, dao.following(due.first))
            Audit.record(transaction, _event(due.first, archived, cause))
            if not dao.drop(transaction, due.first, rows=archived.rows if archived else 0):
                raise Conflict(f"Usage of {due.first:%Y-%m} is in use or has changed, and stays until the next run.")
        return DroppedMonth(due.first, archived)

    def _archived(self, first: date) -> Archived:
        with self._database.snapshot() as transaction:
            return archive(self._folder, first, dao.rows(transaction, first))

    def _clear(self) -> None:
        """Deletes what dropped months left, from the beginning where a run before did not come to its end."""
        with self._database.service() as transaction:
            before = dao.uncleared(transaction)
            if before is None:
                return
            dao.clear_periods(transaction, before)
        after = dao.FIRST_ID
        for _ in range(MAX_STEPS):
            with self._database.service() as transaction:
                last = dao.clear_holds(transaction, before, after)
                if last is None:
                    dao.set_cleared(transaction, before)
                    return
            after = last


def _due(transaction: Transaction, first: date) -> DueMonth:
    found = dao.month(transaction, first)
    return DueMonth(first, found.rows, found.uncertain, found.open)


def _event(first: date, archived: Archived | None, cause: Cause) -> AuditEvent:
    file = {"file": archived.path.name, "sha256": archived.sha256} if archived else {}
    return AuditEvent(
        org_id=None,
        actor=None,
        actor_kind=cause,
        action=AuditAction.USAGE_PRUNED,
        subject=Subject("usage_month", f"{first:%Y-%m}"),
        after={"kept_from": dao.following(first), "rows": archived.rows if archived else 0, **file},
    )


def _months_before(now: datetime, months: int) -> date:
    """The first day of the UTC month so many before the running one."""
    today = now.astimezone(UTC)
    number = today.year * 12 + today.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)
