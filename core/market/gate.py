"""The gate to every source of market data: what may be asked, what is tried again, and who is left alone.

The allowances and the circuits stand in one row of Postgres for each source, so that all processes share them. A
request takes from the allowance in one statement and leaves with no transaction open; what came of it is written down
in a second one. Requests that belong together are taken, sent and written down together.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from math import ceil
from random import Random
from typing import Protocol, TypeVar

from core.clock import Clock
from core.db import sources_dao as dao
from core.db.engine import Database
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    NoData,
    NotConfigured,
    RateLimited,
    SourceDown,
    SourceError,
)
from core.market.circuit import Circuit, CircuitPolicy, RetryPolicy
from core.market.sources.contract import Allowance
from core.ops.telemetry import Telemetry

AT_ONCE = 100
"""Requests that one process has under way at once; threads for them are made when first needed, and kept."""
PATIENCE_S = 2.0
"""How long a call goes on for want of room in an allowance: waiting for its turns, and asking in all but the last."""
LONGEST_BLOCK_S = 86_400.0
"""A source that asks us to wait for longer is asked once a day."""
OK = "ok"
CIRCUIT = "circuit"
"""What refuses where a source is left alone."""

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Source(Protocol):
    """As much of a source as the gate has to know."""

    @property
    def name(self) -> str:
        """Its name in settings, answers and the row that counts it."""
        ...

    @property
    def allowance(self) -> Allowance:
        """What may be asked of it."""
        ...


@dataclass(frozen=True, slots=True)
class WindowState:
    """How much of one window of an allowance is used."""

    window: str
    """second, minute or day."""
    used: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class SourceState:
    """How a source fares, for those who run the installation."""

    name: str
    circuit: Circuit
    windows: tuple[WindowState, ...]
    rests_until: datetime | None = None
    """When an open circuit becomes half open."""
    blocked_until: datetime | None = None
    """When the source takes requests again, as it said itself."""
    failures_in_a_row: int = 0
    answered_at: datetime | None = None
    latency_ms: int | None = None
    """Of late, on the average."""
    failed_at: datetime | None = None
    failure: str | None = None
    """Kind of the last failure: the name of an error class."""


class Gate:
    """Lets requests through to sources."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        random: Random,
        *,
        circuit: CircuitPolicy | None = None,
        retry: RetryPolicy | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._random = random
        self._circuit = circuit or CircuitPolicy()
        self._retry = retry or RetryPolicy()
        self._telemetry = telemetry
        self._threads = ThreadPoolExecutor(AT_ONCE, "assay-source")
        self._closing = threading.Event()

    def call(self, source: Source, ask: Callable[[], _T], *, patience_s: float = PATIENCE_S) -> _T:
        """What a source answers to one request.

        Raises:
            NoData, NotConfigured: its answer; not tried again.
            RateLimited: its allowance is used, or it asks us to wait, for longer than `patience_s`.
            SourceDown: it failed each time, or is left alone for a while.
            DatabaseUnavailable: nothing was asked.
        """
        outcome = self.call_each(source, {0: ask}, patience_s=patience_s)[0]
        if isinstance(outcome, AssayError):
            raise outcome
        return outcome

    def call_each(
        self, source: Source, asks: Mapping[_K, Callable[[], _T]], *, patience_s: float = PATIENCE_S
    ) -> dict[_K, _T | AssayError]:
        """What a source answers to many requests at once; each fails alone, with an error that `call` would raise.

        They go in rounds of taking, asking and writing down, until each has its answer or nothing more may be done.

        Raises:
            DatabaseUnavailable: nothing was asked, or not all.
        """
        outcomes: dict[_K, _T | AssayError] = {}
        attempts = dict.fromkeys(asks, 0)
        waiting, begun = list(asks), self._clock.monotonic()
        while waiting:
            taken = self._taken(source, len(waiting))
            if not taken.granted:
                wait_s = taken.wait_s or 0.0
                if taken.refused_by == CIRCUIT or wait_s > patience_s or self._closing.wait(wait_s):
                    refusal = _refusal(source, taken)
                    return {key: outcomes.get(key, refusal) for key in asks}
                patience_s -= wait_s
                continue
            batch, waiting = waiting[: taken.granted], waiting[taken.granted :]
            asked_at = self._clock.monotonic()
            outcomes |= self._asked(source, {key: asks[key] for key in batch}, taken)
            if waiting:
                patience_s -= self._clock.monotonic() - asked_at
                if patience_s <= 0:
                    slow = _too_slow(source)
                    return {key: outcomes.get(key, slow) for key in asks}
            attempts |= {key: attempts[key] + 1 for key in batch}
            again = [
                key
                for key in batch
                if attempts[key] < self._retry.attempts and _is_worth_repeating(outcomes[key], patience_s)
            ]
            if again and self._pauses(max(attempts[key] for key in again), begun):
                waiting = again + waiting
        return outcomes

    def take(self, source: Source, wanted: int = 1) -> int:
        """Takes up to so many requests from the allowance; for requests that are made elsewhere. Says how many."""
        return self._taken(source, wanted).granted

    def states(self, sources: Iterable[Source] = ()) -> list[SourceState]:
        """How each source fares that was ever asked, and each of `sources`, by name."""
        with self._database.heart() as driver:
            states = {row.name: _state(row) for row in dao.states(driver)}
        for source in sources:
            states.setdefault(source.name, SourceState(source.name, Circuit.CLOSED, _unused(source.allowance)))
        return [states[name] for name in sorted(states)]

    def close(self) -> None:
        """Waits for nobody any longer, and for requests that are under way."""
        self._closing.set()
        self._threads.shutdown()

    def _taken(self, source: Source, wanted: int) -> dao.TakeRow:
        allowance = source.allowance
        with self._database.heart() as driver:
            return dao.take(
                driver,
                source.name,
                wanted,
                per_second=allowance.per_second,
                per_minute=allowance.per_minute,
                per_day=allowance.per_day,
                probe_s=self._circuit.probe_s,
            )

    def _asked(
        self, source: Source, asks: Mapping[_K, Callable[[], _T]], taken: dao.TakeRow
    ) -> dict[_K, _T | AssayError]:
        """What came of requests that were taken together; it is written down before it is given."""
        batch = _Batch(source.name, self._clock, self._circuit, self._telemetry)
        try:
            if len(asks) == 1:
                return {key: batch.outcome(ask) for key, ask in asks.items()}
            futures = {key: self._threads.submit(batch.outcome, ask) for key, ask in asks.items()}
            wait(futures.values())
            return {key: future.result() for key, future in futures.items()}
        finally:
            self._settle(source, batch.settled(taken))

    def _settle(self, source: Source, settled: dao.SettleRow) -> None:
        policy = self._circuit
        try:
            with self._database.heart() as driver:
                dao.settle(
                    driver,
                    source.name,
                    settled,
                    most_failures=policy.failures,
                    rest_s=policy.rest_s,
                    longest_rest_s=policy.longest_rest_s,
                )
        except DatabaseUnavailable:  # the answers are there all the same
            _log.warning("What came of requests to %s could not be written down.", source.name)

    def _pauses(self, attempts: int, begun: float) -> bool:
        """Pauses before another attempt; False where it would be too late for one."""
        pause_s = self._retry.pause_s(attempts, self._random)
        if self._clock.monotonic() - begun + pause_s > self._retry.within_s:
            return False
        return not self._closing.wait(pause_s)


class _Batch:
    """Requests that were taken together, and what came of them, in the order in which it came."""

    def __init__(self, name: str, clock: Clock, policy: CircuitPolicy, telemetry: Telemetry | None) -> None:
        self._name = name
        self._clock = clock
        self._policy = policy
        self._telemetry = telemetry
        self._ends: list[tuple[BaseException | None, float]] = []
        """Of each request that was made how it failed, and its seconds; appended by many threads, and never changed."""
        self._halted_by: AssayError | None = None

    def outcome(self, ask: Callable[[], _T]) -> _T | AssayError:
        """What a request is answered, or the error it fails with; not asked once others have shown it to be in vain."""
        if self._halted_by is not None:
            return self._halted_by
        begun = self._clock.monotonic()
        failure: BaseException | None = None
        try:
            return ask()
        except (SourceError, NotConfigured) as error:
            failure = error
            return error
        except BaseException as error:  # what no source raises is a flaw of ours: it counts as a failure, and is raised
            failure = error
            raise
        finally:
            self._note(failure, self._clock.monotonic() - begun)

    def settled(self, taken: dao.TakeRow) -> dao.SettleRow:
        """What to write down of them."""
        answered_s = [seconds for failure, seconds in self._ends if _is_answer(failure)]
        failures = [failure for failure, _ in self._ends if failure is not None and not isinstance(failure, NoData)]
        blocks_s = [self._block_s(failure) for failure in failures if isinstance(failure, RateLimited)]
        return dao.SettleRow(
            has_answered=bool(answered_s),
            failures=self._failures_in_a_row(),
            unused=taken.granted - len(self._ends),
            taken_on=taken.taken_on,
            is_probe=taken.is_probe,
            failure=type(failures[-1]).__name__ if failures else None,
            block_s=max(blocks_s, default=None),
            latency_ms=round(1000 * sum(answered_s) / len(answered_s)) if answered_s else None,
        )

    def _note(self, failure: BaseException | None, seconds: float) -> None:
        self._ends.append((failure, seconds))
        if self._telemetry is not None:
            self._telemetry.source_called(self._name, OK if failure is None else type(failure).__name__, seconds)
        if isinstance(failure, RateLimited | NotConfigured) or (
            isinstance(failure, SourceDown) and self._failures_in_a_row() >= self._policy.failures
        ):
            self._halted_by = failure

    def _failures_in_a_row(self) -> int:
        """Those after the last request that was answered."""
        return sum(1 for _ in takewhile(lambda end: not _is_answer(end[0]), reversed(self._ends)))

    def _block_s(self, limited: RateLimited) -> float:
        told_s = limited.retry_after_s
        return self._policy.block_s if told_s is None else min(told_s, LONGEST_BLOCK_S)


def _is_answer(failure: BaseException | None) -> bool:
    """Whether the source works, whatever it said."""
    return failure is None or isinstance(failure, NoData | NotConfigured | RateLimited)


def _is_worth_repeating(outcome: object, patience_s: float) -> bool:
    if isinstance(outcome, RateLimited):  # it blocks the source: the next turn waits for it, or gives up
        return outcome.retry_after_s is not None and outcome.retry_after_s <= patience_s
    return isinstance(outcome, SourceDown)


def _refusal(source: Source, taken: dao.TakeRow) -> AssayError:
    wait_s = taken.wait_s or 0.0
    when = _in_words(wait_s)
    if taken.refused_by == CIRCUIT:
        return SourceDown(
            f"{source.name} has failed several times in a row; it is tried again {when}.", source=source.name
        )
    why = _REFUSALS[taken.refused_by or "blocked"].format(name=source.name)
    return RateLimited(f"{why}; there is room again {when}.", source=source.name, retry_after_s=wait_s)


def _too_slow(source: Source) -> RateLimited:
    return RateLimited(
        f"{source.name} takes too few requests at once, and answers too slowly, for all that were asked together.",
        source=source.name,
        retry_after_s=0.0,
    )


_REFUSALS = {
    "blocked": "{name} asks us to wait",
    "second": "The requests to {name} of this second are used",
    "minute": "The requests to {name} of this minute are used",
    "day": "The requests to {name} of this day are used",
}


def _in_words(seconds: float) -> str:
    if seconds < 100:
        return f"in {ceil(seconds)} s"
    minutes = ceil(seconds / 60)
    return f"in {minutes} min" if minutes < 100 else f"in {ceil(minutes / 60)} h"


def _state(row: dao.StateRow) -> SourceState:
    return SourceState(
        name=row.name,
        circuit=Circuit(row.circuit),
        windows=(
            WindowState("second", row.second_used, row.per_second),
            WindowState("minute", row.minute_used, row.per_minute),
            WindowState("day", row.day_used, row.per_day),
        ),
        rests_until=row.rests_until,
        blocked_until=row.blocked_until,
        failures_in_a_row=row.failures,
        answered_at=row.answered_at,
        latency_ms=row.latency_ms,
        failed_at=row.failed_at,
        failure=row.failure,
    )


def _unused(allowance: Allowance) -> tuple[WindowState, ...]:
    return (
        WindowState("second", 0, allowance.per_second),
        WindowState("minute", 0, allowance.per_minute),
        WindowState("day", 0, allowance.per_day),
    )
