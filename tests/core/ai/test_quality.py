"""Routing by what became of models' answers: where the organisation wants it, the cheapest of the best comes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from core.ai.answer import Question
from core.ai.catalogue import Catalogue
from core.ai.gateway import Gateway
from core.ai.prices import PriceBook
from core.ai.providers.contract import Message
from core.ai.quality import TrackRecord
from core.ai.router import Route
from core.metering.plans import Plan, load_plans
from core.settings import DATA
from core.workbench import Workbench, open_workbench
from tests.conftest import make_settings, member_factory
from tests.core.ai.test_router import asking, router
from tests.fakes.chat_server import ChatServer

TASK = "signal_validation"


@pytest.fixture(scope="module")
def premium() -> Plan:
    """A plan that includes every class."""
    return load_plans(DATA / "plans.yaml").get("premium")


@pytest.fixture
def catalogue(shipped_prices: PriceBook) -> Catalogue:
    """The models that the program ships with."""
    return Catalogue.load(DATA / "models.yaml", shipped_prices)


def record(quality: float, n: int = 120, right: int = 73) -> TrackRecord:
    """A record of which only the quality matters."""
    return TrackRecord(n, right, quality)


class Routing:
    """What `auto` asks on a premium plan with three providers live."""

    def __init__(self, catalogue: Catalogue, prices: PriceBook, plan: Plan) -> None:
        self._router = router(catalogue, prices, "openai", "anthropic", "mistral")
        self._plan = plan

    def route(self, records: Mapping[str, TrackRecord] | None = None, name: str = "auto") -> Route:
        return self._router.route(asking(self._plan, name, max_tokens=512, records=records or {}))

    def ids(self, records: Mapping[str, TrackRecord] | None = None) -> list[str]:
        return [candidate.model.id for candidate in self.route(records).candidates]


@pytest.fixture
def routing(catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan) -> Routing:
    """Several models of several prices."""
    return Routing(catalogue, shipped_prices, premium)


def test_without_records_it_is_the_cheapest_as_ever(routing: Routing) -> None:
    assert routing.route({}) == routing.route()
    assert routing.route().reason.startswith("chat, low; cheapest healthy economy model; ")


def test_the_model_with_the_best_record_is_asked_first_and_the_reason_says_so(routing: Routing) -> None:
    cheapest, dearer, third = routing.ids()
    considered = routing.route().considered
    found = routing.route({dearer: record(0.6), cheapest: record(0.5)})
    assert [candidate.model.id for candidate in found.candidates] == [dearer, cheapest, third]
    assert found.reason == f"chat, low; best record of verdicts: 61% of 120 right; {considered - 1} others considered"
    assert found.considered == considered


def test_of_those_as_good_as_the_best_the_cheapest_is_first_and_then_the_others(routing: Routing) -> None:
    cheapest, dearer, third = routing.ids()
    near = {third: record(0.60), dearer: record(0.585), cheapest: record(0.57)}
    assert routing.ids(near) == [dearer, third, cheapest]
    assert routing.ids({**near, cheapest: record(0.59)}) == [cheapest, dearer, third]


def test_a_model_without_a_record_comes_after_those_with_the_best(routing: Routing) -> None:
    cheapest, dearer, third = routing.ids()
    assert routing.ids({third: record(0.3)}) == [third, cheapest, dearer]


def test_records_of_models_that_may_not_be_asked_say_nothing(routing: Routing) -> None:
    assert routing.route({"a-model-of-old": record(0.9)}) == routing.route()


def test_a_model_chosen_by_name_is_asked_whatever_its_record(routing: Routing) -> None:
    cheapest, dearer, _ = routing.ids()
    found = routing.route({dearer: record(0.9)}, name=cheapest)
    assert ([candidate.model.id for candidate in found.candidates], found.reason) == ([cheapest], "chosen by name")


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server."""
    settings = make_settings(database_url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url)
    with closing(open_workbench(settings)) as opened:
        yield opened


def test_the_gateway_goes_by_the_records_of_the_asking_organisation_for_the_task_asked(
    live: Workbench, chat_server: ChatServer
) -> None:
    ann = member_factory(live)("ann", plan="premium")
    bob = member_factory(live)("bob", plan="premium")
    plain = live.gateway.session(ann, _question("first")).result()
    other = next(
        model.id
        for model in live.catalogue.chat_models()
        if model.provider == "openai" and model.id != plain.model and "reasoning" not in model.capabilities
    )

    def quality(org_id: UUID, task: str) -> Mapping[str, TrackRecord]:
        return {other: record(0.6)} if (org_id, task) == (ann.org_id, TASK) else {}

    gateway = Gateway(replace(live.gateway._parts, quality=quality))
    with closing(gateway):
        chosen = gateway.session(ann, _question("second", task=TASK)).result()
        assert (chosen.model, "; best record of verdicts: 61% of 120 right; " in chosen.route_reason) == (other, True)
        assert gateway.session(ann, _question("third")).result().model == plain.model
        assert gateway.session(bob, _question("fourth", task=TASK)).result().model == plain.model
        named = gateway.session(ann, _question("fifth", task=TASK, model=plain.model)).result()
        assert (named.model, named.route_reason) == (plain.model, "chosen by name")
    assert len({received.body["model"] for received in chat_server.requests}) == 2


def test_the_workbench_gives_the_gateway_what_verdicts_were_worth(live: Workbench) -> None:
    quality = live.gateway._parts.quality
    assert quality is not None
    assert quality(member_factory(live)("ann").org_id, TASK) == {}


def _question(text: str, *, task: str = "chat", model: str = "auto") -> Question:
    return Question(messages=(Message("user", text),), model=model, max_tokens=64, task=task)
