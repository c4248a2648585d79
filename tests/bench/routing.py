"""Routing: how long it takes with every provider live, how often questions are read as labelled, and what it saves.

The labelled prompts are those of `tests/eval/routing`, made for the purpose; half of them were held out while the rules
were written. What a question costs is what the router expects of it, not what a provider billed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

import yaml

from core.ai.catalogue import LOCAL_PROVIDERS, Catalogue
from core.ai.estimate import prompt_estimate
from core.ai.health import ModelHealth
from core.ai.intents import Reading, read
from core.ai.prices import PriceBook
from core.ai.providers.contract import ChatRequest, ChatStream, Message, Provider, TimeLimits
from core.ai.ranking import Expected, shelved
from core.ai.router import AUTO, Candidate, RouteQuestion, Router
from core.metering.plans import Plan, load_plans
from core.settings import DATA, ROOT
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground

PROMPTS = ROOT / "tests" / "eval" / "routing"
DAY = date(2026, 11, 21)
GOAL = Goal("p95", 1.0)
LONG_CHARS = 8_000
READING_GOAL = Goal("p95", 0.3)
REPETITIONS = 2_000
MAX_TOKENS = 4_096
"""With room to reason, so that every model of every class takes part."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A prompt as a person labelled it."""

    messages: tuple[Message, ...]
    intent: str
    complexity: str


class Silent:
    """A live provider that nobody calls."""

    def __init__(self, name: str, *, is_offline: bool = False) -> None:
        self.name = name
        self.is_offline = is_offline

    def chat(self, request: ChatRequest, limits: TimeLimits) -> ChatStream:
        """Is never asked."""
        raise AssertionError("routing calls no provider")

    def close(self) -> None:
        """Nothing is open."""


def all_figures(ground: Ground) -> list[Figure]:
    """Time, accuracy and expected cost."""
    catalogue = Catalogue.load(DATA / "models.yaml", prices := PriceBook.load(DATA / "prices"))
    names = {model.provider for model in catalogue.all()}
    providers: Mapping[str, Provider] = {name: Silent(name, is_offline=name == "offline") for name in names}
    router = Router(catalogue, prices, providers)
    halves = {name: labelled(name) for name in ("development", "held_out")}
    plan = load_plans(DATA / "plans.yaml").get("enterprise")
    questions = [_asked(prompt.messages, plan) for half in halves.values() for prompt in half]
    return [
        *_times(router, catalogue, questions, ground.repetitions(REPETITIONS)),
        *(_accuracy(name, half) for name, half in halves.items()),
        _saving(router, catalogue, questions),
    ]


def labelled(name: str) -> list[Labelled]:
    """The prompts of one half of the set."""
    rows = yaml.safe_load((PROMPTS / f"{name}.yaml").read_text("utf-8"))
    return [
        Labelled((Message("user", text.strip()),), intent, complexity)
        for intent, by_complexity in rows.items()
        for complexity, texts in by_complexity.items()
        for text in texts
    ]


def _times(router: Router, catalogue: Catalogue, questions: Sequence[RouteQuestion], repetitions: int) -> list[Figure]:
    joined = " ".join(asked.messages[0].text for asked in questions)
    long = (Message("user", joined[:LONG_CHARS]),)
    long_question = replace(questions[0], messages=long, prompt_tokens=prompt_estimate(long))
    routed = [_took(partial(router.route, questions[each % len(questions)])) for each in range(repetitions)]
    routed_long = [_took(partial(router.route, long_question)) for _ in range(repetitions // 4)]
    reading = [_took(partial(read, long)) for _ in range(repetitions // 4)]
    models = len(catalogue.all())
    return [
        figure(f"routing of a question among {models} models, all live", routed, goals=(GOAL,)),
        figure(f"the same of one of {LONG_CHARS:,} characters", routed_long, goals=(GOAL,)),
        figure(f"intent and complexity of {LONG_CHARS:,} characters", reading, goals=(READING_GOAL,)),
    ]


def _accuracy(name: str, prompts: Sequence[Labelled]) -> Figure:
    readings = [read(prompt.messages) for prompt in prompts]
    intents = sum(found.intent == prompt.intent for found, prompt in zip(readings, prompts, strict=True))
    hardness = sum(found.complexity == prompt.complexity for found, prompt in zip(readings, prompts, strict=True))
    half = "the rules were tuned on it" if name == "development" else "held out"
    note = f"complexity {hardness / len(prompts):.1%}; labelled prompts made for the purpose, {half}"
    share = 100 * intents / len(prompts)
    return Figure(f"intent read as labelled, {name.replace('_', ' ')}", "%", len(prompts), p50=share, note=note)


def _saving(router: Router, catalogue: Catalogue, questions: Sequence[RouteQuestion]) -> Figure:
    """What routing costs, as a share of always asking the cheapest model of the best class."""
    frontier = tuple(model.id for model in catalogue.chat_models() if model.model_class == "frontier")
    paid = tuple({model.provider for model in catalogue.all()} - LOCAL_PROVIDERS)
    routed = always = 0.0
    for question in questions:
        asked, reading = replace(question, allowed_providers=paid), read(question.messages)
        routed += _expected(router.route(asked).candidates[0], reading, asked)
        always += _expected(router.route(replace(asked, allowed_models=frontier)).candidates[0], reading, asked)
    thousand, n = [1000 * cost / len(questions) for cost in (routed, always)], len(questions)
    note = f"expected, a thousand questions: {thousand[0]:.2f} USD against {thousand[1]:.2f}; local servers left out"
    return Figure("cost of routing, as a share of the frontier class", "%", n, p50=100 * routed / always, note=note)


def _expected(candidate: Candidate, reading: Reading, asked: RouteQuestion) -> float:
    row = shelved(candidate.model, candidate.price)
    return Expected.of(reading, asked.prompt_tokens, asked.max_tokens).usd(row)


def _asked(messages: tuple[Message, ...], plan: Plan) -> RouteQuestion:
    tokens = prompt_estimate(messages)
    return RouteQuestion(AUTO, plan, DAY, tokens, MAX_TOKENS, messages=messages, health=_fares)


def _fares(provider: str, model: str, *, own_key: bool = False) -> ModelHealth:
    """A different first token for each model, always the same."""
    del own_key
    return ModelHealth(first_token_ms=300 + (len(provider) * 7919 + len(model) * 104_729) % 2_000)


def _took(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return 1000 * (time.perf_counter() - started)
