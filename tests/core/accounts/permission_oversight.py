"""Rows of the table of permissions for what is bought, counted and overseen: credits, boosts, Stripe, Admin, alerts."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal

from core.admin.alerts.service import ChannelDraft
from core.admin.changes import Boosting
from core.ai.model_switches import ModelSwitch
from core.db.oversight_people_dao import Sought
from core.errors import InvalidRequest, NotConfigured, NotFound
from core.metering.usage_exports import Wanted
from core.principal import Role
from tests.core.accounts.permission_rows import (
    EVERYBODY,
    INSIDERS,
    MANAGERS,
    MANAGERS_SEE,
    READERS,
    THEMSELVES,
    C,
    Method,
    Route,
    Trial,
)

OPERATORS = frozenset({C.OPERATOR})
OVERSEERS = MANAGERS_SEE | OPERATORS
"""Who looks over an organisation; operators over all of them."""
DECIDERS = MANAGERS | OPERATORS
AT_THE_DESK = frozenset({C.OWNER, C.ADMIN, C.OPERATOR})
"""What shows what it changes: a token needs both scopes."""
DAY = date(2026, 5, 5)
NOW = datetime(2026, 5, 5, tzinfo=UTC)
ONE = Decimal(1)
MORE = Boosting("chat_queries_day", 1, 1, "needed")
HOOK = ChannelDraft("webhook", "", "no address")


def _export(trial: Trial) -> object:
    span = trial.bench.metering.spending.span(trial.who, DAY, DAY)
    return trial.bench.metering.exports.write(trial.who, Wanted(span), io.BytesIO())


METHODS: dict[str, Method] = {
    "tours.has_ended": Method(READERS, lambda t: t.bench.tours.has_ended(t.who)),
    "tours.end": Method(THEMSELVES, lambda t: t.bench.tours.end(t.who)),
    "metering.boosts.all:everything": Method(OPERATORS, lambda t: t.bench.boosts.all(t.who, everything=True)),
    "metering.boosts.decide:everything": Method(
        OPERATORS, lambda t: t.bench.boosts.decide(t.who, t.nothing, granted=False, everything=True), ends=NotFound
    ),
    "metering.spending.span": Method(INSIDERS, lambda t: t.bench.metering.spending.span(t.who, DAY, DAY)),
    "metering.spending.by_feature": Method(
        INSIDERS, lambda t: t.bench.metering.spending.by_feature(t.who, t.bench.metering.spending.span(t.who, DAY, DAY))
    ),
    "metering.spending.top_prompts": Method(
        INSIDERS,
        lambda t: t.bench.metering.spending.top_prompts(t.who, t.bench.metering.spending.span(t.who, DAY, DAY)),
    ),
    "metering.spending.forecast": Method(INSIDERS, lambda t: t.bench.metering.spending.forecast(t.who, NOW)),
    "metering.exports.write": Method(INSIDERS, _export),
    "ai.switches.all": Method(OPERATORS, lambda t: t.bench.ai.switches.all(t.who)),
    "ai.switches.keep": Method(
        OPERATORS, lambda t: t.bench.ai.switches.keep(t.who, ModelSwitch("no such")), ends=NotFound
    ),
    "billing.purchases.all": Method(MANAGERS, lambda t: t.bench.billing.purchases.all(t.who)),
    "billing.purchases.buy": Method(
        MANAGERS, lambda t: t.bench.billing.purchases.buy(t.who, "starter"), ends=NotConfigured
    ),
    "billing.purchases.checkout": Method(
        MANAGERS, lambda t: t.bench.billing.purchases.checkout(t.who, "starter"), ends=NotConfigured
    ),
    "billing.purchases.look_again": Method(MANAGERS, lambda t: t.bench.billing.purchases.look_again(t.who)),
    "billing.subscriptions.current": Method(READERS, lambda t: t.bench.billing.subscriptions.current(t.who)),
    "billing.subscriptions.cancel": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.cancel(t.who), ends=InvalidRequest
    ),
    "billing.subscriptions.resume": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.resume(t.who), ends=InvalidRequest
    ),
    "billing.subscriptions.change": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.change(t.who, "premium"), ends=NotConfigured
    ),
    "billing.subscriptions.preview": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.preview(t.who, "premium"), ends=NotConfigured
    ),
    "billing.subscriptions.set_seats": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.set_seats(t.who, 2), ends=InvalidRequest
    ),
    "billing.subscriptions.portal": Method(
        MANAGERS, lambda t: t.bench.billing.subscriptions.portal(t.who), ends=InvalidRequest
    ),
    "billing.events.unsolved": Method(OPERATORS, lambda t: t.bench.billing.events.unsolved(t.who)),
    "billing.events.run_again": Method(
        OPERATORS, lambda t: t.bench.billing.events.run_again(t.who, "evt_none"), ends=NotFound
    ),
    "billing.events.set_aside": Method(
        OPERATORS, lambda t: t.bench.billing.events.set_aside(t.who, "evt_none"), ends=NotFound
    ),
    "billing.subscriptions.look_again": Method(MANAGERS, lambda t: t.bench.billing.subscriptions.look_again(t.who)),
    "admin.overview.headline": Method(OVERSEERS, lambda t: t.bench.admin.overview.headline(t.who, 7)),
    "admin.overview.headline:everything": Method(
        OPERATORS, lambda t: t.bench.admin.overview.headline(t.who, 7, everything=True)
    ),
    "admin.overview.groups": Method(OVERSEERS, lambda t: t.bench.admin.overview.groups(t.who, 7, "model")),
    "admin.overview.hours": Method(OVERSEERS, lambda t: t.bench.admin.overview.hours(t.who)),
    "admin.overview.near_limits": Method(OVERSEERS, lambda t: t.bench.admin.overview.near_limits(t.who)),
    "admin.overview.plans": Method(OPERATORS, lambda t: t.bench.admin.overview.plans(t.who, 7)),
    "admin.models.models": Method(OPERATORS, lambda t: t.bench.admin.models.models(t.who)),
    "admin.models.sources": Method(OPERATORS, lambda t: t.bench.admin.models.sources(t.who)),
    "admin.models.states": Method(OPERATORS, lambda t: t.bench.admin.models.states(t.who)),
    "admin.models.switch": Method(
        OPERATORS, lambda t: t.bench.admin.models.switch(t.who, ModelSwitch("no such")), ends=NotFound
    ),
    "admin.models.switches": Method(OPERATORS, lambda t: t.bench.admin.models.switches(t.who)),
    "admin.models.test": Method(frozenset(), lambda t: t.bench.admin.models.test(t.who, "no such model")),
    "admin.models.timeline": Method(OPERATORS, lambda t: t.bench.admin.models.timeline(t.who)),
    "admin.quality.figures": Method(OVERSEERS, lambda t: t.bench.admin.quality.figures(t.who)),
    "admin.jobs.overview": Method(OVERSEERS, lambda t: t.bench.admin.jobs.overview(t.who)),
    "admin.jobs.retry": Method(AT_THE_DESK, lambda t: t.bench.admin.jobs.retry(t.who, t.nothing), ends=NotFound),
    "admin.data.universes": Method(OVERSEERS, lambda t: t.bench.admin.data.universes(t.who)),
    "admin.data.run": Method(OVERSEERS, lambda t: t.bench.admin.data.run(t.who, "no such"), ends=NotFound),
    "admin.people.acting": Method(INSIDERS, lambda t: t.bench.admin.people.acting(t.who, t.who.org_id)),
    "admin.people.balance": Method(
        OVERSEERS, lambda t: t.bench.admin.people.balance(t.who, t.who.org_id, t.nothing), ends=NotFound
    ),
    "admin.people.limits": Method(
        OVERSEERS, lambda t: t.bench.admin.people.limits(t.who, t.who.org_id, t.nothing), ends=NotFound
    ),
    "admin.people.search": Method(OVERSEERS, lambda t: t.bench.admin.people.search(t.who, Sought(), everything=False)),
    "admin.people.search:everything": Method(
        OPERATORS, lambda t: t.bench.admin.people.search(t.who, Sought(), everything=True)
    ),
    "admin.people.organisations": Method(
        OVERSEERS, lambda t: t.bench.admin.people.organisations(t.who, Sought(), everything=False)
    ),
    "admin.people.invite": Method(
        DECIDERS,
        lambda t: t.bench.admin.people.invite(t.who, t.who.org_id, "no address", Role.VIEWER),
        ends=InvalidRequest,
    ),
    "admin.people.remove": Method(
        DECIDERS, lambda t: t.bench.admin.people.remove(t.who, t.who.org_id, t.nothing), ends=NotFound
    ),
    "admin.people.set_role": Method(
        DECIDERS,
        lambda t: t.bench.admin.people.set_role(t.who, t.who.org_id, t.nothing, Role.VIEWER),
        ends=NotFound,
    ),
    "admin.people.set_active": Method(
        OPERATORS, lambda t: t.bench.admin.people.set_active(t.who, t.nothing, is_active=False), ends=NotFound
    ),
    "admin.erasure.erase": Method(OPERATORS, lambda t: t.bench.admin.erasure.erase(t.who, t.nothing), ends=NotFound),
    "admin.people.set_plan": Method(
        OPERATORS, lambda t: t.bench.admin.people.set_plan(t.who, t.nothing, "free"), ends=NotFound
    ),
    "admin.people.set_cap": Method(
        DECIDERS,
        lambda t: t.bench.admin.people.set_cap(t.who, t.who.org_id, "nobody@test.example", ONE),
        ends=NotFound,
    ),
    "admin.budgets.found": Method(OVERSEERS, lambda t: t.bench.admin.budgets.found(t.who, everything=False)),
    "admin.budgets.found:everything": Method(OPERATORS, lambda t: t.bench.admin.budgets.found(t.who, everything=True)),
    "admin.budgets.set": Method(DECIDERS, lambda t: t.bench.admin.budgets.set(t.who, t.who.org_id, None)),
    "admin.budgets.set_of_member": Method(
        DECIDERS, lambda t: t.bench.admin.budgets.set_of_member(t.who, t.who.org_id, t.nothing, None), ends=NotFound
    ),
    "admin.people.set_pooling": Method(
        DECIDERS, lambda t: t.bench.admin.people.set_pooling(t.who, t.who.org_id, pools=False)
    ),
    "admin.people.give_boost": Method(
        DECIDERS,
        lambda t: t.bench.admin.people.give_boost(t.who, t.who.org_id, "nobody@test.example", MORE),
        ends=NotFound,
    ),
    "admin.people.grant_credits": Method(
        OPERATORS,
        lambda t: t.bench.admin.people.grant_credits(t.who, t.nothing, ONE, reason="a gift"),
        ends=NotFound,
    ),
    "admin.bulk.preview": Method(
        OVERSEERS, lambda t: t.bench.admin.bulk.preview(t.who, b"", everything=False), ends=InvalidRequest
    ),
    "admin.bulk.apply": Method(
        OVERSEERS, lambda t: t.bench.admin.bulk.apply(t.who, b"", everything=False), ends=InvalidRequest
    ),
    "admin.simulator.run": Method(
        OPERATORS, lambda t: t.bench.admin.simulator.run(t.who, "free", t.bench.plans.get("free"), DAY, DAY)
    ),
    "admin.abuse.findings": Method(OVERSEERS, lambda t: t.bench.admin.abuse.findings(t.who, everything=False)),
    "admin.abuse.revoke_token": Method(
        AT_THE_DESK, lambda t: t.bench.admin.abuse.revoke_token(t.who, t.nothing, everything=False), ends=NotFound
    ),
    "admin.books.look": Method(OPERATORS, lambda t: t.bench.admin.books.look(t.who)),
    "admin.audit_log.search": Method(OVERSEERS, lambda t: t.bench.admin.audit_log.search(t.who)),
    "admin.audit_log.search:everything": Method(
        OPERATORS, lambda t: t.bench.admin.audit_log.search(t.who, everything=True)
    ),
    "admin.audit_log.export": Method(OVERSEERS, lambda t: t.bench.admin.audit_log.export(t.who, form="csv")),
    "admin.audit_log.verify": Method(OVERSEERS, lambda t: t.bench.admin.audit_log.verify(t.who)),
    "oversight.alerts.firing": Method(OVERSEERS, lambda t: t.bench.oversight.alerts.firing(t.who)),
    "oversight.alerts.history": Method(OVERSEERS, lambda t: t.bench.oversight.alerts.history(t.who)),
    "oversight.alerts.everywhere": Method(OPERATORS, lambda t: t.bench.oversight.alerts.everywhere(t.who)),
    "oversight.alerts.channels": Method(OVERSEERS, lambda t: t.bench.oversight.alerts.channels(t.who)),
    "oversight.alerts.deliveries": Method(OVERSEERS, lambda t: t.bench.oversight.alerts.deliveries(t.who)),
    "oversight.alerts.rules": Method(OVERSEERS, lambda t: t.bench.oversight.alerts.rules(t.who)),
    "oversight.alerts.rules:everything": Method(
        OPERATORS, lambda t: t.bench.oversight.alerts.rules(t.who, everything=True)
    ),
    "oversight.alerts.acknowledge": Method(
        AT_THE_DESK, lambda t: t.bench.oversight.alerts.acknowledge(t.who, t.nothing), ends=NotFound
    ),
    "oversight.alerts.mute": Method(
        AT_THE_DESK, lambda t: t.bench.oversight.alerts.mute(t.who, "no such rule", None), ends=NotFound
    ),
    "oversight.alerts.set_rule": Method(
        AT_THE_DESK,
        lambda t: t.bench.oversight.alerts.set_rule(t.who, "no such rule", is_on=True, threshold=None),
        ends=NotFound,
    ),
    "oversight.alerts.add_channel": Method(
        AT_THE_DESK, lambda t: t.bench.oversight.alerts.add_channel(t.who, HOOK), ends=InvalidRequest
    ),
    "oversight.alerts.remove_channel": Method(
        AT_THE_DESK, lambda t: t.bench.oversight.alerts.remove_channel(t.who, t.nothing), ends=NotFound
    ),
    "oversight.alerts.test_channel": Method(
        AT_THE_DESK, lambda t: t.bench.oversight.alerts.test_channel(t.who, t.nothing, "webhook"), ends=NotFound
    ),
}

PLAN = {"plan": "premium"}
ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/credits/purchase"): Route(MANAGERS, 501, body={"package_id": "starter"}),
    ("GET", "/api/billing"): Route(READERS),
    ("GET", "/api/billing/plans"): Route(READERS),
    ("POST", "/api/billing/preview"): Route(MANAGERS, 501, body=PLAN),
    ("POST", "/api/billing/plan"): Route(MANAGERS, 501, body=PLAN),
    ("PUT", "/api/billing/seats"): Route(MANAGERS, 422, body={"seats": 2}),
    ("POST", "/api/billing/cancel"): Route(MANAGERS, 422),
    ("POST", "/api/billing/resume"): Route(MANAGERS, 422),
    ("POST", "/api/billing/portal"): Route(MANAGERS, 422),
    ("GET", "/api/ai/usage/export"): Route(READERS),
    ("POST", "/api/webhooks/stripe"): Route(EVERYBODY, 501, body={}),
}
