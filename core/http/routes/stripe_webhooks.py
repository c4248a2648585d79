"""`POST /api/webhooks/stripe`: Stripe tells what became of payments and subscriptions."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request

from core.billing.events import MAX_BODY_BYTES
from core.http.billing_models import ReceivedAnswer
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.limits import LateBody, read_body

router = APIRouter(tags=["Billing"])


@router.post("/webhooks/stripe", summary="An event of Stripe's")
async def stripe_event(request: Request, bench: Bench, threads: Threads) -> ReceivedAnswer:
    """The body as Stripe signed it, with the header `Stripe-Signature`; a bad signature or a stale time is 400.

    The event is stored before the answer, and worked on after it; sent again it changes nothing.
    """
    try:
        body = await read_body(request, most=MAX_BODY_BYTES)
    except LateBody:
        caller_of(request).headers["Connection"] = "close"
        raise
    signature = request.headers.get("stripe-signature")
    await in_thread(partial(bench.billing.events.receive, body, signature), threads)
    return ReceivedAnswer()
