"""Which models may be asked, in the order in which they are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Protocol

from core.ai.answer import Operation, Question
from core.ai.catalogue import LONG_CONTEXT, Capability, Catalogue, Model, Task
from core.ai.health import HEALTHY, ModelHealth
from core.ai.intents import Complexity, Intent, Reading, read
from core.ai.own_keys import OF_NOBODY, OwnKey
from core.ai.prices import Price, PriceBook
from core.ai.providers.contract import Message, Provider
from core.ai.providers.hosts import HOSTS
from core.ai.quality import AS_GOOD, TrackRecord
from core.ai.ranking import (
    ROOM_TO_REASON,
    Expected,
    Ranked,
    Shelved,
    class_above,
    class_order,
    is_within,
    shelved,
    slowness,
    spread,
    wanted_class,
)
from core.errors import AssayError, Forbidden, InvalidRequest, NotConfigured, NotFound, PlanRequired, PromptRejected
from core.metering.plans import Plan
from core.principal import Principal

AUTO = "auto"
BY_NAME = "chosen by name"
DOES: dict[Task, str] = {
    "chat": "answers questions",
    "embedding": "turns texts into vectors",
    "image": "makes pictures",
    "transcription": "writes recordings down",
}
CANNOT: dict[Capability, str] = {
    "vision": "reads no pictures",
    "audio": "hears no sound",
    "web_search": "does not search the web",
}
"""What a question may need that a model either can or cannot; tools and JSON are told in words to one that has none."""
WISHED: tuple[Capability, ...] = ("tools", "json")
SWITCHED_OFF = "Your organisation has switched off the models of providers; its owner can change that in Settings."
MAX_SHELVES = 256
"""Of as many plans and organisations the models that may be asked are kept in mind."""


class Switches(Protocol):
    """What the installation decided of its models, from memory."""

    @property
    def withholds(self) -> bool:
        """As `ModelSwitches.withholds`."""
        ...

    def is_on(self, model: Model) -> bool:
        """As `ModelSwitches.is_on`."""
        ...

    def weight(self, model: Model) -> float:
        """As `ModelSwitches.weight`."""
        ...


class HealthOf(Protocol):
    """How a model fares, by its provider's name and its id, from memory."""

    def __call__(self, provider: str, model: str, *, own_key: bool = False) -> ModelHealth:
        """As `Health.of`."""
        ...


@dataclass(frozen=True, slots=True)
class RouteQuestion:
    """What is to be routed, for whom."""

    name: str
    """Id of a model, or `auto`."""
    plan: Plan
    on: date
    prompt_tokens: int
    """Upper bound of the input."""
    max_tokens: int
    """Most tokens of the answer; 0 where none are generated."""
    operation: Operation = "chat"
    audio_s: int = 0
    """Seconds of a recording."""
    task: str = "chat"
    """Kind of task, as `Question.task`."""
    messages: tuple[Message, ...] = field(default=(), repr=False)
    """The conversation, of which intent and complexity are read."""
    needs: frozenset[Capability] = frozenset()
    """What the model has to be able to do; `tools` and `json` it only should."""
    allowed_models: Collection[str] | None = None
    """Ids of the models that the organisation allows; None is all."""
    allowed_providers: Collection[str] | None = None
    """Likewise of providers."""
    asks_models: bool = True
    """Whether the organisation's members may ask models of providers at all."""
    records: Mapping[str, TrackRecord] = field(default_factory=dict)
    """What became of models' answers to this task, where `auto` is to go by it."""
    own_keys: Mapping[str, OwnKey] = field(default_factory=dict)
    """The caller's keys by provider: such a provider is asked with that key alone."""
    health: HealthOf | None = None
    """How models fare; None: all are healthy."""
    offers: Callable[[str], bool] | None = None
    """Whether a name such as `model:gpt-4o` or `provider:openai` is offered to the caller; None: all are."""
    named_by: str = BY_NAME
    """Who chose a model that is asked by name, as the reason says it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer, with what it would cost at worst."""

    model: Model
    provider: Provider
    price: Price
    worst_case_usd: Decimal
    key: OwnKey | None = None
    """The caller's own key that pays for it; None: the platform does."""


@dataclass(frozen=True, slots=True)
class Route:
    """Candidates in order, all of one own key or all of the platform, and the sentence that says why."""

    candidates: tuple[Candidate, ...]
    reason: str
    considered: int
    """Models that may answer."""
    intent: Intent | None = None
    """What the question was taken for; None where nothing was chosen by it."""
    complexity: Complexity | None = None
    escalation: Candidate | None = None
    """One class up, for an answer that cannot be used; None where there is none or the plan does not escalate."""
    because: tuple[str, ...] = ()
    """Why it was taken for that."""


class Router:
    """Chooses among the models that are live, that the plan allows, and whose price is known."""

    def __init__(self, catalogue: Catalogue, prices: PriceBook, providers: Mapping[str, Provider]) -> None:
        self._catalogue = catalogue
        self._prices = prices
        self._providers = providers
        self._switches: Switches | None = None
        self._lock = threading.Lock()
        self._shelves: OrderedDict[tuple[object, ...], tuple[Shelved, ...]] = OrderedDict()

    def heed(self, switches: Switches) -> None:
        """From now on what is switched off is not asked, and `auto` goes by weights."""
        self._switches = switches

    @property
    def is_offline(self) -> bool:
        """Whether no provider is live, so that "auto" is the offline glossary."""
        return all(provider.is_offline for provider in self._providers.values())

    def answers_offline(self, *, asks_models: bool, own_keys: Mapping[str, OwnKey]) -> bool:
        """Whether `auto` is the offline glossary for somebody: no provider is live for them, or none may be asked."""
        return not asks_models or (self.is_offline and not own_keys)

    def auto_among(
        self,
        plan: Plan,
        principal: Principal,
        own_keys: Mapping[str, OwnKey] = OF_NOBODY,
        offers: Callable[[str], bool] | None = None,
    ) -> str:
        """A name for `auto` that tells apart from which models it chooses for somebody: for keys of the cache."""
        is_offline = self.answers_offline(asks_models=principal.asks_models, own_keys=own_keys)
        withholds = offers is not None or (self._switches is not None and self._switches.withholds)
        among = (
            sorted(plan.model_classes),
            sorted(principal.allowed_models or ()),
            sorted(principal.allowed_providers or ()),
            sorted(provider for provider in own_keys if provider not in self._providers),
            [model.id for model in self._catalogue.all() if not self._is_offered(model, offers)] if withholds else [],
        )
        return f"{AUTO}/{'offline' if is_offline else 'live'}/{'/'.join('+'.join(names) for names in among)}"

    def allows(self, model_id: str, principal: Principal) -> bool:
        """Whether an organisation lets its members ask `auto` or the model of this id; `route` says where there is
        none."""
        if model_id == AUTO:
            return True
        try:
            model = self._catalogue.get(model_id)
        except NotFound:
            return principal.allowed_models is None
        if self._is_offline_model(model):
            return True
        return principal.asks_models and _is_allowed(model, principal.allowed_models, principal.allowed_providers)

    def unavailable_reason(self, model: Model, own_keys: Collection[str] = ()) -> str | None:
        """Why a model cannot be asked in this installation, by somebody with keys for these providers; None where it
        can."""
        if model.provider in self._providers or model.provider in own_keys:
            return None
        return f"Set {HOSTS[model.provider].live_variable} to use this model."

    def refusal(
        self,
        model: Model,
        plan: Plan,
        allowed: Collection[str] | None,
        *,
        allowed_providers: Collection[str] | None = None,
        asks_models: bool = True,
        own_keys: Collection[str] = (),
        offers: Callable[[str], bool] | None = None,
    ) -> AssayError | None:
        """Why somebody on this plan, whose organisation allows these models and providers (None: all), may not ask a
        model; None where they may. What answers without a provider is always allowed.

        `own_keys` are the providers for which they have a key, `offers` what the installation offers them.
        """
        if model.model_class not in plan.model_classes:
            return PlanRequired(
                f"{model.label} is a {model.model_class} model; the plan {plan.label} does not include it."
            )
        if not self._is_offline_model(model):
            if not self._is_on(model):
                return Forbidden(f"{model.label} is switched off in this installation; choose another model, or auto.")
            if not asks_models:
                return Forbidden(SWITCHED_OFF)
            if not _is_allowed(model, allowed, allowed_providers):
                return Forbidden(
                    f"Your organisation does not allow {model.label}; its owner can change that in Settings."
                )
            if not self._is_offered(model, offers):
                return Forbidden(f"{model.label} is not offered to you here; choose another model, or auto.")
        reason = self.unavailable_reason(model, own_keys)
        return None if reason is None else NotConfigured(reason)

    def route(self, asked: RouteQuestion) -> Route:
        """The candidates for a model by name, or for `auto`; an embedding has no output, so its `max_tokens` is 0.

        A model by name is a candidate however it fares; of `auto` those that rest, or whose own key cannot be used,
        are none as long as there are others. Where nothing is below the plan's ceiling, the cheapest model is left for
        the meter to refuse.

        Raises:
            NotFound: there is no such model.
            InvalidRequest: it is of another task, or cannot do what the question needs.
            PlanRequired: the plan does not include its class.
            Forbidden: the organisation does not allow it.
            NotConfigured: its provider has no key, or it has no price.
            PromptRejected: the conversation is too long for every model that `auto` may ask.
        """
        if asked.operation == "embedding" and asked.max_tokens:
            raise ValueError("an embedding has no output")
        return self._auto(asked) if asked.name == AUTO else self._named(asked)

    def _named(self, asked: RouteQuestion) -> Route:
        model = self._catalogue.get(asked.name)
        if model.task != asked.operation:
            raise InvalidRequest(f"{model.label} {DOES[model.task]}; ask for a model that {DOES[asked.operation]}.")
        refusal = self.refusal(
            model,
            asked.plan,
            asked.allowed_models,
            allowed_providers=asked.allowed_providers,
            asks_models=asked.asks_models,
            own_keys=asked.own_keys,
            offers=asked.offers,
        )
        if refusal is not None:
            raise refusal
        for need, lack in CANNOT.items():
            if need in asked.needs and need not in model.capabilities:
                raise InvalidRequest(f"{model.label} {lack}; choose a model that does, or auto.")
        price = self._prices.price_of(model.price, asked.on)
        return Route((self._candidate(shelved(model, price), asked),), asked.named_by, 1)

    def _auto(self, asked: RouteQuestion) -> Route:
        is_offline = self.answers_offline(asks_models=asked.asks_models, own_keys=asked.own_keys)
        reading = self._read(asked)
        rows = self._fitting(self._shelf(asked, is_offline), asked)
        within = [row for row in rows if self._is_within_ceiling(row, asked)]
        fitting = within or rows
        usable = [row for row in fitting if not _is_flawed(row.model.provider, asked)] or fitting
        ranked = self._ranked(usable, asked, reading)
        if not within:
            ranked = [min(ranked, key=lambda each: self._candidate(each.row, asked).worst_case_usd)]
        considered = len(usable)
        if is_offline:
            why = "no provider is live" if asked.asks_models else "your organisation has switched models off"
            first = self._candidate(ranked[0].row, asked)
            return Route((first,), f"{why}; answered from the offline glossary", considered)
        chosen = _of_one_payer(ranked, asked)
        asked_first = spread(chosen)[
            : 1 if asked.operation == "embedding" else None
        ]  # vectors of two cannot be compared
        reason = _reason(asked_first[0], ranked, reading, asked)
        others = considered - 1
        return Route(
            candidates=tuple(self._candidate(each.row, asked) for each in asked_first),
            reason=f"{reason}; {others} other{'' if others == 1 else 's'} considered{_left_out(fitting, usable)}",
            considered=considered,
            intent=reading.intent if asked.operation == "chat" else None,
            complexity=reading.complexity if asked.operation == "chat" else None,
            escalation=self._escalation(asked_first[0], chosen, asked),
            because=reading.because,
        )

    def _read(self, asked: RouteQuestion) -> Reading:
        if asked.operation != "chat":
            return Reading("chat", "low")
        return read(asked.messages, has_tools="tools" in asked.needs, has_schema="json" in asked.needs, task=asked.task)

    def _shelf(self, asked: RouteQuestion, is_offline: bool) -> tuple[Shelved, ...]:
        """The models that somebody may ask on that day, whatever they ask."""
        key = (
            *(asked.operation, asked.plan.model_classes, asked.on, is_offline, frozenset(asked.own_keys)),
            None if asked.allowed_models is None else frozenset(asked.allowed_models),
            None if asked.allowed_providers is None else frozenset(asked.allowed_providers),
        )
        with self._lock:
            known = self._shelves.get(key)
            if known is not None:
                self._shelves.move_to_end(key)
                return known
        models = [model for model in self._catalogue.all() if self._may_answer(model, asked, is_offline)]
        found = tuple(shelved(model, self._prices.price_of(model.price, asked.on)) for model in models)
        with self._lock:
            self._shelves[key] = found
            while len(self._shelves) > MAX_SHELVES:
                self._shelves.popitem(last=False)
        return found

    def _may_answer(self, model: Model, asked: RouteQuestion, is_offline: bool) -> bool:
        if model.task != asked.operation or model.model_class not in asked.plan.model_classes:
            return False
        if is_offline != self._is_offline_model(model) or self.unavailable_reason(model, asked.own_keys) is not None:
            return False
        if not is_offline and not _is_allowed(model, asked.allowed_models, asked.allowed_providers):
            return False
        has_price = any(price.valid_from <= asked.on for price in self._prices.history(model.price))
        return has_price and model.is_served(asked.on)

    def _fitting(self, shelf: Sequence[Shelved], asked: RouteQuestion) -> list[Shelved]:
        """Of the models on a shelf those that can answer this question."""
        rows = [row for row in shelf if self._is_offered(row.model, asked.offers)]
        if not rows:
            if not asked.asks_models:
                raise Forbidden(SWITCHED_OFF)
            raise NotConfigured(
                f"No model that this plan and your organisation allow and that {DOES[asked.operation]} is live: "
                "set a provider's key, such as OPENAI_API_KEY."
            )
        for need, lack in CANNOT.items():
            if need in asked.needs:
                rows = [row for row in rows if need in row.model.capabilities]
                if not rows:
                    raise InvalidRequest(f"Every model that you may ask {lack}: {self._remedy(need, asked)}.")
        if asked.operation == "chat":
            rows = [row for row in rows if _holds(row.model, asked)]
        if not rows:
            raise PromptRejected("The conversation is too long for every model that you may ask; start a new one.")
        for wish in WISHED:
            if wish in asked.needs:
                rows = [row for row in rows if wish in row.model.capabilities] or rows
        return rows

    def _remedy(self, need: Capability, asked: RouteQuestion) -> str:
        """What somebody can do who may ask no model that is able to do what their question needs."""
        if not asked.asks_models:
            return f"{SWITCHED_OFF[0].lower()}{SWITCHED_OFF[1:-1]}"
        able = [
            model
            for model in self._catalogue.all()
            if model.task == asked.operation
            and need in model.capabilities
            and model.is_served(asked.on)
            and model.model_class in asked.plan.model_classes
            and _is_allowed(model, asked.allowed_models, asked.allowed_providers)
            and self._is_offered(model, asked.offers)
        ]
        missing = list(
            dict.fromkeys(model.provider for model in able if self.unavailable_reason(model, asked.own_keys))
        )
        if not missing:
            return "those that do are not in your plan, or your organisation does not allow them"
        host = HOSTS[missing[0]]
        return f"set a key of a provider with a model that does, such as {host.label} ({host.live_variable})"

    def _is_within_ceiling(self, row: Shelved, asked: RouteQuestion) -> bool:
        """Whether its worst case may be charged; what is paid with an own key is not charged."""
        most = asked.plan.limits.request_ceiling_usd
        if most is None or row.price.is_local or row.model.provider in asked.own_keys:
            return True
        return is_within(row, most, asked.prompt_tokens, asked.max_tokens, asked.audio_s)

    def _ranked(self, rows: Sequence[Shelved], asked: RouteQuestion, reading: Reading) -> list[Ranked]:
        """The models in order, those that rest last and only where all do."""
        best = max((asked.records[row.model.id].quality for row in rows if row.model.id in asked.records), default=0.0)
        distance = {model_class: place for place, model_class in enumerate(class_order(wanted_class(reading)))}
        has_room = asked.operation != "chat" or asked.max_tokens >= ROOM_TO_REASON
        searches = reading.intent == "web" and not asked.needs.intersection(WISHED)
        cost_of, health_of, found = _cost_of(reading, asked), asked.health, []
        for row in rows:
            model, cost = row.model, cost_of(row)
            has_key = model.provider in asked.own_keys
            health = HEALTHY if health_of is None else health_of(model.provider, model.id, own_key=has_key)
            record = asked.records.get(model.id)
            weight = 1.0 if self._switches is None else self._switches.weight(model)
            place = (
                record is None or record.quality < best - AS_GOOD,
                row.reasons and not has_room,
                searches and "web_search" not in model.capabilities,
                distance[model.model_class],
                not has_key,
                cost * slowness(health) / weight,
                model.id,
            )
            found.append(Ranked(row, health, has_key, cost, place, weight))
        awake = [each for each in found if each.health.state != "open"]
        if awake:
            return sorted(awake, key=attrgetter("place"))
        return sorted(found, key=lambda each: (each.health.wait_s or 0.0, each.place))

    def _escalation(self, first: Ranked, ranked: Sequence[Ranked], asked: RouteQuestion) -> Candidate | None:
        above = class_above(first.row.model.model_class)
        if asked.operation != "chat" or above is None or not asked.plan.may_escalate:
            return None
        found = next((each for each in ranked if each.row.model.model_class == above), None)
        return None if found is None else self._candidate(found.row, asked)

    def _candidate(self, row: Shelved, asked: RouteQuestion) -> Candidate:
        key = asked.own_keys.get(row.model.provider)
        provider = self._providers[row.model.provider] if key is None else key.provider
        worst_case = row.price.worst_case(asked.prompt_tokens, asked.max_tokens, asked.audio_s)
        return Candidate(row.model, provider, row.price, worst_case, key)

    def _is_on(self, model: Model) -> bool:
        return self._switches is None or self._switches.is_on(model)

    def _is_offered(self, model: Model, offers: Callable[[str], bool] | None) -> bool:
        """Whether the installation lets somebody ask a model: it is on, and no flag withholds it from them."""
        if not self._is_on(model):
            return False
        return offers is None or (offers(f"model:{model.id}") and offers(f"provider:{model.provider}"))

    def _is_offline_model(self, model: Model) -> bool:
        provider = self._providers.get(model.provider)
        return provider is not None and provider.is_offline


def on_trial(variant: Candidate, usual: Route) -> Route:
    """The route of a question whose experiment has a model asked first: behind it stands what `auto` would have asked,
    as far as the same key, or the platform, pays for it."""
    others = tuple(each for each in usual.candidates if each.key == variant.key and each.model.id != variant.model.id)
    above = usual.escalation
    is_above = (
        above is not None
        and above.key == variant.key
        and above.model.model_class == class_above(variant.model.model_class)
    )
    return replace(
        usual,
        candidates=(variant, *others),
        reason=f"{variant.model.label} on trial before the usual choice ({usual.reason})",
        escalation=above if is_above else None,
    )


def needs_of(question: Question) -> frozenset[Capability]:
    """What a model has to be able to do for a question."""
    needs: dict[Capability, bool] = {
        "tools": bool(question.tools),
        "json": question.json_schema is not None,
        "vision": question.operation == "chat" and any(message.pictures for message in question.messages),
    }
    return frozenset(need for need, is_needed in needs.items() if is_needed)


def _is_allowed(model: Model, models: Collection[str] | None, providers: Collection[str] | None) -> bool:
    return (models is None or model.id in models) and (providers is None or model.provider in providers)


def _is_flawed(provider: str, asked: RouteQuestion) -> bool:
    """Whether the caller's own key for a provider cannot be used."""
    key = asked.own_keys.get(provider)
    return key is not None and key.flaw is not None


def _left_out(fitting: Sequence[Shelved], usable: Sequence[Shelved]) -> str:
    """Which providers were passed over, since the caller's own keys for them cannot be used."""
    names = {row.model.provider for row in fitting} - {row.model.provider for row in usable}
    labels = " and ".join(HOSTS[name].label for name in sorted(names))
    return f"; {labels} left out, as your own key cannot be used" if labels else ""


def _cost_of(reading: Reading, asked: RouteQuestion) -> Callable[[Shelved], float]:
    """What a model is expected to cost; vectors, pictures and transcripts cost what they are held at."""
    if asked.operation == "chat":
        return Expected.of(reading, asked.prompt_tokens, asked.max_tokens).usd
    return lambda row: float(row.price.worst_case(asked.prompt_tokens, asked.max_tokens, asked.audio_s))


def _holds(model: Model, asked: RouteQuestion) -> bool:
    is_within_window = asked.prompt_tokens + asked.max_tokens <= model.context_window
    return is_within_window and asked.max_tokens <= model.max_output


def _of_one_payer(ranked: Sequence[Ranked], asked: RouteQuestion) -> list[Ranked]:
    """Those that the same key pays for as the first, or the platform."""
    payer = asked.own_keys.get(ranked[0].row.model.provider)
    return [each for each in ranked if asked.own_keys.get(each.row.model.provider) is payer]


def _reason(first: Ranked, ranked: Sequence[Ranked], reading: Reading, asked: RouteQuestion) -> str:
    """Why the first of the candidates is the first, as users read it."""
    record, own = asked.records.get(first.row.model.id), " on your own key" if first.has_key else ""
    if record is not None and not first.place[0]:
        chosen = f"best record of verdicts: {record.words}{own}"
    elif first.health.state == "open":
        chosen = f"every model rests after failures, this one for the shortest time{own}"
    else:
        like = [each for each in ranked if each.place[:-2] == first.place[:-2]]
        is_cheapest = all(first.expected_usd <= each.expected_usd for each in like)
        is_weighed = any(each.weight != first.weight for each in like)
        how = "cheapest" if is_cheapest else "preferred here:" if is_weighed else "cheap and quick"
        chosen = f"{how} healthy {_kind(first.row, reading, asked)}{own}"
        chosen += _instead(first.row.model, reading, asked)
    return chosen if asked.operation != "chat" else f"{reading.intent}, {reading.complexity}; {chosen}"


def _kind(row: Shelved, reading: Reading, asked: RouteQuestion) -> str:
    searches = " that searches the web" if reading.intent == "web" and "web_search" in row.model.capabilities else ""
    long = " of long context" if asked.operation == "chat" and asked.prompt_tokens >= LONG_CONTEXT else ""
    return f"{row.model.model_class} model{long}{searches}"


def _instead(model: Model, reading: Reading, asked: RouteQuestion) -> str:
    wanted = wanted_class(reading)
    return "" if asked.operation != "chat" or model.model_class == wanted else f", as no {wanted} one fits"
