"""Which models an organisation asks: whether any, of which providers, which ones, and which by default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from core import workbench
from core.accounts.profiles import OrganisationSettings
from core.ai.providers.hosts import HOSTS
from pages.components.chat_models import AUTO_LABEL

ALL_MODELS, THESE_MODELS = "All that the plan includes", "Only these"
ALL_PROVIDERS, THESE_PROVIDERS = "All that are set up", "Only these"
OFF = "Switched off: questions are answered from the offline glossary alone"
_NO_DEFAULT = ""


@dataclass(frozen=True, slots=True)
class Names:
    """What models and providers are called, by id."""

    models: Mapping[str, str]
    answering: Mapping[str, str]
    """Those that answer questions."""
    providers: Mapping[str, str]


def names() -> Names:
    """As the workbench knows them."""
    catalogue = workbench.current().catalogue
    models = {model.id: model.label for model in catalogue.all()}
    answering = {model.id: model.label for model in catalogue.chat_models()}
    used = {model.provider for model in catalogue.all()}
    return Names(models, answering, {name: host.label for name, host in HOSTS.items() if name in used})


def show_fields(settings: OrganisationSettings, known: Names) -> OrganisationSettings:
    """The fields, as part of a form; gives the settings as they are filled in."""
    st.markdown("**Models**")
    asks = st.toggle(
        "Members may ask models of providers",
        settings.asks_models,
        help="Switched off, nothing leaves for a provider: the offline glossary answers.",
    )
    models = _show_allowed(
        "Models that members may ask",
        "Allowed models",
        (ALL_MODELS, THESE_MODELS),
        settings.allowed_models,
        known.models,
    )
    providers = _show_allowed(
        "Providers that members may ask",
        "Allowed providers",
        (ALL_PROVIDERS, THESE_PROVIDERS),
        settings.allowed_providers,
        known.providers,
    )
    default = _show_default(settings.default_model, known.answering)
    return replace(
        settings, asks_models=asks, allowed_models=models, allowed_providers=providers, default_model=default
    )


def told(settings: OrganisationSettings, known: Names) -> dict[str, str]:
    """The settings in words, for whoever cannot change them."""
    if not settings.asks_models:
        return {"Models": OFF}
    default = settings.default_model
    return {
        "Models": ALL_MODELS if settings.allowed_models is None else _listed(settings.allowed_models, known.models),
        "Providers": ALL_PROVIDERS
        if settings.allowed_providers is None
        else _listed(settings.allowed_providers, known.providers),
        "Default model": AUTO_LABEL if default is None else known.answering.get(default, default),
    }


def _show_allowed(
    question: str, label: str, choices: tuple[str, str], allowed: tuple[str, ...] | None, labels: Mapping[str, str]
) -> tuple[str, ...] | None:
    """All, or those that are chosen; None is all."""
    every, these = choices
    which = st.radio(question, choices, index=0 if allowed is None else 1, horizontal=True)
    chosen = st.multiselect(
        label,
        list(labels),
        [name for name in allowed or () if name in labels],
        format_func=lambda name: labels.get(name, name),
        placeholder="Choose some",
        help=f"Counts where “{these}” is chosen above.",
        filter_mode="contains",
    )
    return None if which == every else tuple(chosen)


def _show_default(default: str | None, labels: Mapping[str, str]) -> str | None:
    options = [_NO_DEFAULT, *labels]
    chosen = st.selectbox(
        "Default model of the organisation",
        options,
        index=options.index(default) if default in options else 0,
        format_func=lambda name: AUTO_LABEL if name == _NO_DEFAULT else labels.get(name, name),
        help="Answers where a question names no model and its asker has none of their own in their profile.",
        filter_mode="contains",
    )
    return chosen or None


def _listed(ids: Sequence[str], labels: Mapping[str, str]) -> str:
    return ", ".join(labels.get(each, each) for each in ids)
