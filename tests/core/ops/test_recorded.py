"""What is recorded of areas that are no accounts: shared content, webhooks, files of usage, plans, the demo."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import ProgrammingError

from core.accounts.demo import load_demo, retire_demo
from core.metering.plans import load_plans
from core.metering.plans_sync import sync_plans
from core.metering.usage_exports import Wanted
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject
from core.principal import Principal
from core.research.templates import TemplateDraft
from core.settings import DATA
from core.verdicts.verdict_settings import VerdictChoices
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.admin.alerts.alerts_made import leave_alerts
from tests.core.screener.alerts_made import Bench

Service = psycopg.Connection[tuple[Any, ...]]
Line = tuple[str, UUID | None, UUID | None, Mapping[str, Any] | None, Mapping[str, Any] | None]


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner at the page, who runs the installation too."""
    return replace(member("ann", plan="team"), via="session", is_operator=True)


def _lines(service: Service, area: str) -> list[Line]:
    query = "SELECT action, org_id, actor, before, after FROM audit_events WHERE starts_with(action, %s) ORDER BY seq"
    return service.execute(query, (area,)).fetchall()


def test_templates_that_others_see_are_recorded_and_ones_own_are_not(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    own = workbench.templates.create(ann, TemplateDraft("Mine", "What is beta?"))
    workbench.templates.change(ann, own.id, TemplateDraft("Mine", "What is alpha?"))
    assert _lines(service, "template.") == []
    workbench.templates.change(ann, own.id, TemplateDraft("Mine", "What is alpha?", sharing="shared"))
    workbench.templates.change(ann, own.id, TemplateDraft("Mine", "What is alpha?", sharing="public"))
    workbench.templates.delete(ann, own.id)
    assert _lines(service, "template.") == [
        ("template.set", ann.org_id, ann.user_id, {"sharing": "private"}, {"sharing": "shared"}),
        ("template.set", None, ann.user_id, {"sharing": "shared"}, {"sharing": "public"}),
        ("template.removed", None, ann.user_id, {"sharing": "public"}, None),
    ]


def test_checklists_are_recorded(workbench: Workbench, ann: Principal, service: Service) -> None:
    made = workbench.checklists.create(ann, "Ours", ["Read it"])
    workbench.checklists.change(ann, made.id, "Ours", made.items * 1)
    workbench.checklists.withdraw(ann, made.id)
    assert [(line[0], line[3], line[4]) for line in _lines(service, "checklist.")] == [
        ("checklist.set", None, {"items": 1}),
        ("checklist.set", {"items": 1}, {"items": 1}),
        ("checklist.removed", None, None),
    ]


def test_webhooks_of_alerts_are_recorded_by_their_host(workbench: Workbench, ann: Principal, service: Service) -> None:
    bench = Bench(workbench.database)
    alerts = bench.alerts
    bench.night({"AAA": 5}, org_id=ann.org_id)
    alert = bench.alert(ann, webhook_url="https://hooks.example/secret-path").row
    alerts.change(ann, alert.id, {"name": "Other"})
    alerts.change(ann, alert.id, {"webhook_url": "https://other.example/x"})
    alerts.delete(ann, alert.id)
    assert [(line[0], line[3], line[4]) for line in _lines(service, "webhook.")] == [
        ("webhook.set", None, {"host": "hooks.example"}),
        ("webhook.set", {"host": "hooks.example"}, {"host": "other.example"}),
        ("webhook.removed", {"host": "other.example"}, None),
    ]


def test_settings_of_verdicts_are_recorded_with_what_changed(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    settings = workbench.verdicts.settings
    settings.change(ann, VerdictChoices())
    settings.change(ann, VerdictChoices(most=7))
    settings.change(ann, VerdictChoices(most=7))
    assert [(line[3], line[4]) for line in _lines(service, "verdict.")][1:] == [({"most": 50}, {"most": 7})]


def test_a_file_of_usage_is_recorded(workbench: Workbench, ann: Principal, service: Service) -> None:
    today = datetime.now(UTC).date()
    span = workbench.metering.spending.span(ann, today, today)
    workbench.metering.exports.write(ann, Wanted(span), io.BytesIO())
    [(action, org_id, actor, _, after)] = _lines(service, "usage.")
    assert (action, org_id, actor) == ("usage.exported", ann.org_id, ann.user_id)
    assert after is not None
    assert (after["format"], after["requests"], after["whole_organisation"]) == ("csv", 0, True)


def test_a_changed_plans_file_is_recorded_by_plan(workbench: Workbench, service: Service) -> None:
    plans = load_plans(DATA / "plans.yaml")
    sync_plans(workbench.database, plans)
    known = len(_lines(service, "plan.file_loaded"))
    free = plans.plans["free"]
    other = free.model_copy(update={"limits": free.limits.model_copy(update={"chat_queries_day": 77})})
    changed = plans.model_copy(update={"plans": {**plans.plans, "free": other}})
    for _ in range(2):
        sync_plans(workbench.database, changed)
    [(_, org_id, _, before, after)] = _lines(service, "plan.file_loaded")[known:]
    assert (org_id, before, after) == (
        None,
        {"chat_queries_day": free.limits.chat_queries_day},
        {"chat_queries_day": 77},
    )


def test_a_demo_that_is_retired_is_recorded(workbench: Workbench, service: Service, tmp_path: Any) -> None:
    load_demo(workbench.directory, tmp_path)
    people = retire_demo(workbench.database)
    assert people > 0
    assert [(line[0], line[4]) for line in _lines(service, "demo.")] == [("demo.reset", {"people": people})]
    assert retire_demo(workbench.database) == 0
    assert len(_lines(service, "demo.")) == 1


def test_who_sees_to_an_alert_and_who_tests_a_channel_is_recorded(
    workbench: Workbench, ann: Principal, service: Service
) -> None:
    leave_alerts(workbench, ann)
    alerts = workbench.oversight.alerts
    [alert] = alerts.firing(ann)
    alerts.acknowledge(ann, alert.id)
    alerts.acknowledge(ann, alert.id)
    [channel] = alerts.channels(ann)
    assert channel.kind == "slack"
    alerts.test_channel(ann, channel.id, "slack")
    assert [(line[0], line[1], line[4]) for line in _lines(service, "alert.")][-2:] == [
        ("alert.acknowledged", ann.org_id, None),
        ("alert.channel_tested", ann.org_id, {"kind": "slack"}),
    ]


def test_a_member_writes_lines_in_their_own_name_and_organisation_alone(
    workbench: Workbench, member: MakeMember
) -> None:
    ann, bob = member("ann"), member("bob")
    own = AuditEvent(ann.org_id, ann.user_id, "member", AuditAction.TEMPLATE_SET, Subject("template", "x"))
    with workbench.database.app(ann) as connection:
        Audit.record(connection, own)
    for others in (replace(own, org_id=bob.org_id), replace(own, org_id=None), replace(own, actor=bob.user_id)):
        with pytest.raises(ProgrammingError, match="row-level security"), workbench.database.app(ann) as connection:
            Audit.record(connection, others)
