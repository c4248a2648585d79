"""What routes are handed: the workbench, and the threads in which answers are read."""

from __future__ import annotations

from typing import Annotated, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request

from core.workbench import Workbench


async def _workbench(request: Request) -> Workbench:
    return cast("Workbench", request.app.state.workbench)


async def _threads(request: Request) -> CapacityLimiter:
    return cast("CapacityLimiter", request.app.state.threads)


Bench = Annotated[Workbench, Depends(_workbench)]
Threads = Annotated[CapacityLimiter, Depends(_threads)]
