"""The choice of a model: `auto`, and those that are live here and part of the plan."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.ai.catalogue import Model
from core.ai.router import AUTO, Router
from core.metering.plans import Plan

AUTO_LABEL = "Auto"


def show(key: str, models: Sequence[Model], router: Router, plan: Plan, *, default: str) -> str:
    """The id of the chosen model, or `auto`; what cannot be asked is not offered, and the help says why."""
    labels = {
        AUTO: AUTO_LABEL,
        **{model.id: model.label for model in models if _is_offered(model, router, plan)},
    }
    options = list(labels)
    chosen = st.selectbox(
        "Model",
        options,
        index=options.index(default) if default in labels else 0,
        format_func=lambda model_id: labels.get(model_id, model_id),
        help=_help(models, router, plan),
        key=key,
        label_visibility="collapsed",
        persist_state="session",
        filter_mode=None,
        width=200,
    )
    return chosen if chosen in labels else AUTO


def _is_offered(model: Model, router: Router, plan: Plan) -> bool:
    return model.model_class in plan.model_classes and router.unavailable_reason(model) is None


def _help(models: Sequence[Model], router: Router, plan: Plan) -> str:
    sentences = [
        "Auto answers from the offline glossary, because no provider is configured here."
        if router.is_offline
        else "Auto takes the cheapest live model of your plan."
    ]
    live = [model for model in models if router.unavailable_reason(model) is None]
    beyond = [model.label for model in live if model.model_class not in plan.model_classes]
    if beyond:
        sentences.append(f"Not part of the {plan.label} plan: {', '.join(beyond)}.")
    if len(live) < len(models):
        sentences.append(f"{len(models) - len(live)} more are there once your operator sets their providers' keys.")
    return " ".join(sentences)
