"""Which models are asked for a task, and in which order."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from core.ai.catalogue import Catalogue
from core.ai.prices import PriceBook, UnknownPrice
from core.ai.providers.contract import ChatRequest, ChatStream, TimeLimits
from core.ai.ranking import MAX_CANDIDATES
from core.ai.router import Route, RouteQuestion, Router
from core.errors import InvalidRequest, NotConfigured, NotFound, PlanRequired
from core.metering.plans import Plan, load_plans
from core.settings import DATA

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


@pytest.fixture(scope="module")
def premium() -> Plan:
    """A plan that includes every class."""
    return load_plans(DATA / "plans.yaml").get("premium")


@pytest.fixture(scope="module")
def free() -> Plan:
    """A plan of the economy class alone."""
    return load_plans(DATA / "plans.yaml").get("free")


@pytest.fixture
def catalogue(shipped_prices: PriceBook) -> Catalogue:
    """The models that the program ships with."""
    return Catalogue.load(DATA / "models.yaml", shipped_prices)


def router(catalogue: Catalogue, prices: PriceBook, *live: str) -> Router:
    providers = {name: Named(name) for name in live}
    return Router(catalogue, prices, {**providers, "offline": Named("offline", is_offline=True)})


def asking(plan: Plan, name: str = "auto", **others: Any) -> RouteQuestion:
    """A question of usual size."""
    return RouteQuestion(**{"name": name, "plan": plan, "on": DAY, "prompt_tokens": 1000, "max_tokens": 1024, **others})


def embedding(plan: Plan, name: str = "auto", **others: Any) -> RouteQuestion:
    """Texts to turn into vectors."""
    return asking(plan, name, **{"max_tokens": 0, "operation": "embedding", **others})


def ids(route: Route) -> list[str]:
    """The models that are asked, in order."""
    return [candidate.model.id for candidate in route.candidates]


def embed(router: Router, name: str, plan: Plan, *, on: date = DAY) -> list[str]:
    return ids(router.route(embedding(plan, name, on=on)))


def chat(router: Router, plan: Plan, *, prompt_tokens: int = 1000, on: date = DAY) -> list[str]:
    return ids(router.route(asking(plan, prompt_tokens=prompt_tokens, on=on)))


def test_a_named_embedding_model_is_held_at_its_input_alone(
    catalogue: Catalogue, shipped_prices: PriceBook, free: Plan
) -> None:
    live = router(catalogue, shipped_prices, "openai")
    route = live.route(embedding(free, "text-embedding-3-large"))

    (candidate,) = route.candidates
    assert candidate.model.id == "text-embedding-3-large"
    assert str(candidate.worst_case_usd) == "0.000130000"


def test_auto_embeds_by_the_cheapest_live_model_and_by_no_other(
    catalogue: Catalogue, shipped_prices: PriceBook, free: Plan
) -> None:
    """Vectors of two models cannot be compared, so there is nothing to fall back to."""
    assert embed(router(catalogue, shipped_prices, "openai", "mistral"), "auto", free) == ["text-embedding-3-small"]
    assert embed(router(catalogue, shipped_prices, "mistral", "deepseek"), "auto", free) == ["mistral-embed"]
    everywhere = embed(router(catalogue, shipped_prices, "openai", "ollama"), "auto", free)
    assert [catalogue.get(model_id).provider for model_id in everywhere] == ["ollama"]


def test_a_model_of_the_other_task_is_refused(catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan) -> None:
    live = router(catalogue, shipped_prices, "openai")

    with pytest.raises(InvalidRequest, match="GPT-4o answers questions; ask for a model that turns texts into vectors"):
        embed(live, "gpt-4o", premium)
    with pytest.raises(InvalidRequest, match="turns texts into vectors; ask for a model that answers questions"):
        live.route(asking(premium, "text-embedding-3-small"))
    with pytest.raises(NotFound):
        embed(live, "text-embedding-3", premium)


def test_an_embedding_has_no_output_to_be_limited(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    with pytest.raises(ValueError, match="no output"):
        router(catalogue, shipped_prices, "openai").route(embedding(premium, max_tokens=10))


def test_embedding_needs_a_live_provider_and_names_its_variable(
    catalogue: Catalogue, shipped_prices: PriceBook, free: Plan
) -> None:
    with pytest.raises(NotConfigured, match="turns texts into vectors is live: set a provider's key"):
        embed(router(catalogue, shipped_prices), "auto", free)
    with pytest.raises(NotConfigured, match="turns texts into vectors is live"):
        embed(router(catalogue, shipped_prices, "deepseek"), "auto", free)
    with pytest.raises(NotConfigured, match="Set MISTRAL_API_KEY"):
        embed(router(catalogue, shipped_prices, "openai"), "mistral-embed", free)
    with pytest.raises(NotConfigured, match="Set OLLAMA_BASE_URL"):
        embed(router(catalogue, shipped_prices, "openai"), "ollama/nomic-embed-text", free)


def test_the_plan_decides_on_embedding_models_too(catalogue: Catalogue, shipped_prices: PriceBook, free: Plan) -> None:
    small = catalogue.get("text-embedding-3-small")
    dear = small.model_copy(update={"id": "dear", "model_class": "frontier"})
    live = router(Catalogue([small, dear]), shipped_prices, "openai")

    with pytest.raises(PlanRequired):
        embed(live, "dear", free)
    assert embed(live, "auto", free) == ["text-embedding-3-small"]


def test_auto_never_answers_a_question_with_an_embedding_model(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    everything = {model.provider for model in catalogue.all()} - {"offline"}

    for candidate in chat(router(catalogue, shipped_prices, *everything), premium):
        assert catalogue.get(candidate).task == "chat"


def test_models_that_reason_unasked_come_last_however_cheap(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    """Hidden reasoning may use up the tokens of the answer: gpt-6-luna is cheaper than gpt-4o-mini."""
    first = [catalogue.get(model_id) for model_id in chat(router(catalogue, shipped_prices, "openai"), premium)]

    assert all("reasoning" not in model.capabilities for model in first)


def test_auto_passes_over_a_model_that_its_provider_no_longer_serves(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    """Its name still reaches it, since its end may come later for some customers."""
    live = router(catalogue, shipped_prices, "openai")
    assert "gpt-4.1-nano" in chat(live, premium, on=date(2026, 10, 22))
    assert "gpt-4.1-nano" not in chat(live, premium, on=date(2026, 10, 23))

    named = live.route(asking(premium, "gpt-4.1-nano", on=date(2026, 10, 23)))
    assert named.candidates[0].model.id == "gpt-4.1-nano"


def test_local_models_do_not_take_the_places_of_others(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    """A local server may not have pulled any of them."""
    asked = chat(router(catalogue, shipped_prices, "openai", "ollama"), premium)
    local = [model_id for model_id in asked if catalogue.get(model_id).provider == "ollama"]

    assert 0 < len(local) <= MAX_CANDIDATES
    assert len(asked) - len(local) == MAX_CANDIDATES
    assert asked[0] == local[0]


def test_the_order_is_that_of_the_worst_case_with_its_long_context_rates_litellm_pr_40002(
    catalogue: Catalogue, shipped_prices: PriceBook, premium: Plan
) -> None:
    """Above its threshold the nominally cheaper model is the dearer one, and the hold says so."""
    cheap, steady = catalogue.get("gpt-5.6-luna"), catalogue.get("gpt-4.1-mini")
    tiered = cheap.model_copy(update={"capabilities": steady.capabilities})
    live = router(Catalogue([tiered, steady]), shipped_prices, "openai")
    price = shipped_prices.price_of(cheap.price, DAY)
    assert price.long is not None

    route = live.route(asking(premium, "gpt-5.6-luna", prompt_tokens=300_000))
    assert route.candidates[0].worst_case_usd == price.worst_case(300_000, 1024)
    assert route.candidates[0].worst_case_usd >= 300_000 * price.long.dearest_input / 1_000_000
    assert chat(live, premium)[0] == "gpt-5.6-luna"
    assert chat(live, premium, prompt_tokens=300_000)[0] == "gpt-4.1-mini"


def test_a_model_without_a_price_on_this_day_is_never_called_without_a_hold_litellm_35524(
    folder: Path, catalogue: Catalogue, premium: Plan
) -> None:
    (folder / "2026-12-01.yaml").write_text(
        "version: 2026-12-01\ncurrency: USD\nper_tokens: 1000000\nprices:\n"
        '  - {id: openai/gpt-4o, valid_from: 2026-12-01, input: "3", output: "15"}\n'
    )
    live = router(Catalogue([catalogue.get("gpt-4o"), catalogue.get("gpt-4o-mini")]), PriceBook.load(folder), "openai")

    with pytest.raises(UnknownPrice, match=r"No price is known for openai/gpt-4o on 2026-11-21, so it is not called"):
        live.route(asking(premium, "gpt-4o"))
    with pytest.raises(UnknownPrice, match="so it is not called"):
        live.route(asking(premium, "gpt-4o-mini", on=date(2026, 12, 1)))
    with pytest.raises(NotConfigured, match="No model"):
        chat(live, premium)
    assert chat(live, premium, on=date(2026, 12, 1)) == ["gpt-4o"]
