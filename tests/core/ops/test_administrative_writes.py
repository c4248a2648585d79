"""Whatever only those who manage or run something may do leaves its line, in their name, or changes nothing.

Which methods these are is read from the table of permissions: one that has no place here fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from core.admin.alerts.service import ChannelDraft
from core.admin.changes import Boosting
from core.ai.model_switches import ModelSwitch
from core.db.engine import SCHEMA
from core.errors import AssayError
from core.ops.audit import AuditAction
from core.principal import Principal, Role, Scope
from core.verdicts.verdict_settings import VerdictChoices
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.accounts.permission_table import METHODS, Caller, Trial
from tests.core.admin.alerts.alerts_made import leave_alerts
from tests.core.billing.selling import Shop, open_shop
from tests.core.ops.audited_scene import Connection, Ledger, Scene
from tests.core.ops.test_audited import TRIED
from tests.fakes.stripe_server import StripeServer

ADMINISTRATIVE = {name.partition(":")[0] for name, row in METHODS.items() if Caller.ANALYST not in row.allowed}
"""Methods that are for managers, operators or both."""
TEN = Decimal(10)
BOOSTING = Boosting("chat_queries_day", 5, 2, "a report")
BOOST: dict[str, Any] = {"metric": "chat_queries_day", "amount": 5, "days": 2, "reason": "a report"}
PUBLIC = ChannelDraft("webhook", "Ours", "https://93.184.215.14/hook")


@dataclass(frozen=True)
class Office:
    """A scene, and a connection that sees every row."""

    scene: Scene
    service: Connection

    @property
    def bench(self) -> Workbench:
        """The workbench."""
        return self.scene.bench

    @property
    def ann(self) -> Principal:
        """An owner at the page, who runs the installation too."""
        return self.scene.operator

    @property
    def bob(self) -> Principal:
        """An analyst."""
        return self.scene.bob


@pytest.fixture
def office(scene: Scene, service: Connection) -> Office:
    """Ann's, who has everything to do with Bob."""
    return Office(scene, service)


def _asked_boost(office: Office) -> UUID:
    return office.bench.boosts.request(office.bob, **BOOST).id


def _given_boost(office: Office) -> UUID:
    office.bench.admin.people.give_boost(office.ann, office.ann.org_id, office.bob.email, BOOSTING)
    return office.bench.boosts.all(office.ann)[0].id


def _failed_job(office: Office) -> UUID:
    arguments = {"universe_id": "sp500", "day": "2026-11-20"}
    job = office.bench.queue.submit("night", arguments, key="one", org_id=office.ann.org_id)
    office.service.execute(
        "UPDATE jobs SET status = 'failed', error = 'x', attempts = 3, finished_at = assay_now() - %s WHERE id = %s",
        (timedelta(hours=1), job.id),
    )
    return job.id


def _token(office: Office) -> UUID:
    office.bench.tokens.create(replace(office.bob, via="session"), "Script", scopes=[Scope.READ], days=7)
    return office.bench.tokens.all(office.bob)[0].id


def _alert(office: Office) -> UUID:
    leave_alerts(office.bench, office.ann)
    return office.bench.oversight.alerts.firing(office.ann)[0].id


def _slack(office: Office) -> UUID:
    leave_alerts(office.bench, office.ann)
    return office.bench.oversight.alerts.channels(office.ann)[0].id


def _channel(office: Office) -> UUID:
    return office.bench.oversight.alerts.add_channel(office.ann, PUBLIC).id


def _nothing(office: Office) -> None:
    return None


def _file(office: Office) -> bytes:
    columns = "change,organisation,user,value,metric,days,reason"
    return f"{columns}\nrole,{office.ann.org_name},{office.bob.email},viewer,,,\n".encode()


Before = Callable[[Office], Any]
Act = Callable[[Office, Any], object]
WRITES: dict[str, tuple[Before, Act, list[AuditAction]]] = {
    "verdicts.settings.begin_with": (
        _nothing,
        lambda o, _: o.bench.verdicts.settings.begin_with(o.ann, VerdictChoices(most=7)),
        [AuditAction.VERDICTS_SET],
    ),
    "verdicts.settings.change": (
        _nothing,
        lambda o, _: o.bench.verdicts.settings.change(o.ann, VerdictChoices(most=7)),
        [AuditAction.VERDICTS_SET],
    ),
    "metering.credits.set_cap": (
        _nothing,
        lambda o, _: o.bench.credits.set_cap(o.ann, o.bob.user_id, TEN),
        [AuditAction.MEMBER_CAP_SET],
    ),
    "metering.credits.adjust": (
        _nothing,
        lambda o, _: o.bench.credits.adjust(o.ann, o.ann.org_id, TEN, "a mend"),
        [AuditAction.CREDITS_ADJUSTED],
    ),
    "metering.boosts.decide": (
        _asked_boost,
        lambda o, boost: o.bench.boosts.decide(o.ann, boost, granted=False),
        [AuditAction.BOOST_DECIDED],
    ),
    "metering.boosts.end": (
        _given_boost,
        lambda o, boost: o.bench.boosts.end(o.ann, boost),
        [AuditAction.BOOST_ENDED],
    ),
    "ai.switches.keep": (
        _nothing,
        lambda o, _: o.bench.ai.switches.keep(o.ann, ModelSwitch("openai", is_on=False)),
        [AuditAction.MODEL_CHANGED],
    ),
    "admin.models.switch": (
        _nothing,
        lambda o, _: o.bench.admin.models.switch(o.ann, ModelSwitch("openai", weight=Decimal(2))),
        [AuditAction.MODEL_CHANGED],
    ),
    "admin.models.test": (
        _nothing,
        lambda o, _: o.bench.admin.models.test(o.ann, "gpt-4o-mini"),
        [AuditAction.MODEL_TESTED],
    ),
    "admin.jobs.retry": (
        _failed_job,
        lambda o, job: o.bench.admin.jobs.retry(o.ann, job),
        [AuditAction.JOB_REPEATED],
    ),
    "admin.people.invite": (
        _nothing,
        lambda o, _: o.bench.admin.people.invite(o.ann, o.ann.org_id, "cleo@test.example", Role.VIEWER),
        [AuditAction.INVITED],
    ),
    "admin.people.remove": (
        _nothing,
        lambda o, _: o.bench.admin.people.remove(o.ann, o.ann.org_id, o.bob.user_id),
        [AuditAction.MEMBER_REMOVED],
    ),
    "admin.people.set_role": (
        _nothing,
        lambda o, _: o.bench.admin.people.set_role(o.ann, o.ann.org_id, o.bob.user_id, Role.VIEWER),
        [AuditAction.MEMBER_ROLE_CHANGED],
    ),
    "admin.people.set_active": (
        _nothing,
        lambda o, _: o.bench.admin.people.set_active(o.ann, o.bob.user_id, is_active=False),
        [AuditAction.USER_DEACTIVATED],
    ),
    "admin.people.set_plan": (
        _nothing,
        lambda o, _: o.bench.admin.people.set_plan(o.ann, o.ann.org_id, "premium"),
        [AuditAction.PLAN_SET],
    ),
    "admin.people.set_cap": (
        _nothing,
        lambda o, _: o.bench.admin.people.set_cap(o.ann, o.ann.org_id, o.bob.email, TEN),
        [AuditAction.MEMBER_CAP_SET],
    ),
    "admin.people.set_pooling": (
        _nothing,
        lambda o, _: o.bench.admin.people.set_pooling(o.ann, o.ann.org_id, pools=True),
        [AuditAction.POOLING_SET],
    ),
    "admin.people.give_boost": (
        _nothing,
        lambda o, _: o.bench.admin.people.give_boost(o.ann, o.ann.org_id, o.bob.email, BOOSTING),
        [AuditAction.BOOST_DECIDED],
    ),
    "admin.people.grant_credits": (
        _nothing,
        lambda o, _: o.bench.admin.people.grant_credits(o.ann, o.ann.org_id, TEN, reason="a gift"),
        [AuditAction.CREDITS_GRANTED],
    ),
    "admin.budgets.set": (
        _nothing,
        lambda o, _: o.bench.admin.budgets.set(o.ann, o.ann.org_id, TEN),
        [AuditAction.ORGANISATION_BUDGET_SET],
    ),
    "admin.budgets.set_of_member": (
        _nothing,
        lambda o, _: o.bench.admin.budgets.set_of_member(o.ann, o.ann.org_id, o.bob.user_id, TEN),
        [AuditAction.MEMBER_BUDGET_SET],
    ),
    "admin.bulk.apply": (
        _file,
        lambda o, content: o.bench.admin.bulk.apply(o.ann, content, everything=False),
        [AuditAction.MEMBER_ROLE_CHANGED, AuditAction.MEMBERS_CHANGED],
    ),
    "admin.abuse.revoke_token": (
        _token,
        lambda o, token: o.bench.admin.abuse.revoke_token(o.ann, token, everything=False),
        [AuditAction.TOKEN_REVOKED],
    ),
    "admin.audit_log.export": (
        _nothing,
        lambda o, _: o.bench.admin.audit_log.export(o.ann, form="csv"),
        [AuditAction.AUDIT_EXPORTED],
    ),
    "admin.audit_log.verify": (
        _nothing,
        lambda o, _: o.bench.admin.audit_log.verify(o.ann),
        [AuditAction.AUDIT_VERIFIED],
    ),
    "oversight.alerts.acknowledge": (
        _alert,
        lambda o, alert: o.bench.oversight.alerts.acknowledge(o.ann, alert),
        [AuditAction.ALERT_ACKNOWLEDGED],
    ),
    "oversight.alerts.mute": (
        _nothing,
        lambda o, _: o.bench.oversight.alerts.mute(o.ann, "job_failed", timedelta(hours=1)),
        [AuditAction.ALERT_RULE_SET],
    ),
    "oversight.alerts.set_rule": (
        _nothing,
        lambda o, _: o.bench.oversight.alerts.set_rule(o.ann, "job_failed", is_on=False, threshold=None),
        [AuditAction.ALERT_RULE_SET],
    ),
    "oversight.alerts.add_channel": (_nothing, lambda o, _: _channel(o), [AuditAction.ALERT_CHANNEL_SET]),
    "oversight.alerts.remove_channel": (
        _channel,
        lambda o, channel: o.bench.oversight.alerts.remove_channel(o.ann, channel),
        [AuditAction.ALERT_CHANNEL_REMOVED],
    ),
    "oversight.alerts.test_channel": (
        _slack,
        lambda o, channel: o.bench.oversight.alerts.test_channel(o.ann, channel, "slack"),
        [AuditAction.ALERT_CHANNEL_TESTED],
    ),
}
"""What comes before, what is done, and the lines that it leaves."""


def _refused_event(shop: Shop, olga: Principal) -> str:
    event = shop.stripe.pay(shop.buy(olga), amount_received=999)
    shop.tell(event)
    return str(event["id"])


def _ending(shop: Shop, olga: Principal) -> str:
    subscription_id = shop.subscribed(olga)
    shop.billing.subscriptions.cancel(olga)
    return subscription_id


def _open_checkout(shop: Shop, olga: Principal) -> None:
    url = shop.billing.subscriptions.change(olga, "basic").checkout_url
    assert url is not None
    shop.stripe.subscribe(url.rsplit("/", 1)[1])


SoldBefore = Callable[[Shop, Principal], Any]
Sell = Callable[[Shop, Principal, Any], object]
SALES: dict[str, tuple[SoldBefore, Sell, list[AuditAction]]] = {
    "billing.purchases.buy": (
        lambda _shop, _olga: None,
        lambda s, who, _: s.billing.purchases.buy(who, "starter"),
        [AuditAction.CHECKOUT_BEGUN],
    ),
    "billing.purchases.checkout": (
        lambda _shop, _olga: None,
        lambda s, who, _: s.billing.purchases.checkout(who, "starter"),
        [AuditAction.CHECKOUT_BEGUN],
    ),
    "billing.purchases.look_again": (
        lambda s, who: s.stripe.pay(s.buy(who)),
        lambda s, who, _: s.billing.purchases.look_again(who),
        [AuditAction.CREDITS_PURCHASED],
    ),
    "billing.subscriptions.change": (
        lambda s, who: s.subscribed(who),
        lambda s, who, _: s.billing.subscriptions.change(who, "premium"),
        [AuditAction.SUBSCRIPTION_CHANGED, AuditAction.PLAN_SET],
    ),
    "billing.subscriptions.set_seats": (
        lambda s, who: s.subscribed(who, "team", 4),
        lambda s, who, _: s.billing.subscriptions.set_seats(who, 6),
        [AuditAction.SEATS_CHANGED],
    ),
    "billing.subscriptions.cancel": (
        lambda s, who: s.subscribed(who),
        lambda s, who, _: s.billing.subscriptions.cancel(who),
        [AuditAction.SUBSCRIPTION_CHANGED],
    ),
    "billing.subscriptions.resume": (
        _ending,
        lambda s, who, _: s.billing.subscriptions.resume(who),
        [AuditAction.SUBSCRIPTION_CHANGED],
    ),
    "billing.subscriptions.portal": (
        lambda s, who: s.subscribed(who),
        lambda s, who, _: s.billing.subscriptions.portal(who),
        [AuditAction.PORTAL_OPENED],
    ),
    "billing.subscriptions.look_again": (
        _open_checkout,
        lambda s, who, _: s.billing.subscriptions.look_again(who),
        [AuditAction.SUBSCRIPTION_CHANGED, AuditAction.PLAN_SET],
    ),
    "billing.events.run_again": (
        _refused_event,
        lambda s, who, event: s.billing.events.run_again(who, event),
        [AuditAction.BILLING_EVENT_OPERATED],
    ),
    "billing.events.set_aside": (
        _refused_event,
        lambda s, who, event: s.billing.events.set_aside(who, event),
        [AuditAction.BILLING_EVENT_OPERATED],
    ),
}
"""The same where Stripe is asked."""

READINGS = {
    "members.all", "members.invitations", "ai.flags.all", "ai.experiments.all", "ai.experiments.compared",
    "ai.switches.all", "metering.credits.caps", "metering.boosts.all", "billing.purchases.all",
    "billing.subscriptions.preview", "billing.events.unsolved", "admin.overview.headline", "admin.overview.groups",
    "admin.overview.hours", "admin.overview.near_limits", "admin.overview.plans", "admin.models.models",
    "admin.models.sources", "admin.models.states", "admin.models.switches", "admin.models.timeline",
    "admin.quality.figures", "admin.jobs.overview", "admin.data.universes", "admin.data.run", "admin.people.balance",
    "admin.people.limits", "admin.people.search", "admin.people.organisations", "admin.budgets.found",
    "admin.bulk.preview", "admin.simulator.run", "admin.abuse.findings", "admin.books.look", "admin.audit_log.search",
    "oversight.alerts.firing", "oversight.alerts.history", "oversight.alerts.everywhere",
    "oversight.alerts.channels", "oversight.alerts.deliveries", "oversight.alerts.rules",
}  # fmt: skip
"""What changes nothing."""


def test_every_method_that_is_for_some_alone_is_done_here_or_is_a_reading(workbench: Workbench) -> None:
    done_already = {name for name in ADMINISTRATIVE if _method(workbench, name) in TRIED}
    places = [WRITES.keys(), SALES.keys(), READINGS, done_already]
    assert set().union(*places) == ADMINISTRATIVE
    assert sum(map(len, places)) == len(ADMINISTRATIVE), "each has one place"


def _method(workbench: Workbench, name: str) -> Callable[..., Any]:
    """The function of a row of the table of permissions."""
    *parts, method = name.split(".")
    owner: Any = workbench
    for part in parts:
        owner = getattr(owner, part)
    function: Callable[..., Any] = getattr(type(owner), method)
    return function


@pytest.mark.parametrize("name", WRITES)
def test_a_change_by_those_who_manage_leaves_its_line_in_their_name(name: str, office: Office) -> None:
    before, act, actions = WRITES[name]
    made = before(office)
    office.scene.lines.new()
    act(office, made)
    found = office.scene.lines.new()
    assert [line.action for line in found] == actions
    assert {line.actor for line in found} == {office.ann.user_id}


@dataclass(frozen=True)
class Till:
    """A shop, its owner who runs the installation too, and what was recorded since."""

    shop: Shop
    olga: Principal
    lines: Ledger


@pytest.fixture
def till(database_url: str, tmp_path: Path, service: Connection) -> Iterator[Till]:
    """Olga's shop, over a server that speaks Stripe's API."""
    with StripeServer() as stripe, open_shop(database_url, tmp_path, stripe) as shop:
        olga = replace(shop.member("olga", org="Acme"), is_operator=True)
        yield Till(shop, olga, Ledger(service))


@pytest.mark.parametrize("name", SALES)
def test_a_change_of_what_is_bought_leaves_its_line(name: str, till: Till) -> None:
    before, act, actions = SALES[name]
    made = before(till.shop, till.olga)
    till.lines.new()
    act(till.shop, till.olga, made)
    assert [line.action for line in till.lines.new()] == actions


def test_readings_change_no_row(workbench: Workbench, member: MakeMember, database_url: str) -> None:
    ann = replace(member("ann", org="Acme", plan="team"), is_operator=True, via="session")
    trial = Trial(workbench, ann, UUID(int=0))
    url = database_url.replace("postgresql+psycopg://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as above:
        for name in sorted(READINGS):
            since = _counts(above)
            for row in (row for known, row in METHODS.items() if known.partition(":")[0] == name):
                try:
                    row.attempt(trial)
                except AssayError as error:
                    assert row.ends is not None and isinstance(error, row.ends), name
            assert _counts(above) == since, name
        workbench.admin.audit_log.verify(ann)
        assert _counts(above) != since, "a line would be seen"


def _counts(above: psycopg.Connection[Any]) -> dict[str, tuple[int, int]]:
    """By table its rows, and the newest of the transactions that wrote one."""
    tables = above.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'", (SCHEMA,)
    ).fetchall()
    query = " UNION ALL ".join(
        f"SELECT '{table}', count(*), coalesce(max(xmin::text::bigint), 0) FROM {SCHEMA}.{table}"
        for (table,) in sorted(tables)
    )
    return {table: (rows, newest) for table, rows, newest in above.execute(sql.SQL(query)).fetchall()}
