"""What routes are handed: the workbench, and the threads in which they wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request

from core.ai.gateway import MAX_CALLS
from core.workbench import Workbench

ROUTE_THREADS = MAX_CALLS + 40
"""Threads in which routes wait: one for each call the gateway lets run, and some for all the rest.

They are the API's own, so that waiting for a model or a hanging database takes none from the pages.
"""

AT_ONCE = 3
"""Calls that do our own work at one time: with fewer the database is waited for in vain, with more threads get in each
other's way."""
PATIENCE_S = 0.01
"""So long after its provider was asked a call still counts among them."""
MOST_S = 0.25
"""So long it counts at most: one that waits for a lock of its organisation holds up no other organisation."""

_T = TypeVar("_T")


class CallThreads(ThreadPoolExecutor):
    """Threads in which calls run; any number wait for their providers, a few do our own work at a time.

    Python runs one thread at once. Where thirty want to, each of the dozen waits of a call hands the interpreter from
    thread to thread, and with short calls the handing over costs as much as the work.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "assay-route")
        self._places = asyncio.Semaphore(AT_ONCE)

    async def run(self, call: Callable[[Callable[[], None]], _T]) -> _T:
        """Runs a call in a thread when it is its turn; it has to call what it is given when it asks its provider."""
        await self._places.acquire()
        loop, is_out = asyncio.get_running_loop(), False

        def make_way() -> None:
            nonlocal is_out
            if not is_out:
                is_out = True
                self._places.release()

        def asks_provider() -> None:
            loop.call_soon_threadsafe(loop.call_later, PATIENCE_S, make_way)

        timer = loop.call_later(MOST_S, make_way)
        try:
            return await in_thread(partial(call, asks_provider), self)
        finally:
            timer.cancel()
            make_way()


async def in_thread(step: Callable[[], _T], threads: ThreadPoolExecutor) -> _T:
    """A blocking step, in a thread, so that the event loop goes on; it knows which request it belongs to."""
    return await asyncio.get_running_loop().run_in_executor(threads, partial(copy_context().run, _run, step))


def _run(step: Callable[[], _T]) -> _T:
    """Runs a step; a future cannot hold a `StopIteration`, and whoever awaits it would wait for ever."""
    try:
        return step()
    except StopIteration as error:
        raise RuntimeError("A step ended with StopIteration.") from error


async def _workbench(request: Request) -> Workbench:
    return cast("Workbench", request.app.state.workbench)


async def _threads(request: Request) -> CallThreads:
    return cast("CallThreads", request.app.state.threads)


Bench = Annotated[Workbench, Depends(_workbench)]
Threads = Annotated[CallThreads, Depends(_threads)]
