"""The choice of a model: `auto`, and those that are live here, part of the plan and allowed by the organisation."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.ai.catalogue import Model
from core.ai.router import AUTO, Router
from core.errors import Forbidden, PlanRequired
from core.metering.plans import Plan
from core.principal import Principal

AUTO_LABEL = "Auto"


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
    return {model.id: model.label for model in models if router.refusal(model, plan, principal.allowed_models) is None}


def _help(models: Sequence[Model], router: Router, plan: Plan, principal: Principal) -> str:
    sentences = [
        "Auto answers from the offline glossary, because no provider is configured here."
        if router.is_offline
        else "Auto takes the cheapest live model of your plan."
    ]
    live = [model for model in models if router.unavailable_reason(model) is None]
    refused = {model.label: router.refusal(model, plan, principal.allowed_models) for model in live}
    beyond = [label for label, reason in refused.items() if isinstance(reason, PlanRequired)]
    if beyond:
        sentences.append(f"Not part of the {plan.label} plan: {', '.join(beyond)}.")
    barred = sum(isinstance(reason, Forbidden) for reason in refused.values())
    if barred:
        sentences.append(f"{barred} more are not allowed by your organisation.")
    if len(live) < len(models):
        sentences.append(f"{len(models) - len(live)} more are there once your operator sets their providers' keys.")
    return " ".join(sentences)
