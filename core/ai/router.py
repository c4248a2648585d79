"""Which models may answer a question, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from core.ai.catalogue import Catalogue, Model
from core.ai.prices import Price, PriceBook
from core.ai.providers.contract import Provider
from core.ai.providers.hosts import HOSTS
from core.errors import NotConfigured, PlanRequired
from core.metering.plans import Plan

AUTO = "auto"
MAX_CANDIDATES = 3


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
        return f"Set {HOSTS[model.provider].key_variable} to use this model."

    def route(self, name: str, plan: Plan, *, prompt_tokens: int, max_tokens: int, on: date) -> Route:
        """The candidates for a model by name, or for `auto`.

        Raises:
            NotFound: there is no such model.
            PlanRequired: the plan does not include its class.
            NotConfigured: its provider has no key, or it has no price.
        """
        if name == AUTO:
            return self._auto(plan, prompt_tokens, max_tokens, on)
        model = self._catalogue.get(name)
        if model.model_class not in plan.model_classes:
            raise PlanRequired(
                f"{model.label} is a {model.model_class} model; the plan {plan.label} does not include it."
            )
        reason = self.unavailable_reason(model)
        if reason is not None:
            raise NotConfigured(reason)
        return Route((self._candidate(model, prompt_tokens, max_tokens, on),), "chosen by name", 1)

    def _auto(self, plan: Plan, prompt_tokens: int, max_tokens: int, on: date) -> Route:
        """The cheapest first; reasoning models last, since hidden reasoning may use up an answer's tokens."""
        models = [
            model
            for model in self._catalogue.chat_models()
            if model.model_class in plan.model_classes
            and model.provider in self._providers
            and self._providers[model.provider].is_offline == self.is_offline
            and prompt_tokens + max_tokens <= model.context_window
            and max_tokens <= model.max_output
        ]
        if not models:
            raise NotConfigured("No model that this plan allows is live: set a provider's key, such as OPENAI_API_KEY.")
        ranked = sorted(
            (self._candidate(model, prompt_tokens, max_tokens, on) for model in models),
            key=lambda candidate: (
                not candidate.model.accepts_temperature,
                candidate.worst_case_usd,
                candidate.model.id,
            ),
        )
        if self.is_offline:
            return Route(tuple(ranked[:1]), "no provider is live; answered from the offline glossary", len(ranked))
        others = len(ranked) - 1
        reason = f"cheapest live model of your plan; {others} other{'' if others == 1 else 's'} considered"
        return Route(tuple(ranked[:MAX_CANDIDATES]), reason, len(ranked))

    def _candidate(self, model: Model, prompt_tokens: int, max_tokens: int, on: date) -> Candidate:
        price = self._prices.price_of(model.price, on)
        return Candidate(model, self._providers[model.provider], price, price.worst_case(prompt_tokens, max_tokens))
