"""What is validated every night, and whether "auto" goes by what verdicts were worth: read by all, set by managers."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.ai.router import AUTO
from core.db.instruments_dao import UniverseRow
from core.principal import Principal
from core.verdicts.batches import MOST_SIGNALS
from core.verdicts.verdict_settings import VerdictChoices
from pages.components import chat_models
from pages.components.forms import saving, submit_button
from pages.components.headings import section
from pages.components.words import plain

QUALITY = (
    "Among the models that Auto may choose from, those with the best record of verdicts come first, the cheapest of "
    "them before the others; only models with enough scored verdicts have a record."
)


def show(key: str, principal: Principal) -> None:
    """What is set, and for managers the form."""
    bench = workbench.current()
    section("Every night", "After the nightly scan, for the whole organisation and under its quota and budget.")
    choices = bench.verdicts.settings.get(principal).choices
    universes = {each.id: each for each in bench.market.universes.list(principal)}
    labels = _models(principal)
    st.markdown(plain(sentence(choices, universes.get(choices.universe_id or ""), labels)))
    if not may(principal, Action.SET_ORGANISATION):
        st.caption("An admin of your organisation can change this.")
        return
    with st.expander("Change it", icon=":material/tune:", key=f"{key}_part"):
        _show_form(key, principal, choices, universes, labels)


def sentence(choices: VerdictChoices, universe: UniverseRow | None, labels: dict[str, str]) -> str:
    """What is set, in words."""
    if not choices.is_nightly:
        words = "Nothing is validated by itself."
    else:
        where = "a universe that is gone" if universe is None else universe.title
        model = labels.get(choices.model, choices.model)
        words = f"The {choices.most:,} most confident signals of {where} are validated every night, with {model}."
    return words + (" Auto prefers models whose verdicts were right." if choices.uses_quality else "")


def _show_form(
    key: str,
    principal: Principal,
    choices: VerdictChoices,
    universes: dict[str, UniverseRow],
    labels: dict[str, str],
) -> None:
    with st.form(key, border=False):
        is_nightly = st.toggle("Validate every night", choices.is_nightly, key=f"{key}_on")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            ids, models = list(universes), list(labels)
            universe = st.selectbox(
                "Universe",
                ids,
                ids.index(choices.universe_id) if choices.universe_id in universes else 0 if ids else None,
                format_func=lambda each: universes[each].title,
                key=f"{key}_universe",
                width=280,
            )
            most = st.number_input(
                "At most", 1, MOST_SIGNALS, choices.most, key=f"{key}_most", width=140, help="Signals of a night."
            )
            model = st.selectbox(
                "Model",
                models,
                models.index(choices.model) if choices.model in labels else 0,
                format_func=lambda each: labels[each],
                key=f"{key}_model",
                width=240,
            )
        uses_quality = st.toggle(
            "Auto prefers models whose verdicts were right", choices.uses_quality, help=QUALITY, key=f"{key}_quality"
        )
        if submit_button("Save", key=f"{key}_save"):
            with saving("The nightly batch is set"):
                workbench.current().verdicts.settings.change(
                    principal, VerdictChoices(is_nightly, universe, int(most), model or AUTO, uses_quality)
                )


def _models(principal: Principal) -> dict[str, str]:
    bench = workbench.current()
    offered = chat_models.offered(
        bench.catalogue.chat_models(), bench.router, bench.plans.get(principal.plan), principal
    )
    return {AUTO: chat_models.AUTO_LABEL, **offered}
