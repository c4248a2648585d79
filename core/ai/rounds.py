"""The calls of one request: a model is asked, in one round or several, each tried at its candidates, until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from core.ai.answer import Question
from core.ai.attempts import CUT_REASONS, Attempt, counted
from core.ai.bounds import asked_tokens, worst_case_usd
from core.ai.cover import Cover, billed
from core.ai.ended import Ended
from core.ai.evidence import Step
from core.ai.health import Health, Permit
from core.ai.opening import limits_of, opened
from core.ai.own_keys import OwnKey
from core.ai.permits import Permits
from core.ai.providers.contract import ChatStream, Delta, Finish, Message, TimeLimits, ToolSpec
from core.ai.retries import RetryPolicy, passes, repairing, time_limit_error, unusable
from core.ai.router import Candidate, Route
from core.ai.screening import Incoming, Screen
from core.ai.tools import Course, Turn
from core.ai.watchdog import Watchdog
from core.errors import (
    AssayError,
    ProviderBroke,
    ProviderError,
    ProviderRefusedKey,
    UnusableAnswer,
)
from core.metering.meter import Hold, Meter
from core.metering.pricing import Billed, BillingFile, shipped_billing

NEARLY_OVER_S = 5.0
"""With no more than this left of the total time (or a tenth of it) no further round is begun."""


@dataclass(frozen=True, slots=True)
class RoundsParts:
    """What the calls of a request need of the gateway."""

    meter: Meter
    watchdog: Watchdog
    limits: TimeLimits
    health: Health = field(default_factory=Health)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    random: Random = field(default_factory=Random)
    screen: Screen | None = None
    """The guards of this question; None: there are none."""
    billing: BillingFile = field(default_factory=shipped_billing)
    """What a call takes in credits."""
    key_refused: Callable[[OwnKey], ProviderRefusedKey] | None = None
    """Tells its owner that a provider does not accept an own key, and gives the error for the caller."""


@dataclass(slots=True)
class _Lap:
    """What came of asking candidates in turn."""

    attempt: Attempt | None = None
    why: str = ""
    """Why none was asked."""
    is_over: bool = False
    again: list[Candidate] = field(default_factory=list)
    """Those whose trouble passes."""


class Rounds:
    """Run once, by one thread; cut from any."""

    def __init__(
        self, question: Question, route: Route, hold: Hold, parts: RoundsParts, put: Callable[[Delta | Step], None]
    ) -> None:
        self.attempts: list[Attempt] = []
        """Every try at every candidate."""
        self.asked = route.candidates[0]
        """The one that is asked, or was asked last."""
        self.started = time.monotonic()
        self.cover = Cover(parts.meter, parts.billing, hold, route.candidates[0].worst_case_usd)
        """What its hold covers."""
        self._question = question
        self._route = route
        self._hold = hold
        self._parts = parts
        self._put = put
        self._asks_provider: Callable[[], None] = _nothing
        self._course: Course | None = None
        self._finished: list[Attempt] = []
        """Those of the rounds that were followed by more."""
        self._added = ""
        """What the course adds to the text where it has to stop."""
        self._usable_text: str | None = None
        self._is_stopped = False
        self._lock = threading.RLock()
        self._stream: ChatStream | None = None
        self._cut: str | None = None
        self._cut_between: str | None = None
        """Why it was cut while no model was being asked."""
        self._is_over = threading.Event()
        """Set by a cut: nothing is waited for any more."""
        self._waited_s = 0.0
        """In pauses between tries."""
        self._permits = Permits(parts.health)

    @property
    def is_cut(self) -> bool:
        """Whether somebody ended it."""
        return self._cut is not None

    def cut(self, reason: str) -> None:
        """Ends it; the first reason given counts."""
        with self._lock:
            if self._cut is not None:
                return
            self._cut = reason
            stream = self._stream
        self._is_over.set()
        if stream is not None:
            stream.abort()

    def run(self, asks_provider: Callable[[], None]) -> Ended:
        """Asks until it ends; `asks_provider` is called whenever that comes to waiting for a provider.

        Raises:
            ProviderRateLimited, ProviderUnavailable: nobody was asked, since all rest.
            PromptRejected: a guard refuses the question.
            DatabaseUnavailable: it cannot be known whether a further call is covered.
        """
        self._asks_provider = asks_provider
        if self._parts.screen is not None:
            self._parts.screen.check(self._question)
        if self._question.course is not None:
            self._course = self._question.course()
        last = self._round(self._question.messages)
        if last is None:
            raise self._permits.nobody()
        while (messages := self._onward(last)) is not None:
            following = self._round(messages)
            if following is None:
                break
            last = following
        return self._ended(self._usable(last))

    def _round(self, messages: Sequence[Message]) -> Attempt | None:
        """The attempt that ended a round; None where no candidate can be asked any more.

        Where all failed, those whose trouble passes are asked once more.
        """
        shown, tools = tuple(messages), self._offered
        left = [candidate for candidate in self._candidates if self._has_room(candidate, shown, tools)]
        lap = _Lap(why="length")
        for _ in range(self._parts.retries.laps if len(left) > 1 else 1):
            if lap.attempt is not None and not self._waits(self._parts.retries.lap_pause_s(self._parts.random)):
                break
            lap = self._lap(left, shown, tools, lap.attempt)
            left = lap.again
            if lap.is_over or not left:
                break
        if lap.attempt is None and self._course is not None and self._finished:
            self._stop(lap.why)
        return lap.attempt

    def _lap(
        self,
        candidates: Sequence[Candidate],
        shown: tuple[Message, ...],
        tools: tuple[ToolSpec, ...],
        attempt: Attempt | None,
    ) -> _Lap:
        """Each candidate in turn, until one answers."""
        lap = _Lap(attempt, why="length")
        for place, candidate in enumerate(candidates):
            if not self.cover.covers([*self._spent(self._finished), self._most(candidate, shown, tools)]):
                lap.why = "ceiling"
                continue
            permit = self._permits.to_ask(candidate)
            if permit is None:
                lap.why = "resting"
                continue
            attempt = self._tried(permit, candidate, shown, tools, has_others=place + 1 < len(candidates))
            lap.attempt = attempt
            is_over = attempt.finish is not None or attempt.deltas or self._cut is not None
            is_ours = candidate.key is not None and isinstance(attempt.error, ProviderRefusedKey)
            if is_over or is_ours or attempt.cut == "total" or self._seconds_left() <= 0:
                lap.is_over = True
                break
            if passes(attempt):
                lap.again.append(candidate)
        return lap

    def _has_room(self, candidate: Candidate, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> bool:
        """Whether a later round fits into the model; of the first one its route has made sure."""
        if not self._finished:
            return True
        asked = asked_tokens(self._question, self._sent(candidate, messages), tools)
        return asked + self._question.max_tokens <= candidate.model.context_window

    def _most(self, candidate: Candidate, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Billed:
        """What asking a candidate can cost at most, with its provider."""
        asked = asked_tokens(self._question, self._sent(candidate, messages), tools)
        return worst_case_usd(self._question, candidate.price, asked), candidate.provider.name

    def _spent(self, made_of: Sequence[Attempt]) -> list[Billed]:
        """What is charged for these rounds."""
        return billed(made_of, self._question)

    def _sent(self, candidate: Candidate, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The messages as they leave for a candidate."""
        screen = self._parts.screen
        return messages if screen is None or _is_local(candidate) else screen.outgoing(messages)

    def _onward(self, last: Attempt) -> Sequence[Message] | None:
        """What is asked after a round that ended well; None where nothing is."""
        course = self._course
        if course is None or last.finish is None:
            return None
        messages = course.after(Turn(last.text, last.calls), self._put, self._is_to_end)
        goes_on = messages is not None or bool(last.calls)
        if goes_on:
            self._finished.append(last)
        if goes_on and self._cut is not None:
            self._cut_between = self._cut
            return None
        if goes_on and self._is_nearly_over:
            self._stop("time")
            return None
        if goes_on and messages is None:
            self._stop("steps")
        if not goes_on and self._finished and not self._text(last) and not self._question.is_checked:
            self._stop("empty")
        return messages

    def _stop(self, why: str) -> None:
        """Ends a course that would go on, at a limit."""
        assert self._course is not None  # a request of one round has nothing to stop
        self._is_stopped = True
        before = self._text()
        self._added = self._course.stopped(why)
        if self._added and not self._question.is_checked:
            self._put(Delta(f"{self._course.joint}{self._added}" if before else self._added))

    def _tried(
        self,
        permit: Permit,
        candidate: Candidate,
        messages: tuple[Message, ...],
        tools: tuple[ToolSpec, ...],
        *,
        has_others: bool = False,
    ) -> Attempt:
        """One candidate, retried where that is safe; what came of it in the end is held for or against it."""
        self._permits.use(permit)
        retries, first_token_s = self._parts.retries, self._first_token_s(permit, has_others=has_others)
        try:
            attempt = self._attempted(candidate, messages, tools, first_token_s)
            for number in range(1, retries.tries_with_others if has_others else retries.tries):
                if not self._pauses(attempt, number):
                    break
                attempt = self._attempted(candidate, messages, tools, first_token_s)
            self._permits.tell(attempt)
        finally:
            self._permits.give_back()
        if candidate.key is not None and isinstance(attempt.error, ProviderRefusedKey):
            self._tell_owner(attempt, candidate.key)
        return attempt

    def _first_token_s(self, permit: Permit, *, has_others: bool) -> float:
        """How long the first token is waited for."""
        most_s = limits_of(self._question, self._parts.limits).first_token_s
        if not permit.probes or not has_others:
            return most_s
        of_late_ms = self._parts.health.of(permit.provider, permit.model).first_token_ms or 0
        return min(most_s, max(self._parts.retries.probe_s, 3 * of_late_ms / 1000))

    def _pauses(self, attempt: Attempt, tries: int) -> bool:
        """Waits before another try; False where there is none."""
        pause_s = self._parts.retries.pause_s(attempt, tries, self._parts.random)
        return pause_s is not None and self._waits(pause_s)

    def _waits(self, pause_s: float) -> bool:
        """Waits so long; False where it would be for too long, or somebody ended it."""
        if self._waited_s + pause_s > self._parts.retries.waited_s or self._seconds_left() <= pause_s:
            return False
        self._waited_s += pause_s
        return not self._is_over.wait(pause_s)

    def _tell_owner(self, attempt: Attempt, key: OwnKey) -> None:
        if key.flaw is None and self._parts.key_refused is not None:
            attempt.error = self._parts.key_refused(key)

    def _usable(self, last: Attempt) -> Attempt:
        """The attempt, or the one that repaired its answer where the text is not of the form it has to be; where that
        is not usable either, one of the class above, if the route has it.

        Of several rounds only the last is repaired.
        """
        if not self._question.is_checked or last.finish is None or self._cut_between is not None:
            return last
        text = self._question.usable(self._text(last))
        before = [attempt for attempt in self._finished if attempt is not last]
        wasted: list[Attempt] = []
        for candidate, messages in self._second_chances(last) if text is None else ():
            last.error = unusable(last)
            wasted.append(last)
            following = self._mended(candidate, messages, before, wasted)
            if following is None:
                continue
            last = following
            text = self._question.usable(self._text(last)) if last.finish else None
            if text is not None or last.finish is None:
                break
        if text is not None:
            self._usable_text = text
            self._put(Delta(text))
        elif last.finish is not None:
            last.error = unusable(last)
        return last

    def _second_chances(self, last: Attempt) -> Iterable[tuple[Candidate, tuple[Message, ...]]]:
        """Who is asked, and what, after an answer that cannot be used: its model to repair it, then one above."""
        yield last.candidate, repairing(last.messages, last.text)
        if self._route.escalation is not None:
            yield self._route.escalation, last.messages

    def _mended(
        self, candidate: Candidate, messages: tuple[Message, ...], before: list[Attempt], wasted: Sequence[Attempt]
    ) -> Attempt | None:
        """An attempt to mend what cannot be used; None where it may not be made."""
        lost = [(counted(attempt, self._question).cost_usd, attempt.candidate.provider.name) for attempt in wasted]
        calls = [*self._spent(before), *lost, self._most(candidate, messages, ())]
        if self._cut is not None or not self.cover.covers(calls):
            return None
        permit = self._permits.to_ask(candidate)
        if permit is None:
            return None
        self._finished = before
        return self._tried(permit, candidate, messages, ())

    def _attempted(
        self, candidate: Candidate, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...], first_token_s: float
    ) -> Attempt:
        sent = self._sent(candidate, messages)
        attempt = Attempt(candidate, messages, time.monotonic(), tools, sent=sent)
        self.attempts.append(attempt)
        self.asked = candidate
        limits = limits_of(self._question, self._parts.limits)
        last = self._deadline
        alarm = self._parts.watchdog.alarm(lambda: self._ring(attempt, last))
        stream: ChatStream | None = None
        try:
            alarm.set(min(attempt.started + limits.connect_s + first_token_s, last))
            stream = opened(self._question, candidate, sent, tools, limits)
            with self._lock:
                self._stream = stream
                is_cut = self._cut is not None or attempt.cut is not None
            if is_cut:
                stream.abort()
            self._asks_provider()
            self._read(attempt, stream, lambda: alarm.set(min(time.monotonic() + limits.between_tokens_s, last)))
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

    def _read(self, attempt: Attempt, stream: ChatStream, on_delta: Callable[[], None]) -> None:
        """Takes an answer down as it comes, through the guards.

        Raises:
            ProviderError: it broke, or is withheld.
        """
        screen = self._parts.screen
        flow = None if screen is None or _is_local(attempt.candidate) else screen.incoming(self._question)
        finish: Finish | None = None
        try:
            for event in stream:
                if isinstance(event, Finish):
                    finish = event
                    break
                self._take(attempt, event, flow)
                on_delta()
        finally:
            if flow is not None:
                self._show(attempt, flow.rest())
        if finish is None:
            raise ProviderBroke("The answer ended before it was complete.", provider=attempt.candidate.provider.name)
        attempt.finish = finish if flow is None else flow.finish(finish)

    def _ring(self, attempt: Attempt, last: float) -> None:
        """A time limit of this attempt has passed: closes its stream."""
        with self._lock:
            attempt.cut = "total" if time.monotonic() >= last else "gap" if attempt.deltas else "first_token"
            stream = self._stream
        if stream is not None:
            stream.abort()

    def _take(self, attempt: Attempt, delta: Delta, flow: Incoming | None) -> None:
        if attempt.first_token_s is None:
            attempt.first_token_s = time.monotonic() - attempt.started
            self._permits.answers(attempt.first_token_s)
        attempt.deltas += 1
        piece = _storable(delta.text)
        self._show(attempt, piece if flow is None else flow.text(piece))

    def _show(self, attempt: Attempt, piece: str) -> None:
        """Adds to the answer; what is checked is shown once it is known to be usable."""
        if not piece:
            return
        if not self._question.is_checked:
            is_next = self._course is not None and not attempt.text and self._text()
            self._put(Delta(f"{self._course.joint}{piece}" if is_next and self._course else piece))
        attempt.text += piece

    def _ended(self, last: Attempt) -> Ended:
        if self._cut_between is not None:
            if self._cut_between in self._charged_cuts:
                return self._as(last, "cut", cut=self._cut_between)
            return self._free(last, time_limit_error(last, self._cut_between))
        if last.finish is not None and last.error is None:
            return self._as(last, "success")
        if last.finish is None and last.cut in self._charged_cuts and (last.deltas or self._finished):
            return self._as(last, "cut", cut=last.cut)
        if last.finish is None and last.cut == "client":
            return self._as(last, "early_cut", cut=last.cut)
        if last.cut is not None:
            last.error = time_limit_error(last, last.cut)
        assert last.error is not None
        return self._free(last, last.error)

    def _free(self, last: Attempt, error: AssayError) -> Ended:
        """It failed; a broken answer's partial text is kept and marked."""
        is_unusable = isinstance(error, UnusableAnswer)
        is_broken = not is_unusable and bool(last.deltas or self._text(last))
        return self._as(last, "broken" if is_broken else "failed", cut=last.cut, error=error)

    def _as(self, last: Attempt, outcome: str, *, cut: str | None = None, error: AssayError | None = None) -> Ended:
        text = self._text(last) if self._usable_text is None else self._usable_text
        made_of = tuple(_with(self._finished, last))
        return Ended(outcome, text, made_of, cut, self._is_stopped, self._course, error)

    def _text(self, last: Attempt | None = None) -> str:
        """What was written so far, the rounds' texts joined."""
        made_of = self._finished if last is None else _with(self._finished, last)
        texts = [text for text in (*(attempt.text for attempt in made_of), self._added) if text]
        return (self._course.joint if self._course is not None else "").join(texts)

    @property
    def _offered(self) -> tuple[ToolSpec, ...]:
        """The tools that the next round may ask for."""
        return self._question.tools if self._course is not None and self._course.offers_tools else ()

    @property
    def _candidates(self) -> Iterable[Candidate]:
        """In the order in which they are tried: from the second round on, the one that answered comes first."""
        if not self._finished:
            return self._route.candidates
        others = [candidate for candidate in self._route.candidates if candidate is not self.asked]
        return (self.asked, *others)

    @property
    def _charged_cuts(self) -> frozenset[str]:
        """What cuts an answer that is charged all the same; one shown whole or not at all only its asker cuts."""
        return CUT_REASONS - {"total"} if self._question.is_checked else CUT_REASONS

    def _is_to_end(self) -> bool:
        """Whether whatever is done between two rounds is to end."""
        return self._cut is not None or self._is_nearly_over

    @property
    def _is_nearly_over(self) -> bool:
        return self._seconds_left() <= min(NEARLY_OVER_S, self._parts.limits.total_s / 10)

    @property
    def _deadline(self) -> float:
        return min(self.started + self._parts.limits.total_s, self._hold.fence)

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic()


def _nothing() -> None:
    return None


def _with(finished: Sequence[Attempt], last: Attempt) -> list[Attempt]:
    return [*(attempt for attempt in finished if attempt is not last), last]


def _is_local(candidate: Candidate) -> bool:
    """Whether it runs on the operator's own machines: from these nothing is hidden."""
    return candidate.provider.is_offline or candidate.price.is_local


def _storable(text: str) -> str:
    """Text that a database takes: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
