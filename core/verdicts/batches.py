"""Batches of validations as members meet them: what one would cost, its start, its progress, and its end on request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.accounts.accounts import principal_of
from core.accounts.permissions import Action, require
from core.ai.router import AUTO
from core.db import sign_in_dao
from core.db import verdict_batches_dao as dao
from core.db.engine import Database
from core.db.verdict_batches_dao import BatchRow, CountsRow, ItemRow, NewBatch, WantedRow
from core.errors import Forbidden, InvalidRequest, NotEnoughData, NotFound
from core.market.market_time import MarketTime, spoken
from core.metering.meter import QuotaState
from core.ops.jobs import Job, Queue
from core.principal import Principal
from core.screener.scans import Scan
from core.verdicts.validations import Estimate

VALIDATE_BATCH = "validate_batch"
"""The kind of job that validates the signals of a batch."""
MOST_SIGNALS = 500
"""Signals of one batch."""
MOST_CONSIDERED = 10_000
"""Signals among which those of a batch are chosen."""
PROBLEMS = 50
"""Signals without a verdict that a batch's progress names."""
SAMPLED = 8
"""Signals of a batch whose cost is computed; the dearest of them stands for all."""
CANCELLED, FAILED = "cancelled", "failed"

LatestScan = Callable[[Principal, str], Scan | None]
"""The newest scan of a universe that somebody sees."""
EstimateOne = Callable[..., Estimate]
"""`Validations.estimate`."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which signals: those of these ids; or those of a universe's newest scan, of these symbols, the most confident."""

    signal_ids: tuple[UUID, ...] = ()
    universe_id: str | None = None
    symbols: tuple[str, ...] | None = None
    """None: of all of them."""
    most: int = MOST_SIGNALS
    """Signals that are asked about."""

    @classmethod
    def of(cls, wanted: Wanted) -> Selection:
        """What is wanted as a selection.

        Raises:
            InvalidRequest: too many signals, or none.
        """
        selection = wanted if isinstance(wanted, Selection) else cls(signal_ids=tuple(wanted))
        if len(set(selection.signal_ids)) > MOST_SIGNALS or selection.most > MOST_SIGNALS:
            raise InvalidRequest(f"At most {MOST_SIGNALS} signals at once; choose fewer.")
        if selection.most < 1:
            raise InvalidRequest("At least one signal is wanted.")
        return selection

    def new(self, found: Sequence[WantedRow]) -> list[WantedRow]:
        """Those of the signals found that are asked about: without a verdict of today, the most confident first."""
        return [row for row in found if not row.is_validated][: self.most]


Wanted = Selection | Sequence[UUID]


@dataclass(frozen=True, slots=True)
class BatchEstimate:
    """What a batch would be of, and what it would cost."""

    count: int
    """Signals that it would ask about."""
    already: int
    """Signals of the selection that have a verdict of today, and are left out."""
    model: str
    """Id of the model that would be asked first."""
    most_usd: Decimal
    """The worst case: as many times that of the dearest of a few of its signals."""
    usual_usd: Decimal | None
    """What so many calls of this model usually cost; None: none is known."""
    quota: QuotaState | None
    """The organisation's validations of the day; None where nothing is left to ask about."""
    budget_left_usd: Decimal | None
    """What is left of the organisation's budget of the month; None: it set none."""
    fits: int
    """Signals for which quota and budget suffice at worst."""

    @property
    def quota_left(self) -> int | None:
        """Validations that are left today; None: any number."""
        return None if self.quota is None else self.quota.remaining


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """How far a batch is."""

    job: Job
    title: str
    model: str
    is_nightly: bool
    universe_id: str
    signal_day: date
    total: int
    done: int
    failed: int
    abstained: int
    """Signals of which too little is known: no model was asked."""
    waiting: int
    spent_usd: Decimal
    stopped_code: str | None
    """Why it ended before its last signal, or is about to: a code of `core.errors`, `cancelled` or `failed`."""
    stopped_reason: str | None
    created_at: datetime
    finished_at: datetime | None
    problems: Sequence[ItemRow] = field(default=())
    """The first signals that failed or about which too little is known, with a sentence for each."""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come of it."""
        return self.finished_at is not None or self.job.is_finished

    @property
    def ended(self) -> int:
        """Signals of which nothing more will come."""
        return self.total - self.waiting


class Batches:
    """Starts batches for members, and tells how far they are."""

    def __init__(
        self, database: Database, queue: Queue, time: MarketTime, latest_scan: LatestScan, estimate: EstimateOne
    ) -> None:
        self._database = database
        self._queue = queue
        self._time = time
        self._latest_scan = latest_scan
        self._estimate = estimate

    def estimate(self, principal: Principal, wanted: Wanted, *, model: str | None = None) -> BatchEstimate:
        """What a batch would cost, and how much of it quota and budget allow; nothing is asked or counted.

        Raises:
            NotFound: there is no such universe, model, or scan of the universe.
            InvalidRequest: too many signals.
            Forbidden, PlanRequired, NotConfigured: the model may not be asked.
        """
        selection = Selection.of(wanted)
        found = self.wanted(principal, selection, model=model)
        new = selection.new(found)
        already = sum(row.is_validated for row in found)
        with self._database.app(principal) as connection:
            budget_left = dao.budget_left(connection)
        sampled = self._sampled(principal, new, model)
        if not sampled:
            return BatchEstimate(
                len(new), already, _model(principal, model), Decimal(0), None, None, budget_left, len(new)
            )
        dearest = max(sampled, key=lambda each: each.most_usd)
        fits = [len(new)]
        if dearest.quota.remaining is not None:
            fits.append(dearest.quota.remaining)
        if budget_left is not None and dearest.most_usd > 0:
            fits.append(max(0, int(budget_left / dearest.most_usd)))
        usual = [each.usual_usd for each in sampled if each.usual_usd is not None]
        return BatchEstimate(
            count=len(new),
            already=already,
            model=dearest.model,
            most_usd=len(new) * dearest.most_usd,
            usual_usd=len(new) * usual[0] if usual else None,
            quota=dearest.quota,
            budget_left_usd=budget_left,
            fits=min(fits),
        )

    def start(self, principal: Principal, wanted: Wanted, *, model: str | None = None) -> Job:
        """Starts a batch, or joins the unfinished one of the same signals and model.

        One runs at a time in an organisation: another waits for its turn.

        Raises:
            Forbidden: a viewer, or a token that may only read.
            InvalidRequest: no signals, all of them validated, or too many.
            NotFound: there is no such universe, or no scan of it.
            PlanRequired, NotConfigured: the model may not be asked.
        """
        require(principal, Action.ASK)
        selection = Selection.of(wanted)
        found = self.wanted(principal, selection, model=model)
        new = selection.new(found)
        if not new:
            had = "it has a verdict" if len(found) == 1 else f"all {len(found):,} signals have verdicts"
            raise InvalidRequest(f"Nothing to validate: {had} of today." if found else "There are no such signals.")
        self._sampled(principal, new[:1], model)  # a model that may not be asked is told of now
        return self.submit(principal, new, model=_model(principal, model))

    def submit(
        self,
        principal: Principal,
        signals: Sequence[WantedRow],
        *,
        model: str,
        night: tuple[str, date] | None = None,
        is_once: bool = False,
        parent_id: UUID | None = None,
    ) -> Job:
        """Starts the batch of these signals, or joins the one that is the same; for what may start them.

        Args:
            principal: for whom; the batch acts as their organisation.
            signals: at least one, in the order in which they are validated.
            model: id of a model, or `auto`.
            night: the universe and day of a nightly batch.
            is_once: does nothing where that night had its batch.
            parent_id: a job that counts the signals of this one.

        Raises:
            Forbidden: a viewer, or a token that may only read.
        """
        require(principal, Action.ASK)
        ids = [str(row.id) for row in signals]
        arguments: dict[str, Any] = {
            "user_id": str(principal.user_id),
            "as_of": principal.as_of.isoformat() if principal.as_of else None,
            "model": model,
            "universe_id": night[0] if night else signals[0].universe_id,
            "signal_day": (night[1] if night else max(row.day for row in signals)).isoformat(),
            "is_nightly": night is not None,
            "is_once": is_once,
            "parent_id": str(parent_id) if parent_id else None,
            "signal_ids": ids,
        }
        key = f"nightly/{night[0]}/{night[1]}" if night else _digest([model, principal.as_of, sorted(ids)])
        job = self._queue.submit(
            VALIDATE_BATCH,
            arguments,
            key=key,
            org_id=principal.org_id,
            requested_by=principal.user_id,
            lock=f"verdicts/{principal.org_id}",
        )
        self.begin(job)
        if parent_id is not None:
            with self._database.service() as connection:
                dao.adopt(connection, job.id, parent_id)
        return job

    def begin(self, job: Job) -> BatchRow | None:
        """Records the batch of a job and its signals, once, whoever comes first; None where its night had another."""
        given = job.arguments
        assert job.org_id is not None
        day = date.fromisoformat(given["signal_day"])
        count = len(given["signal_ids"])
        title = f"{count:,} signal{'' if count == 1 else 's'} of {spoken(day)}"
        batch = NewBatch(
            job_id=job.id,
            org_id=job.org_id,
            started_by=UUID(given["user_id"]),
            is_nightly=given["is_nightly"],
            is_once=given["is_once"],
            parent_id=UUID(given["parent_id"]) if given["parent_id"] else None,
            universe_id=given["universe_id"],
            signal_day=day,
            model=given["model"],
            title=f"Nightly: {title}" if given["is_nightly"] else title,
        )
        with self._database.service() as connection:
            dao.begin(connection, batch, [UUID(each) for each in given["signal_ids"]])
            return dao.get(connection, job.id)

    def progress(self, principal: Principal, job_id: UUID) -> BatchProgress:
        """How far a batch is.

        Raises:
            NotFound: the organisation has no such batch.
        """
        job = self._queue.get(principal, job_id)
        with self._database.app(principal) as connection:
            batch = dao.get(connection, job_id)
            if batch is None:
                raise NotFound("There is no such batch.")
            counts = dao.counts(connection, job_id)
            problems = dao.items(connection, job_id, statuses=("failed", "abstained"), most=PROBLEMS)
        return _progress(job, batch, counts, problems)

    def latest(self, principal: Principal) -> BatchProgress | None:
        """The organisation's newest batch; None: there was none that is still known."""
        with self._database.app(principal) as connection:
            batch = dao.latest(connection)
        if batch is None:
            return None
        try:
            return self.progress(principal, batch.job_id)
        except NotFound:  # its job ended so long ago that it was forgotten
            return None

    def cancel(self, principal: Principal, job_id: UUID) -> None:
        """Begins no further signal of a batch; those under way are finished, and what was said of others stays.

        Raises:
            Forbidden: a viewer, or a token that may only read.
            NotFound: the organisation has no such batch.
        """
        require(principal, Action.ASK)
        with self._database.app(principal) as connection:
            if dao.get(connection, job_id) is None:
                raise NotFound("There is no such batch.")
        with self._database.service() as connection:
            dao.stop(connection, job_id, CANCELLED, f"{principal.name} stopped it.")

    def wanted(self, principal: Principal, selection: Selection, *, model: str | None = None) -> list[WantedRow]:
        """All signals among which a selection chooses, as the caller sees them, the most confident first.

        Raises:
            NotFound: there is no such universe, or no scan of it.
        """
        scan = None
        if selection.universe_id is not None:
            scan = self._latest_scan(principal, selection.universe_id)
            if scan is None:
                raise NotFound("This universe was not scanned yet: scan it first.")
        with self._database.app(principal) as connection:
            return dao.wanted(
                connection,
                day=self._time.of(principal).day,
                model=_model(principal, model),
                most=MOST_CONSIDERED,
                signal_ids=selection.signal_ids,
                scan_id=scan.about.id if scan else None,
                symbols=selection.symbols,
            )

    def _sampled(self, principal: Principal, signals: Sequence[WantedRow], model: str | None) -> list[Estimate]:
        """What some signals, spread over all, would cost; those of which too little is known cost nothing."""
        step = max(1, len(signals) // SAMPLED)
        found: list[Estimate] = []
        refused: InvalidRequest | None = None
        for row in signals[::step][:SAMPLED]:
            try:
                found.append(self._estimate(principal, row.id, model=model))
            except NotEnoughData:
                continue
            except InvalidRequest as error:  # of one signal, unless it is said of each
                refused = error
        if refused is not None and not found:
            raise refused
        return found


def acting(database: Database, job: Job) -> Principal:
    """The member who started a batch, or switched the nightly one on, as they are now.

    Raises:
        Forbidden: they left, or may not ask models any more.
    """
    assert job.org_id is not None
    principal = member(database, UUID(job.arguments["user_id"]), job.org_id)
    given = job.arguments["as_of"]
    return replace(principal, as_of=date.fromisoformat(given)) if given else principal


def member(database: Database, user_id: UUID, org_id: UUID) -> Principal:
    """A member as they are now, for what acts in their name.

    Raises:
        Forbidden: they left, or may not ask models any more.
    """
    with database.service() as connection:
        row = sign_in_dao.who_of_member(connection, user_id, org_id)
    if row is None:
        raise Forbidden("Whoever started this batch is no member of the organisation any more.")
    principal = principal_of(row, "command")
    require(principal, Action.ASK)
    return principal


def _model(principal: Principal, model: str | None) -> str:
    return model or principal.default_model or AUTO


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()


def _progress(job: Job, batch: BatchRow, counts: CountsRow, problems: Sequence[ItemRow]) -> BatchProgress:
    shared: Mapping[str, Any] = {
        name: getattr(batch, name)
        for name in (
            "title",
            "model",
            "is_nightly",
            "universe_id",
            "signal_day",
            "stopped_code",
            "stopped_reason",
            "created_at",
            "finished_at",
        )
    }
    return BatchProgress(
        job=job,
        total=counts.total,
        done=counts.done,
        failed=counts.failed,
        abstained=counts.abstained,
        waiting=counts.waiting,
        spent_usd=counts.spent_usd,
        problems=problems,
        **shared,
    )
