"""Switches of models: what is off nobody asks, a weight moves a model in its class, and operators alone decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from core.ai.model_switches import ModelSwitch, ModelSwitches
from core.ai.providers.contract import ChatRequest, ChatStream, Message, TimeLimits
from core.ai.router import Route, RouteQuestion, Router
from core.errors import Forbidden, InvalidRequest, NotConfigured, NotFound
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember

DAY = date(2026, 11, 21)


class Named:
    """A provider that is there; nothing here calls it."""

    def __init__(self, name: str, *, is_offline: bool = False) -> None:
        self.name = name
        self.is_offline = is_offline

    def chat(self, request: ChatRequest, limits: TimeLimits) -> ChatStream:
        raise AssertionError("a router calls no provider")

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("root"), is_operator=True)


@pytest.fixture
def switches(workbench: Workbench) -> ModelSwitches:
    return ModelSwitches(workbench.database, workbench.catalogue)


@pytest.fixture
def router(workbench: Workbench, switches: ModelSwitches) -> Router:
    """A router for which two providers are live, and which heeds the switches."""
    providers = {name: Named(name) for name in ("openai", "mistral")}
    made = Router(workbench.catalogue, workbench.prices, {**providers, "offline": Named("offline", is_offline=True)})
    made.heed(switches)
    return made


@pytest.fixture
def ask(workbench: Workbench, router: Router) -> Callable[[str], Route]:
    """Routes a question of everyday size, of somebody on the plan premium."""
    plan, messages = workbench.plans.get("premium"), (Message("user", "What is a bond?"),)

    def route(name: str = "auto") -> Route:
        return router.route(RouteQuestion(name, plan, DAY, prompt_tokens=1000, max_tokens=1024, messages=messages))

    return route


def test_a_model_that_is_off_is_asked_neither_by_name_nor_by_auto(
    switches: ModelSwitches, operator: Principal, ask: Callable[[str], Route]
) -> None:
    first = ask("auto").candidates[0].model
    switches.keep(operator, ModelSwitch(first.provider, first.id, is_on=False))
    assert first.id not in [each.model.id for each in ask("auto").candidates]
    with pytest.raises(Forbidden, match=r"switched off in this installation; choose another model, or auto\."):
        ask(first.id)
    switches.keep(operator, ModelSwitch(first.provider, first.id))
    assert ask("auto").candidates[0].model.id == first.id
    assert ask(first.id).candidates[0].model.id == first.id


def test_a_provider_that_is_off_takes_all_its_models_with_it(
    switches: ModelSwitches, operator: Principal, ask: Callable[[str], Route]
) -> None:
    switches.keep(operator, ModelSwitch("openai", is_on=False))
    assert {each.model.provider for each in ask("auto").candidates} == {"mistral"}
    with pytest.raises(Forbidden, match="GPT-4o mini is switched off"):
        ask("gpt-4o-mini")
    switches.keep(operator, ModelSwitch("mistral", is_on=False))
    with pytest.raises(NotConfigured):
        ask("auto")


def test_a_weight_moves_a_model_among_those_of_its_class(
    switches: ModelSwitches, operator: Principal, ask: Callable[[str], Route]
) -> None:
    before = ask("auto")
    cheapest = before.candidates[0].model
    switches.keep(operator, ModelSwitch(cheapest.provider, cheapest.id, weight=Decimal("0.1")))
    after = ask("auto")
    assert after.candidates[0].model.id != cheapest.id
    assert after.candidates[0].model.model_class == cheapest.model_class
    assert "preferred here" in after.reason
    assert after.considered == before.considered


def test_the_weights_of_a_provider_and_of_its_model_are_multiplied(
    workbench: Workbench, switches: ModelSwitches, operator: Principal
) -> None:
    switches.keep(operator, ModelSwitch("openai", weight=Decimal(2)))
    switches.keep(operator, ModelSwitch("openai", "gpt-4o", weight=Decimal("1.5")))
    weights = [switches.weight(workbench.catalogue.get(name)) for name in ("gpt-4o", "gpt-4o-mini")]
    assert weights == [3.0, 2.0]


def test_auto_has_another_name_in_the_cache_once_a_model_is_off(
    workbench: Workbench, router: Router, switches: ModelSwitches, operator: Principal
) -> None:
    plan = workbench.plans.get("premium")
    before = router.auto_among(plan, operator)
    switches.keep(operator, ModelSwitch("openai", "gpt-4o", is_on=False))
    assert router.auto_among(plan, operator) != before


@pytest.mark.parametrize(
    ("switch", "error"),
    [
        pytest.param(ModelSwitch("nobody"), NotFound, id="provider"),
        pytest.param(ModelSwitch("openai", "mistral-embed"), NotFound, id="model-of-another"),
        pytest.param(ModelSwitch("offline", is_on=False), InvalidRequest, id="glossary"),
        pytest.param(ModelSwitch("openai", weight=Decimal(0)), InvalidRequest, id="no-weight"),
        pytest.param(ModelSwitch("openai", weight=Decimal("10.01")), InvalidRequest, id="too-heavy"),
        pytest.param(ModelSwitch("openai", weight=Decimal("NaN")), InvalidRequest, id="no-number"),
    ],
)
def test_what_cannot_be_is_refused(
    switches: ModelSwitches, operator: Principal, switch: ModelSwitch, error: type[Exception]
) -> None:
    with pytest.raises(error):
        switches.keep(operator, switch)
    assert switches.all(operator) == []


@pytest.mark.parametrize("role", list(Role))
def test_only_operators_decide_and_see(switches: ModelSwitches, member: MakeMember, role: Role) -> None:
    ann = member("ann", role=role)
    with pytest.raises(Forbidden):
        switches.keep(ann, ModelSwitch("openai", is_on=False))
    with pytest.raises(Forbidden):
        switches.all(ann)


def test_a_decision_is_on_the_audit_record_with_before_and_after(
    switches: ModelSwitches, operator: Principal, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    switches.keep(operator, ModelSwitch("openai", "gpt-4o", weight=Decimal(2)))
    switches.keep(operator, ModelSwitch("openai", "gpt-4o", is_on=False, weight=Decimal(2)))
    rows = service.execute(
        "SELECT subject_id, before, after, org_id FROM audit_events WHERE action = 'model.changed' ORDER BY id"
    ).fetchall()
    assert [(row[0], row[3]) for row in rows] == [("gpt-4o", None)] * 2
    assert rows[1][1:3] == ({"is_on": True}, {"is_on": False})
