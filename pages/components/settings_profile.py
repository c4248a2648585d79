"""The profile: how others see a person, in which zone they see times, and which model answers them."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core import workbench
from core.accounts.profiles import zones
from core.ai.router import AUTO
from core.principal import Principal
from pages.components.avatar import show_avatar
from pages.components.chat_models import AUTO_LABEL, offered
from pages.components.forms import saving, submit_button, text_field
from pages.components.headings import section

AVATAR_PX = 64


def show(principal: Principal) -> None:
    """The picture with name and address, and the form to change what can be."""
    bench = workbench.current()
    profile = bench.profiles.profile(principal)
    section("Profile", "Yours alone, in every organisation that you belong to.")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        show_avatar(profile.name, principal.email, AVATAR_PX)
        with st.container(gap=None):
            st.text(profile.name)
            st.text(principal.email)
    with st.form("settings_profile"):
        name = text_field("Name", profile.name, required=True, autocomplete="name")
        zone = _show_zone(profile.zone, bench.profiles.organisation(principal).zone)
        model = _show_model(principal, profile.default_model)
        uses_router = st.toggle(
            "Let the router choose a model for “Auto”",
            profile.uses_router,
            help="It reads what a question wants and how hard it is, and takes the cheapest healthy model that is good "
            "enough for it; under the answer stands why. Switched off, “Auto” is your default model.",
        )
        uses_credits = st.toggle(
            "Let credits take over when my plan’s allowance is used up",
            profile.uses_credits,
            help="Questions to models go on then: today’s free credits are spent first, then those of your "
            "organisation, within what you may spend. Limits a minute, an hour and a request hold all the same. "
            "Switched off, you are told that the allowance is used up, and nothing is spent.",
        )
        gets_notices = st.toggle(
            "Send me notices by mail",
            profile.gets_notices,
            help="Such as a changed role. Mails about your safety, and those you ask for, always come.",
        )
        if submit_button("Save profile"):
            with saving("Your profile is saved"):
                kept = replace(
                    profile,
                    name=name,
                    zone=zone,
                    default_model=model,
                    uses_router=uses_router,
                    uses_credits=uses_credits,
                    gets_notices=gets_notices,
                )
                bench.profiles.keep(principal, kept)


def _show_zone(zone: str | None, of_organisation: str) -> str | None:
    """The zone that is chosen; None is the organisation's."""
    options = [None, *zones()]
    return st.selectbox(
        "Time zone",
        options,
        index=options.index(zone) if zone in options else 0,
        format_func=lambda name: f"The organisation’s ({of_organisation})" if name is None else name,
        help="Times are shown in it. Type a city to find it. Limits begin anew in the organisation’s zone.",
        filter_mode="contains",
    )


def _show_model(principal: Principal, default_model: str | None) -> str | None:
    """The model of a question that names none; None leaves it to the installation, which is `auto`."""
    bench = workbench.current()
    models = bench.catalogue.chat_models()
    labels = {AUTO: AUTO_LABEL, **offered(models, bench.router, bench.plans.get(principal.plan), principal)}
    if default_model is not None and default_model not in labels:
        label = next((model.label for model in models if model.id == default_model), default_model)
        labels[default_model] = f"{label} (not to be had at the moment)"
    chosen = st.selectbox(
        "Default model",
        list(labels),
        index=list(labels).index(default_model) if default_model is not None else 0,
        format_func=lambda model_id: labels.get(model_id, model_id),
        help="The one that Chat begins with. Those are offered that are live, part of the plan and allowed.",
        filter_mode="contains",
    )
    return None if chosen == AUTO else chosen
