"""`POST /api/ai/validate-signal` and `/api/verdicts`: a model's verdict on a signal, and those that were given."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from core.errors import InvalidRequest, NotFound
from core.http.asking import Asker, Errand
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.cursors import cursor_of, place_of_cursor
from core.http.idempotency import REPLAYED_HEADER, idempotency_of
from core.http.metered import CACHE, COST, VALIDATION_QUOTA, metered_headers
from core.http.verdict_models import (
    NumberAnswer,
    SignalToValidate,
    Validated,
    ValidationAnswer,
    ValidationUsage,
    VerdictAnswer,
    VerdictHead,
    VerdictsAnswer,
    VerdictsQuery,
)
from core.market.symbols import checked_symbol
from core.principal import Principal
from core.verdicts.snapshot import Snapshot
from core.verdicts.validations import Asking, Brief, Filters, Given, Verdict
from core.workbench import Workbench

CHANNEL = "api"

router = APIRouter()
asks = APIRouter(route_class=SignedInRoute, tags=["AI"])
reads = APIRouter(route_class=SignedInRoute, tags=["Verdicts"])


@asks.post("/ai/validate-signal", response_model=Validated, summary="A model's verdict on a signal")
async def validate_signal(
    body: SignalToValidate, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Of a signal of a scan, or of a snapshot that the caller brings, which needs no bars here.

    One of the last 24 hours is given again, free. An answer that cannot be used is `unusable_answer` and costs nothing;
    where there is too little to judge by, that is `not_enough_data`, and no model is asked.
    """
    about, idempotency = _about(body), await idempotency_of(request)
    asker, validations = Asker(request, principal, bench, threads), bench.verdicts.validations
    asking = Asking(body.model, body.again, CHANNEL, idempotency)
    async with asker.refusing(VALIDATION_QUOTA):
        begun = await in_thread(partial(validations.begin, principal, about, asking), threads)
    if isinstance(begun, Given):
        headers = await in_thread(partial(_given_headers, bench, principal, begun), threads)
        content = _validated(begun.verdict, is_free=begun.replayed is None)
    else:
        ready = begun
        errand = Errand(
            lambda runs_here: validations.session(principal, ready, runs_here=runs_here), None, VALIDATION_QUOTA
        )
        asked = await asker.whole(errand)
        async with asker.refusing(VALIDATION_QUOTA):
            verdict = await in_thread(partial(validations.keep, principal, ready, asked.complete), threads)
        headers, content = asked.headers, _validated(verdict)
    return Response(content.model_dump_json(), headers=headers, media_type="application/json")


@reads.get("/verdicts", summary="Verdicts of the organisation, newest first")
async def list_verdicts(
    asked: Annotated[VerdictsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> VerdictsAnswer:
    """Each with what became of it, as far as that is known; those of replays are left out."""
    return await in_thread(partial(_page, asked, principal, bench), threads)


@reads.get("/verdicts/{verdict_id}", summary="A verdict, with what its model was shown")
async def get_verdict(verdict_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> VerdictAnswer:
    """Every number in it is marked as a figure of the snapshot, or not."""
    return await in_thread(partial(_whole, _id(verdict_id, "verdict"), principal, bench), threads)


router.include_router(asks)
router.include_router(reads)


def _about(body: SignalToValidate) -> UUID | dict[str, object]:
    """The signal that is named, or the snapshot that is brought."""
    snapshot = body.snapshot()
    if body.signal_id is None:
        if not snapshot:
            raise InvalidRequest("Send the field signal_id, or a snapshot of your own.")
        return snapshot
    if snapshot:
        raise InvalidRequest(f"Send the field signal_id or a snapshot, not both: {min(snapshot)} is of a snapshot.")
    return _id(body.signal_id, "signal")


def _given_headers(bench: Workbench, principal: Principal, given: Given) -> dict[str, str]:
    headers = metered_headers(bench.usage, principal, given.replayed, quota=VALIDATION_QUOTA)
    if given.replayed is None:
        return headers | {COST: "0", CACHE: "hit"}
    return headers | {REPLAYED_HEADER: "true", "X-Request-Id": str(given.replayed.request_id)}


def _page(asked: VerdictsQuery, principal: Principal, bench: Workbench) -> VerdictsAnswer:
    filters = Filters(
        symbol=checked_symbol(asked.symbol) if asked.symbol is not None else None,
        signal_id=_id(asked.signal_id, "signal") if asked.signal_id is not None else None,
    )
    cursor = None if asked.cursor is None else place_of_cursor(asked.cursor)
    page = bench.verdicts.validations.page(principal, filters, cursor=cursor, most=asked.limit)
    return VerdictsAnswer(
        verdicts=[_head(brief) for brief in page.verdicts],
        next_cursor=None if page.next_cursor is None else cursor_of(*page.next_cursor),
    )


def _whole(verdict_id: UUID, principal: Principal, bench: Workbench) -> VerdictAnswer:
    validations = bench.verdicts.validations
    return _answer(validations.get(principal, verdict_id), validations.snapshot(principal, verdict_id))


def _validated(verdict: Verdict, *, is_free: bool = False) -> Validated:
    """A verdict as the answer to a request; one that was there already cost this one nothing."""
    return Validated(**_told(verdict, is_free=is_free))


def _answer(verdict: Verdict, snapshot: Snapshot) -> VerdictAnswer:
    same = ("symbol", "signal_type", "direction", "signal_day", "decided_on", "own_confidence", "base_rate")
    more = ("purpose", "prompt_version", "price_version", "call_usd")
    return VerdictAnswer(
        **_told(verdict),
        **{name: getattr(verdict, name) for name in (*same, *more)},
        signal_id=_written(verdict.signal_id),
        universe=verdict.universe_id,
        request_id=str(verdict.request_id),
        snapshot_sha256=verdict.snapshot_hash.hex(),
        snapshot=snapshot.to_json(),
    )


def _told(verdict: Verdict, *, is_free: bool = False) -> dict[str, Any]:
    said = verdict.validation
    return {
        "validation": ValidationAnswer(
            verdict=said.verdict,
            confidence=said.confidence,
            reasoning=said.reasoning,
            risk_factors=list(said.risk_factors),
            entry_suggestion=said.entry_suggestion,
        ),
        "usage": ValidationUsage(
            tokens_used=verdict.prompt_tokens + verdict.completion_tokens,
            cost_usd=Decimal(0) if is_free else verdict.charged_usd,
        ),
        "cached": is_free or verdict.is_cached,
        "model": verdict.model,
        "provider": verdict.provider,
        "offline": verdict.is_offline,
        "verdict_id": str(verdict.id),
        "numbers": [
            NumberAnswer(field=field, text=each.text, start=each.start, end=each.end, figure=each.known)
            for field, found in verdict.numbers.items()
            for each in found
        ],
        "marks": [mark.value for mark in said.marks],
        "as_of": verdict.as_of,
        "retrospective": verdict.is_retrospective,
        "created_at": verdict.created_at,
    }


def _head(brief: Brief) -> VerdictHead:
    names = VerdictHead.model_fields.keys() & {*Brief.__dataclass_fields__}
    return VerdictHead(
        **{name: getattr(brief, name) for name in names - {"id", "signal_id"}},
        id=str(brief.id),
        signal_id=_written(brief.signal_id),
        universe=brief.universe_id,
        offline=brief.is_offline,
        cached=brief.is_cached,
        retrospective=brief.is_retrospective,
        cost_usd=brief.charged_usd,
    )


def _written(given: UUID | None) -> str | None:
    return None if given is None else str(given)


def _id(given: str, what: str) -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None
