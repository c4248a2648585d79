"""The one door to every model: guard, cache, route, reserve, call, settle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from math import ceil
from uuid import UUID

from core.accounts.permissions import Action, require
from core.ai.answer import Answer, Draft, Question, Save, draft_of
from core.ai.asked import Asked, answer_of, free_row, kept_for, scope_of
from core.ai.bounds import asked_tokens, recorded_s
from core.ai.cache import AnswerCache, Hit, KeyParts, cache_key, tools_digest
from core.ai.call import Call, CallParts
from core.ai.estimate import prompt_estimate
from core.ai.experiments import Experiments
from core.ai.flags import Flags
from core.ai.guards.guards import Guards
from core.ai.health import Health, resting
from core.ai.kept import Keeper, Replay, replayed
from core.ai.own_keys import OF_NOBODY, OwnKey, OwnKeys
from core.ai.providers.contract import Message, TimeLimits
from core.ai.quality import Quality
from core.ai.rounds import RoundsParts
from core.ai.router import AUTO, Candidate, Route, RouteQuestion, Router, needs_of, on_trial
from core.ai.schemas import check_schema
from core.ai.screening import Screen
from core.ai.session import Distant, Following, Given, LeaderFailed, Place, Reading, Session, Source
from core.ai.watchdog import Watchdog
from core.clock import Clock
from core.errors import (
    AssayError,
    InvalidRequest,
    MeteringDenied,
    PromptRejected,
    ProviderError,
    ProviderRefusedKey,
    ProviderUnavailable,
)
from core.ids import new_id
from core.metering.meter import HOLD_GRACE_S, Answered, Flight, Hold, HoldRequest, Meter
from core.metering.plans import Plan, Plans
from core.metering.pricing import BillingFile, shipped_billing
from core.metering.repeats import Idempotency
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal

MAX_CALLS = 200
"""Calls that one process has under way at once."""
FOLLOW_WAIT_S = 60.0
"""Longest wait of a request for the answer to the same question of another; then it asks on its own."""
SHUTDOWN_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What the gateway is composed of."""

    meter: Meter
    plans: Plans
    router: Router
    cache: AnswerCache
    usage_log: UsageLog
    clock: Clock
    limits: TimeLimits
    guards: Guards
    default_model: str = AUTO
    """Model of a question that names none, where neither its asker has a default."""
    quality: Quality | None = None
    """What became of models' answers, for `auto` to go by."""
    health: Health = field(default_factory=Health)
    moderates: bool = False
    """Whether a provider's moderation is asked about what users write, once the cost is held."""
    own_keys: OwnKeys | None = None
    billing: BillingFile = field(default_factory=shipped_billing)
    """What calls take in credits."""
    flags: Flags | None = None
    experiments: Experiments | None = None


@dataclass(frozen=True, slots=True)
class CallEstimate:
    """What a question would cost."""

    asked: str
    """Id of the model that it asks for, or `auto`."""
    model: str
    """Id of the one that would be asked first."""
    most_usd: Decimal
    """Its worst case, which would be held."""
    is_offline: bool


class Gateway:
    """Asks models on behalf of principals, and accounts for every call."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self._watchdog = Watchdog()
        self._running: set[Call] = set()
        self._flights: dict[bytes, Call] = {}
        """Questions that are being answered in this process."""
        self._changed = threading.Condition()
        self._is_closed = False

    def session(
        self, principal: Principal, question: Question, save: Save | None = None, *, runs_here: bool = False
    ) -> Session:
        """Opens the answer to a question: from the cache, or from one that is being given, for free; or by a call.

        The call is made by a thread of its own, at once; with `runs_here` by the caller's, in `Session.result`.

        Raises:
            PromptRejected: empty, too long, or not text; nothing was counted.
            Forbidden, PlanRequired, NotFound, NotConfigured: this user may not ask this model; nothing was counted.
            MeteringDenied: a limit refuses; nothing was used.
            DatabaseUnavailable: no provider was called.
        """
        request_id, plan = new_id(), self._parts.plans.get(principal.plan)
        screen = self._guarded(principal, plan, question, request_id)
        question = self._assigned(principal, plan, self._as_set(principal, question))
        route = self._route(question, plan, principal, screen)
        question = kept_for(question, route, screen)
        scope, key = scope_of(principal, question), self._key(question, plan, principal, question.messages)
        until = time.monotonic() + FOLLOW_WAIT_S
        asked = Asked(
            principal, question, plan, route, request_id, scope, key, save or _save_nothing, until, screen=screen
        )
        hit = None if question.skips_cache else self._cached(asked)
        source = self._opened(asked) if hit is None else self._hit(asked, hit)
        if not runs_here:
            source.start()
        return Session(asked.request_id, source)

    def replayed(self, principal: Principal, idempotency: Idempotency) -> Replay | None:
        """What a request with this Idempotency-Key was answered before, free; None where it is the first.

        Raises:
            Conflict: the key was used with another body; StillRunning: its request has not ended.
            DatabaseUnavailable: nothing is known, and nothing may be called.
        """
        kept = self._parts.meter.repeated(principal, idempotency)
        if kept is None:
            return None
        replay = replayed(kept)
        answer = replay.answer
        self._parts.usage_log.add(
            FreeRow(
                principal,
                "v1" if " /v1/" in idempotency.route else "api",
                "cached",
                None,
                answer.provider,
                answer.model,
                new_id(),
                None,
                answer.usage,
                cache_level="replay",
                saved_usd=answer.cost_usd,
            )
        )
        return replay

    def close(self) -> None:
        """Stops every call under way as a failure of ours, which costs nobody anything, and waits for their ends."""
        with self._changed:
            self._is_closed = True
            running = list(self._running)
        for call in running:
            call.cancel("shutdown")
            call.start()
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=SHUTDOWN_WAIT_S)
        self._watchdog.close()
        self._parts.health.close()

    def estimate(self, principal: Principal, question: Question) -> CallEstimate:
        """What a question would cost at most; nothing is asked, kept or counted.

        Raises:
            AssayError: as `session`, before anything is reserved.
        """
        plan = self._parts.plans.get(principal.plan)
        screen = self._guarded(principal, plan, question)
        question = self._as_set(principal, question)
        first = self._route(question, plan, principal, screen).candidates[0]
        return CallEstimate(question.model, first.model.id, first.worst_case_usd, first.provider.is_offline)

    def room(self, principal: Principal, question: Question) -> tuple[int, int]:
        """Tokens of input and output together, and of output alone, that the model has which would be asked first.

        The question's own length is not looked at. Nothing is asked, kept or counted.

        Raises:
            AssayError: as `session`, before anything is reserved.
        """
        require(principal, Action.ASK)
        short = replace(self._as_set(principal, question), messages=(Message("user", "?"),), max_tokens=1)
        model = self._route(short, self._parts.plans.get(principal.plan), principal).candidates[0].model
        return model.context_window, model.max_output

    def guard(self, principal: Principal, question: Question) -> None:
        """Refuses what may not be asked, before anything is kept or counted.

        Raises:
            Forbidden, PromptRejected: as `session`.
            InvalidRequest: its schema cannot be used.
        """
        self._guarded(principal, self._parts.plans.get(principal.plan), question)

    def _guarded(self, principal: Principal, plan: Plan, question: Question, request_id: UUID | None = None) -> Screen:
        """What stands between the question and its providers."""
        require(principal, Action.ASK)
        guards = self._parts.guards
        vault = guards.check(principal, plan, question, request_id=request_id)
        if question.json_schema is not None:
            check_schema(question.json_schema)
        return Screen(guards, principal, vault, moderates=self._parts.moderates)

    def _opened(self, asked: Asked) -> Source:
        """A call of this request's own, or its place in the flight that answers the same question."""
        place = self._place(asked)
        if place.is_own:
            return place.source

        def shared(answer: Answer) -> Answer:
            mine = replace(
                answer,
                is_cached=True,
                cost_usd=Decimal(0),
                credits=Decimal(0),
                saved_usd=answer.saved_usd if answer.is_cached else answer.cost_usd,
                request_id=asked.request_id,
                route_reason="joined the same question, which was being answered",
                plan=asked.plan.name,
                quota=None,
                rate=None,
            )
            return self._given(asked, mine, "flight")

        return Following(place.source, shared=shared, next_place=lambda: self._place(asked))

    def _place(self, asked: Asked) -> Place:
        flight_key = asked.flight_key if time.monotonic() < asked.follows_until else None
        running = self._flights.get(flight_key) if flight_key is not None else None
        if running is not None and running.join():
            return Place(Reading(running, until=asked.follows_until), is_own=False)
        if running is not None and running.is_full:
            flight_key = None
        self._check_room()
        instead = self._instead(asked)
        if instead is not None:
            return Place(instead, is_own=True)
        try:
            taken = self._parts.meter.reserve_or_join(asked.principal, self._hold_request(asked, flight_key))
        except MeteringDenied as denied:
            self._log_free(asked, "denied", asked.route.candidates[0], error_code=denied.problem_code)
            raise
        if isinstance(taken, Answered):
            hit = self._parts.cache.found(asked.scope, asked.key, taken.entry, taken.life_s)
            return self._place(asked) if hit is None else Place(self._hit(asked, hit), is_own=True)
        if isinstance(taken, Flight):
            return Place(self._followed(asked, taken), is_own=False)
        return Place(Reading(self._led(asked, taken, flight_key)), is_own=True)

    def _instead(self, asked: Asked) -> Source | None:
        """Where every candidate rests, or the own key cannot be used: the answer that the cache has. None where one may
        be asked.

        Raises:
            ProviderRateLimited, ProviderUnavailable, ProviderRefusedKey: it has none; nothing was reserved.
        """
        health = self._parts.health
        fare = [
            (one, health.of(one.provider.name, one.model.id, own_key=one.key is not None))
            for one in asked.route.candidates
        ]
        first, how = min(fare, key=lambda pair: pair[1].wait_s or 0.0)
        if first.key is not None and first.key.flaw is not None:
            error: ProviderError = ProviderRefusedKey(first.key.flaw, provider=first.provider.name)
        elif how.state == "open":
            error = resting(first.provider.name, how)
        else:
            return None
        hit = None if asked.question.skips_cache else self._parts.cache.get(asked.scope, asked.key)
        if hit is not None:
            return self._hit(asked, hit)
        self._log_free(asked, "denied", first, error_code=error.problem_code)
        raise error

    def _led(self, asked: Asked, hold: Hold, flight_key: bytes | None) -> Call:
        question = asked.question

        def on_end(ended: Call) -> None:
            with self._changed:
                self._running.discard(ended)
                if flight_key is not None and self._flights.get(flight_key) is ended:
                    del self._flights[flight_key]
                self._changed.notify_all()
            self._parts.cache.renewed(asked.scope, asked.key, replaces=question.skips_cache)

        keeper = Keeper(
            self._parts.cache,
            asked.scope,
            asked.key,
            question.task,
            flight_key is not None,
            question.idempotency,
            on_end,
        )
        own_keys = self._parts.own_keys
        rounds = RoundsParts(
            self._parts.meter,
            self._watchdog,
            self._parts.limits,
            health=self._parts.health,
            screen=asked.screen,
            billing=self._parts.billing,
            key_refused=None if own_keys is None else partial(own_keys.refused, asked.principal),
        )
        parts = CallParts(rounds, keeper)
        call = Call(question, asked.route, hold, asked.request_id, parts, asked.save)
        with self._changed:
            self._running.add(call)
            if flight_key is not None:
                self._flights[flight_key] = call
        return call

    def _followed(self, asked: Asked, flight: Flight) -> Source:
        """A leader of another process, or one of this process that began a moment ago."""
        meter = self._parts.meter
        running = self._flights.get(asked.flight_key or b"")
        if running is not None and running.hold.id == flight.leader_id and running.join():
            meter.leave(flight.leader_id)
            return Reading(running, until=asked.follows_until)

        def look() -> Answer | None:
            if meter.follow(flight.leader_id):
                return None
            hit = self._parts.cache.get(asked.scope, asked.key)
            if hit is None:
                raise LeaderFailed("The call that was followed brought no answer.")
            return answer_of(hit, asked)

        def leave() -> None:
            threading.Thread(target=_quietly, args=(meter.leave, flight.leader_id), daemon=True).start()

        model = asked.route.candidates[0].model.id
        return Distant(model, look=look, on_leave=leave, until=asked.follows_until)

    def _as_set(self, principal: Principal, question: Question) -> Question:
        """The question with a model where it names none, and where its asker's profile replaces `auto`."""
        model, named_by = question.model, question.named_by
        if not model:
            defaults = {
                "your default model": principal.default_model,
                "your organisation's default model": principal.org_default_model,
                "the installation's default model": self._parts.default_model,
            }
            allows = self._parts.router.allows
            allowed = ((name, by) for by, name in defaults.items() if name and allows(name, principal))
            model, named_by = next(allowed, (AUTO, named_by))
        if model == AUTO and not principal.uses_router and question.operation == "chat":
            model = principal.default_model or AUTO
        return question if model == question.model else replace(question, model=model, named_by=named_by)

    def _assigned(self, principal: Principal, plan: Plan, question: Question) -> Question:
        """The question as the experiment wants it that it takes part in; what is chosen by name takes part in none."""
        experiments = self._parts.experiments
        if experiments is None or question.model != AUTO or question.experiment_id is not None:
            return question

        def may_ask(model: str) -> bool:
            try:
                first = self._route(replace(question, model=model), plan, principal).candidates[0]
            except AssayError:
                return False
            key, most = first.key, plan.limits.request_ceiling_usd
            if key is None and most is not None and first.worst_case_usd > most:
                return False
            is_usable = key is None or key.flaw is None
            return (
                is_usable
                and self._parts.health.of(first.provider.name, model, own_key=key is not None).state == "closed"
            )

        assignment = experiments.assigned(principal, question.task, kind="model", may_ask=may_ask)
        if assignment is None:
            return question
        return replace(question, tried=assignment.model, experiment_id=assignment.experiment_id, arm=assignment.arm)

    def _keys(self, principal: Principal, question: Question) -> Mapping[str, OwnKey]:
        own_keys = self._parts.own_keys
        if own_keys is None:
            return OF_NOBODY
        return own_keys.of(principal, only_shared=question.acts_as == "organisation")

    def _prompt_tokens(self, question: Question, screen: Screen | None) -> int:
        """Input tokens at most: of the messages as they are, and as they leave."""
        tokens = asked_tokens(question, question.messages, question.tools)
        if screen is None:
            return tokens
        return max(tokens, asked_tokens(question, screen.outgoing(question.messages), question.tools))

    def _route(self, question: Question, plan: Plan, principal: Principal, screen: Screen | None = None) -> Route:
        if question.tried is not None:
            usual = self._route(replace(question, tried=None), plan, principal, screen)
            variant = self._route(replace(question, tried=None, model=question.tried), plan, principal, screen)
            return on_trial(variant.candidates[0], usual)
        prompt_tokens, quality = self._prompt_tokens(question, screen), self._parts.quality
        flags, health = self._parts.flags, self._parts.health
        health.learn()
        route = self._parts.router.route(
            RouteQuestion(
                name=question.model,
                plan=plan,
                on=self._parts.clock.now().date(),
                prompt_tokens=prompt_tokens,
                max_tokens=question.max_tokens,
                operation=question.operation,
                audio_s=recorded_s(question),
                task=question.task,
                messages=question.messages,
                needs=needs_of(question),
                allowed_models=principal.allowed_models,
                allowed_providers=principal.allowed_providers,
                asks_models=principal.asks_models,
                records=quality(principal.org_id, question.task) if quality and question.model == AUTO else {},
                own_keys=self._keys(principal, question),
                health=health.of,
                offers=None if flags is None else flags.offers(principal),
                named_by=question.named_by,
            )
        )
        model = route.candidates[0].model
        if question.max_tokens > model.max_output:
            raise InvalidRequest(f"max_tokens is at most {model.max_output:,} for {model.label}.")
        if question.is_embedding:  # each text is read by itself
            longest = max(prompt_estimate([message]) for message in question.messages)
            if longest > model.context_window:
                raise PromptRejected(f"A text is too long for {model.label}.")
        elif question.operation == "chat" and prompt_tokens + question.max_tokens > model.context_window:
            raise PromptRejected(f"The conversation is too long for {model.label}; start a new one.")
        return route

    def _hold_request(self, asked: Asked, flight_key: bytes | None) -> HoldRequest:
        question, candidate = asked.question, asked.route.candidates[0]
        return HoldRequest(
            hold_id=new_id(),
            request_id=asked.request_id,
            feature=question.feature,
            provider=candidate.provider.name,
            model=candidate.model.id,
            price_version=candidate.price.version,
            held_usd=candidate.worst_case_usd,
            credits=self._parts.billing.credits_of(candidate.worst_case_usd, candidate.provider.name),
            lifetime_s=ceil(self._parts.limits.total_s) + HOLD_GRACE_S,
            own_key=candidate.key is not None,
            key_id=None if candidate.key is None else candidate.key.id,
            conversation_id=question.conversation_id,
            acts_as=question.acts_as,
            idempotency=question.idempotency,
            flight_key=flight_key,
            cache_scope=str(asked.scope),
            cache_key=None if question.skips_cache else asked.key,
        )

    def _cached(self, asked: Asked) -> Hit | None:
        """What is known without a reservation: an earlier turn's answer, or one on this machine."""
        earlier = asked.question.earlier
        if earlier is not None:
            hit = self._parts.cache.get(asked.scope, self._key(asked.question, asked.plan, asked.principal, earlier))
            if hit is not None:
                return hit
        return self._parts.cache.near(asked.scope, asked.key)

    def _key(self, question: Question, plan: Plan, principal: Principal, messages: tuple[Message, ...]) -> bytes:
        model = question.model
        if model == AUTO:
            flags = self._parts.flags
            offers = None if flags is None else flags.offers(principal)
            model = self._parts.router.auto_among(plan, principal, self._keys(principal, question), offers)
            model += f"/{question.tried}" if question.tried else ""
        return cache_key(
            KeyParts(
                task=question.task,
                model=model,
                messages=messages,
                max_tokens=question.max_tokens,
                temperature=question.temperature,
                prompt_version=question.prompt_version,
                data_version=question.data_version,
                is_normalised=question.is_normalised,
                is_exact=question.is_exact,
                top_p=question.top_p,
                stop=question.stop,
                json_schema=question.json_schema,
                dimensions=question.dimensions,
                tools=tools_digest(question.tools),
                picture="" if question.picture is None else f"{question.picture.size}/{question.picture.quality}",
                language=question.language or "",
            )
        )

    def _hit(self, asked: Asked, hit: Hit) -> Source:
        return Given(self._given(asked, answer_of(hit, asked), hit.level))

    def _given(self, asked: Asked, answer: Answer, level: str) -> Answer:
        """Saves and logs an answer that is free."""
        asked.save(draft_of(answer))
        row = free_row(asked, "cached", answer.provider, answer.model)
        row = replace(row, usage=answer.usage, cache_level=level, saved_usd=answer.saved_usd)
        self._parts.usage_log.add(row)
        return answer

    def _log_free(self, asked: Asked, status: str, candidate: Candidate, *, error_code: str) -> None:
        row = free_row(asked, status, candidate.provider.name, candidate.model.id)
        self._parts.usage_log.add(replace(row, error_code=error_code))

    def _check_room(self) -> None:
        with self._changed:
            if self._is_closed or len(self._running) >= MAX_CALLS:
                raise ProviderUnavailable("The workbench is too busy; try again in a moment.", provider="")


def _quietly(step: Callable[[UUID], None], value: UUID) -> None:
    with suppress(AssayError):
        step(value)


def _save_nothing(_draft: Draft) -> None:
    return None
