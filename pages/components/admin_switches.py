"""Which providers and models are asked at all, and how gladly: what was decided, and a form to decide."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import streamlit as st

from core.ai.catalogue import Model
from core.ai.health import WHOLE
from core.ai.model_switches import LEAST_WEIGHT, MOST_WEIGHT, ModelSwitch
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.forms import saving, submit_button
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import plain

HINT = (
    "auto compares models of one class by what they are expected to cost, divided by their weight: at 2 a model is "
    "chosen as though it cost half, at 0.5 as though it cost double. A provider's weight holds for each of its models."
)


class Keeper(Protocol):
    """What keeps the decisions."""

    def switch(self, principal: Principal, switch: ModelSwitch) -> ModelSwitch:
        """Decides about a provider or a model."""
        ...


def show(
    key: str, models: Sequence[Model], switches: Sequence[ModelSwitch], keeper: Keeper, principal: Principal
) -> None:
    """What was decided so far, and the form."""
    decided = [each for each in switches if not each.is_on or each.weight != 1]
    labels = {model.id: model.label for model in models}
    if decided:
        with show_list(key):
            for each in decided:
                show_row(_row(each, labels))
    else:
        show_empty("All are on, with weight 1", "Nothing was switched off, and no weight given.")
    _show_form(key, models, switches, keeper, principal)


def _host(provider: str) -> str:
    return HOSTS[provider].label if provider in HOSTS else provider


def _name(provider: str, model: str, labels: dict[str, str]) -> str:
    host = _host(provider)
    return f"{host}: all models" if model == WHOLE else f"{host}: {labels.get(model, model)}"


def _row(switch: ModelSwitch, labels: dict[str, str]) -> Row:
    badges = [] if switch.is_on else [Badge("off", "red")]
    if switch.weight != 1:
        badges.append(Badge(f"weight {switch.weight.normalize():f}", "blue"))
    icon = ":material/domain:" if switch.model == WHOLE else ":material/smart_toy:"
    return Row(_name(switch.provider, switch.model, labels), "", tuple(badges), icon=icon)


def _show_form(
    key: str, models: Sequence[Model], switches: Sequence[ModelSwitch], keeper: Keeper, principal: Principal
) -> None:
    labels = {model.id: model.label for model in models}
    known = {(each.provider, each.model): each for each in switches}
    wholes = sorted({(model.provider, WHOLE) for model in models if model.provider != OFFLINE})
    each_one = sorted((model.provider, model.id) for model in models if model.provider != OFFLINE)
    choices = sorted([*wholes, *each_one], key=lambda pair: (_host(pair[0]).lower(), pair[1]))
    with st.expander("Switch a provider or a model, or weigh it", icon=":material/tune:"):
        provider, model = st.selectbox(
            "Provider or model",
            choices,
            format_func=lambda pair: _name(pair[0], pair[1], labels),
            key=f"{key}_chosen",
            help="What is switched off is asked by nobody; of a provider it holds for each of its models.",
        )
        switch = known.get((provider, model), ModelSwitch(provider, model))
        with st.form(f"{key}_form_{provider}_{model}", border=False):
            is_on = st.toggle("On: it may be asked in this installation", switch.is_on)
            weight = st.number_input(
                "Weight",
                float(LEAST_WEIGHT),
                float(MOST_WEIGHT),
                float(switch.weight),
                0.1,
                format="%.2f",
                help="1 is the usual. At 2 auto takes the model for half as dear, at 0.5 for twice.",
            )
            st.caption(plain(HINT))
            if submit_button("Save decision"):
                with saving("Decision saved; every process follows within seconds", principal):
                    keeper.switch(principal, ModelSwitch(provider, model, is_on, Decimal(f"{weight:.2f}")))
