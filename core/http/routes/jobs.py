"""`GET /api/jobs/{id}`, and what a scheduler outside may start with CRON_SECRET."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer

from core.accounts.permissions import require_scope
from core.errors import NotConfigured, NotFound, Unauthenticated
from core.http.authentication import token_holder
from core.http.context import Bench, Threads, in_thread
from core.http.models import JobAnswer, StartedJob
from core.http.shared_secret import bears
from core.ops.jobs import Job
from core.principal import Principal, Scope
from core.workbench import Workbench

HOW_TO_START = "Send the header Authorization: Bearer CRON_SECRET."
HOW_TO_READ = "An access token with the scope `read`, or CRON_SECRET."

router = APIRouter(tags=["Jobs"])


async def scheduler(
    request: Request,
    bench: Bench,
    _scheme: Annotated[object, Security(HTTPBearer(auto_error=False, description=HOW_TO_START))],
) -> None:
    """Lets pass who bears CRON_SECRET.

    Raises:
        NotConfigured: it is unset, and nobody can.
        Unauthenticated: whatever else they bear.
    """
    if bench.settings.cron_secret is None:
        raise NotConfigured("Starting jobs from outside is switched off. Set CRON_SECRET.")
    if not bears(request.headers, bench.settings.cron_secret):
        raise Unauthenticated(HOW_TO_START)


async def reader(
    request: Request,
    bench: Bench,
    _scheme: Annotated[object, Security(HTTPBearer(auto_error=False, description=HOW_TO_READ))],
) -> Principal | None:
    """The principal whose token may read; None for the scheduler."""
    if bears(request.headers, bench.settings.cron_secret):
        return None
    principal = token_holder(request)
    require_scope(principal, Scope.READ)
    return principal


@router.post("/jobs/scan", status_code=202, summary="Start the nightly scan", dependencies=[Security(scheduler)])
async def start_scan(bench: Bench, threads: Threads) -> StartedJob:
    """Starts what is done every night, or joins it where it is under way; takes CRON_SECRET and nothing else."""
    job = await in_thread(bench.nightly, threads)
    return StartedJob(job_id=str(job.id))


@router.get("/jobs/{job_id}", summary="How far a job is")
async def job(
    job_id: str, bench: Bench, threads: Threads, principal: Annotated[Principal | None, Security(reader)]
) -> JobAnswer:
    """A job of the caller's organisation or of the installation; with CRON_SECRET one of the installation."""
    found = await in_thread(partial(_found, bench, principal, job_id), threads)
    return JobAnswer(
        id=str(found.id),
        kind=found.kind,
        status=found.status.value,
        done=found.done,
        failed=found.failed,
        total=found.total,
        detail=found.detail,
        error=found.error,
        created_at=found.created_at,
        started_at=found.started_at,
        finished_at=found.finished_at,
    )


def _found(bench: Workbench, principal: Principal | None, job_id: str) -> Job:
    with suppress(ValueError):
        asked = UUID(job_id)
        return bench.queue.find_of_installation(asked) if principal is None else bench.queue.get(principal, asked)
    raise NotFound("There is no such job.")
