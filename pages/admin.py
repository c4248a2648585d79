"""Admin: who uses what, what it costs and whether it is healthy; of an organisation, or of the whole installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import streamlit as st

from core import workbench
from core.admin.reach import may_oversee
from core.ai.experiments import ArmFigures, Experiment
from core.principal import Principal
from pages.components import (
    admin_experiments,
    admin_flags,
    admin_models,
    admin_reach,
    session,
    settings_sections,
    source_states,
)
from pages.components.admin_experiments import Choices
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.settings_sections import Section
from pages.components.states import show_denied

COMPARED = 5
"""Experiments whose arms are shown; the others have only their names."""

bench = workbench.current()


def show_sources(principal: Principal, everything: bool) -> None:
    """How the sources of market data fare."""
    section("Sources of market data", "What each may be asked, what was asked of it, and whether it answers.")
    market = bench.market
    source_states.show("admin_sources", market.gate.states(market.sources.all), datetime.now(UTC), principal.zone)


def show_models(principal: Principal, everything: bool) -> None:
    """How providers and models fare."""
    section(
        "Models and providers",
        "Who answers, who rests after failures, and who asked us to wait; own keys are not in these figures.",
    )
    labels = {model.id: model.label for model in bench.catalogue.all()}
    admin_models.show("admin_models", bench.health.all(), labels, datetime.now(UTC), principal.zone)


def show_flags(principal: Principal, everything: bool) -> None:
    """Switches of the installation."""
    section("Flags", "What is on for some: by plan, organisation, user, or a share of users that stays the same.")
    admin_flags.show("admin_flags", bench.flags.all(principal), bench.flags, principal, bench.plans.plans)


def show_experiments(principal: Principal, everything: bool) -> None:
    """Comparisons of models and prompts."""
    section(
        "Experiments", "A share of users is answered by another model or prompt; answers of the cache do not count."
    )
    found = bench.experiments.all(principal)
    told = [(each, _arms(principal, each) if place < COMPARED else {}) for place, each in enumerate(found)]
    choices = Choices(bench.experiments.tasks, bench.experiments.variants, list(bench.plans.plans))
    admin_experiments.show("admin_experiments", told, bench.experiments, principal, choices)


def _arms(principal: Principal, experiment: Experiment) -> dict[str, ArmFigures]:
    return {} if experiment.id is None else dict(bench.experiments.compared(principal, experiment.id))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: its name, what draws it, and whose it is."""

    label: str
    draw: Callable[[Principal, bool], None]
    """Given whether it is about everything, or about the principal's organisation alone."""
    is_for_operators: bool = False


SECTIONS = {
    "models": Part("Models", show_models, is_for_operators=True),
    "sources": Part("Sources", show_sources, is_for_operators=True),
    "flags": Part("Flags", show_flags, is_for_operators=True),
    "experiments": Part("Experiments", show_experiments, is_for_operators=True),
}

principal = session.require()
if not may_oversee(principal):
    show_denied("This page is for those who manage an organisation.", "An admin of your organisation can change that.")
    st.stop()
page_head("Admin", plan=principal.plan)
sees_everything = admin_reach.show("admin_reach", principal)
parts = {
    name: Section(part.label, partial(part.draw, everything=sees_everything))
    for name, part in SECTIONS.items()
    if principal.is_operator or not part.is_for_operators
}
chosen = settings_sections.show("admin_section", parts, label="Part of the administration")
with show_errors(principal):
    chosen.draw(principal)
