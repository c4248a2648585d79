"""`GET /api/health`: how the installation is, told to anybody, quickly even when the database hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Literal, cast

from fastapi import APIRouter, Request, Response

from core.ai.providers.hosts import HOSTS
from core.http.context import Bench, in_thread
from core.http.models import HealthReport
from core.ops.jobs import QueueFigures
from core.ops.probe import Probe
from core.settings import VERSION
from core.workbench import Workbench

CHECK_S = 2.0
"""Longest wait for the database's answer."""
SLOW_S = 0.5
"""A database that takes longer to answer is called slow."""
FRESH_S = 1.0
"""So long an answer of the database serves everybody who asks."""

HEALTH_THREADS = 8
"""Threads in which health is waited for; its own, so that it is told when all others wait."""

router = APIRouter(tags=["Health"])
DatabaseState = Literal["ok", "slow", "unreachable"]
ProviderState = Literal["configured", "not_configured", "built_in"]
_STATUS: dict[DatabaseState, Literal["healthy", "degraded", "unhealthy"]] = {
    "ok": "healthy",
    "slow": "degraded",
    "unreachable": "unhealthy",
}


class DatabaseProbe:
    """Asks the database whether it answers: one question at a time, however many ask."""

    def __init__(self, ping: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._probe = Probe(ping, monotonic=monotonic)

    def state(self) -> DatabaseState:
        """How the database is, within `CHECK_S`."""
        seen = self._probe.look(within_s=CHECK_S, fresh_s=FRESH_S)
        if seen is None:
            return "unreachable"
        return "slow" if seen.took_s > SLOW_S else "ok"


@router.get("/health", summary="How the installation is")
async def health(request: Request, response: Response, bench: Bench) -> HealthReport:
    """Asks the database and no provider; 503 when the database cannot be reached."""
    state = request.app.state
    database = await in_thread(cast("DatabaseProbe", state.probe).state, state.health_threads)
    queue = await in_thread(partial(_queue, state.queue_probe, database), state.health_threads)
    is_slow = database == "ok" and queue is not None and queue.waiting > 0 and not queue.workers
    response.status_code = 503 if database == "unreachable" else 200
    response.headers["Cache-Control"] = "no-store"
    return HealthReport(
        status="degraded" if is_slow else _STATUS[database],
        database=database,
        cache="unreachable" if database == "unreachable" else "ok",
        worker=_worker(queue),
        providers=provider_states(bench),
        version=VERSION,
        timestamp=datetime.now(UTC),
    )


def _queue(probe: Probe[QueueFigures], database: DatabaseState) -> QueueFigures | None:
    """How the queue is; None where the database does not say."""
    seen = None if database == "unreachable" else probe.look(within_s=CHECK_S, fresh_s=FRESH_S)
    return None if seen is None else seen.value


def _worker(queue: QueueFigures | None) -> Literal["running", "absent", "unknown"]:
    if queue is None:
        return "unknown"
    return "running" if queue.workers else "absent"


def provider_states(bench: Workbench) -> dict[str, ProviderState]:
    """Every provider by name, and whether its key is set; none of them is asked."""
    states: dict[str, ProviderState] = dict.fromkeys(HOSTS, "not_configured")
    for name, provider in bench.providers.items():
        states[name] = "built_in" if provider.is_offline else "configured"
    return states
