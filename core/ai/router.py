"""Which models may be asked, in the order in which they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.ai.catalogue import Catalogue, Model, Task
from core.ai.prices import Price, PriceBook
from core.ai.providers.contract import Provider
from core.ai.providers.hosts import HOSTS
from core.ai.quality import AS_GOOD, TrackRecord
from core.errors import AssayError, Forbidden, InvalidRequest, NotConfigured, PlanRequired
from core.metering.plans import Plan

AUTO = "auto"
MAX_CANDIDATES = 3
"""Models that `auto` asks one after the other; so many of local servers besides."""
DOES: dict[Task, str] = {"chat": "answers questions", "embedding": "turns texts into vectors"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, with what it would cost at worst."""

    model: Model
    provider: Provider
    price: Price
    worst_case_usd: Decimal


@dataclass(frozen=True, slots=True)
class Route:
    """Candidates in order, and the sentence that says why."""

    candidates: tuple[Candidate, ...]
    reason: str
    considered: int


@dataclass(frozen=True, slots=True)
class _Asked:
    prompt_tokens: int
    max_tokens: int
    on: date
    task: Task
    allowed: Collection[str] | None
    records: Mapping[str, TrackRecord]


class Router:
    """Chooses among the models that are live, that the plan allows, and whose price is known."""

    def __init__(self, catalogue: Catalogue, prices: PriceBook, providers: Mapping[str, Provider]) -> None:
        self._catalogue = catalogue
        self._prices = prices
        self._providers = providers

    @property
    def is_offline(self) -> bool:
        """Whether no provider is live, so that "auto" is the offline glossary."""
        return all(provider.is_offline for provider in self._providers.values())

    def unavailable_reason(self, model: Model) -> str | None:
        """Why a model cannot be asked in this installation; None where it can."""
        if model.provider in self._providers:
            return None
        return f"Set {HOSTS[model.provider].live_variable} to use this model."

    def refusal(self, model: Model, plan: Plan, allowed: Collection[str] | None) -> AssayError | None:
        """Why somebody on this plan, whose organisation allows these models (None: all), may not ask a model; None
        where they may. What answers without a provider is always allowed."""
        if model.model_class not in plan.model_classes:
            return PlanRequired(
                f"{model.label} is a {model.model_class} model; the plan {plan.label} does not include it."
            )
        if not self._is_allowed(model, allowed):
            return Forbidden(f"Your organisation does not allow {model.label}; its owner can change that in Settings.")
        reason = self.unavailable_reason(model)
        return None if reason is None else NotConfigured(reason)

    def _is_allowed(self, model: Model, allowed: Collection[str] | None) -> bool:
        provider = self._providers.get(model.provider)
        return allowed is None or model.id in allowed or (provider is not None and provider.is_offline)

    def route(
        self,
        name: str,
        plan: Plan,
        *,
        prompt_tokens: int,
        max_tokens: int,
        on: date,
        task: Task = "chat",
        allowed: Collection[str] | None = None,
        records: Mapping[str, TrackRecord] | None = None,
    ) -> Route:
        """The candidates for a model by name, or for `auto`; an embedding has no output, so its `max_tokens` is 0.

        Where `auto` is to go by `records` of models, those that are as good as the best one come before all others.

        Raises:
            NotFound: there is no such model.
            InvalidRequest: it is of another task.
            PlanRequired: the plan does not include its class.
            Forbidden: the organisation does not allow it.
            NotConfigured: its provider has no key, or it has no price.
        """
        if task == "embedding" and max_tokens:
            raise ValueError("an embedding has no output")
        asked = _Asked(prompt_tokens, max_tokens, on, task, allowed, records or {})
        if name == AUTO:
            return self._auto(plan, asked)
        model = self._catalogue.get(name)
        if model.task != task:
            raise InvalidRequest(f"{model.label} {DOES[model.task]}; ask for a model that {DOES[task]}.")
        refusal = self.refusal(model, plan, allowed)
        if refusal is not None:
            raise refusal
        return Route((self._candidate(model, asked),), "chosen by name", 1)

    def _auto(self, plan: Plan, asked: _Asked) -> Route:
        """The cheapest first; reasoning models last, since hidden reasoning may use up an answer's tokens.

        Before them, in the same order, those whose records are as good as the best.
        """
        models = [model for model in self._catalogue.models_for(asked.task) if self._may_answer(model, plan, asked)]
        if not models:
            raise NotConfigured(
                f"No model that this plan and your organisation allow and that {DOES[asked.task]} is live: "
                "set a provider's key, such as OPENAI_API_KEY."
            )
        records = {model.id: asked.records[model.id] for model in models if model.id in asked.records}
        best = max((record.quality for record in records.values()), default=0.0)
        as_good = {model_id for model_id, record in records.items() if record.quality >= best - AS_GOOD}
        ranked = sorted(
            (self._candidate(model, asked) for model in models),
            key=lambda candidate: (
                candidate.model.id not in as_good,
                "reasoning" in candidate.model.capabilities,
                candidate.worst_case_usd,
                candidate.model.id,
            ),
        )
        if self.is_offline:
            return Route(tuple(ranked[:1]), "no provider is live; answered from the offline glossary", len(ranked))
        first, others = ranked[0].model.id, len(ranked) - 1
        why = f"best record of verdicts: {records[first].words}" if as_good else "cheapest live model of your plan"
        reason = f"{why}; {others} other{'' if others == 1 else 's'} considered"
        return Route(_first(ranked, asked.task), reason, len(ranked))

    def _may_answer(self, model: Model, plan: Plan, asked: _Asked) -> bool:
        provider = self._providers.get(model.provider)
        if provider is None or provider.is_offline != self.is_offline or model.model_class not in plan.model_classes:
            return False
        if not self._is_allowed(model, asked.allowed):
            return False
        has_price = any(price.valid_from <= asked.on for price in self._prices.history(model.price))
        return has_price and model.is_served(asked.on) and (asked.task == "embedding" or _holds(model, asked))

    def _candidate(self, model: Model, asked: _Asked) -> Candidate:
        price = self._prices.price_of(model.price, asked.on)
        worst_case = price.worst_case(asked.prompt_tokens, asked.max_tokens)
        return Candidate(model, self._providers[model.provider], price, worst_case)


def _holds(model: Model, asked: _Asked) -> bool:
    is_within_window = asked.prompt_tokens + asked.max_tokens <= model.context_window
    return is_within_window and asked.max_tokens <= model.max_output


def _first(ranked: Sequence[Candidate], task: Task) -> tuple[Candidate, ...]:
    """Those to be asked one after the other.

    Vectors of two models cannot be compared, so an embedding never falls back to another. What a local server has
    pulled is not known, so its models are tried beside those of others and do not take their places.
    """
    if task == "embedding":
        return tuple(ranked[:1])
    kept = [
        candidate.model.id
        for is_local in (True, False)
        for candidate in [candidate for candidate in ranked if candidate.price.is_local == is_local][:MAX_CANDIDATES]
    ]
    return tuple(candidate for candidate in ranked if candidate.model.id in kept)
