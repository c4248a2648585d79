"""`/api/ai/large-requests`: many prompts or texts at once, worked off in the background."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from core.ai.providers.vectors import vectors_of
from core.ai.router import AUTO
from core.db.large_requests_dao import ItemRow, RequestRow
from core.errors import NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import canonical, idempotency_of
from core.http.large_models import (
    ItemState,
    LargeRequestHead,
    LargeResult,
    LargeResults,
    NewLargeRequest,
    ResultsQuery,
    StartedLargeRequest,
)
from core.http.limits import LateBody, checked_json_object, read_body
from core.http.models import Tokens
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.research.large_requests import MAX_BYTES, Parameters, Started
from core.workbench import Workbench

PATH = "/ai/large-requests"
BODY_WAIT_S = 60.0
"""Longest wait for a whole body."""
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": NewLargeRequest.model_json_schema()}}}
}

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post(
    PATH,
    status_code=202,
    response_model=StartedLargeRequest,
    openapi_extra=_BODY,
    summary="Ask many prompts, or turn many texts into vectors, in the background",
)
async def create_large_request(request: Request, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """Up to 10,000 items in 10 MB. Each is a usual call of the caller: within their limits, which are waited for where
    that helps, and charged as one. With an `Idempotency-Key` the same request is taken once, as long as it is kept.
    """
    key = await idempotency_of(request, query={})
    try:
        body = await read_body(request, most=MAX_BYTES, wait_s=BODY_WAIT_S)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise
    content_type = request.headers.get("content-type", "")
    created = await in_thread(partial(_created, content_type, body, key, bench, principal), threads)
    return Response(created.model_dump_json(), 202, media_type="application/json")


@router.get(f"{PATH}/{{request_id}}", summary="How far a large request is")
async def get_large_request(request_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> LargeRequestHead:
    """It is kept for 30 days after its end."""
    row = await in_thread(partial(bench.large_requests.get, principal, _id_of(request_id)), threads)
    return LargeRequestHead(**_head(row))


@router.get(
    f"{PATH}/{{request_id}}/results", response_model=LargeResults, summary="What came of the items of a large request"
)
async def list_large_results(
    request_id: str, asked: Annotated[ResultsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """In their order, also while others still wait."""

    def listed() -> str:
        row, items = bench.large_requests.results(
            principal, _id_of(request_id), after=int(asked.cursor or 0), state=asked.state, most=asked.limit + 1
        )
        shown = items[: asked.limit]
        next_cursor = str(shown[-1].number) if len(items) > asked.limit else None
        data = [_result(row.kind, item) for item in shown]
        return LargeResults(id=str(row.id), kind=row.kind, data=data, next_cursor=next_cursor).model_dump_json()

    return Response(await in_thread(listed, threads), media_type="application/json")


@router.post(f"{PATH}/{{request_id}}/retry", status_code=202, summary="Ask the items again that failed")
async def retry_large_request(
    request_id: str, principal: SignedIn, bench: Bench, threads: Threads
) -> StartedLargeRequest:
    """Those that are done are neither asked nor charged again."""
    started = await in_thread(partial(bench.large_requests.retry, principal, _id_of(request_id)), threads)
    return _started(started)


@router.delete(f"{PATH}/{{request_id}}", status_code=204, summary="Stop a large request, and forget it")
async def delete_large_request(request_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """Items that are being asked at that moment are still charged; nothing further is asked."""
    await in_thread(partial(bench.large_requests.delete, principal, _id_of(request_id)), threads)


def _created(
    content_type: str, body: bytes, key: Idempotency | None, bench: Workbench, principal: Principal
) -> StartedLargeRequest:
    """Reads a body of megabytes, which takes its time: not on the event loop."""
    given = _validated(checked_json_object(content_type, body))
    idempotency = None
    if key is not None:
        idempotency = Idempotency(key.route, key.key, hashlib.sha256(canonical(body)).digest())
    asked = given.parameters
    parameters = Parameters(**{**dict(asked), "model": asked.model or _default(given)})
    started = bench.large_requests.create(principal, given.kind, given.items, parameters, idempotency=idempotency)
    return _started(started)


def _default(given: NewLargeRequest) -> str:
    """The model of items that name none, as in the calls for a single one."""
    return AUTO if given.kind == "embedding" else ""


def _validated(content: object) -> NewLargeRequest:
    try:
        return NewLargeRequest.model_validate(content)
    except ValidationError as error:
        flaws = [{**flaw, "loc": ("body", *flaw["loc"])} for flaw in error.errors(include_url=False)]
        raise RequestValidationError(flaws) from None


def _id_of(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such large request.") from None


def _started(started: Started) -> StartedLargeRequest:
    job_id = None if started.job_id is None else str(started.job_id)
    return StartedLargeRequest(**_head(started.row), job_id=job_id)


def _head(row: RequestRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "status": _status(row),
        "waiting": row.waiting + row.running,
        **{name: getattr(row, name) for name in _SAME},
    }


def _status(row: RequestRow) -> ItemState:
    if row.waiting + row.running == 0:
        return "failed" if row.failed == row.total else "done"
    return "running" if row.done + row.failed + row.running else "waiting"


def _result(kind: str, item: ItemRow) -> LargeResult:
    told = item.result or {}
    usage = None
    if told:
        prompt, completion = told["prompt_tokens"], told["completion_tokens"]
        usage = Tokens(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
    is_vector = bool(told) and kind == "embedding"
    return LargeResult(
        number=item.number,
        state=item.state,
        tries=item.tries,
        text=None if is_vector else told.get("text"),
        vector=vectors_of(told["text"])[0] if is_vector else None,
        usage=usage,
        cost_usd=item.cost_usd,
        error_code=item.error_code,
        error=item.error,
        **{name: told.get(name) for name in ("model", "provider", "cached", "offline", "estimated")},
    )


_SAME = ("kind", "done", "failed", "total", "cost_usd", "created_at", "ended_at")
"""Fields of a request that are called as those of its row."""
