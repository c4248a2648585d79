"""`GET /api/ai/providers`: which providers are live, and how their calls went in the last hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import cast

from fastapi import APIRouter, Request

from core.db.usage_dao import ProviderCallsRow
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.models import ProviderRow
from core.http.routes.health import provider_states

FRESH_S = 15.0
"""So long one look at the last hour serves everybody who asks."""

router = APIRouter(route_class=SignedInRoute, tags=["AI"])
Calls = dict[str, ProviderCallsRow]


class LastHour:
    """How the calls of the last hour went: looked up once, however many ask."""

    def __init__(self, look: Callable[[], Calls], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._look = look
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: Calls = {}
        self._seen_at = float("-inf")

    def calls(self) -> Calls:
        """The calls by provider, as they were at most `FRESH_S` ago.

        Raises:
            DatabaseUnavailable: nobody knows.
        """
        with self._lock:
            if self._monotonic() - self._seen_at >= FRESH_S:
                self._seen = self._look()
                self._seen_at = self._monotonic()
            return self._seen


@router.get("/ai/providers", summary="The providers, and how their calls went in the last hour")
async def providers(request: Request, _principal: SignedIn, bench: Bench, threads: Threads) -> list[ProviderRow]:
    """Every provider. Its figures are those of all organisations together, and say nothing of any one."""
    calls = await in_thread(cast("LastHour", request.app.state.last_hour).calls, threads)
    return [
        ProviderRow(name=name, state=state, live=state != "not_configured", **_figures(calls.get(name)))
        for name, state in provider_states(bench).items()
    ]


def _figures(calls: ProviderCallsRow | None) -> dict[str, object]:
    if calls is None:
        return {"latency_ms_p50": None, "error_rate": None, "calls": 0}
    share = round(calls.failures / calls.calls, 4)
    return {"latency_ms_p50": calls.latency_ms_p50, "error_rate": share, "calls": calls.calls}
