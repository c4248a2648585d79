"""Admin: how the installation fares, for those who run it."""

from __future__ import annotations

from datetime import UTC, datetime

from core import workbench
from core.ai.experiments import ArmFigures, Experiment
from core.principal import Principal
from pages.components import admin_experiments, admin_flags, admin_models, settings_sections, source_states
from pages.components.admin_experiments import Choices
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.session import require_operator
from pages.components.settings_sections import Section

COMPARED = 5
"""Experiments whose arms are shown; the others have only their names."""

bench = workbench.current()


def show_sources(principal: Principal) -> None:
    """How the sources of market data fare."""
    section("Sources of market data", "What each may be asked, what was asked of it, and whether it answers.")
    market = bench.market
    source_states.show("admin_sources", market.gate.states(market.sources.all), datetime.now(UTC), principal.zone)


def show_models(principal: Principal) -> None:
    """How providers and models fare."""
    section(
        "Models and providers",
        "Who answers, who rests after failures, and who asked us to wait; own keys are not in these figures.",
    )
    labels = {model.id: model.label for model in bench.catalogue.all()}
    admin_models.show("admin_models", bench.health.all(), labels, datetime.now(UTC), principal.zone)


def show_flags(principal: Principal) -> None:
    """Switches of the installation."""
    section("Flags", "What is on for some: by plan, organisation, user, or a share of users that stays the same.")
    admin_flags.show("admin_flags", bench.flags.all(principal), bench.flags, principal, bench.plans.plans)


def show_experiments(principal: Principal) -> None:
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


SECTIONS = {
    "models": Section("Models", show_models),
    "sources": Section("Sources", show_sources),
    "flags": Section("Flags", show_flags),
    "experiments": Section("Experiments", show_experiments),
}

operator = require_operator()
page_head("Admin", plan=operator.plan)
chosen = settings_sections.show("admin_section", SECTIONS, label="Part of the administration")
with show_errors(operator):
    chosen.draw(operator)
