"""The choice of a model: `auto`, and those that are live here, part of the plan and allowed by the organisation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import streamlit as st

from core.ai.catalogue import Catalogue, Model
from core.ai.health import HEALTHY, Health, ModelHealth
from core.ai.own_keys import OF_NOBODY, OwnKey
from core.ai.prices import PriceBook
from core.ai.providers.hosts import HOSTS
from core.ai.router import AUTO, Router
from core.errors import AssayError, Forbidden, PlanRequired
from core.metering.plans import Plan
from core.principal import Principal

AUTO_LABEL = "Auto"


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as somebody finds it who chooses one."""

    model: Model
    provider_label: str
    per_million: tuple[Decimal, Decimal] | None
    """USD for a million tokens of input and of output; None: its price is not known."""
    refusal: AssayError | None = None
    """Why they may not ask it; None: they may."""
    health: ModelHealth = HEALTHY
    successor_label: str = ""
    """What its provider names in its place; empty: nothing."""
    key_last_four: str = ""
    """End of the own key that it is asked with; empty: the platform's is."""


@dataclass(frozen=True, slots=True)
class KnownModels:
    """What is known of models here: which there are, what they cost, and how they fare."""

    catalogue: Catalogue
    router: Router
    prices: PriceBook
    health: Health
    today: date


def offers(
    known: KnownModels,
    plan: Plan,
    principal: Principal,
    own_keys: Mapping[str, OwnKey] = OF_NOBODY,
    flags: Callable[[str], bool] | None = None,
) -> list[Offer]:
    """Every model that answers questions and is still served, in the catalogue's order.

    `own_keys` are by the provider's name; `flags` says whether a name is offered to this person (None: all are).
    """
    labels = {model.id: model.label for model in known.catalogue.all()}
    return [
        Offer(
            model,
            provider_label(model.provider),
            _per_million(known, model),
            _refusal(known.router, model, plan, principal, own_keys, flags),
            known.health.of(model.provider, model.id, own_key=model.provider in own_keys),
            labels.get(model.successor or "", ""),
            own_keys[model.provider].last_four if model.provider in own_keys else "",
        )
        for model in known.catalogue.chat_models()
        if model.is_served(known.today)
    ]


def provider_label(provider: str) -> str:
    """What users call a provider."""
    return HOSTS[provider].label if provider in HOSTS else provider.capitalize()


def auto_words(router: Router, principal: Principal, own_keys: Mapping[str, OwnKey] = OF_NOBODY) -> str:
    """What `auto` does for this person, in a sentence."""
    if not principal.asks_models:
        return "Answers from the offline glossary: your organisation has switched off the models of providers."
    if router.answers_offline(asks_models=True, own_keys=own_keys):
        return "Answers from the offline glossary, because no provider is configured here."
    return (
        "Takes the cheapest healthy model that is good enough for what a question wants and how hard it is, and says "
        "under the answer why."
    )


def show(
    key: str, models: Sequence[Model], router: Router, plan: Plan, *, principal: Principal, installed_default: str
) -> str:
    """The id of the chosen model, or `auto`; what cannot be asked is not offered, and the help says why."""
    labels = offered(models, router, plan, principal)
    if principal.uses_router or principal.default_model not in labels:
        labels = {AUTO: AUTO_LABEL, **labels}
    options, default = list(labels), principal.default_model or installed_default
    chosen = st.selectbox(
        "Model",
        options,
        index=options.index(default) if default in labels else 0,
        format_func=lambda model_id: labels.get(model_id, model_id),
        help=_help(models, router, plan, principal),
        key=key,
        label_visibility="collapsed",
        persist_state="session",
        filter_mode=None,
        width=200,
    )
    return chosen if chosen in labels else options[0]


def offered(models: Sequence[Model], router: Router, plan: Plan, principal: Principal) -> dict[str, str]:
    """The labels of the models that this person may ask here, by id."""
    return {model.id: model.label for model in models if _refusal(router, model, plan, principal) is None}


def _help(models: Sequence[Model], router: Router, plan: Plan, principal: Principal) -> str:
    auto = auto_words(router, principal)
    sentences = [f"{AUTO_LABEL} {auto[0].lower()}{auto[1:]}"]
    live = [model for model in models if router.unavailable_reason(model) is None]
    refused = {model.label: _refusal(router, model, plan, principal) for model in live}
    beyond = [label for label, reason in refused.items() if isinstance(reason, PlanRequired)]
    if beyond:
        sentences.append(f"Not part of the {plan.label} plan: {', '.join(beyond)}.")
    barred = sum(isinstance(reason, Forbidden) for reason in refused.values())
    if barred:
        sentences.append(f"{barred} more are not allowed by your organisation.")
    if len(live) < len(models):
        sentences.append(f"{len(models) - len(live)} more are there once your operator sets their providers' keys.")
    return " ".join(sentences)


def _refusal(
    router: Router,
    model: Model,
    plan: Plan,
    principal: Principal,
    own_keys: Mapping[str, OwnKey] = OF_NOBODY,
    flags: Callable[[str], bool] | None = None,
) -> AssayError | None:
    return router.refusal(
        model,
        plan,
        principal.allowed_models,
        allowed_providers=principal.allowed_providers,
        asks_models=principal.asks_models,
        own_keys=own_keys,
        offers=flags,
    )


def _per_million(known: KnownModels, model: Model) -> tuple[Decimal, Decimal] | None:
    rows = [price for price in known.prices.history(model.price) if price.valid_from <= known.today]
    return (rows[-1].base.input, rows[-1].base.output) if rows else None
