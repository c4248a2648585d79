"""One run over the signals of a batch that wait: eight at a time, each with an outcome of its own.

A run may be cut short at any step and made again: what was settled is found by its deterministic key, what was recorded
is not waiting any more. Quota or money that ends stops the run cleanly: nothing further begins, what is under way ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from core.ai.health import asks_to_wait
from core.db import verdict_batches_dao as dao
from core.db.engine import Database
from core.db.verdict_batches_dao import CountsRow, ItemRow
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    Forbidden,
    MeteringDenied,
    NotConfigured,
    NotEnoughData,
    PlanRequired,
    ProviderRateLimited,
    ProviderUnavailable,
    StillRunning,
    place_of,
)
from core.ops.job_run import INTERNAL

IN_FLIGHT = 8
"""Signals that are validated at once; so many slots the meter gives the batch of an organisation."""
CHUNK = 50
"""Signals that are read at once."""
TELL_S = 0.5
"""Pause between two words of how far it is."""
LIMITED_TRIES = 3
"""So often a signal is tried again after its provider asked to wait."""
PAUSE_S = 5.0
"""Pause where a provider asks to wait, and does not say how long."""
MOST_PAUSE_S = 60.0
SLOT_S = 0.25
"""Between two tries for a slot, or for a call that an earlier run left."""
MOST_WAIT_S = 300.0
"""So long a signal waits for a slot, or for the end of a call that an earlier run left, which its hold bounds."""
PASSING = frozenset({"too_many_concurrent", "rate_limited"})
"""Denials that are over in a moment."""
OF_ALL = (PlanRequired, NotConfigured, Forbidden)
"""Refusals that every other signal would meet as well."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchSteps:
    """What a run does of what others know."""

    validate: Callable[[UUID], UUID]
    """Validates the signal of this id, and gives the id of its verdict, made now or by a run before."""
    prepare: Callable[[Sequence[UUID]], object]
    """Does ahead what validating signals begins with; what it raises is met again there."""
    sweep: Callable[[], object]
    """Ends the holds that runs which were killed left behind, as soon as they are overdue."""
    tell: Callable[[], None]
    """Says how far the batch is; what it raises ends the run, once the calls under way have ended."""
    check: Callable[[], None]
    """Raises where the batch is another run's by now, or this worker was told to stop."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a signal."""

    status: Literal["done", "failed", "abstained"]
    verdict_id: UUID | None = None
    problem: str | None = None


@dataclass(slots=True)
class _Patience:
    """How long a signal is tried again."""

    until: float
    """Monotonic second after which nothing is waited for."""
    limited: int = 0
    """How often its provider asked to wait."""


class BatchRun:
    """Works off what waits of one batch. `work` is called once, and tells how far it is now and then."""

    def __init__(self, database: Database, job_id: UUID, steps: BatchSteps) -> None:
        self._database = database
        self._job_id = job_id
        self._steps = steps
        self._changed = threading.Condition()
        self._waiting: deque[ItemRow] = deque()
        self._last = 0
        self._prepared = 0
        """Number of the last signal that is prepared, or being so."""
        self._calling = 0
        """Signals that are asked about at this moment."""
        self._returned = 0
        """Calls that ended otherwise than by a denial: what they had reserved and did not use is there again."""
        self._resume_at = 0.0
        """Monotonic second before which no call begins: a provider asked to wait."""
        self._is_ending = False
        self._failure: BaseException | None = None
        self._lanes_left = IN_FLIGHT

    def work(self) -> None:
        """Validates what waits, until nothing is left or the batch was stopped; returns when nothing is under way.

        Raises:
            DatabaseUnavailable, JobTakenOver: the rest waits for another run.
        """
        if self._is_stopped():
            return
        lanes = [threading.Thread(target=self._lane, name="assay-batch", daemon=True) for _ in range(IN_FLIGHT)]
        threads = [*lanes, threading.Thread(target=self._prepare, name="assay-batch-ahead", daemon=True)]
        for thread in threads:
            thread.start()
        try:
            while not self._has_ended():
                self._steps.tell()
                if self._is_stopped():
                    self._end()
        finally:
            self._end()
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure

    def _has_ended(self) -> bool:
        """Waits a while for the end; whether there is nothing more to do."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lanes_left, timeout=TELL_S)

    def _is_stopped(self) -> bool:
        with self._database.single() as connection:
            return dao.is_stopped(connection, self._job_id)

    def _lane(self) -> None:
        try:
            while (item := self._next()) is not None:
                outcome = self._outcome(item.signal_id)
                if outcome is None:
                    return
                self._record(item, outcome)
        except BaseException as error:  # noqa: BLE001 (the outermost edge of a thread; raised again by `work`)
            self._failure = self._failure or error
            self._end()
        finally:
            with self._changed:
                self._lanes_left -= 1
                self._changed.notify_all()

    def _prepare(self) -> None:
        """Prepares what waits while providers answer, until nothing further begins."""
        while ahead := self._ahead():
            with suppress(Exception):
                self._steps.prepare([item.signal_id for item in ahead])

    def _ahead(self) -> Sequence[ItemRow]:
        """Waits for signals that are not prepared; none where none is to be begun."""
        with self._changed:
            while not self._is_ending and self._lanes_left:
                ahead = [each for each in self._waiting if each.number > self._prepared]
                if ahead:
                    self._prepared = ahead[-1].number
                    return ahead
                self._changed.wait(TELL_S)
            return ()

    def _next(self) -> ItemRow | None:
        """The next signal that waits; None where there is none, or none is to be begun."""
        with self._changed:
            if not self._waiting and not self._is_ending:
                with self._database.single() as connection:
                    found = dao.items(connection, self._job_id, statuses=("waiting",), after=self._last, most=CHUNK)
                self._waiting.extend(found)
                self._last = found[-1].number if found else self._last
                self._changed.notify_all()
            return self._waiting.popleft() if self._waiting and not self._is_ending else None

    def _record(self, item: ItemRow, outcome: Outcome) -> None:
        if outcome.status == "failed":
            self._steps.check()  # a call that a stopping worker cut short is no failure of the signal
        with self._database.single() as connection:
            dao.record(
                connection,
                self._job_id,
                item.number,
                status=outcome.status,
                verdict_id=outcome.verdict_id,
                problem=outcome.problem,
            )

    def _outcome(self, signal_id: UUID) -> Outcome | None:
        """What becomes of a signal; None where it is left waiting, since the run is ending."""
        patience = _Patience(until=time.monotonic() + MOST_WAIT_S)
        while self._may_call():
            try:
                return Outcome("done", verdict_id=self._called(signal_id))
            except DatabaseUnavailable:
                raise
            except AssayError as error:
                outcome = self._after(error, patience)
            except Exception as error:  # noqa: BLE001 (the outermost edge of one signal: it holds up no other)
                _log.error("A signal of a batch failed: %s.", place_of(error))
                outcome = Outcome("failed", problem=INTERNAL)
            if outcome is not None:
                return outcome
        return None

    def _after(self, error: AssayError, patience: _Patience) -> Outcome | None:
        """What an error comes to; None where the signal is tried again, unless the run is ending."""
        if isinstance(error, NotEnoughData):
            return Outcome("abstained", problem=error.detail)
        if isinstance(error, OF_ALL):
            self._stop(error)
            return None
        if isinstance(error, MeteringDenied) and error.problem_code not in PASSING:
            self._wait_or_stop(error)
            return None
        if isinstance(error, ProviderRateLimited | ProviderUnavailable) and asks_to_wait(error):
            patience.limited += 1
            is_over = patience.limited > LIMITED_TRIES
            self._pause(error.retry_after_s)
        else:
            is_over = not isinstance(error, MeteringDenied | StillRunning) or not self._rest(patience.until)
        return Outcome("failed", problem=error.detail) if is_over else None

    def _may_call(self) -> bool:
        """Waits while a provider asked to; whether a call may begin."""
        with self._changed:
            while not self._is_ending and (left_s := self._resume_at - time.monotonic()) > 0:
                self._changed.wait(left_s)
            return not self._is_ending

    def _called(self, signal_id: UUID) -> UUID:
        is_denied = False
        with self._changed:
            self._calling += 1
        try:
            return self._steps.validate(signal_id)
        except MeteringDenied:
            is_denied = True
            raise
        finally:
            with self._changed:
                self._calling -= 1
                self._returned += not is_denied
                self._changed.notify_all()

    def _pause(self, wanted_s: float | None) -> None:
        pause_s = min(PAUSE_S if wanted_s is None else wanted_s, MOST_PAUSE_S)
        with self._changed:
            self._resume_at = max(self._resume_at, time.monotonic() + pause_s)

    def _rest(self, until: float) -> bool:
        """Waits a moment for slots and calls of an earlier run; False where it was waited for long enough."""
        self._steps.sweep()
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, timeout=SLOT_S)
        return self._is_ending or time.monotonic() < until

    def _wait_or_stop(self, denied: MeteringDenied) -> None:
        """What others under way give back when they end may suffice; where there are none, quota or money has ended."""
        with self._changed:
            if self._calling:
                returned = self._returned
                self._changed.wait_for(lambda: self._is_ending or self._returned != returned, timeout=TELL_S)
                return
        self._stop(denied)

    def _stop(self, error: AssayError) -> None:
        with self._database.single() as connection:
            dao.stop(connection, self._job_id, error.problem_code, error.detail)
        self._end()

    def _end(self) -> None:
        """Lets nothing further begin."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()


def sentence(counts: CountsRow, stopped_reason: str | None = None) -> str:
    """How far a batch is, in words."""
    if stopped_reason is not None:
        return f"Stopped after {counts.total - counts.waiting:,} of {counts.total:,}: {stopped_reason}"
    told = [f"{counts.done:,} of {counts.total:,} validated"]
    if counts.abstained:
        told.append(f"{counts.abstained:,} without enough data")
    if counts.failed:
        told.append(f"{counts.failed:,} failed")
    return ", ".join(told)
