"""One reserved request on its way: it is asked, what comes is handed on, and its hold ends once.

A call depends on nobody who reads it. When its last reader leaves it is cancelled, unless a request of another process
follows it; then the provider's stream is closed at once and what came is settled by the rule of cut streams.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ai.answer import Answer, Draft, Question, Save
from core.ai.attempts import Counted, attempt_row, counted, milliseconds, usage_row
from core.ai.cover import billed
from core.ai.ended import Ended
from core.ai.evidence import Evidence
from core.ai.feed import Feed
from core.ai.kept import Keeper, storable
from core.ai.rounds import Rounds, RoundsParts
from core.ai.route_words import route_words
from core.ai.router import Candidate, Route
from core.errors import AssayError, DatabaseUnavailable, PromptRejected, ProviderError, ProviderTimeout, place_of
from core.metering.meter import CallRecord, Hold, QuotaState

MAX_FOLLOWERS = 50
"""Requests of this process that wait for one call's answer, beside the one that leads."""
LOOK_FOR_FOLLOWERS_S = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallParts:
    """What a call needs of the gateway."""

    rounds: RoundsParts
    keeper: Keeper
    """Makes of an answer what the cache and a repeated request are given."""


class Call:
    """A reserved request; it is run once, by the first who asks for it, and cancelled from any thread."""

    def __init__(
        self, question: Question, route: Route, hold: Hold, request_id: UUID, parts: CallParts, save: Save
    ) -> None:
        self.feed = Feed()
        """Steps and deltas, then one answer or one error."""
        self.done = threading.Event()
        self._question = question
        self._route = route
        self._hold = hold
        self._request_id = request_id
        self._meter = parts.rounds.meter
        self._keeper = parts.keeper
        self._save = save
        self._rounds = Rounds(question, route, hold, parts.rounds, self.feed.put)
        self._lock = threading.RLock()  # a session that is collected in the middle of it leaves in this thread
        self._has_begun = False
        self._readers = 1

    @property
    def hold(self) -> Hold:
        """The reservation it runs under."""
        return self._hold

    @property
    def model(self) -> str:
        """Id of the model that is asked, or was asked last."""
        return self._rounds.asked.model.id

    @property
    def is_full(self) -> bool:
        """Whether it goes on, and has as many readers as it may."""
        with self._lock:
            return not self._rounds.is_cut and not self.done.is_set() and self._readers > MAX_FOLLOWERS

    def join(self) -> bool:
        """Adds a reader; False where the call is over, cut, or full."""
        with self._lock:
            if self._rounds.is_cut or self.done.is_set() or self._readers > MAX_FOLLOWERS:
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
        elif self._keeper.is_flight:
            threading.Thread(target=self._cancel_when_alone, name="assay-leave", daemon=True).start()
        else:
            self.cancel()
            self.start()

    def cancel(self, reason: str = "client") -> None:
        """Stops the call; the first reason given counts. Nothing happens after its end."""
        if not self.done.is_set():
            self._rounds.cut(reason)

    def start(self) -> None:
        """Runs the call in a thread of its own, unless it runs already."""
        if self._claimed():
            threading.Thread(target=self._run, args=(_nothing,), name="assay-call", daemon=True).start()

    def run(self, asks_provider: Callable[[], None]) -> None:
        """Runs the call here, unless it runs already. Never raises: what fails is an event."""
        if self._claimed():
            self._run(asks_provider)
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
                is_followed = self._meter.is_followed(self._hold)
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

    def _run(self, asks_provider: Callable[[], None]) -> None:
        try:
            self.feed.put(self._converse(asks_provider))
        except AssayError as error:
            self.feed.put(error)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a call's thread)
            _log.error("A call ended by an unexpected error: %s.", place_of(error))
            self._give_back()
            self.feed.put(AssayError("Something went wrong; the call cost you nothing."))
        finally:
            self.done.set()
            self._keeper.call_ended(self)

    def _converse(self, asks_provider: Callable[[], None]) -> Answer:
        if self._rounds.is_cut or not self._meter.mark_in_flight(self._hold):
            self._meter.release(self._hold, "never_called")
            raise ProviderTimeout("The request waited too long and was not sent.", provider="")
        try:
            ended = self._rounds.run(asks_provider)
        except (ProviderError, PromptRejected) as error:
            self._refused(error)
            raise
        if ended.error is None:
            return self._settled(ended)
        self._failed(ended)
        raise ended.error

    def _settled(self, ended: Ended) -> Answer:
        count = ended.counted(self._question)
        state = {"success": "complete", "cut": "partial", "early_cut": "failed"}[ended.outcome]
        note = None if state == "complete" else "Stopped." if ended.cut == "client" else "Stopped: it took too long."
        evidence = self._evidence(ended)
        answer = self._answer(ended, state, count, evidence)
        draft = replace(self._draft(ended, state, count, count.charge_usd, note, evidence), credits=answer.credits)
        _best_effort("saved", lambda: self._save(draft))
        record = CallRecord(
            cost_usd=self._provider_cost_usd(),
            usage=usage_row(ended.made_of, count, self._question, self._route, since=self._rounds.started),
            attempts=self._attempt_rows(),
            credits=answer.credits,
            entry=self._keeper.entry(answer),
            answer=self._keeper.repeatable(answer),
        )
        resolved = self._meter.settle(self._hold, ended.outcome, count.charge_usd, record)
        if resolved.outcome != "settled":
            raise ProviderTimeout("The answer came too late to be counted; it cost you nothing.", provider="")
        quota = _after(self._hold.quota, resolved.quota_used)
        return answer.as_settled(resolved.charged_usd, resolved.credits, quota)

    def _answer(self, ended: Ended, state: str, count: Counted, evidence: Evidence | None) -> Answer:
        candidate = ended.last.candidate
        return Answer(
            text=ended.text,
            state=state,
            model=candidate.model.id,
            provider=candidate.provider.name,
            is_offline=candidate.provider.is_offline,
            is_cached=False,
            finish_reason=ended.finish_reason,
            usage=count.usage,
            is_estimated=count.is_estimated,
            cost_usd=count.charge_usd,
            credits=self._rounds.cover.credits_of(billed(ended.made_of, self._question)),
            route_reason=self._reason(candidate),
            considered=self._route.considered,
            request_id=self._request_id,
            plan=self._hold.plan,
            latency_ms=milliseconds(time.monotonic() - self._rounds.started),
            rate=self._hold.rate,
            price_version=candidate.price.version,
            evidence=evidence,
        )

    def _reason(self, answered: Candidate) -> str:
        """Why this model answered, also where it stood in for another."""
        first = self._route.candidates[0]
        if answered.model.id == first.model.id:
            return self._route.reason
        return f"{self._route.reason}; {answered.model.label} answered, as {first.model.label} could not"

    def _failed(self, ended: Ended) -> None:
        """Returns everything the call held; a broken stream's partial text is kept and marked."""
        assert ended.error is not None
        count = ended.counted(self._question)
        is_broken = ended.outcome == "broken"
        evidence = self._evidence(ended) if is_broken else None
        state = "partial" if is_broken else "failed"
        draft = self._draft(ended, state, count, Decimal(0), ended.error.detail, evidence)
        _best_effort("saved", lambda: self._save(draft))
        usage = usage_row(ended.made_of, count, self._question, self._route, since=self._rounds.started)
        usage["error_code"] = ended.error.problem_code
        record = CallRecord(self._provider_cost_usd(), usage, self._attempt_rows())
        self._meter.release(self._hold, ended.outcome, record)

    def _refused(self, error: AssayError) -> None:
        """Returns everything: nobody was asked, or a guard let nothing more leave."""
        usage: dict[str, Any] = {"channel": self._question.channel, "error_code": error.problem_code}
        usage["latency_ms"] = milliseconds(time.monotonic() - self._rounds.started)
        record = CallRecord(self._provider_cost_usd(), usage, self._attempt_rows())
        self._meter.release(self._hold, "failed", record)

    def _evidence(self, ended: Ended) -> Evidence | None:
        """What the answer rests on; None where the offline provider gave words of its own, from no step."""
        if ended.course is None:
            return None
        evidence = ended.course.evidence(ended.text)
        if ended.last.candidate.provider.is_offline and not evidence.steps and not evidence.notes:
            return None
        return storable(evidence)

    def _provider_cost_usd(self) -> Decimal:
        """What the providers bill for every attempt, each at its own model's price."""
        return sum((counted(attempt, self._question).cost_usd for attempt in self._rounds.attempts), Decimal(0))

    def _give_back(self) -> None:
        try:
            self._meter.release(self._hold, "failed", CallRecord(usage={"error_code": "internal"}))
        except DatabaseUnavailable:
            _log.warning("A failed call could not be released; its hold will expire.")

    def _draft(
        self, ended: Ended, state: str, count: Counted, cost_usd: Decimal, note: str | None, evidence: Evidence | None
    ) -> Draft:
        candidate = ended.last.candidate
        return Draft(
            text=ended.text if state != "failed" else "",
            state=state,
            model=candidate.model.id,
            provider=candidate.provider.name,
            is_offline=candidate.provider.is_offline,
            is_cached=False,
            usage=count.usage,
            is_estimated=count.is_estimated,
            cost_usd=cost_usd,
            request_id=self._request_id,
            note=note,
            evidence=evidence,
            route=route_words(self._route, self._question.model, candidate),
        )

    def _attempt_rows(self) -> list[dict[str, object]]:
        attempts = enumerate(self._rounds.attempts, start=1)
        return [attempt_row(number, attempt, self._question) for number, attempt in attempts]


def _nothing() -> None:
    return None


def _best_effort(done: str, step: Callable[[], None]) -> None:
    """Whatever befalls the saving of a text, its call is settled: the conversation may be gone, the disk full."""
    try:
        step()
    except Exception as error:  # noqa: BLE001 (the edge to whoever keeps the text)
        _log.warning("An answer could not be %s: %s.", done, place_of(error))


def _after(quota: QuotaState | None, used: int | None) -> QuotaState | None:
    if quota is None or used is None:
        return quota
    return QuotaState(quota.metric, quota.limit, used, quota.resets_at)
