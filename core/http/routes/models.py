"""`GET /api/ai/models`: every model, its price, and whether the caller may ask it."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter

from core.ai.catalogue import Model
from core.ai.prices import Price, UnknownPrice
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench
from core.http.models import ModelPrice, ModelRow
from core.metering.plans import Plan
from core.workbench import Workbench

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.get("/ai/models", summary="The models, and which of them the caller may ask")
async def models(principal: SignedIn, bench: Bench) -> list[ModelRow]:
    """Every model of the catalogue; one that the caller may not ask has the reason."""
    plan = bench.plans.get(principal.plan)
    return [_row(bench, model, plan) for model in bench.catalogue.all()]


def refusal(bench: Workbench, model: Model, plan: Plan) -> str | None:
    """Why a caller on this plan may not ask a model; None where they may."""
    if model.model_class not in plan.model_classes:
        return f"The plan {plan.label} does not include {model.model_class} models."
    if _price(bench, model) is None:
        return "No price is known for this model."
    return bench.router.unavailable_reason(model)


def _row(bench: Workbench, model: Model, plan: Plan) -> ModelRow:
    reason = refusal(bench, model, plan)
    return ModelRow(
        id=model.id,
        label=model.label,
        provider=model.provider,
        model_class=model.model_class,
        capabilities=list(model.capabilities),
        context_window=model.context_window,
        max_output=model.max_output,
        dimensions=model.dimensions,
        deprecated_on=model.deprecated_on.isoformat() if model.deprecated_on else None,
        successor=model.successor,
        price=_price(bench, model),
        available=reason is None,
        reason=reason,
    )


def _price(bench: Workbench, model: Model) -> ModelPrice | None:
    try:
        return _shown(bench.prices.price_of(model.price, datetime.now(UTC).date()))
    except UnknownPrice:
        return None


def _shown(price: Price) -> ModelPrice:
    return ModelPrice(
        input=price.base.input,
        output=price.base.output,
        cached_input=price.base.cached_input,
        cache_write=price.base.cache_write,
        per_request=price.per_request,
        long_context_above=price.long_context_above,
        long_input=price.long.input if price.long else None,
        long_output=price.long.output if price.long else None,
        version=price.version,
        local=price.is_local,
    )
