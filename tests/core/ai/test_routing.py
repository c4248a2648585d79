"""What `auto` chooses: filters that always hold, the class that fits, who pays, how models fare, and one class up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ai.catalogue import Capability, Catalogue, Model
from core.ai.health import ModelHealth, State
from core.ai.own_keys import OwnKey
from core.ai.prices import PriceBook
from core.ai.providers.contract import Message
from core.ai.providers.hosts import HOSTS
from core.ai.quality import TrackRecord
from core.ai.ranking import CLASSES, MAX_CANDIDATES, class_above, class_order
from core.ai.router import Route, RouteQuestion, Router
from core.errors import AssayError, Forbidden, InvalidRequest, NotConfigured, PlanRequired, PromptRejected
from core.metering.plans import Plan, load_plans
from core.principal import Principal, Role
from core.settings import DATA
from tests.core.ai.test_router import Named, asking, embedding, ids, router

CHAT = (Message("user", "What is a bond?"),)
ANALYSIS = (Message("user", "Compare the margins of MSFT and ORCL, and explain which of both is safer."),)
HARD = (
    Message(
        "user",
        "Build a discounted cash flow valuation with three scenarios, derive the WACC, show a sensitivity table for "
        "every driver, reconcile it with multiples, discuss the terminal value, and recommend what to test.",
    ),
)
LIVE = ("openai", "anthropic", "mistral", "google", "perplexity")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The models that the program ships with."""
    return Catalogue.load(DATA / "models.yaml", PriceBook.load(DATA / "prices"))


@pytest.fixture(scope="module")
def plans() -> Mapping[str, Plan]:
    """The shipped plans, by name."""
    return load_plans(DATA / "plans.yaml").plans


@pytest.fixture(scope="module")
def live(catalogue: Catalogue) -> Router:
    """A router of several live providers."""
    return router(catalogue, PriceBook.load(DATA / "prices"), *LIVE)


@dataclass(frozen=True)
class Faring:
    """How models fare, as a test says."""

    states: Mapping[str, ModelHealth]
    """By the model's id, or its provider's name."""

    def __call__(self, provider: str, model: str, *, own_key: bool = False) -> ModelHealth:
        del own_key
        return self.states.get(model) or self.states.get(provider) or ModelHealth()


def open_for(wait_s: float) -> ModelHealth:
    """A model that rests."""
    return ModelHealth("open", wait_s=wait_s)


def key(provider: str) -> OwnKey:
    """Somebody's own key."""
    return OwnKey(uuid4(), "mine", "1234", False, Named(provider), provider)


def first(route: Route) -> Model:
    """The model that is asked first."""
    return route.candidates[0].model


@pytest.mark.parametrize(
    ("messages", "plan", "wanted", "words"),
    [
        (CHAT, "premium", "economy", "chat, low; cheapest healthy economy model; "),
        (ANALYSIS, "premium", "standard", "analysis, medium; cheapest healthy standard model; "),
        (HARD, "premium", "frontier", "analysis, high; cheapest healthy frontier model; "),
        (HARD, "basic", "standard", "analysis, high; cheapest healthy standard model, as no frontier one fits; "),
        (HARD, "free", "economy", "analysis, high; cheapest healthy economy model, as no frontier one fits; "),
    ],
    ids=["low", "medium", "high", "high on basic", "high on free"],
)
def test_the_class_is_the_cheapest_that_is_good_enough_and_part_of_the_plan(
    live: Router, plans: Mapping[str, Plan], messages: tuple[Message, ...], plan: str, wanted: str, words: str
) -> None:
    route = live.route(asking(plans[plan], messages=messages))
    assert first(route).model_class == wanted
    assert route.reason == f"{words}{route.considered - 1} others considered"
    assert route.intent is not None
    assert route.reason.startswith(f"{route.intent}, {route.complexity}; ")
    assert route.because


def test_a_dearer_class_is_asked_where_there_is_no_other(live: Router, plans: Mapping[str, Plan]) -> None:
    route = live.route(asking(plans["premium"], messages=CHAT, allowed_models=("claude-opus-5", "claude-sonnet-5")))
    assert ids(route) == ["claude-sonnet-5", "claude-opus-5"]
    assert route.reason == "chat, low; cheapest healthy frontier model, as no economy one fits; 1 other considered"


def test_those_that_are_asked_next_are_of_other_providers(live: Router, plans: Mapping[str, Plan]) -> None:
    """A provider that is down takes all of its models with it."""
    for messages in (CHAT, ANALYSIS):
        route = live.route(asking(plans["premium"], messages=messages))
        assert len({candidate.model.provider for candidate in route.candidates}) == MAX_CANDIDATES
        assert len({candidate.model.model_class for candidate in route.candidates}) == 1


def test_room_for_an_answer_lets_models_reason(catalogue: Catalogue, plans: Mapping[str, Plan]) -> None:
    """With room for it, hidden reasoning costs money only, and that is reckoned with."""
    openai = router(catalogue, PriceBook.load(DATA / "prices"), "openai")
    short, long = (
        first(openai.route(asking(plans["team"], messages=HARD, max_tokens=most))) for most in (1_024, 8_192)
    )
    assert (short.model_class, "reasoning" in short.capabilities) == ("standard", False)
    assert (long.model_class, "reasoning" in long.capabilities) == ("frontier", True)


def test_a_question_of_the_web_goes_to_a_model_that_searches_unless_it_has_tools(
    live: Router, plans: Mapping[str, Plan]
) -> None:
    news = (Message("user", "What is the latest news on Boeing?"),)
    route = live.route(asking(plans["basic"], messages=news))
    assert first(route).provider == "perplexity"
    assert "standard model that searches the web, as no economy one fits; " in route.reason
    with_tools = live.route(asking(plans["basic"], messages=news, needs=frozenset({"tools"})))
    assert (first(with_tools).model_class, first(with_tools).provider != "perplexity") == ("economy", True)


@pytest.mark.parametrize("need", ["vision", "audio", "web_search"])
def test_what_a_question_needs_is_a_filter(live: Router, plans: Mapping[str, Plan], need: Capability) -> None:
    route = live.route(asking(plans["premium"], needs=frozenset({need})))
    assert all(need in candidate.model.capabilities for candidate in route.candidates)
    with pytest.raises(InvalidRequest, match="choose a model that does, or auto"):
        live.route(
            asking(plans["premium"], "mistral-large-4" if need != "vision" else "sonar", needs=frozenset({need}))
        )
    with pytest.raises(InvalidRequest, match="Every model that you may ask"):
        live.route(
            asking(
                plans["premium"],
                needs=frozenset({need}),
                allowed_models=("sonar",) if need != "web_search" else ("gpt-4o",),
            )
        )


@pytest.mark.parametrize("wish", ["tools", "json"])
def test_tools_and_json_are_wished_for(live: Router, plans: Mapping[str, Plan], wish: Capability) -> None:
    """Models that have none are told in words: they are asked where there is no other."""
    needs = frozenset({wish})
    assert all(wish in each.model.capabilities for each in live.route(asking(plans["premium"], needs=needs)).candidates)
    only = live.route(asking(plans["premium"], needs=needs, allowed_models=("sonar",)))
    assert ids(only) == ["sonar"]


def test_a_conversation_too_long_for_every_model_is_refused_in_words(live: Router, plans: Mapping[str, Plan]) -> None:
    with pytest.raises(PromptRejected, match="too long for every model that you may ask; start a new one"):
        live.route(asking(plans["enterprise"], prompt_tokens=3_000_000))
    long = live.route(asking(plans["enterprise"], prompt_tokens=500_000, messages=CHAT))
    assert all(each.model.context_window >= 501_024 for each in long.candidates)
    assert "model of long context" in long.reason


def test_auto_asks_nothing_above_the_plans_ceiling(live: Router, plans: Mapping[str, Plan]) -> None:
    premium = plans["premium"]
    ceiling = premium.limits.request_ceiling_usd
    assert ceiling is not None
    route = live.route(asking(premium, messages=HARD, prompt_tokens=60_000))
    assert all(candidate.worst_case_usd <= ceiling for candidate in route.candidates)
    assert first(route).model_class == "standard"
    assert "as no frontier one fits" in route.reason
    assert route.escalation is None or route.escalation.worst_case_usd <= ceiling


def test_where_everything_is_above_the_ceiling_the_cheapest_is_left_for_the_meter_to_refuse(
    live: Router, plans: Mapping[str, Plan]
) -> None:
    free = plans["free"]
    route = live.route(asking(free, prompt_tokens=900_000))
    (candidate,) = route.candidates
    assert free.limits.request_ceiling_usd is not None
    assert candidate.worst_case_usd > free.limits.request_ceiling_usd


class TestOrganisation:
    """What an organisation sets for its members."""

    def test_providers_are_allowed_as_models_are(self, live: Router, plans: Mapping[str, Plan]) -> None:
        route = live.route(asking(plans["premium"], allowed_providers=("mistral", "google")))
        assert {candidate.model.provider for candidate in route.candidates} == {"mistral", "google"}
        with pytest.raises(Forbidden, match="Your organisation does not allow GPT-4o; its owner can change that"):
            live.route(asking(plans["premium"], "gpt-4o", allowed_providers=("mistral",)))
        with pytest.raises(NotConfigured, match="No model that this plan and your organisation allow"):
            live.route(asking(plans["premium"], allowed_providers=("mistral",), allowed_models=("gpt-4o",)))

    def test_switched_off_only_the_offline_glossary_answers(self, live: Router, plans: Mapping[str, Plan]) -> None:
        route = live.route(asking(plans["premium"], messages=HARD, asks_models=False))
        assert ids(route) == ["offline-glossary"]
        assert route.reason == "your organisation has switched models off; answered from the offline glossary"
        assert ids(live.route(asking(plans["premium"], "offline-glossary", asks_models=False))) == ["offline-glossary"]
        for asked in (
            asking(plans["premium"], "gpt-4o", asks_models=False),
            embedding(plans["free"], asks_models=False),
        ):
            with pytest.raises(Forbidden, match="has switched off the models of providers; its owner can change that"):
                live.route(asked)

    def test_switched_off_own_keys_are_not_asked_with_either(self, live: Router, plans: Mapping[str, Plan]) -> None:
        own_keys = {"openai": key("openai")}
        assert ids(live.route(asking(plans["premium"], asks_models=False, own_keys=own_keys))) == ["offline-glossary"]


class TestOwnKeys:
    """Keys with which callers pay providers themselves."""

    def test_a_provider_is_asked_with_the_key_alone_and_first(self, live: Router, plans: Mapping[str, Plan]) -> None:
        mine = key("anthropic")
        route = live.route(asking(plans["premium"], messages=ANALYSIS, own_keys={"anthropic": mine}))
        assert {candidate.key for candidate in route.candidates} == {mine}
        assert all(candidate.provider is mine.provider for candidate in route.candidates)
        assert "cheapest healthy standard model on your own key; " in route.reason
        named = live.route(asking(plans["premium"], "claude-opus-5", own_keys={"anthropic": mine})).candidates[0]
        assert (named.key, named.provider) == (mine, mine.provider)

    def test_a_route_is_of_one_payer(self, live: Router, plans: Mapping[str, Plan]) -> None:
        own_keys = {"mistral": key("mistral"), "openai": key("openai")}
        for messages in (CHAT, ANALYSIS, HARD):
            route = live.route(asking(plans["premium"], messages=messages, own_keys=own_keys))
            assert len({candidate.key for candidate in route.candidates}) == 1
            if route.escalation is not None:
                assert route.escalation.key == route.candidates[0].key

    def test_a_key_reaches_a_provider_that_the_platform_has_not(
        self, catalogue: Catalogue, plans: Mapping[str, Plan]
    ) -> None:
        nothing = router(catalogue, PriceBook.load(DATA / "prices"))
        own_keys = {"xai": key("xai")}
        assert nothing.is_offline
        assert {
            model.provider for model in map(first, [nothing.route(asking(plans["premium"], own_keys=own_keys))])
        } == {"xai"}
        with pytest.raises(PlanRequired):
            nothing.route(asking(plans["free"], "grok-4.7", own_keys=own_keys))

    def test_what_costs_nothing_has_no_ceiling(self, live: Router, plans: Mapping[str, Plan]) -> None:
        asked = asking(plans["premium"], messages=HARD, prompt_tokens=100_000, own_keys={"anthropic": key("anthropic")})
        route = live.route(asked)
        assert first(route).model_class == "frontier"
        assert route.candidates[0].worst_case_usd > (plans["premium"].limits.request_ceiling_usd or 0)


class TestHealth:
    """Models that rest, that are to be found out about, and that are slow."""

    def test_what_rests_is_passed_over(self, live: Router, plans: Mapping[str, Plan]) -> None:
        usual = live.route(asking(plans["premium"], messages=CHAT))
        faring = Faring({usual.candidates[0].model.provider: open_for(30)})
        route = live.route(asking(plans["premium"], messages=CHAT, health=faring))
        assert first(usual).provider not in {candidate.model.provider for candidate in route.candidates}
        assert first(route).id == usual.candidates[1].model.id

    def test_a_cheaper_class_answers_where_the_wanted_rests(self, live: Router, plans: Mapping[str, Plan]) -> None:
        standard = {
            model.id: open_for(30) for model in live._catalogue.chat_models() if model.model_class == "standard"
        }
        route = live.route(asking(plans["premium"], messages=ANALYSIS, health=Faring(standard)))
        assert first(route).model_class == "economy"
        assert "economy model, as no standard one fits; " in route.reason

    def test_where_all_rest_the_one_that_rests_shortest_is_named(self, live: Router, plans: Mapping[str, Plan]) -> None:
        """What was answered before is still given from the cache; whoever would call asks how it fares."""
        faring = Faring({provider: open_for(10.0 + place) for place, provider in enumerate(reversed(LIVE))})
        route = live.route(
            asking(plans["premium"], messages=CHAT, health=faring, allowed_providers=("openai", "mistral"))
        )
        assert first(route).provider == "mistral"
        assert "every model rests after failures, this one for the shortest time; " in route.reason

    def test_one_that_is_found_out_about_takes_no_place(self, live: Router, plans: Mapping[str, Plan]) -> None:
        usual = live.route(asking(plans["premium"], messages=CHAT))
        faring = Faring({first(usual).id: ModelHealth("half_open")})
        route = live.route(asking(plans["premium"], messages=CHAT, health=faring))
        assert ids(route)[0] == first(usual).id
        assert len(route.candidates) == MAX_CANDIDATES + 1

    def test_a_quick_model_is_preferred_within_bounds(self, catalogue: Catalogue, plans: Mapping[str, Plan]) -> None:
        prices = PriceBook.load(DATA / "prices")
        one = catalogue.get("gpt-4o-mini")
        twin = one.model_copy(update={"id": "twin", "provider": "mistral"})
        dear = one.model_copy(update={"id": "dear", "provider": "google", "price": catalogue.get("gpt-4.1-mini").price})
        live = router(Catalogue([one, twin, dear]), prices, "openai", "mistral", "google")
        slow = Faring({"gpt-4o-mini": ModelHealth(first_token_ms=60_000), "twin": ModelHealth(first_token_ms=100)})
        route = live.route(asking(plans["premium"], messages=CHAT, health=slow))
        assert ids(route) == ["twin", "gpt-4o-mini", "dear"]
        assert "cheapest healthy economy model; " in route.reason

    def test_a_model_by_name_stays_it_however_it_fares(self, live: Router, plans: Mapping[str, Plan]) -> None:
        asked = asking(plans["premium"], "gpt-4o", health=Faring({"openai": open_for(60)}))
        assert (ids(live.route(asked)), live.route(asked).reason) == (["gpt-4o"], "chosen by name")


class TestFlawedKeys:
    """Own keys that have expired, or cannot be read."""

    def test_their_providers_are_left_out_while_another_would_do(self, live: Router, plans: Mapping[str, Plan]) -> None:
        flawed = replace(key("openai"), flaw="Your key mine (…1234) has expired.")
        route = live.route(asking(plans["premium"], messages=CHAT, own_keys={"openai": flawed}))
        assert "openai" not in {candidate.model.provider for candidate in route.candidates}
        assert {candidate.key for candidate in route.candidates} == {None}
        assert route.reason.endswith("; OpenAI left out, as your own key cannot be used")

    def test_a_sound_key_is_asked_before_the_platform(self, live: Router, plans: Mapping[str, Plan]) -> None:
        flawed, sound = replace(key("openai"), flaw="It has expired."), key("mistral")
        route = live.route(asking(plans["premium"], messages=CHAT, own_keys={"openai": flawed, "mistral": sound}))
        assert {candidate.key for candidate in route.candidates} == {sound}

    def test_where_nothing_else_is_left_they_are_routed_to_to_be_told(
        self, live: Router, plans: Mapping[str, Plan]
    ) -> None:
        flawed = replace(key("openai"), flaw="It has expired.")
        for name, allowed in (("auto", ("openai",)), ("gpt-4o-mini", None)):
            route = live.route(asking(plans["premium"], name, own_keys={"openai": flawed}, allowed_providers=allowed))
            assert {candidate.key for candidate in route.candidates} == {flawed}
            assert "left out" not in route.reason


class TestPicturesThatNobodyReads:
    """What is told where no model that is live sees."""

    def test_the_key_to_set_is_named(self, catalogue: Catalogue, plans: Mapping[str, Plan]) -> None:
        blind = router(catalogue, PriceBook.load(DATA / "prices"), "perplexity")
        for allowed in (None, ("perplexity", "anthropic")):
            asked = asking(plans["premium"], needs=frozenset({"vision"}), allowed_providers=allowed)
            with pytest.raises(
                InvalidRequest, match=r"reads no pictures: set a key of .*, such as \w.* \([A-Z_]+\)\.$"
            ):
                blind.route(asked)

    def test_without_a_provider_too(self, catalogue: Catalogue, plans: Mapping[str, Plan]) -> None:
        offline = router(catalogue, PriceBook.load(DATA / "prices"))
        with pytest.raises(InvalidRequest, match="set a key of a provider with a model that does"):
            offline.route(asking(plans["free"], needs=frozenset({"vision"})))
        with pytest.raises(InvalidRequest, match="organisation has switched off the models of providers; its owner"):
            offline.route(asking(plans["free"], needs=frozenset({"vision"}), asks_models=False))

    def test_where_no_key_would_help_the_plan_and_the_organisation_are_named(
        self, live: Router, plans: Mapping[str, Plan]
    ) -> None:
        asked = asking(plans["premium"], needs=frozenset({"vision"}), allowed_models=("sonar", "gpt-4o-mini"))
        with pytest.raises(InvalidRequest, match="not in your plan, or your organisation does not allow them"):
            live.route(asked)


class TestEscalation:
    """One class up, for an answer that cannot be used."""

    def test_it_is_the_cheapest_of_the_class_above(self, live: Router, plans: Mapping[str, Plan]) -> None:
        for messages, above in ((CHAT, "standard"), (ANALYSIS, "frontier")):
            route = live.route(asking(plans["premium"], messages=messages))
            assert route.escalation is not None
            assert route.escalation.model.model_class == above
            assert route.escalation.model.id not in ids(route)

    @pytest.mark.parametrize(
        ("plan", "messages", "name"),
        [
            ("free", CHAT, "auto"),
            ("premium", HARD, "auto"),
            ("basic", ANALYSIS, "auto"),
            ("premium", CHAT, "gpt-4o-mini"),
        ],
        ids=["plan does not", "already the best", "class not in the plan", "by name"],
    )
    def test_there_is_none(
        self, live: Router, plans: Mapping[str, Plan], plan: str, messages: tuple[Message, ...], name: str
    ) -> None:
        assert live.route(asking(plans[plan], name, messages=messages)).escalation is None

    def test_what_rests_is_none(self, live: Router, plans: Mapping[str, Plan]) -> None:
        usual = live.route(asking(plans["premium"], messages=CHAT)).escalation
        assert usual is not None
        faring = Faring({usual.model.id: open_for(30)})
        other = live.route(asking(plans["premium"], messages=CHAT, health=faring)).escalation
        assert other is not None
        assert other.model.id != usual.model.id


class TestFlags:
    """What an installation offers to whom."""

    def test_what_is_not_offered_is_no_candidate(self, live: Router, plans: Mapping[str, Plan]) -> None:
        def offers(name: str) -> bool:
            return name not in ("provider:openai", "model:mistral-small-2603")

        route = live.route(asking(plans["premium"], messages=CHAT, offers=offers))
        assert "openai" not in {candidate.model.provider for candidate in route.candidates}
        assert "mistral-small-2603" not in ids(route)
        for name in ("gpt-4o", "mistral-small-2603"):
            with pytest.raises(Forbidden, match="is not offered to you here; choose another model, or auto"):
                live.route(asking(plans["premium"], name, offers=offers))
        assert ids(live.route(asking(plans["premium"], "claude-opus-5", offers=offers))) == ["claude-opus-5"]


def test_classes_are_tried_from_the_wanted_one_down_and_then_up() -> None:
    assert class_order("standard") == ("standard", "economy", "frontier")
    assert class_order("frontier") == ("frontier", "standard", "economy")
    assert class_order("economy") == CLASSES


def test_the_name_of_auto_tells_apart_from_what_it_chooses(
    live: Router, catalogue: Catalogue, plans: Mapping[str, Plan]
) -> None:
    """Otherwise the cache would give somebody the answer of a model that they may not ask."""
    ann = Principal(uuid4(), uuid4(), Role.OWNER, "premium", "session", "UTC", "ann@test.example", "Ann", "Acme")
    names = [
        live.auto_among(plans["premium"], ann),
        live.auto_among(plans["free"], ann),
        live.auto_among(plans["premium"], ann, {"xai": key("xai")}),
        live.auto_among(plans["premium"], replace(ann, allowed_models=("gpt-4o",))),
        live.auto_among(plans["premium"], replace(ann, allowed_providers=("openai",))),
        live.auto_among(plans["premium"], replace(ann, allowed_providers=("openai", "xai"))),
        live.auto_among(plans["premium"], ann, offers=lambda name: name != "model:gpt-4o"),
        live.auto_among(plans["premium"], replace(ann, asks_models=False)),
    ]
    assert len(set(names)) == len(names)
    nothing = router(catalogue, PriceBook.load(DATA / "prices"))
    assert nothing.auto_among(plans["premium"], ann) == names[-1]
    assert nothing.auto_among(plans["premium"], ann, {"xai": key("xai")}) != names[-1]
    same = live.auto_among(plans["premium"], replace(ann, user_id=uuid4()), {"openai": key("openai")})
    assert same == names[0] == live.auto_among(plans["premium"], ann, offers=lambda _: True)


_MODELS = [model.id for model in Catalogue.load(DATA / "models.yaml", PriceBook.load(DATA / "prices")).all()]
_STATES: st.SearchStrategy[State] = st.sampled_from(get_args(State))


def _maybe(names: list[str], least: int = 1) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(names), min_size=least, max_size=30, unique=True).map(tuple)


@st.composite
def questions(draw: st.DrawFn) -> RouteQuestion:
    """A question of somebody, of whom everything that filters is drawn."""
    plans = load_plans(DATA / "plans.yaml").plans
    states = draw(st.dictionaries(st.sampled_from(_MODELS), _STATES, max_size=40))
    withheld = draw(st.sets(st.sampled_from([f"model:{each}" for each in _MODELS] + ["provider:openai"]), max_size=10))
    return asking(
        plans[draw(st.sampled_from(sorted(plans)))],
        messages=draw(st.sampled_from([CHAT, ANALYSIS, HARD])),
        prompt_tokens=draw(st.integers(1, 1_500_000)),
        max_tokens=draw(st.integers(1, 150_000)),
        needs=frozenset(draw(st.sets(st.sampled_from(["vision", "tools", "json", "web_search", "audio"]), max_size=2))),
        allowed_models=draw(_maybe(_MODELS)),
        allowed_providers=draw(_maybe(sorted(HOSTS))),
        asks_models=draw(st.sampled_from([True, True, True, False])),
        own_keys={name: key(name) for name in draw(st.sets(st.sampled_from(["openai", "xai", "groq"]), max_size=2))},
        records={
            name: TrackRecord(100, 60, draw(st.floats(0, 1)))
            for name in draw(st.sets(st.sampled_from(_MODELS), max_size=3))
        },
        health=Faring({name: ModelHealth(state, wait_s=5.0) for name, state in states.items()}),
        offers=lambda name: name not in withheld,
    )


_FILTERS: tuple[Callable[[RouteQuestion, Model], bool], ...] = (
    lambda asked, model: model.task == "chat",
    lambda asked, model: model.model_class in asked.plan.model_classes,
    lambda asked, model: asked.allowed_models is None or model.id in asked.allowed_models,
    lambda asked, model: asked.allowed_providers is None or model.provider in asked.allowed_providers,
    lambda asked, model: asked.asks_models,
    lambda asked, model: model.provider in LIVE or model.provider in asked.own_keys,
    lambda asked, model: model.is_served(asked.on),
    lambda asked, model: asked.prompt_tokens + asked.max_tokens <= model.context_window,
    lambda asked, model: asked.max_tokens <= model.max_output,
    lambda asked, model: {"vision", "audio", "web_search"}.isdisjoint(asked.needs - set(model.capabilities)),
    lambda asked, model: asked.offers is None or asked.offers(f"model:{model.id}"),
    lambda asked, model: asked.offers is None or asked.offers(f"provider:{model.provider}"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=questions())
def test_no_candidate_is_one_that_a_filter_forbids(live: Router, asked: RouteQuestion) -> None:
    try:
        route = live.route(asked)
    except AssayError as refused:
        assert refused.detail.endswith(".") or "API_KEY" in refused.detail
        return
    assert route == live.route(asked)
    everybody = [*route.candidates, *([route.escalation] if route.escalation else [])]
    assert len(set(ids(route))) == len(route.candidates)
    if route.escalation is not None:
        assert route.escalation.model.model_class == class_above(first(route).model_class)
        assert asked.plan.may_escalate
    assert len({candidate.key for candidate in everybody}) == 1
    if not asked.asks_models:
        assert ids(route) == ["offline-glossary"]
        return
    for candidate in everybody:
        broken = [place for place, holds in enumerate(_FILTERS) if not holds(asked, candidate.model)]
        assert not broken
        assert candidate.key == asked.own_keys.get(candidate.model.provider)
    _check_ceiling_and_health(asked, route)


def _check_ceiling_and_health(asked: RouteQuestion, route: Route) -> None:
    ceiling = asked.plan.limits.request_ceiling_usd or Decimal("Infinity")
    assert len(route.candidates) <= MAX_CANDIDATES + 1
    if len(route.candidates) > 1 and route.candidates[0].key is None:
        assert all(candidate.worst_case_usd <= ceiling for candidate in route.candidates)
    assert asked.health is not None
    states = {asked.health(candidate.model.provider, candidate.model.id).state for candidate in route.candidates}
    assert states == {"open"} or "open" not in states
