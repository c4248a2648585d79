"""Jobs as managers and operators look after them: what waits and runs, what failed and why, and doing one again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.accounts.permissions import Action, require
from core.admin.reach import reach_of
from core.db import overview_jobs_dao as dao
from core.db.engine import Database
from core.db.overview_jobs_dao import KindRow
from core.errors import Conflict, NotFound
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, audit_principal
from core.ops.jobs import Job, Queue, QueueFigures
from core.principal import Principal

DAYS = 7
"""Jobs that ended are told of so many days."""
MOST_FAILED = 100
"""Failed jobs that are told; of more the latest."""
SAFE_KINDS: dict[str, str | None] = {"night": "night", "nightly": "night", "score_verdicts": "score_verdicts"}
"""Kinds that may be done again, each with the lock that its jobs share: they go by what is stored, repeat nothing that
was done, and ask no model. Of the others whoever started them starts them again: they have a request, a quota or a
message of their own."""


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed, and whether it may be done again from here."""

    id: UUID
    org_name: str | None
    """None: it is the installation's."""
    kind: str
    error: str
    attempts: int
    created_at: datetime
    finished_at: datetime
    may_be_retried: bool


@dataclass(frozen=True, slots=True)
class JobsOverview:
    """How the jobs within reach are."""

    queue: QueueFigures | None
    """The queue as a whole; operators alone see it."""
    kinds: Sequence[KindRow]
    """By kind; those that ended are of the last `DAYS` days."""
    failed: Sequence[FailedJob]
    """Of the last `DAYS` days, the latest first."""


class AdminJobs:
    """The jobs of an organisation, or of the installation."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue

    def overview(self, principal: Principal, *, everything: bool = False) -> JobsOverview:
        """How the jobs are that the principal may look over.

        Raises:
            Forbidden: as `reach_of`.
        """
        org_id = reach_of(principal, everything=everything)
        with self._database.snapshot() as transaction:
            kinds = dao.kinds(transaction, org_id, days=DAYS)
            failed = dao.failed(transaction, org_id, days=DAYS, most=MOST_FAILED)
        figures = self._queue.figures() if principal.is_operator else None
        return JobsOverview(figures, kinds, [_told(row) for row in failed])

    def retry(self, principal: Principal, job_id: UUID, *, everything: bool = False) -> Job:
        """Has a failed job be done again, or joins the one that does already; it stays in the list of failed ones.

        Raises:
            NotFound: there is no failed job of that id within reach.
            Conflict: it is of a kind that must not be done again from here.
            Forbidden: as `reach_of`; or a member who may not change what their organisation runs.
        """
        org_id = reach_of(principal, everything=everything)
        if not principal.is_operator:
            require(principal, Action.SET_OVERSIGHT)
        with self._database.snapshot() as transaction:
            row = dao.failed_one(transaction, org_id, job_id)
        if row is None:
            raise NotFound("There is no such job that failed.")
        if row.kind not in SAFE_KINDS:
            raise Conflict("A job of this kind is not repeated from here: whoever started it starts it again.")
        job = self._queue.submit(
            row.kind,
            row.arguments,
            key=row.key,
            org_id=row.org_id,
            requested_by=principal.user_id,
            lock=SAFE_KINDS[row.kind],
        )
        with self._database.service() as transaction:
            Audit.record(transaction, _repeated(principal, row, job))
        return job


def _repeated(principal: Principal, row: dao.FailedRow, job: Job) -> AuditEvent:
    return audit_principal(
        principal,
        AuditAction.JOB_REPEATED,
        Subject("job", str(row.id)),
        after={"kind": row.kind, "job": str(job.id)},
        org_id=row.org_id,
        as_operator=principal.is_operator and row.org_id != principal.org_id,
    )


def _told(row: dao.FailedRow) -> FailedJob:
    return FailedJob(
        id=row.id,
        org_name=row.org_name,
        kind=row.kind,
        error=row.error or "It failed without a word.",
        attempts=row.attempts,
        created_at=row.created_at,
        finished_at=row.finished_at,
        may_be_retried=row.kind in SAFE_KINDS,
    )
