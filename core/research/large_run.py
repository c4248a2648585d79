"""One run over the items of a large request that wait: a few at a time, for a while.

What is over in a moment (a slot, a minute's rate, a provider that asks to wait, a call that a dead run left) is waited
for; quota or money that ends stops the rest as failed, once what is under way has ended; any other error is the item's
own. The run may be cut short at any step and made again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.db import large_requests_dao as dao
from core.db.engine import Database
from core.db.large_requests_dao import ItemRow
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    Forbidden,
    MeteringDenied,
    NotConfigured,
    PlanRequired,
    ProviderRateLimited,
    ProviderUnavailable,
    StillRunning,
    place_of,
)
from core.ops.job_run import INTERNAL

MOST_LANES = 4
"""Items that are asked at once, at most."""
SLICE_S = 60.0
"""So long a job asks before it leaves its place to others."""
TELL_S = 0.5
"""Pause between two words of how far it is."""
SLOT_S = 0.25
"""Between two tries for a slot, or for a call that an earlier run left."""
PAUSE_S = 5.0
"""Pause where a provider or a limit asks to wait, and does not say how long."""
MOST_PAUSE_S = 60.0
LIMITED_TRIES = 5
"""So often an item is tried again after its provider asked to wait."""
OF_ALL = (PlanRequired, NotConfigured, Forbidden)
"""Refusals that every other item would meet as well."""
OF_ITEM = frozenset({"cost_ceiling"})
"""Denials that another item may not meet."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an item."""

    told: Mapping[str, Any]
    """As it is kept, JSON."""
    cost_usd: Decimal
    """What its user was charged."""


@dataclass(frozen=True, slots=True)
class LargeSteps:
    """What a run does of what others know."""

    ask: Callable[[ItemRow], Result]
    """Asks an item, or finds what a run before was answered."""
    tell: Callable[[], None]
    """Says how far the request is; what it raises ends the run, once the calls under way have ended."""
    sweep: Callable[[], object]
    """Ends holds that dead runs left, as soon as they are overdue."""


class LargeRun:
    """Works off what waits of one request. `work` is called once."""

    def __init__(
        self, database: Database, request_id: UUID, steps: LargeSteps, *, lanes: int, until_s: float = SLICE_S
    ) -> None:
        self._database = database
        self._request_id = request_id
        self._steps = steps
        self._until = time.monotonic() + until_s
        self._changed = threading.Condition()
        self._asking = 0
        """Items that are asked about at this moment."""
        self._returned = 0
        """Calls that ended otherwise than by a denial: what they had held and did not use is there again."""
        self._resume_at = 0.0
        """Monotonic second before which no call begins."""
        self._is_ending = False
        self._failure: BaseException | None = None
        self._lanes = self._lanes_left = lanes

    def work(self) -> None:
        """Asks what waits, until nothing is left or the time is over; returns when nothing is under way.

        Raises:
            DatabaseUnavailable, JobTakenOver: the rest waits for another run.
        """
        lanes = [threading.Thread(target=self._lane, name="assay-large", daemon=True) for _ in range(self._lanes)]
        for lane in lanes:
            lane.start()
        try:
            while not self._has_ended():
                self._steps.tell()
                if time.monotonic() >= self._until:
                    self._end()
        finally:
            self._end()
            for lane in lanes:
                lane.join()
        if self._failure is not None:
            raise self._failure
        self._steps.tell()

    def _has_ended(self) -> bool:
        """Waits a while for the end; whether there is nothing more to do."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lanes_left, timeout=TELL_S)

    def _lane(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._item(item)
        except BaseException as error:  # noqa: BLE001 (the outermost edge of a thread; raised again by `work`)
            self._failure = self._failure or error
            self._end()
        finally:
            with self._changed:
                self._lanes_left -= 1
                self._changed.notify_all()

    def _next(self) -> ItemRow | None:
        if self._is_ending:
            return None
        with self._database.single() as connection:
            return dao.claim(connection, self._request_id)

    def _item(self, item: ItemRow) -> None:
        """Asks an item until something came of it, or the run ends; then it waits again."""
        limited = 0
        while self._may_ask():
            try:
                result = self._asked(item)
            except DatabaseUnavailable:
                raise
            except AssayError as error:
                limited += isinstance(error, ProviderRateLimited | ProviderUnavailable)
                if self._is_over(error, limited):
                    self._fail(item, error.problem_code, error.detail)
                    return
            except Exception as error:  # noqa: BLE001 (the outermost edge of one item: it holds up no other)
                _log.error("An item of a large request failed: %s.", place_of(error))
                self._fail(item, "internal", INTERNAL)
                return
            else:
                with self._database.single() as connection:
                    dao.finish(connection, self._request_id, item.number, result.told, result.cost_usd)
                return
        with self._database.single() as connection:
            dao.hand_back(connection, self._request_id, item.number)

    def _asked(self, item: ItemRow) -> Result:
        is_denied = False
        with self._changed:
            self._asking += 1
        try:
            return self._steps.ask(item)
        except MeteringDenied:
            is_denied = True
            raise
        finally:
            with self._changed:
                self._asking -= 1
                self._returned += not is_denied
                self._changed.notify_all()

    def _is_over(self, error: AssayError, limited: int) -> bool:
        """Whether an error is what came of an item; otherwise it is tried again, after what had to be waited for."""
        if isinstance(error, StillRunning):
            self._rest()
            return False
        if isinstance(error, MeteringDenied):
            return self._is_denied(error)
        if isinstance(error, OF_ALL):
            self._stop(error)
            return True
        if isinstance(error, ProviderRateLimited):
            self._pause(error.retry_after_s)
            return limited > LIMITED_TRIES
        if isinstance(error, ProviderUnavailable) and not error.provider:  # this process has too many calls
            self._pause(1.0)
            return limited > LIMITED_TRIES
        return True

    def _is_denied(self, denied: MeteringDenied) -> bool:
        code = denied.problem_code
        if code == "too_many_concurrent":
            self._rest()
            return False
        if code == "rate_limited":
            self._pause(denied.denial.retry_after_s)
            return False
        if code in OF_ITEM:
            return True
        with self._changed:
            if self._asking:  # what they give back when they end may suffice
                returned = self._returned
                self._changed.wait_for(lambda: self._is_ending or self._returned != returned, timeout=TELL_S)
                return False
        self._stop(denied)
        return True

    def _may_ask(self) -> bool:
        """Waits while it was asked to; whether a call may begin."""
        with self._changed:
            while not self._is_ending and (left_s := self._resume_at - time.monotonic()) > 0:
                self._changed.wait(left_s)
            return not self._is_ending

    def _pause(self, wanted_s: float | None) -> None:
        pause_s = min(PAUSE_S if wanted_s is None else wanted_s, MOST_PAUSE_S)
        with self._changed:
            self._resume_at = max(self._resume_at, time.monotonic() + pause_s)

    def _rest(self) -> None:
        """Waits a moment for slots, and for calls that an earlier run left."""
        self._steps.sweep()
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending, timeout=SLOT_S)

    def _fail(self, item: ItemRow, code: str, error: str) -> None:
        self._steps.tell()  # a call that a stopping worker cut short is no failure of the item
        with self._database.single() as connection:
            dao.fail(connection, self._request_id, item.number, code, error)

    def _stop(self, error: AssayError) -> None:
        """Fails all that waits for one reason; what is under way ends by itself."""
        with self._database.single() as connection:
            dao.stop(connection, self._request_id, error.problem_code, error.detail)

    def _end(self) -> None:
        """Lets nothing further begin."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
