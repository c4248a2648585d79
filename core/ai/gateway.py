"""The one door to every model: guard, cache, route, reserve, call, settle."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from queue import Empty
from types import TracebackType
from uuid import UUID

from core.ai.answer import Answer, Draft, Question, Save
from core.ai.cache import MAX_ENTRY_CHARS, AnswerCache, CachedAnswer, KeyParts, Scope, cache_key
from core.ai.call import Call, CallParts
from core.ai.estimate import prompt_estimate
from core.ai.providers.contract import Delta, Message, TimeLimits, TokenUsage
from core.ai.router import AUTO, Candidate, Route, Router
from core.ai.watchdog import Watchdog
from core.clock import Clock
from core.errors import Forbidden, InvalidRequest, MeteringDenied, PromptRejected, ProviderUnavailable
from core.ids import new_id
from core.metering.meter import HOLD_GRACE_S, Hold, HoldRequest, Meter
from core.metering.plans import Plan, Plans
from core.metering.usage_log import FreeRow, UsageLog
from core.principal import Principal

MAX_CALLS = 200
"""Calls that one process has under way at once."""
READ_WAIT_S = 1.0
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
    max_prompt_chars: int


class Session(AbstractContextManager["Session"]):
    """An answer on its way to one reader: iterate for deltas, then read `answer`.

    A reader who leaves the `with` block, or lets the session go, before the end cancels the call; it is then settled
    by the rule of cut streams without them.
    """

    def __init__(self, request_id: UUID, *, call: Call | None = None, answer: Answer | None = None) -> None:
        self.request_id = request_id
        self.answer = answer
        """The answer, once the iteration has ended without an error."""
        self._call = call
        if call is not None:
            weakref.finalize(self, call.cancel)

    @property
    def model(self) -> str:
        """Id of the model that answers; of several candidates, certain from the first piece of text on."""
        if self.answer is not None:
            return self.answer.model
        assert self._call is not None
        return self._call.model

    @property
    def hold(self) -> Hold | None:
        """The reservation of a call under way, with the quota and the rate as they stood; None for a cached answer."""
        return self._call.hold if self._call is not None else None

    def __iter__(self) -> Iterator[str]:
        """The text as it comes, in pieces.

        Raises:
            AssayError: the answer failed; what came before it was yielded.
        """
        if self._call is None:
            if self.answer is not None and self.answer.text:
                yield self.answer.text
            return
        while self.answer is None:
            try:
                event = self._call.events.get(timeout=READ_WAIT_S)
            except Empty:
                continue
            if isinstance(event, Delta):
                yield event.text
            elif isinstance(event, Answer):
                self.answer = event
            else:
                raise event

    def result(self) -> Answer:
        """Waits for the whole answer.

        Raises:
            AssayError: the answer failed.
        """
        for _ in self:
            pass
        assert self.answer is not None
        return self.answer

    def cancel(self) -> None:
        """Stops the call; what came so far is settled."""
        if self._call is not None:
            self._call.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()


class Gateway:
    """Asks models on behalf of principals, and accounts for every call."""

    def __init__(self, parts: GatewayParts) -> None:
        self._parts = parts
        self._watchdog = Watchdog()
        self._running: set[Call] = set()
        self._changed = threading.Condition()
        self._is_closed = False

    def session(self, principal: Principal, question: Question, save: Save | None = None) -> Session:
        """Opens the answer to a question: from the cache for free, or by a call under a hold.

        Raises:
            PromptRejected: empty, too long, or not text; nothing was counted.
            Forbidden, PlanRequired, NotFound, NotConfigured: this user may not ask this model; nothing was counted.
            MeteringDenied: a limit refuses; nothing was used.
            DatabaseUnavailable: no provider was called.
        """
        request_id = new_id()
        self.guard(principal, question)
        plan = self._parts.plans.get(principal.plan)
        route = self._route(question, plan)
        keep = save or _save_nothing
        cached = None if question.skips_cache else self._cached(principal, question, plan)
        if cached is not None:
            return self._from_cache(principal, question, plan, cached, request_id, keep)
        hold_request = self._hold_request(question, route.candidates[0], request_id)
        self._take_place()
        try:
            hold = self._parts.meter.reserve(principal, hold_request)
        except MeteringDenied as denied:
            self._log_free(principal, question, "denied", request_id, route.candidates[0], denied.problem_code)
            raise
        scope, key = _scope(principal, question), self._key(question, plan, question.messages)
        parts = CallParts(
            self._parts.meter, self._watchdog, self._parts.limits, lambda a: self._keep(scope, key, question.task, a)
        )
        call = Call(question, route, hold, request_id, parts, keep)
        self._start(call)
        return Session(request_id, call=call)

    def close(self) -> None:
        """Stops every call under way as a failure of ours, which costs nobody anything, and waits for their ends."""
        with self._changed:
            self._is_closed = True
            running = list(self._running)
        for call in running:
            call.cancel("shutdown")
        with self._changed:
            self._changed.wait_for(lambda: not self._running, timeout=SHUTDOWN_WAIT_S)
        self._watchdog.close()

    def guard(self, principal: Principal, question: Question) -> None:
        """Refuses what may not be asked, before anything is kept or counted.

        Raises:
            Forbidden, PromptRejected: as `session`.
        """
        if not principal.role.may_ask:
            raise Forbidden("Your role may read, but not ask models.")
        asked = [message.text for message in question.messages if message.role == "user"]
        if not asked or not asked[-1].strip():
            raise PromptRejected("Write a question first: the message is empty.")
        most = self._parts.max_prompt_chars
        if len(asked[-1]) > most:
            raise PromptRejected(f"The message is too long: {len(asked[-1]):,} characters, of at most {most:,}.")
        if "\x00" in asked[-1] or not _is_text(asked[-1]):
            raise PromptRejected("The message holds characters that are not text.")

    def _route(self, question: Question, plan: Plan) -> Route:
        prompt_tokens = prompt_estimate(question.messages)
        route = self._parts.router.route(
            question.model,
            plan,
            prompt_tokens=prompt_tokens,
            max_tokens=question.max_tokens,
            on=self._parts.clock.now().date(),
        )
        model = route.candidates[0].model
        if question.max_tokens > model.max_output:
            raise InvalidRequest(f"max_tokens is at most {model.max_output:,} for {model.label}.")
        if prompt_tokens + question.max_tokens > model.context_window:
            raise PromptRejected(f"The conversation is too long for {model.label}; start a new one.")
        return route

    def _hold_request(self, question: Question, candidate: Candidate, request_id: UUID) -> HoldRequest:
        return HoldRequest(
            hold_id=new_id(),
            request_id=request_id,
            feature=question.feature,
            provider=candidate.provider.name,
            model=candidate.model.id,
            price_version=candidate.price.version,
            held_usd=candidate.worst_case_usd,
            lifetime_s=ceil(self._parts.limits.total_s) + HOLD_GRACE_S,
            conversation_id=question.conversation_id,
        )

    def _cached(self, principal: Principal, question: Question, plan: Plan) -> CachedAnswer | None:
        scope = _scope(principal, question)
        lookups = (question.messages,) if question.earlier is None else (question.earlier, question.messages)
        for messages in lookups:
            found = self._parts.cache.get(scope, self._key(question, plan, messages))
            if found is not None:
                return found
        return None

    def _key(self, question: Question, plan: Plan, messages: tuple[Message, ...]) -> bytes:
        model = question.model
        if model == AUTO:
            kind = "offline" if self._parts.router.is_offline else "live"
            model = f"{AUTO}/{kind}/{'+'.join(sorted(plan.model_classes))}"
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
            )
        )

    def _from_cache(
        self, principal: Principal, question: Question, plan: Plan, found: CachedAnswer, request_id: UUID, save: Save
    ) -> Session:
        usage = TokenUsage(found.prompt_tokens, found.completion_tokens)
        save(
            Draft(
                text=found.text,
                state="complete",
                model=found.model,
                provider=found.provider,
                is_offline=found.is_offline,
                is_cached=True,
                usage=usage,
                is_estimated=False,
                cost_usd=Decimal(0),
                request_id=request_id,
            )
        )
        self._parts.usage_log.add(
            FreeRow(
                principal,
                question.channel,
                "cached",
                question.feature,
                found.provider,
                found.model,
                request_id,
                question.conversation_id,
                usage,
            )
        )
        answer = Answer(
            text=found.text,
            state="complete",
            model=found.model,
            provider=found.provider,
            is_offline=found.is_offline,
            is_cached=True,
            finish_reason=found.finish_reason,
            usage=usage,
            is_estimated=False,
            cost_usd=Decimal(0),
            route_reason="answered from the cache",
            considered=0,
            request_id=request_id,
            plan=plan.name,
            latency_ms=0,
        )
        return Session(request_id, answer=answer)

    def _keep(self, scope: Scope, key: bytes, task: str, answer: Answer) -> None:
        if len(answer.text) > MAX_ENTRY_CHARS:
            return
        self._parts.cache.put(
            scope,
            key,
            task,
            CachedAnswer(
                scope=str(scope),
                key=key.hex(),
                text=answer.text,
                model=answer.model,
                provider=answer.provider,
                is_offline=answer.is_offline,
                finish_reason=answer.finish_reason,
                prompt_tokens=answer.usage.prompt_tokens,
                completion_tokens=answer.usage.completion_tokens,
            ),
        )

    def _log_free(
        self, principal: Principal, question: Question, status: str, request_id: UUID, candidate: Candidate, code: str
    ) -> None:
        self._parts.usage_log.add(
            FreeRow(
                principal,
                question.channel,
                status,
                question.feature,
                candidate.provider.name,
                candidate.model.id,
                request_id,
                question.conversation_id,
                TokenUsage(0, 0),
                code,
            )
        )

    def _take_place(self) -> None:
        with self._changed:
            if self._is_closed or len(self._running) >= MAX_CALLS:
                raise ProviderUnavailable("The workbench is too busy; try again in a moment.", provider="")

    def _start(self, call: Call) -> None:
        with self._changed:
            self._running.add(call)
        threading.Thread(target=self._run, args=(call,), name="assay-call", daemon=True).start()

    def _run(self, call: Call) -> None:
        try:
            call.run()
        finally:
            with self._changed:
                self._running.discard(call)
                self._changed.notify_all()


def _scope(principal: Principal, question: Question) -> Scope:
    return Scope(principal.org_id, principal.user_id if question.is_private else None)


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _save_nothing(_draft: Draft) -> None:
    return None
