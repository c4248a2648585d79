"""One reserved request on its way: candidates are called, deltas handed on, and the hold ends once.

A call depends on nobody who reads it. When its last reader leaves it is cancelled, unless a request of another process
follows it; then the provider's stream is closed at once and what came is settled by the rule of cut streams.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from core.ai.answer import Answer, Draft, Question, Save
from core.ai.attempts import CUT_REASONS, Attempt, Counted, attempt_row, counted, milliseconds, usage_row
from core.ai.estimate import prompt_estimate
from core.ai.feed import Feed
from core.ai.kept import Keeper
from core.ai.providers.contract import (
    ChatRequest,
    ChatStream,
    Delta,
    Embedder,
    EmbedRequest,
    Finish,
    Message,
    TimeLimits,
)
from core.ai.router import Candidate, Route
from core.ai.watchdog import Watchdog
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
    UnusableAnswer,
    place_of,
)
from core.metering.meter import CallRecord, Hold, Meter, QuotaState

TRIES_PER_CANDIDATE = 2
MAX_RETRY_WAIT_S = 2.0
RETRY_WAIT_S = 0.2
MAX_FOLLOWERS = 50
"""Requests of this process that wait for one call's answer, beside the one that leads."""
LOOK_FOR_FOLLOWERS_S = 1.0
REPAIR = "Your answer does not follow the JSON schema it was asked for. Answer again with nothing but JSON that does."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallParts:
    """What a call needs of the gateway."""

    meter: Meter
    watchdog: Watchdog
    limits: TimeLimits
    keeper: Keeper
    """Makes of an answer what the cache and a repeated request are given."""


class Call:
    """A reserved request; it is run once, by the first who asks for it, and cancelled from any thread."""

    def __init__(
        self, question: Question, route: Route, hold: Hold, request_id: UUID, parts: CallParts, save: Save
    ) -> None:
        self.feed = Feed()
        """Deltas, then one answer or one error."""
        self.done = threading.Event()
        self._question = question
        self._route = route
        self._hold = hold
        self._request_id = request_id
        self._parts = parts
        self._save = save
        self._started = time.monotonic()
        self._lock = threading.RLock()  # a session that is collected in the middle of it leaves in this thread
        self._has_begun = False
        self._readers = 1
        self._asks_provider: Callable[[], None] | None = None
        self._stream: ChatStream | None = None
        self._cut: str | None = None
        self._attempts: list[Attempt] = []
        self._asked = route.candidates[0]

    @property
    def hold(self) -> Hold:
        """The reservation it runs under."""
        return self._hold

    @property
    def model(self) -> str:
        """Id of the model that is asked, or was asked last."""
        return self._asked.model.id

    @property
    def is_full(self) -> bool:
        """Whether it goes on, and has as many readers as it may."""
        with self._lock:
            return self._cut is None and not self.done.is_set() and self._readers > MAX_FOLLOWERS

    def join(self) -> bool:
        """Adds a reader; False where the call is over, cut, or full."""
        with self._lock:
            if self._cut is not None or self.done.is_set() or self._readers > MAX_FOLLOWERS:
                return False
            self._readers += 1
            return True

    def leave(self) -> None:
        """One reader less. The last to leave cancels the call, unless another process follows it."""
        with self._lock:
            self._readers -= 1
            is_over = self._readers > 0 or self.done.is_set()
        if is_over:
            self.start()  # whoever was to run it may be the one who left
        elif self._parts.keeper.is_flight:
            threading.Thread(target=self._cancel_when_alone, name="assay-leave", daemon=True).start()
        else:
            self.cancel()
            self.start()

    def cancel(self, reason: str = "client") -> None:
        """Stops the call; the first reason given counts. Nothing happens after its end."""
        with self._lock:
            if self._cut is not None or self.done.is_set():
                return
            self._cut = reason
            stream = self._stream
        if stream is not None:
            stream.abort()

    def start(self) -> None:
        """Runs the call in a thread of its own, unless it runs already."""
        if self._claimed():
            threading.Thread(target=self._run, name="assay-call", daemon=True).start()

    def run(self, asks_provider: Callable[[], None]) -> None:
        """Runs the call here, unless it runs already. Never raises: what fails is an event."""
        self._asks_provider = asks_provider
        if self._claimed():
            self._run()
        else:
            asks_provider()

    def _claimed(self) -> bool:
        with self._lock:
            is_first, self._has_begun = not self._has_begun, True
        return is_first

    def _cancel_when_alone(self) -> None:
        """Goes on while followers of other processes wait."""
        self.start()
        while not self.done.is_set():
            try:
                is_followed = self._parts.meter.is_followed(self._hold)
            except AssayError:
                is_followed = False
            with self._lock:
                is_alone = self._readers == 0
            if not is_alone:
                return
            if not is_followed:
                self.cancel()
                return
            self.done.wait(LOOK_FOR_FOLLOWERS_S)

    def _run(self) -> None:
        try:
            self.feed.put(self._converse())
        except AssayError as error:
            self.feed.put(error)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a call's thread)
            _log.error("A call ended by an unexpected error: %s.", place_of(error))
            self._give_back()
            self.feed.put(AssayError("Something went wrong; the call cost you nothing."))
        finally:
            self.done.set()
            self._parts.keeper.call_ended(self)

    def _converse(self) -> Answer:
        if self._cut is not None or not self._parts.meter.mark_in_flight(self._hold):
            self._parts.meter.release(self._hold, "never_called")
            raise ProviderTimeout("The request waited too long and was not sent.", provider="")
        held_usd = self._route.candidates[0].worst_case_usd
        attempt: Attempt | None = None
        for candidate in self._route.candidates:
            if candidate.worst_case_usd > held_usd:
                if not self._parts.meter.top_up(self._hold, candidate.worst_case_usd):
                    continue
                held_usd = candidate.worst_case_usd
            attempt = self._tried(candidate)
            is_over = attempt.finish is not None or attempt.deltas or self._cut is not None
            if is_over or attempt.cut == "total" or self._seconds_left() <= 0:
                break
        assert attempt is not None  # a route has a candidate, and the hold covers the first
        return self._resolved(self._usable(attempt, held_usd))

    def _tried(self, candidate: Candidate) -> Attempt:
        """One candidate, retried where that is safe: before the first token, after a refusal that passes."""
        for _ in range(TRIES_PER_CANDIDATE - 1):
            attempt = self._attempted(candidate, self._question.messages)
            wait_s = _retry_wait_s(attempt)
            if wait_s is None or self._cut is not None or self._seconds_left() <= wait_s:
                return attempt
            time.sleep(wait_s)
        return self._attempted(candidate, self._question.messages)

    def _usable(self, attempt: Attempt, held_usd: Decimal) -> Attempt:
        """The attempt, or the one that repaired it where its answer is not of the form it has to be."""
        if not self._question.is_checked or attempt.finish is None:
            return attempt
        text = self._question.usable(attempt.text)
        if text is None:
            attempt.error = _unusable(attempt)
            candidate, messages = attempt.candidate, _repairing(self._question.messages, attempt.text)
            most_usd = candidate.price.worst_case(prompt_estimate(messages), self._question.max_tokens)
            spent_usd = counted(attempt, self._question).cost_usd
            if self._cut is None and self._parts.meter.top_up(self._hold, max(held_usd, spent_usd + most_usd)):
                attempt = self._attempted(candidate, messages)
                text = self._question.usable(attempt.text) if attempt.finish else None
                if text is None and attempt.finish is not None:
                    attempt.error = _unusable(attempt)
        if text is not None:
            attempt.text = text
            self.feed.put(Delta(text))
        return attempt

    def _attempted(self, candidate: Candidate, messages: tuple[Message, ...]) -> Attempt:
        attempt = Attempt(candidate, messages, time.monotonic())
        self._attempts.append(attempt)
        self._asked = candidate
        limits = self._parts.limits
        last = min(self._started + limits.total_s, self._hold.fence)
        alarm = self._parts.watchdog.alarm(lambda: self._ring(attempt, last))
        stream: ChatStream | None = None
        try:
            alarm.set(min(attempt.started + limits.connect_s + limits.first_token_s, last))
            stream = self._opened(candidate, messages)
            with self._lock:
                self._stream = stream
                is_cut = self._cut is not None or attempt.cut is not None
            if is_cut:
                stream.abort()
            if self._asks_provider is not None:
                self._asks_provider()
            for event in stream:
                if isinstance(event, Finish):
                    attempt.finish = event
                    break
                self._take(attempt, event)
                alarm.set(min(time.monotonic() + limits.between_tokens_s, last))
            if attempt.finish is None:
                attempt.error = ProviderBroke(
                    "The answer ended before it was complete.", provider=candidate.provider.name
                )
        except ProviderError as error:
            attempt.error = error
        finally:
            alarm.cancel()
            with self._lock:
                self._stream = None
            if stream is not None:
                attempt.reported = attempt.finish.usage if attempt.finish else stream.usage
                attempt.is_open = stream.was_sent
                stream.close()
            attempt.ended = time.monotonic()
            attempt.cut = None if attempt.finish else attempt.cut or self._cut
        return attempt

    def _opened(self, candidate: Candidate, messages: tuple[Message, ...]) -> ChatStream:
        asked, model = self._question, candidate.model
        if asked.is_embedding:
            assert isinstance(candidate.provider, Embedder)  # the catalogue names no other for an embedding
            inputs = tuple(message.text for message in messages)
            return candidate.provider.embed(
                EmbedRequest(model.provider_model, inputs, asked.dimensions), self._parts.limits
            )
        request = ChatRequest(
            model=model.provider_model,
            messages=messages,
            max_tokens=asked.max_tokens,
            temperature=asked.temperature if model.accepts_temperature else None,
            max_tokens_parameter=model.max_tokens_parameter,
            top_p=asked.top_p if model.accepts_temperature else None,
            stop=asked.stop,
            json_schema=asked.json_schema,
        )
        return candidate.provider.chat(request, self._parts.limits)

    def _ring(self, attempt: Attempt, last: float) -> None:
        """A time limit of this attempt has passed: closes its stream."""
        with self._lock:
            attempt.cut = "total" if time.monotonic() >= last else "gap" if attempt.deltas else "first_token"
            stream = self._stream
        if stream is not None:
            stream.abort()

    def _take(self, attempt: Attempt, delta: Delta) -> None:
        if attempt.first_token_s is None:
            attempt.first_token_s = time.monotonic() - attempt.started
        piece = Delta(_storable(delta.text))
        attempt.text += piece.text
        attempt.deltas += 1
        if not self._question.is_checked:  # otherwise it is shown once it is known to be usable
            self.feed.put(piece)

    def _resolved(self, last: Attempt) -> Answer:
        if last.finish is not None and last.error is None:
            return self._settled(last, "success", "complete")
        if last.finish is None and last.cut in self._charged_cuts and last.deltas:
            return self._settled(last, "cut", "partial")
        if last.finish is None and last.cut == "client":
            return self._settled(last, "early_cut", "failed")
        if last.cut is not None:
            last.error = _time_limit_error(last)
        self._failed(last)
        assert last.error is not None
        raise last.error

    @property
    def _charged_cuts(self) -> frozenset[str]:
        """What cuts an answer that is charged all the same; one shown whole or not at all only its asker cuts."""
        return CUT_REASONS - {"total"} if self._question.is_checked else CUT_REASONS

    def _settled(self, last: Attempt, outcome: str, state: str) -> Answer:
        count = counted(last, self._question)
        note = None if state == "complete" else "Stopped." if last.cut == "client" else "Stopped: it took too long."
        draft = self._draft(last, state, count, count.charge_usd, note)
        _best_effort("saved", lambda: self._save(draft))
        answer = self._answer(last, state, count)
        record = CallRecord(
            cost_usd=self._provider_cost_usd(),
            usage=usage_row(last, count, self._question, since=self._started),
            attempts=self._attempt_rows(),
            entry=self._parts.keeper.entry(answer),
            answer=self._parts.keeper.repeatable(answer),
        )
        resolved = self._parts.meter.settle(self._hold, outcome, count.charge_usd, record)
        if resolved.outcome != "settled":
            raise ProviderTimeout("The answer came too late to be counted; it cost you nothing.", provider="")
        return answer.as_settled(resolved.charged_usd, _after(self._hold.quota, resolved.quota_used))

    def _answer(self, last: Attempt, state: str, count: Counted) -> Answer:
        return Answer(
            text=last.text,
            state=state,
            model=last.candidate.model.id,
            provider=last.candidate.provider.name,
            is_offline=last.candidate.provider.is_offline,
            is_cached=False,
            finish_reason=last.finish.reason if last.finish else "cut",
            usage=count.usage,
            is_estimated=count.is_estimated,
            cost_usd=count.charge_usd,
            route_reason=self._route.reason,
            considered=self._route.considered,
            request_id=self._request_id,
            plan=self._hold.plan,
            latency_ms=milliseconds(time.monotonic() - self._started),
            rate=self._hold.rate,
            price_version=last.candidate.price.version,
        )

    def _failed(self, last: Attempt) -> None:
        """Returns everything the call held; a broken stream's partial text is kept and marked."""
        count = counted(last, self._question)
        is_broken = bool(last.deltas) and last.finish is None
        note = last.error.detail if last.error else None
        draft = self._draft(last, "partial" if is_broken else "failed", count, Decimal(0), note)
        _best_effort("saved", lambda: self._save(draft))
        usage = usage_row(last, count, self._question, since=self._started)
        usage["error_code"] = last.error.problem_code if last.error else None
        record = CallRecord(self._provider_cost_usd(), usage, self._attempt_rows())
        self._parts.meter.release(self._hold, "broken" if is_broken else "failed", record)

    def _provider_cost_usd(self) -> Decimal:
        """What the providers bill for every attempt, each at its own model's price."""
        return sum((counted(attempt, self._question).cost_usd for attempt in self._attempts), Decimal(0))

    def _give_back(self) -> None:
        try:
            self._parts.meter.release(self._hold, "failed", CallRecord(usage={"error_code": "internal"}))
        except DatabaseUnavailable:
            _log.warning("A failed call could not be released; its hold will expire.")

    def _draft(self, last: Attempt, state: str, count: Counted, cost_usd: Decimal, note: str | None) -> Draft:
        return Draft(
            text=last.text if state != "failed" else "",
            state=state,
            model=last.candidate.model.id,
            provider=last.candidate.provider.name,
            is_offline=last.candidate.provider.is_offline,
            is_cached=False,
            usage=count.usage,
            is_estimated=count.is_estimated,
            cost_usd=cost_usd,
            request_id=self._request_id,
            note=note,
        )

    def _attempt_rows(self) -> list[dict[str, object]]:
        return [attempt_row(number, attempt, self._question) for number, attempt in enumerate(self._attempts, start=1)]

    def _seconds_left(self) -> float:
        return min(self._started + self._parts.limits.total_s, self._hold.fence) - time.monotonic()


def _best_effort(done: str, step: Callable[[], None]) -> None:
    """Whatever befalls the saving of a text, its call is settled: the conversation may be gone, the disk full."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 (the edge to whoever keeps the text)
        _log.warning("An answer could not be %s: %s.", done, place_of(error))


def _storable(text: str) -> str:
    """Text that a database takes: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _repairing(messages: tuple[Message, ...], answer: str) -> tuple[Message, ...]:
    return (*messages, Message("assistant", answer), Message("user", REPAIR))


def _unusable(attempt: Attempt) -> UnusableAnswer:
    return UnusableAnswer(
        "The model's answer does not follow the schema, also after a repair. It cost you nothing.",
        provider=attempt.candidate.provider.name,
    )


def _retry_wait_s(attempt: Attempt) -> float | None:
    """How long to wait before the same candidate is tried again; None where it is not."""
    error = attempt.error
    if attempt.deltas or not isinstance(error, ProviderRateLimited | ProviderUnavailable):
        return None
    if isinstance(error, ProviderRejectedRequest | ProviderTimeout):
        return None
    wait_s = error.retry_after_s if error.retry_after_s is not None else RETRY_WAIT_S
    return wait_s if wait_s <= MAX_RETRY_WAIT_S else None


def _time_limit_error(last: Attempt) -> ProviderError:
    provider = last.candidate.provider.name
    if last.cut == "shutdown":
        return ProviderUnavailable("The workbench was restarted; ask again. It cost you nothing.", provider=provider)
    if last.deltas:
        return ProviderBroke("The model stopped in the middle of its answer. It cost you nothing.", provider=provider)
    return ProviderTimeout("The model did not begin to answer in time. It cost you nothing.", provider=provider)


def _after(quota: QuotaState | None, used: int | None) -> QuotaState | None:
    if quota is None or used is None:
        return quota
    return QuotaState(quota.metric, quota.limit, used, quota.resets_at)
