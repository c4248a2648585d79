"""What metering costs: the meter's steps through `core.metering.Meter`, beside a bare update of one row."""

from __future__ import annotations

import cProfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from queue import LifoQueue
from typing import TypeVar

import psycopg

from core.metering.meter import Hold, Meter
from core.principal import Principal
from tests.bench.figures import Figure, Goal, Hotspot, figure
from tests.bench.ground import Ground
from tests.bench.profiling import hotspots
from tests.core.metering.factories import hold_request, record

REQUESTS = 2_000
WARM_UP = 100
PROFILED = 300
THREADS = (8, 32)
CALLS_OF_A_BURST = 3_200
GOAL = Goal("p50", 1.0)
ORGANISATION = "Metered organisation"
PLAN = "enterprise"
_BARE = "UPDATE public.bench_row SET counted = counted + 1 WHERE id = 1"

_T = TypeVar("_T")
Bare = psycopg.Connection[tuple[object, ...]]


@dataclass
class Steps:
    """Milliseconds of each step."""

    reserve: list[float] = field(default_factory=list)
    in_flight: list[float] = field(default_factory=list)
    settle: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    unflushed: list[float] = field(default_factory=list)


def alone(ground: Ground) -> list[Figure]:
    """One client; a bare update after each request, so that both see the same machine."""
    principal = _prepare(ground)
    steps = Steps()
    with ground.connect() as bare, ground.connect() as unflushed:
        unflushed.execute("SET synchronous_commit = off")
        for into, times in ((Steps(), WARM_UP), (steps, ground.repetitions(REQUESTS))):
            for _ in range(times):
                _request(ground.meter, principal, into)
                _timed(into.bare, lambda: bare.execute(_BARE))
                _timed(into.unflushed, lambda: unflushed.execute(_BARE))
    figures = [
        figure("reserve, one client", steps.reserve, goals=(GOAL,), note="commits without waiting for the disk"),
        figure("in_flight, one client", steps.in_flight, note="its flush covers the reservation"),
        figure("settle, one client", steps.settle, goals=(GOAL,), note="flushed: no faster than the disk"),
        figure("bare one-row update, one client", steps.bare, note="same driver and server, after each request"),
        figure("bare one-row update, not flushed", steps.unflushed),
    ]
    if all(found.verdict != "missed" for found in figures):
        return figures
    profiles = _profiles(ground.meter, principal)
    return [
        found.explained(profiles[found.name.split(",")[0]]) if found.verdict == "missed" else found for found in figures
    ]


def at_once(ground: Ground) -> list[Figure]:
    """Many threads of one process, each a member of the same organisation; the pool is as shipped."""
    _prepare(ground)
    return [found for threads in THREADS for found in _burst(ground, threads)]


def _prepare(ground: Ground) -> Principal:
    principal = ground.member(ORGANISATION, plan=PLAN)
    ground.lift_limits()
    with ground.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS public.bench_row (id integer PRIMARY KEY, counted bigint)")
        connection.execute("INSERT INTO public.bench_row VALUES (1, 0) ON CONFLICT DO NOTHING")
    return principal


def _request(meter: Meter, principal: Principal, steps: Steps) -> None:
    hold = _timed(steps.reserve, lambda: meter.reserve(principal, hold_request()))
    _resolve(meter, hold, steps)


def _resolve(meter: Meter, hold: Hold, steps: Steps) -> None:
    if not _timed(steps.in_flight, lambda: meter.mark_in_flight(hold)):
        raise RuntimeError("A fresh hold could not be marked in flight.")
    resolved = _timed(steps.settle, lambda: meter.settle(hold, "success", Decimal("0.0004"), record()))
    if resolved.outcome != "settled":
        raise RuntimeError(f"A hold in flight was not settled but {resolved.outcome}.")


def _timed(into: list[float], step: Callable[[], _T]) -> _T:
    begun = time.perf_counter()
    result = step()
    into.append((time.perf_counter() - begun) * 1000)
    return result


def _profiles(meter: Meter, principal: Principal) -> dict[str, list[Hotspot]]:
    """Where the time of each step goes on our side; the driver's wait is what the server and the disk take."""
    profiles = {"reserve": cProfile.Profile(), "settle": cProfile.Profile()}
    for _ in range(PROFILED):
        hold = profiles["reserve"].runcall(meter.reserve, principal, hold_request())
        meter.mark_in_flight(hold)
        profiles["settle"].runcall(meter.settle, hold, "success", Decimal("0.0004"), record())
    return {step: hotspots(profile) for step, profile in profiles.items()}


def _burst(ground: Ground, threads: int) -> list[Figure]:
    each = max(1, ground.repetitions(CALLS_OF_A_BURST) // threads)
    members = [ground.member(ORGANISATION, plan=PLAN) for _ in range(threads)]
    all_steps = [Steps() for _ in members]
    for member in members:
        _request(ground.meter, member, Steps())

    def repeat(number: int) -> None:
        for _ in range(each):
            _request(ground.meter, members[number], all_steps[number])

    wall_s = together(threads, repeat)
    calls_s = threads * each / wall_s
    reserved = [value for steps in all_steps for value in steps.reserve]
    settled = [value for steps in all_steps for value in steps.settle]
    note = (
        f"one process with its pool of {ground.settings.database_pool_size}; a call is three statements: "
        "reserve, in_flight, settle"
    )
    return [
        figure(f"reserve, {threads} threads (whole calls/s)", reserved, per_second=calls_s, note=note),
        figure(f"settle, {threads} threads (whole calls/s)", settled, per_second=calls_s),
        _bare_burst(ground, threads, each=3 * each),
    ]


def _bare_burst(ground: Ground, threads: int, *, each: int) -> Figure:
    """As many threads update one row over as many connections as the meter's pool has."""
    with ExitStack() as stack:
        pool: LifoQueue[Bare] = LifoQueue()
        for _ in range(min(threads, ground.settings.database_pool_size)):
            pool.put(stack.enter_context(ground.connect()))

        def update() -> None:
            connection = pool.get()
            try:
                connection.execute(_BARE)
            finally:
                pool.put(connection)

        samples: list[list[float]] = [[] for _ in range(threads)]

        def repeat(number: int) -> None:
            for _ in range(each):
                _timed(samples[number], update)

        wall_s = together(threads, repeat)
    found = [value for values in samples for value in values]
    return figure(f"bare one-row update, {threads} threads", found, per_second=len(found) / wall_s)


def together(threads: int, step: Callable[[int], None]) -> float:
    """Runs a step in so many threads, all from one moment on; gives the seconds until the last ended."""
    barrier = threading.Barrier(threads + 1)
    failures: list[Exception] = []

    def run(number: int) -> None:
        barrier.wait()
        try:
            step(number)
        except Exception as error:  # noqa: BLE001 (raised again by the thread that waits)
            failures.append(error)

    workers = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    begun = time.perf_counter()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - begun
