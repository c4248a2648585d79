"""`/api/billing`, `POST /api/credits/purchase`: credits and plans are bought, by managers."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from core.billing.purchases import Bought
from core.billing.subscriptions import Changed, ChangePreview
from core.db.billing_dao import SubscriptionRow
from core.http.authentication import ManagingRoute, SignedIn
from core.http.billing_models import (
    BillingAnswer,
    ChangeAnswer,
    PlanChange,
    PlanPreview,
    PlanWanted,
    PortalAnswer,
    PriceOf,
    PurchaseBegun,
    PurchaseWanted,
    SeatsWanted,
    SubscriptionAnswer,
)
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import REPLAYED_HEADER, idempotency_of

router = APIRouter(route_class=ManagingRoute, tags=["Billing"])


@router.post("/credits/purchase", response_model=PurchaseBegun, summary="Buy a package of credits")
async def purchase(
    body: PurchaseWanted, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Gives a payment intent of Stripe's, for its own form. The credits are there once it is paid.

    With an `Idempotency-Key` the same request begins one purchase.
    """
    idempotency = await idempotency_of(request)
    buy = partial(bench.billing.purchases.buy, principal, body.package_id, idempotency=idempotency)
    bought: Bought = await in_thread(buy, threads)
    answer = PurchaseBegun(client_secret=bought.client_secret, payment_intent_id=bought.intent_id)
    headers = {REPLAYED_HEADER: "true"} if bought.is_replayed else None
    return Response(answer.model_dump_json(), headers=headers, media_type="application/json")


@router.get("/billing", summary="The organisation's plan and subscription")
async def billing(principal: SignedIn, bench: Bench, threads: Threads) -> BillingAnswer:
    """What the organisation is on, and what it pays for."""
    row = await in_thread(partial(bench.billing.subscriptions.current, principal), threads)
    return BillingAnswer(plan=principal.plan, subscription=_subscription(row), can_buy=bench.billing.is_configured)


@router.get("/billing/plans", summary="The plans and their prices")
async def plans(_principal: SignedIn, bench: Bench) -> list[PriceOf]:
    """Each plan, and whether it can be bought here."""
    offers = bench.billing.offers
    return [
        PriceOf(
            name=plan.name,
            label=plan.label,
            price_usd=plan.price_usd,
            price_unit=plan.price_unit,
            sold=bench.billing.is_configured and offers.is_sold(plan),
        )
        for plan in offers.all()
    ]


@router.post("/billing/preview", summary="What a change of the plan would do and cost")
async def preview(body: PlanWanted, principal: SignedIn, bench: Bench, threads: Threads) -> PlanPreview:
    """Nothing is changed by it."""
    ask = partial(bench.billing.subscriptions.preview, principal, body.plan, body.seats)
    return _preview(await in_thread(ask, threads))


@router.post("/billing/plan", summary="Change the plan")
async def change_plan(body: PlanChange, principal: SignedIn, bench: Bench, threads: Threads) -> ChangeAnswer:
    """A dearer plan is there at once, and the share of the period is billed; a cheaper one when the period ends.

    The first subscription begins on Stripe's checkout, at `checkout_url`.
    """
    change = partial(bench.billing.subscriptions.change, principal, body.plan, body.seats, at=body.at)
    return _changed(await in_thread(change, threads))


@router.put("/billing/seats", summary="Change the seats of the plan")
async def set_seats(body: SeatsWanted, principal: SignedIn, bench: Bench, threads: Threads) -> ChangeAnswer:
    """Of the subscription that the organisation has."""
    return _changed(await in_thread(partial(bench.billing.subscriptions.set_seats, principal, body.seats), threads))


@router.post("/billing/cancel", summary="Let the subscription end with its period")
async def cancel(principal: SignedIn, bench: Bench, threads: Threads) -> ChangeAnswer:
    """The plan stays until then."""
    return _changed(await in_thread(partial(bench.billing.subscriptions.cancel, principal), threads))


@router.post("/billing/resume", summary="Take back an end, or a change, that is to come")
async def resume(principal: SignedIn, bench: Bench, threads: Threads) -> ChangeAnswer:
    """The subscription goes on as it is."""
    return _changed(await in_thread(partial(bench.billing.subscriptions.resume, principal), threads))


@router.post("/billing/portal", summary="The organisation's own pages at Stripe")
async def portal(principal: SignedIn, bench: Bench, threads: Threads) -> PortalAnswer:
    """Card, address, invoices."""
    return PortalAnswer(url=await in_thread(partial(bench.billing.subscriptions.portal, principal), threads))


def _preview(found: ChangePreview) -> PlanPreview:
    return PlanPreview(
        plan=found.plan,
        seats=found.seats,
        effect=found.effect,
        takes_effect_at=found.takes_effect_at,
        due_usd=found.due_usd,
        monthly_usd=found.monthly_usd,
        at=found.at,
    )


def _changed(found: Changed) -> ChangeAnswer:
    return ChangeAnswer(checkout_url=found.checkout_url, subscription=_subscription(found.subscription))


def _subscription(row: SubscriptionRow | None) -> SubscriptionAnswer | None:
    if row is None:
        return None
    return SubscriptionAnswer(
        plan=row.plan,
        seats=row.seats,
        status=row.status,
        period_end=row.period_end,
        ends_at_period_end=row.ends_at_period_end,
        next_plan=row.next_plan,
        next_seats=row.next_seats,
        grace_until=row.grace_until,
    )
