"""`GET /api/ai/models`: every model, its price, and whether the caller may ask it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from fastapi import APIRouter

from core.ai.catalogue import Model
from core.ai.prices import Price, UnknownPrice
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.models import ModelPrice, ModelRow
from core.principal import Principal
from core.workbench import Workbench

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.get("/ai/models", summary="The models, and which of them the caller may ask")
async def models(principal: SignedIn, bench: Bench, threads: Threads) -> list[ModelRow]:
    """Every model of the catalogue; one that the caller may not ask has the reason."""
    why_not = await in_thread(partial(refusals, bench, principal), threads)
    return [_row(bench, model, why_not(model)) for model in bench.catalogue.all()]


def refusals(bench: Workbench, principal: Principal) -> Callable[[Model], str | None]:
    """Why a caller may not ask a model, and None where they may; their own keys are read from the database once."""
    plan, own_keys = bench.plans.get(principal.plan), bench.ai.own_keys.of(principal)
    offers = bench.ai.flags.offers(principal)

    def refusal(model: Model) -> str | None:
        if _price(bench, model) is None:
            return "No price is known for this model."
        refused = bench.router.refusal(
            model,
            plan,
            principal.allowed_models,
            allowed_providers=principal.allowed_providers,
            asks_models=principal.asks_models,
            own_keys=own_keys,
            offers=offers,
        )
        return None if refused is None else refused.detail

    return refusal


def _row(bench: Workbench, model: Model, reason: str | None) -> ModelRow:
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
        per_audio_hour=price.per_audio_hour,
        long_context_above=price.long_context_above,
        long_input=price.long.input if price.long else None,
        long_output=price.long.output if price.long else None,
        version=price.version,
        local=price.is_local,
    )
