"""What routes are handed: the workbench, and the threads in which they wait for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from core.ai.gateway import MAX_CALLS
from core.workbench import Workbench

ROUTE_THREADS = MAX_CALLS + 40
"""Threads in which routes wait: one for each call the gateway lets run, and some for all the rest.

They are the API's own, so that waiting for a model or a hanging database takes none from the pages.
"""

_T = TypeVar("_T")


async def in_thread(step: Callable[[], _T], threads: CapacityLimiter) -> _T:
    """A blocking step, in a thread, so that the event loop goes on."""
    return await to_thread.run_sync(step, limiter=threads)


async def _workbench(request: Request) -> Workbench:
    return cast("Workbench", request.app.state.workbench)


async def _threads(request: Request) -> CapacityLimiter:
    return cast("CapacityLimiter", request.app.state.threads)


Bench = Annotated[Workbench, Depends(_workbench)]
Threads = Annotated[CapacityLimiter, Depends(_threads)]
