"""What routes are handed: the workbench, and the threads in which they wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from core.ai.gateway import MAX_CALLS
from core.workbench import Workbench

ROUTE_THREADS = MAX_CALLS + 40
"""Threads in which routes wait: one for each call the gateway lets run, and some for all the rest.

They are the API's own, so that waiting for a model or a hanging database takes none from the pages.
"""

_T = TypeVar("_T")


async def in_thread(step: Callable[[], _T], threads: ThreadPoolExecutor) -> _T:
    """A blocking step, in a thread, so that the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(threads, step)


async def _workbench(request: Request) -> Workbench:
    return cast("Workbench", request.app.state.workbench)


async def _threads(request: Request) -> ThreadPoolExecutor:
    return cast("ThreadPoolExecutor", request.app.state.threads)


Bench = Annotated[Workbench, Depends(_workbench)]
Threads = Annotated[ThreadPoolExecutor, Depends(_threads)]
