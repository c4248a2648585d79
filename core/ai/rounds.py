"""The calls of one request: a model is asked, in one round or several, each tried at its candidates, until it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from core.ai.answer import Question
from core.ai.attempts import CUT_REASONS, Attempt, Counted, counted, summed
from core.ai.estimate import prompt_estimate
from core.ai.evidence import Step
from core.ai.opening import opened
from core.ai.providers.contract import ChatStream, Delta, Finish, Message, TimeLimits, ToolSpec
from core.ai.router import Candidate, Route
from core.ai.tools import Course, Turn
from core.ai.watchdog import Watchdog
from core.errors import (
    AssayError,
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
    UnusableAnswer,
)
from core.metering.meter import Hold, Meter

TRIES_PER_CANDIDATE = 2
MAX_RETRY_WAIT_S = 2.0
RETRY_WAIT_S = 0.2
NEARLY_OVER_S = 5.0
"""With no more than this left of the total time (or a tenth of it) no further round is begun."""
REPAIR = "Your answer does not follow the JSON schema it was asked for. Answer again with nothing but JSON that does."


@dataclass(frozen=True, slots=True)
class RoundsParts:
    """What the calls of a request need of the gateway."""

    meter: Meter
    watchdog: Watchdog
    limits: TimeLimits


@dataclass(frozen=True, slots=True)
class Ended:
    """How the calls of a request ended."""

    outcome: str
    """`success`; `cut` or `early_cut` (before anything came); `broken` or `failed`, which are free."""
    text: str
    made_of: tuple[Attempt, ...]
    """The attempts that the answer is made of, one a round, the last being the one that ended it."""
    cut: str | None = None
    """Why we ended it ourselves, where we did."""
    is_stopped: bool = False
    """Whether it ended at a limit, with what it had."""
    course: Course | None = field(default=None, repr=False)
    error: AssayError | None = None
    """Why it brought nothing, where it did not."""

    @property
    def last(self) -> Attempt:
        """The attempt that ended it."""
        return self.made_of[-1]

    @property
    def finish_reason(self) -> str:
        """Why the text ends where it does."""
        if self.outcome != "success" or self.last.finish is None:
            return "cut"
        return "length" if self.is_stopped else self.last.finish.reason

    def counted(self, question: Question) -> Counted:
        """The tokens of all rounds together."""
        return summed([counted(attempt, question) for attempt in self.made_of])


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
        self._question = question
        self._route = route
        self._hold = hold
        self._parts = parts
        self._put = put
        self._asks_provider: Callable[[], None] = _nothing
        self._course: Course | None = None
        self._held_usd = route.candidates[0].worst_case_usd
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
        if stream is not None:
            stream.abort()

    def run(self, asks_provider: Callable[[], None]) -> Ended:
        """Asks until it ends; `asks_provider` is called whenever that comes to waiting for a provider.

        Raises:
            DatabaseUnavailable: it cannot be known whether a further call is covered.
        """
        self._asks_provider = asks_provider
        if self._question.course is not None:
            self._course = self._question.course()
        last = self._round(self._question.messages)
        assert last is not None  # a route has a candidate, and the hold covers the first
        while (messages := self._onward(last)) is not None:
            following = self._round(messages)
            if following is None:
                break
            last = following
        return self._ended(self._usable(last))

    def _round(self, messages: Sequence[Message]) -> Attempt | None:
        """The attempt that ended a round; None where no candidate can be asked any more, and it stops."""
        shown, tools = tuple(messages), self._offered
        prompt_tokens = prompt_estimate(shown, tools)
        attempt, why = None, "length"
        for candidate in self._candidates:
            if self._finished and not _has_room(candidate, prompt_tokens + self._question.max_tokens):
                continue
            most_usd = candidate.price.worst_case(prompt_tokens, self._question.max_tokens)
            if not self._is_covered(self._spent_usd(self._finished) + most_usd):
                why = "ceiling"
                continue
            attempt = self._tried(candidate, shown, tools)
            is_over = attempt.finish is not None or attempt.deltas or self._cut is not None
            if is_over or attempt.cut == "total" or self._seconds_left() <= 0:
                break
        if attempt is None:
            self._stop(why)
        return attempt

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

    def _tried(self, candidate: Candidate, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Attempt:
        """One candidate, retried where that is safe: before the first token, after a refusal that passes."""
        for _ in range(TRIES_PER_CANDIDATE - 1):
            attempt = self._attempted(candidate, messages, tools)
            wait_s = _retry_wait_s(attempt)
            if wait_s is None or self._cut is not None or self._seconds_left() <= wait_s:
                return attempt
            time.sleep(wait_s)
        return self._attempted(candidate, messages, tools)

    def _usable(self, last: Attempt) -> Attempt:
        """The attempt, or the one that repaired its answer where the text is not of the form it has to be.

        Of several rounds only the last is repaired.
        """
        if not self._question.is_checked or last.finish is None or self._cut_between is not None:
            return last
        text = self._question.usable(self._text(last))
        if text is None:
            last.error = _unusable(last)
            candidate, messages = last.candidate, _repairing(last.messages, last.text)
            most_usd = candidate.price.worst_case(prompt_estimate(messages), self._question.max_tokens)
            before = [attempt for attempt in self._finished if attempt is not last]
            spent_usd = self._spent_usd(before) + counted(last, self._question).cost_usd
            if self._cut is None and self._is_covered(spent_usd + most_usd):
                self._finished = before
                last = self._attempted(candidate, messages, ())
                text = self._question.usable(self._text(last)) if last.finish else None
                if text is None and last.finish is not None:
                    last.error = _unusable(last)
        if text is not None:
            self._usable_text = text
            self._put(Delta(text))
        return last

    def _attempted(self, candidate: Candidate, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...]) -> Attempt:
        attempt = Attempt(candidate, messages, time.monotonic(), tools)
        self.attempts.append(attempt)
        self.asked = candidate
        limits = self._parts.limits
        last = self._deadline
        alarm = self._parts.watchdog.alarm(lambda: self._ring(attempt, last))
        stream: ChatStream | None = None
        try:
            alarm.set(min(attempt.started + limits.connect_s + limits.first_token_s, last))
            stream = opened(self._question, candidate, messages, tools, limits)
            with self._lock:
                self._stream = stream
                is_cut = self._cut is not None or attempt.cut is not None
            if is_cut:
                stream.abort()
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
        piece = _storable(delta.text)
        if not self._question.is_checked:  # otherwise it is shown once it is known to be usable
            is_next = self._course is not None and not attempt.text and self._text()
            self._put(Delta(f"{self._course.joint}{piece}" if is_next and self._course else piece))
        attempt.text += piece
        attempt.deltas += 1

    def _ended(self, last: Attempt) -> Ended:
        if self._cut_between is not None:
            if self._cut_between in self._charged_cuts:
                return self._as(last, "cut", cut=self._cut_between)
            return self._free(last, _time_limit_error(last, self._cut_between))
        if last.finish is not None and last.error is None:
            return self._as(last, "success")
        if last.finish is None and last.cut in self._charged_cuts and (last.deltas or self._finished):
            return self._as(last, "cut", cut=last.cut)
        if last.finish is None and last.cut == "client":
            return self._as(last, "early_cut", cut=last.cut)
        if last.cut is not None:
            last.error = _time_limit_error(last, last.cut)
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

    def _is_covered(self, most_usd: Decimal) -> bool:
        """Whether the hold covers so much, or can be made to."""
        if most_usd <= self._held_usd:
            return True
        if not self._parts.meter.top_up(self._hold, most_usd):
            return False
        self._held_usd = most_usd
        return True

    def _spent_usd(self, made_of: Sequence[Attempt]) -> Decimal:
        """What is charged for these rounds."""
        return sum((counted(attempt, self._question).charge_usd for attempt in made_of), Decimal(0))

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


def _has_room(candidate: Candidate, tokens: int) -> bool:
    return tokens <= candidate.model.context_window


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


def _time_limit_error(last: Attempt, reason: str) -> ProviderError:
    provider = last.candidate.provider.name
    if reason == "shutdown":
        return ProviderUnavailable("The workbench was restarted; ask again. It cost you nothing.", provider=provider)
    if last.deltas:
        return ProviderBroke("The model stopped in the middle of its answer. It cost you nothing.", provider=provider)
    return ProviderTimeout("The model did not begin to answer in time. It cost you nothing.", provider=provider)
