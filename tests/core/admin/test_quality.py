"""Quality against what was written down: unusable answers, reactions, verdicts with their base rate, what is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.admin.quality import AdminQuality
from core.ai.experiments import Experiment
from core.errors import Forbidden
from core.ids import new_id
from core.principal import Principal, Role
from core.research.templates import Sharing, TemplateDraft
from core.screener.records import wilson
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.history import History
from tests.core.verdicts.verdicts_made import Said, put

NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def quality(workbench: Workbench, move_time: MoveTime) -> AdminQuality:
    move_time(NOW)
    return AdminQuality(workbench.database, workbench.experiments)


def react(service: Service, who: Principal, reaction: str, *, model: str = "gpt-4o-mini") -> None:
    """A reaction to an answer of a model."""
    conversation_id, message_id = new_id(), new_id()
    service.execute(
        "INSERT INTO conversations (id, org_id, user_id, title, created_at, updated_at)"
        " VALUES (%s, %s, %s, 'Bonds', assay_now(), assay_now())",
        (conversation_id, who.org_id, who.user_id),
    )
    service.execute(
        "INSERT INTO messages (id, conversation_id, org_id, user_id, role, text, state, provider, model, created_at)"
        " VALUES (%s, %s, %s, %s, 'assistant', 'A bond is a loan.', 'complete', 'openai', %s, assay_now())",
        (message_id, conversation_id, who.org_id, who.user_id, model),
    )
    service.execute(
        "INSERT INTO message_reactions (message_id, org_id, user_id, reaction, changed_at)"
        " VALUES (%s, %s, %s, %s, assay_now())",
        (message_id, who.org_id, who.user_id, reaction),
    )


def test_answers_that_could_not_be_used_are_counted_by_model_within_reach(
    quality: AdminQuality, history: History, member: MakeMember, olga: Principal
) -> None:
    ann, bob = member("ann", org="Acme"), member("bob", org="Borealis")
    history.ask(ann, NOW - timedelta(days=1), status="failed", error_code="unusable_answer", times=2)
    history.ask(ann, NOW - timedelta(days=31), status="failed", error_code="unusable_answer")
    history.ask(ann, NOW - timedelta(days=1), status="failed", error_code="provider_unavailable")
    history.ask(bob, NOW - timedelta(days=2), status="failed", error_code="unusable_answer")
    assert [(row.model, row.answers) for row in quality.figures(ann).unusable] == [("gpt-4o-mini", 2)]
    assert [row.answers for row in quality.figures(olga, everything=True).unusable] == [3]


def test_reactions_are_told_by_the_model_that_answered(
    quality: AdminQuality, service: Service, member: MakeMember, olga: Principal
) -> None:
    ann, bob = member("ann", org="Acme"), member("bob", org="Borealis")
    for who, reaction, model in (
        (ann, "up", "gpt-4o-mini"),
        (ann, "up", "gpt-4o-mini"),
        (ann, "down", "gpt-4o-mini"),
        (ann, "down", "mistral-large"),
        (bob, "up", "mistral-large"),
    ):
        react(service, who, reaction, model=model)
    mine = [(row.model, row.up, row.down) for row in quality.figures(ann).reactions]
    assert mine == [("gpt-4o-mini", 2, 1), ("mistral-large", 0, 1)]
    everybodys = {row.model: (row.up, row.down) for row in quality.figures(olga, everything=True).reactions}
    assert everybodys == {"gpt-4o-mini": (2, 1), "mistral-large": (1, 1)}


def test_verdicts_are_told_with_an_interval_and_the_base_rate_of_what_they_claimed(
    quality: AdminQuality, workbench: Workbench, service: Service, member: MakeMember
) -> None:
    ann = member("ann")
    said = [
        Said(verdict="BUY", direction="bullish", symbol="A", move_5=0.1, move_20=0.1),
        Said(verdict="AVOID", direction="bullish", symbol="B", move_5=0.1, move_20=0.1),
        Said(verdict="SELL", direction="bearish", symbol="C", move_5=-0.1, move_20=-0.1),
        Said(verdict="HOLD", symbol="D", move_5=0.1, move_20=0.1),
        Said(verdict="BUY", symbol="E", purpose="replay", move_5=0.1, move_20=0.1),
        Said(verdict="BUY", symbol="F", move_5=0.1),
    ]
    put(workbench.database, ann.org_id, said)
    service.execute("UPDATE verdicts SET base_rate = CASE symbol WHEN 'A' THEN 0.6 WHEN 'B' THEN 0.7 END")
    (row,) = quality.figures(ann).verdicts
    assert (row.model, row.n, row.right) == ("one", 3, 2)
    assert (row.low, row.high) == wilson(2, 3)
    assert row.base_rate == pytest.approx((0.6 + 0.3) / 2)
    assert row.n_base_rate == 2


def test_intents_are_of_the_last_day_and_private_templates_are_not_told(
    quality: AdminQuality, workbench: Workbench, service: Service, history: History, member: MakeMember
) -> None:
    ann, bob = member("ann", org="Acme", plan="basic"), member("bob", org="Borealis")
    history.ask(ann, NOW - timedelta(hours=1), intent="explain", times=2)
    history.ask(ann, NOW - timedelta(hours=25), intent="screen")
    history.ask(bob, NOW - timedelta(hours=1), intent="compare")
    kept: list[tuple[str, Sharing]] = [("For all", "shared"), ("Mine alone", "private"), ("Unused", "shared")]
    for title, sharing in kept:
        workbench.templates.create(ann, TemplateDraft(title, "What is a bond?", sharing=sharing))
    service.execute("UPDATE prompt_templates SET used = 4 WHERE title <> 'Unused'")
    found = quality.figures(ann)
    assert [(row.intent, row.questions, row.users) for row in found.intents] == [("explain", 2, 1)]
    assert [(row.title, row.used) for row in found.templates] == [("For all", 4)]
    assert quality.figures(bob).templates == []


def test_running_experiments_are_told_to_operators_of_everything(
    quality: AdminQuality, workbench: Workbench, member: MakeMember, olga: Principal
) -> None:
    workbench.experiments.start(olga, Experiment("Shorter", "prompt", "chat", "chat", percentage=Decimal(10)))
    assert [each.name for each in quality.figures(olga, everything=True).experiments] == ["Shorter"]
    assert quality.figures(olga).experiments == []
    assert quality.figures(member("ann")).experiments == []


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
def test_who_manages_nothing_sees_nothing(quality: AdminQuality, member: MakeMember, role: Role) -> None:
    with pytest.raises(Forbidden):
        quality.figures(member("ann", role=role))


def test_a_manager_cannot_ask_for_everything(quality: AdminQuality, member: MakeMember) -> None:
    with pytest.raises(Forbidden):
        quality.figures(member("ann"), everything=True)
