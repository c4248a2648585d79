"""One reserved request on its way: candidates are called, deltas handed on, and the hold ends once.

A call runs in a thread of its own and depends on nobody who reads it. A reader who leaves cancels it; then the
provider's stream is closed at once and what came is settled by the rule of cut streams.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from queue import SimpleQueue
from uuid import UUID

from core.ai.answer import Answer, Draft, Question, Save
from core.ai.estimate import completion_estimate, prompt_estimate, usage_flaw
from core.ai.providers.contract import ChatRequest, ChatStream, Delta, Finish, TimeLimits, TokenUsage
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
    place_of,
)
from core.ids import new_id
from core.metering.meter import CallRecord, Hold, Meter, QuotaState

TRIES_PER_CANDIDATE = 2
MAX_RETRY_WAIT_S = 2.0
RETRY_WAIT_S = 0.2
CUT_REASONS = frozenset({"client", "total"})
"""Why we closed a stream ourselves so that what came is charged; any other end is the provider's fault and free."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Attempt:
    """What one try at one candidate brought."""

    candidate: Candidate
    started: float
    text: str = ""
    deltas: int = 0
    first_token_s: float | None = None
    finish: Finish | None = None
    reported: TokenUsage | None = None
    error: AssayError | None = None
    is_open: bool = False
    """Whether the request was sent, so that the provider may bill its input."""
    cut: str | None = None
    """Why we closed it ourselves: client, shutdown, or a time limit: first_token, gap, total."""
    ended: float = 0.0


@dataclass(frozen=True, slots=True)
class _Counted:
    """The tokens that an attempt is priced by."""

    usage: TokenUsage
    is_estimated: bool
    quarantine: str | None
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class CallParts:
    """What a call needs of the gateway."""

    meter: Meter
    watchdog: Watchdog
    limits: TimeLimits
    keep: Callable[[Answer], None]
    """Writes the answer to the cache, best effort."""


class Call:
    """A reserved request; `run` is its whole life, `cancel` ends it early, from any thread."""

    def __init__(
        self, question: Question, route: Route, hold: Hold, request_id: UUID, parts: CallParts, save: Save
    ) -> None:
        self.events: SimpleQueue[Delta | Answer | AssayError] = SimpleQueue()
        """Deltas, then one answer or one error."""
        self.done = threading.Event()
        self._question = question
        self._route = route
        self._hold = hold
        self._request_id = request_id
        self._parts = parts
        self._save = save
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._stream: ChatStream | None = None
        self._cut: str | None = None
        self._attempts: list[_Attempt] = []
        self._asked = route.candidates[0]

    @property
    def hold(self) -> Hold:
        """The reservation it runs under."""
        return self._hold

    @property
    def model(self) -> str:
        """Id of the model that is asked, or was asked last."""
        return self._asked.model.id

    def cancel(self, reason: str = "client") -> None:
        """Stops the call; the first reason given counts. Nothing happens after its end."""
        with self._lock:
            if self._cut is not None or self.done.is_set():
                return
            self._cut = reason
            stream = self._stream
        if stream is not None:
            stream.abort()

    def run(self) -> None:
        """Calls, hands on, settles or releases. Never raises: what fails is an event."""
        try:
            self.events.put(self._converse())
        except AssayError as error:
            self.events.put(error)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a call's thread)
            _log.error("A call ended by an unexpected error: %s.", place_of(error))
            self._give_back()
            self.events.put(AssayError("Something went wrong; the call cost you nothing."))
        finally:
            self.done.set()

    def _converse(self) -> Answer:
        if not self._parts.meter.mark_in_flight(self._hold):
            self._parts.meter.release(self._hold, "never_called")
            raise ProviderTimeout("The request waited too long and was not sent.", provider="")
        held_usd = self._route.candidates[0].worst_case_usd
        attempt: _Attempt | None = None
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
        return self._resolved(attempt)

    def _tried(self, candidate: Candidate) -> _Attempt:
        """One candidate, retried where that is safe: before the first token, after a refusal that passes."""
        for _ in range(TRIES_PER_CANDIDATE - 1):
            attempt = self._attempted(candidate)
            self._attempts.append(attempt)
            wait_s = _retry_wait_s(attempt)
            if wait_s is None or self._cut is not None or self._seconds_left() <= wait_s:
                return attempt
            time.sleep(wait_s)
        attempt = self._attempted(candidate)
        self._attempts.append(attempt)
        return attempt

    def _attempted(self, candidate: Candidate) -> _Attempt:
        attempt = _Attempt(candidate, time.monotonic())
        self._asked = candidate
        limits = self._parts.limits
        last = min(self._started + limits.total_s, self._hold.fence)
        alarm = self._parts.watchdog.alarm(lambda: self._ring(attempt, last))
        request = ChatRequest(
            model=candidate.model.provider_model,
            messages=self._question.messages,
            max_tokens=self._question.max_tokens,
            temperature=self._question.temperature if candidate.model.accepts_temperature else None,
            max_tokens_parameter=candidate.model.max_tokens_parameter,
        )
        stream: ChatStream | None = None
        try:
            alarm.set(min(attempt.started + limits.connect_s + limits.first_token_s, last))
            stream = candidate.provider.chat(request, limits)
            with self._lock:
                self._stream = stream
                is_cut = self._cut is not None or attempt.cut is not None
            if is_cut:
                stream.abort()
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

    def _ring(self, attempt: _Attempt, last: float) -> None:
        """A time limit of this attempt has passed: closes its stream."""
        with self._lock:
            attempt.cut = "total" if time.monotonic() >= last else "gap" if attempt.deltas else "first_token"
            stream = self._stream
        if stream is not None:
            stream.abort()

    def _take(self, attempt: _Attempt, delta: Delta) -> None:
        if attempt.first_token_s is None:
            attempt.first_token_s = time.monotonic() - attempt.started
        piece = Delta(_storable(delta.text))
        attempt.text += piece.text
        attempt.deltas += 1
        self.events.put(piece)

    def _resolved(self, last: _Attempt) -> Answer:
        if last.finish is not None:
            return self._settled(last, "success", "complete")
        if last.cut in CUT_REASONS and last.deltas:
            return self._settled(last, "cut", "partial")
        if last.cut == "client":
            return self._settled(last, "early_cut", "failed")
        if last.cut is not None:
            last.error = _time_limit_error(last)
        self._failed(last)
        assert last.error is not None
        raise last.error

    def _settled(self, last: _Attempt, outcome: str, state: str) -> Answer:
        counted = self._counted(last)
        note = None if state == "complete" else "Stopped." if last.cut == "client" else "Stopped: it took too long."
        draft = self._draft(last, state, counted, counted.cost_usd, note)
        _best_effort("saved", lambda: self._save(draft))
        record = CallRecord(self._provider_cost_usd(), self._usage_row(last, counted), self._attempt_rows())
        resolved = self._parts.meter.settle(self._hold, outcome, counted.cost_usd, record)
        if resolved.outcome != "settled":
            raise ProviderTimeout("The answer came too late to be counted; it cost you nothing.", provider="")
        answer = Answer(
            text=last.text,
            state=state,
            model=last.candidate.model.id,
            provider=last.candidate.provider.name,
            is_offline=last.candidate.provider.is_offline,
            is_cached=False,
            finish_reason=last.finish.reason if last.finish else "cut",
            usage=counted.usage,
            is_estimated=counted.is_estimated,
            cost_usd=resolved.charged_usd,
            route_reason=self._route.reason,
            considered=self._route.considered,
            request_id=self._request_id,
            plan=self._hold.plan,
            latency_ms=_ms(time.monotonic() - self._started),
            quota=_after(self._hold.quota, resolved.quota_used),
            rate=self._hold.rate,
        )
        if state == "complete" and answer.text:
            _best_effort("cached", lambda: self._parts.keep(answer))
        return answer

    def _failed(self, last: _Attempt) -> None:
        """Returns everything the call held; a broken stream's partial text is kept and marked."""
        counted = self._counted(last)
        status = "broken" if last.deltas else "failed"
        note = last.error.detail if last.error else None
        draft = self._draft(last, "partial" if last.deltas else "failed", counted, Decimal(0), note)
        _best_effort("saved", lambda: self._save(draft))
        usage = {**self._usage_row(last, counted), "error_code": last.error.problem_code if last.error else None}
        self._parts.meter.release(
            self._hold, status, CallRecord(self._provider_cost_usd(), usage, self._attempt_rows())
        )

    def _provider_cost_usd(self) -> Decimal:
        """What the providers bill for every attempt, each at its own model's price."""
        return sum((self._counted(attempt).cost_usd for attempt in self._attempts), Decimal(0))

    def _give_back(self) -> None:
        try:
            self._parts.meter.release(self._hold, "failed", CallRecord(usage={"error_code": "internal"}))
        except DatabaseUnavailable:
            _log.warning("A failed call could not be released; its hold will expire.")

    def _counted(self, attempt: _Attempt) -> _Counted:
        """The provider's count where it can be believed, our conservative estimate where not."""
        model, price = attempt.candidate.model, attempt.candidate.price
        if attempt.finish is None and attempt.deltas == 0 and not (attempt.is_open and attempt.cut == "client"):
            return _Counted(TokenUsage(0, 0), False, None, Decimal(0))
        flaw = usage_flaw(attempt.reported, model.context_window, has_text=bool(attempt.text))
        if attempt.reported is not None and flaw is None:
            return _Counted(attempt.reported, False, None, price.cost(attempt.reported))
        usage = TokenUsage(prompt_estimate(self._question.messages), completion_estimate(attempt.text, attempt.deltas))
        return _Counted(usage, True, flaw if flaw != "no_usage" else None, price.cost(usage))

    def _draft(self, last: _Attempt, state: str, counted: _Counted, cost_usd: Decimal, note: str | None) -> Draft:
        return Draft(
            text=last.text,
            state=state,
            model=last.candidate.model.id,
            provider=last.candidate.provider.name,
            is_offline=last.candidate.provider.is_offline,
            is_cached=False,
            usage=counted.usage,
            is_estimated=counted.is_estimated,
            cost_usd=cost_usd,
            request_id=self._request_id,
            note=note,
        )

    def _usage_row(self, last: _Attempt, counted: _Counted) -> dict[str, object]:
        return {
            "channel": self._question.channel,
            "provider": last.candidate.provider.name,
            "model": last.candidate.model.id,
            "price_version": last.candidate.price.version,
            "prompt_tokens": counted.usage.prompt_tokens,
            "completion_tokens": counted.usage.completion_tokens,
            "cached_prompt_tokens": counted.usage.cached_prompt_tokens,
            "estimated": counted.is_estimated,
            "quarantine": counted.quarantine,
            "latency_ms": _ms(last.ended - self._started),
            "first_token_ms": None if last.first_token_s is None else _ms(last.first_token_s),
        }

    def _attempt_rows(self) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = []
        for number, attempt in enumerate(self._attempts, start=1):
            counted = self._counted(attempt)
            rows.append(
                {
                    "id": new_id(),
                    "number": number,
                    "provider": attempt.candidate.provider.name,
                    "model": attempt.candidate.model.id,
                    "price_version": attempt.candidate.price.version,
                    "status": self._status(attempt),
                    "error_code": attempt.error.problem_code if attempt.error else None,
                    "prompt_tokens": counted.usage.prompt_tokens,
                    "completion_tokens": counted.usage.completion_tokens,
                    "cached_prompt_tokens": counted.usage.cached_prompt_tokens,
                    "estimated": counted.is_estimated,
                    "cost_usd": counted.cost_usd,
                    "latency_ms": _ms(attempt.ended - attempt.started),
                }
            )
        return rows

    def _status(self, attempt: _Attempt) -> str:
        if attempt.finish is not None:
            return "success"
        if attempt.cut in CUT_REASONS and attempt.is_open:
            return "cut"
        return "broken" if attempt.deltas else "failed"

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


def _retry_wait_s(attempt: _Attempt) -> float | None:
    """How long to wait before the same candidate is tried again; None where it is not."""
    error = attempt.error
    if attempt.deltas or not isinstance(error, ProviderRateLimited | ProviderUnavailable):
        return None
    if isinstance(error, ProviderRejectedRequest | ProviderTimeout):
        return None
    wait_s = error.retry_after_s if error.retry_after_s is not None else RETRY_WAIT_S
    return wait_s if wait_s <= MAX_RETRY_WAIT_S else None


def _time_limit_error(last: _Attempt) -> ProviderError:
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


def _ms(seconds: float) -> int:
    return max(0, round(1000 * seconds))
