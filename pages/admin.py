"""Admin: who uses what, what it costs and whether it is healthy; of an organisation, or of the whole installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.admin.reach import may_oversee
from core.ai.experiments import ArmFigures, Experiment
from core.principal import Principal
from pages.components import (
    admin_abuse,
    admin_alert_channels,
    admin_alert_rules,
    admin_alerts,
    admin_audit,
    admin_books,
    admin_boosts,
    admin_budgets,
    admin_bulk,
    admin_data,
    admin_experiments,
    admin_flags,
    admin_health,
    admin_jobs,
    admin_models,
    admin_near_limits,
    admin_organisations,
    admin_overview,
    admin_people,
    admin_quality,
    admin_reach,
    admin_simulator,
    admin_switches,
    admin_test_call,
    billing_events,
    session,
    settings_sections,
    source_states,
)
from pages.components.admin_alert_channels import Channels
from pages.components.admin_experiments import Choices
from pages.components.errors import show_errors
from pages.components.headings import page_head, section
from pages.components.settings_sections import Section
from pages.components.states import show_denied

COMPARED = 5
"""Experiments whose arms are shown; the others have only their names."""

bench = workbench.current()


def show_overview(principal: Principal, everything: bool) -> None:
    """Who uses what, what it costs, and whether it is healthy."""
    overview = bench.admin.overview
    days = admin_overview.show_period("admin_overview_period")
    headline = overview.headline(principal, days, everything=everything)
    section("At one look", f"{admin_overview.period_words(headline.period)}.")
    admin_overview.show_headline(headline, everything=everything)
    section("Told apart", "By what they cost, the dearest first; days in their order.")
    by = admin_overview.show_dimension("admin_overview_by", everything=everything)
    groups = overview.groups(principal, days, by, everything=everything)
    admin_overview.show_groups("admin_overview_groups", groups, by, _labels(), period=headline.period)
    section("Hours of the day")
    admin_overview.show_hours("admin_overview_hours", overview.hours(principal, days, everything=everything))
    section("Near a limit")
    near = overview.near_limits(principal, everything=everything)
    now = datetime.now(UTC)
    admin_near_limits.show("admin_near_limits", near, now, principal.zone, everything=everything)


def show_plans(principal: Principal, everything: bool) -> None:
    """What plans bring in and how they are used."""
    days = admin_overview.show_period("admin_plans_period")
    found = bench.admin.overview.plans(principal, days, everything=everything)
    admin_overview.show_plans("admin_plans", found)


def show_people(principal: Principal, everything: bool) -> None:
    """Who belongs where, and what each may use."""
    people, plans, now = bench.admin.people, bench.plans.plans, datetime.now(UTC)
    section("People", "What each may use and why, their role, and an end to it.")
    desk = admin_people.Desk(principal, people, bench.admin.budgets, everything, plans, now, bench.admin.erasure)
    admin_people.show("admin_people", desk)
    section("Organisations" if everything else "Organisation")
    over = admin_organisations.Desk(principal, people, everything, plans, bench.credits)
    admin_organisations.show("admin_orgs", over)
    section("Budgets" if everything else "Budget", "What calls may cost in a month; what would go beyond is refused.")
    may_set = principal.is_operator or may(principal, Action.SET_OVERSIGHT)
    admin_budgets.show("admin_budgets", admin_budgets.Desk(principal, bench.admin.budgets, everything, may_set))


def show_boosts(principal: Principal, everything: bool) -> None:
    """More of a limit for a time."""
    desk = admin_boosts.Desk(principal, bench.boosts, bench.admin.people, bench.plans, everything, datetime.now(UTC))
    admin_boosts.show("admin_boosts", desk)


def show_bulk(principal: Principal, everything: bool) -> None:
    """Many changes from a file."""
    section("Changes from a file", "Plans, roles, caps, boosts, credits and accounts: previewed, then applied whole.")
    admin_bulk.show("admin_bulk", admin_bulk.Desk(principal, bench.admin.bulk, everything, datetime.now(UTC)))


def show_simulator(principal: Principal, _everything: bool) -> None:
    """What another plan would have come to."""
    section("Plan simulator", "A changed plan replayed over the real log, beside the plan as it is.")
    plans, today = bench.plans.plans, datetime.now(UTC).date()
    admin_simulator.show("admin_simulator", admin_simulator.Desk(principal, bench.admin.simulator, plans, today))


def show_abuse(principal: Principal, everything: bool) -> None:
    """What looks like abuse."""
    section("Abuse", "What is unusual, with the lines that show it; a person decides what it is.")
    days = admin_abuse.show_span("admin_abuse_days")
    findings = bench.admin.abuse.findings(principal, everything=everything, days=days)
    desk = admin_abuse.Desk(principal, bench.admin.abuse, bench.admin.people, everything)
    admin_abuse.show("admin_abuse", findings, desk)


def show_books(principal: Principal, _everything: bool) -> None:
    """Whether the books are right."""
    section("Books", "Counters, holds, usage, attempts and ledger against one another, as “doctor --accounting” does.")
    admin_books.show("admin_books", bench.admin.books, principal)


def show_sources(principal: Principal, _everything: bool) -> None:
    """How the sources of market data fare."""
    section("Sources of market data", "What each may be asked, what was asked of it, and whether it answers.")
    source_states.show("admin_sources", bench.admin.models.sources(principal), datetime.now(UTC), principal.zone)


def show_models(principal: Principal, _everything: bool) -> None:
    """How providers and models fare, whether they are asked, and whether they answer."""
    care, labels, now = bench.admin.models, _labels(), datetime.now(UTC)
    section(
        "Models and providers",
        "Who answers, who rests after failures, and who asked us to wait; own keys are not in these figures.",
    )
    admin_models.show("admin_models", care.states(principal), labels, now, principal.zone)
    section("By the hour", "How calls went, each try by itself, of all organisations together.")
    admin_health.show("admin_health", care.timeline(principal), labels, now, principal.zone)
    section(
        "Switches and weights", "What is off is asked by nobody, on no key; a weight moves a model within its class."
    )
    models = care.models(principal)
    admin_switches.show("admin_switches", models, care.switches(principal), care, principal)
    section("Test call")
    admin_test_call.show("admin_test_call", models, care, principal)


def show_quality(principal: Principal, everything: bool) -> None:
    """How good answers are."""
    figures = bench.admin.quality.figures(principal, everything=everything)
    admin_quality.show("admin_quality", figures, _labels(), everything=everything)


def show_jobs(principal: Principal, everything: bool) -> None:
    """What waits, runs and failed."""
    section("Jobs", "Work that outlives a request: what waits and runs, what failed and why.")
    jobs = bench.admin.jobs
    found = jobs.overview(principal, everything=everything)
    admin_jobs.show("admin_jobs", found, jobs, principal, datetime.now(UTC), everything=everything)
    if principal.is_operator:
        section("Stripe", "Events that were refused, given up or not done yet; prices and subscriptions that are odd.")
        events, troubles = bench.billing.events, bench.billing.troubles.all()
        rows = events.unsolved(principal)
        billing_events.show("admin_stripe", rows, troubles, events, principal, datetime.now(UTC))


def show_data(principal: Principal, _everything: bool) -> None:
    """What is wrong with bars."""
    section("Data checks", "What is wrong with daily bars, and which are behind; nothing is mended.")
    admin_data.show("admin_data", bench.admin.data.universes(principal), bench.admin.data, principal)


def show_audit(principal: Principal, everything: bool) -> None:
    """Who changed what, and whether the record of it is whole."""
    section("Audit log", "Who changed what, and who signed in; a line is never changed, and sealed within minutes.")
    key = "admin_audit_all" if everything else "admin_audit"
    admin_audit.show(key, bench.admin.audit_log, principal, datetime.now(UTC), everything=everything)


def show_flags(principal: Principal, _everything: bool) -> None:
    """Switches of the installation."""
    section("Flags", "What is on for some: by plan, organisation, user, or a share of users that stays the same.")
    admin_flags.show("admin_flags", bench.flags.all(principal), bench.flags, principal, bench.plans.plans)


def show_experiments(principal: Principal, _everything: bool) -> None:
    """Comparisons of models and prompts."""
    section(
        "Experiments", "A share of users is answered by another model or prompt; answers of the cache do not count."
    )
    found = bench.experiments.all(principal)
    told = [(each, _arms(principal, each) if place < COMPARED else {}) for place, each in enumerate(found)]
    choices = Choices(bench.experiments.tasks, bench.experiments.variants, list(bench.plans.plans))
    kept_from = bench.usage.kept_from()
    admin_experiments.show("admin_experiments", told, bench.experiments, principal, choices, kept_from)


def _arms(principal: Principal, experiment: Experiment) -> dict[str, ArmFigures]:
    return {} if experiment.id is None else dict(bench.experiments.compared(principal, experiment.id))


def _labels() -> dict[str, str]:
    """What models are called, by their ids."""
    return {model.id: model.label for model in bench.catalogue.all()}


def show_alerts(principal: Principal, everything: bool) -> None:
    """What fires, what fired, and what is watched and told where."""
    alerts, now = bench.oversight.alerts, datetime.now(UTC)
    may_set = principal.is_operator or may(principal, Action.SET_OVERSIGHT)
    section("Firing now", "What holds at this moment; it is told once, and goes by itself once it is over.")
    acknowledge = partial(_acknowledge, principal, everything) if may_set else None
    firing = alerts.firing(principal, everything=everything)
    admin_alerts.show_firing("admin_alerts_firing", firing, now, principal.zone, acknowledge)
    if everything:
        section("All organisations", "What fires anywhere, then what is over; each organisation's own is told there.")
        admin_alerts.show_everywhere("admin_alerts_all", alerts.everywhere(principal), principal.zone)
    section("Channels", "Where alerts are told beside the app.")
    channels = Channels(
        alerts.channels(principal, everything=everything), alerts.named_by_settings, bench.mailer.is_configured
    )
    keeper = alerts if may_set else None
    admin_alert_channels.show("admin_alerts_channels", channels, keeper, principal, now, everything=everything)
    section("Rules", "What is watched every minute, from which value on, and from where on it is over.")
    rules = alerts.rules(principal, everything=everything)
    admin_alert_rules.show("admin_alerts_rules", rules, keeper, principal, now, everything=everything)
    section("History")
    admin_alerts.show_history("admin_alerts_history", alerts.history(principal, everything=everything), principal.zone)
    section("Messages", "What was sent, and what is still on its way.")
    sent = alerts.deliveries(principal, everything=everything)
    admin_alerts.show_deliveries("admin_alerts_sent", sent, principal.zone)


def _acknowledge(principal: Principal, everything: bool, alert_id: UUID) -> None:
    with show_errors(principal, has_action=False):
        bench.oversight.alerts.acknowledge(principal, alert_id, everything=everything)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: its name, what draws it, and whose it is."""

    label: str
    draw: Callable[[Principal, bool], None]
    """Given whether it is about everything, or about the principal's organisation alone."""
    is_for_operators: bool = False


SECTIONS = {
    "overview": Part("Overview", show_overview),
    "plans": Part("Plans", show_plans, is_for_operators=True),
    "people": Part("People", show_people),
    "boosts": Part("Boosts", show_boosts),
    "bulk": Part("Changes", show_bulk),
    "simulator": Part("Simulator", show_simulator, is_for_operators=True),
    "abuse": Part("Abuse", show_abuse),
    "books": Part("Books", show_books, is_for_operators=True),
    "models": Part("Models", show_models, is_for_operators=True),
    "sources": Part("Sources", show_sources, is_for_operators=True),
    "quality": Part("AI quality", show_quality),
    "jobs": Part("Jobs", show_jobs),
    "data": Part("Data checks", show_data),
    "audit": Part("Audit log", show_audit),
    "alerts": Part("Alerts", show_alerts),
    "flags": Part("Flags", show_flags, is_for_operators=True),
    "experiments": Part("Experiments", show_experiments, is_for_operators=True),
}


def _draw(part: Part, principal: Principal) -> None:
    part.draw(principal, sees_everything)


principal = session.require()
if not may_oversee(principal):
    show_denied("This page is for those who manage an organisation.", "An admin of your organisation can change that.")
    st.stop()
page_head("Admin", plan=principal.plan)
sees_everything = admin_reach.show("admin_reach", principal)
parts = {
    name: Section(part.label, partial(_draw, part))
    for name, part in SECTIONS.items()
    if principal.is_operator or not part.is_for_operators
}
chosen = settings_sections.show("admin_section", parts, label="Part of the administration")
with show_errors(principal):
    chosen.draw(principal)
