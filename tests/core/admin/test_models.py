"""Models as operators look after them: calls by the hour, and a test call that is metered like any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from core.admin.models import HOURS, ModelCare, span_of
from core.ai.model_switches import ModelSwitch
from core.errors import Forbidden, InvalidRequest, NotFound
from core.metering.books import audit
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, MoveTime, make_settings, member_factory
from tests.core.admin.history import History
from tests.fakes.chat_server import ChatServer

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
Service = psycopg.Connection[tuple[object, ...]]


def care_of(bench: Workbench) -> ModelCare:
    return ModelCare(
        bench.database,
        bench.catalogue,
        bench.market,
        gateway=bench.gateway,
        health=bench.health,
        switches=bench.ai.switches,
    )


@dataclass(frozen=True)
class Ground:
    """A workbench whose OpenAI is a server, and an operator."""

    bench: Workbench
    care: ModelCare
    olga: Principal
    server: ChatServer


@pytest.fixture
def ground(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    """As `Ground`; the books balance at the end."""
    with ExitStack() as stack:
        server = stack.enter_context(ChatServer())
        environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": server.base_url}
        bench = stack.enter_context(closing(open_workbench(make_settings(database_url, tmp_path, **environ))))
        olga = replace(member_factory(bench)("olga", plan="premium"), is_operator=True)
        yield Ground(bench, care_of(bench), olga, server)
        assert audit(bench.database).differences == []


def test_calls_are_told_by_the_hour_and_model_of_the_last_day(
    workbench: Workbench, olga: Principal, member: MakeMember, move_time: MoveTime, history: History
) -> None:
    move_time(NOW)
    ann = member("ann")
    history.tried(ann, NOW - timedelta(minutes=10), times=3, latency_ms=400)
    history.tried(ann, NOW - timedelta(minutes=10), status="failed", error_code="provider_timeout")
    history.tried(ann, NOW - timedelta(hours=2), status="broken", error_code="provider_unavailable")
    history.tried(ann, NOW - timedelta(hours=2), provider="mistral", model="mistral-large")
    history.tried(ann, NOW - timedelta(hours=23, minutes=20))
    history.tried(ann, NOW - timedelta(hours=23, minutes=40))
    found = {each.model: each for each in care_of(workbench).timeline(olga)}
    assert set(found) == {"gpt-4o-mini", "mistral-large"}
    told = [
        (hour.starts_at.hour, hour.calls, hour.failed, hour.timed_out, hour.latency_ms_p50)
        for hour in found["gpt-4o-mini"].hours
    ]
    assert told == [(16, 1, 0, 0, 100), (13, 1, 1, 0, None), (15, 4, 1, 1, 400)]
    assert (found["gpt-4o-mini"].calls, found["gpt-4o-mini"].failed) == (6, 2)
    hours = span_of(HOURS, NOW)
    assert (len(hours), hours[0], hours[-1]) == (24, NOW.replace(day=20, hour=16, minute=0), NOW.replace(minute=0))


def test_a_test_call_is_metered_as_the_operators_own(ground: Ground, service: Service) -> None:
    ground.server.reply(text="ready")
    made = ground.care.test(ground.olga, "gpt-4o-mini")
    assert (made.text, made.failure, made.org_name) == ("ready", None, ground.olga.org_name)
    assert made.charged_usd > 0
    assert ground.server.calls == 1
    rows = service.execute("SELECT org_id, user_id, status, charged_usd, feature FROM usage_log").fetchall()
    assert rows == [(ground.olga.org_id, ground.olga.user_id, "success", made.charged_usd, "chat_query")]
    assert ground.bench.usage.quota(ground.olga).used == 1


def test_a_test_call_passes_the_cache_by(ground: Ground) -> None:
    ground.server.reply(text="ready")
    for _ in range(2):
        ground.care.test(ground.olga, "gpt-4o-mini")
    assert ground.server.calls == 2


def test_a_test_call_that_fails_is_told_and_costs_nothing(ground: Ground) -> None:
    ground.server.reply(status=401)
    made = ground.care.test(ground.olga, "gpt-4o-mini")
    assert made.text is None and made.failure is not None
    assert made.charged_usd == Decimal(0)
    assert ground.bench.usage.quota(ground.olga).used == 0


def test_a_model_that_is_switched_off_is_not_called_by_a_test_either(ground: Ground) -> None:
    ground.care.switch(ground.olga, ModelSwitch("openai", "gpt-4o-mini", is_on=False))
    made = ground.care.test(ground.olga, "gpt-4o-mini")
    assert made.failure is not None and "switched off in this installation" in made.failure
    assert ground.server.calls == 0


def test_only_models_that_answer_questions_are_tested(ground: Ground) -> None:
    with pytest.raises(InvalidRequest, match="does not answer questions"):
        ground.care.test(ground.olga, "text-embedding-3-small")
    with pytest.raises(NotFound):
        ground.care.test(ground.olga, "gpt-0")


def test_an_operator_who_may_not_ask_may_not_test(ground: Ground) -> None:
    with pytest.raises(Forbidden):
        ground.care.test(replace(ground.olga, role=Role.VIEWER), "gpt-4o-mini")


def test_tests_are_on_the_audit_record(ground: Ground, service: Service) -> None:
    ground.server.reply(text="ready")
    ground.care.test(ground.olga, "gpt-4o-mini")
    rows = service.execute("SELECT actor, subject_id FROM audit_events WHERE action = 'model.tested'").fetchall()
    assert rows == [(ground.olga.user_id, "gpt-4o-mini")]


@pytest.mark.parametrize("role", list(Role))
def test_only_operators_look_after_models(workbench: Workbench, member: MakeMember, role: Role) -> None:
    ann, care = member("ann", role=role), care_of(workbench)
    for look in (
        lambda: care.states(ann),
        lambda: care.sources(ann),
        lambda: care.timeline(ann),
        lambda: care.models(ann),
        lambda: care.switches(ann),
        lambda: care.switch(ann, ModelSwitch("openai", is_on=False)),
        lambda: care.test(ann, "glossary"),
    ):
        with pytest.raises(Forbidden):
            look()
