"""How models and their providers fare: which are asked, which rest, and which are found out about by one call.

Every failure that says something of a model is held against it; against its provider as well, where it may concern all
its models. After some in a row, with no answer between them, the circuit opens: nothing is asked for a while, then one
call of all processes finds out, and an answer closes it. A limit is the model's, since hosts count by model: it is
asked again when its `Retry-After` is over. What the asker did is nobody's failure. What goes wrong on an own key is not
kept: it would be told to others.

What is known stands in memory. A thread writes down what came of calls, and reads what other processes wrote; while the
database is away each process goes by what it saw itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Literal

from core.ai.providers.hosts import HOSTS
from core.db import model_states_dao as dao
from core.db.engine import Database, Driver
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderUnavailable,
    place_of,
)

REFRESH_S = 1.5
"""Longest pause between two looks at what other processes wrote."""
PAUSE_S = 0.05
"""Shortest one, so that many failures are written down together."""
CLOSE_WAIT_S = 3.0
"""Longest wait for a look that is under way."""
MAX_PENDING = 10_000
"""Words that wait to be written; the oldest are given up first."""
LONGEST_BLOCK_S = 3600.0
"""A provider that asks us to wait for longer is asked once an hour."""
PROBE_TOLD_S = 2.0
"""How long users are asked to wait while another call finds out."""
WHOLE = ""
"""Stands for a provider as a whole in the place of a model."""

State = Literal["closed", "open", "half_open"]
_Name = tuple[str, str]
_OF_A_KEY = frozenset({ProviderRateLimited.__name__, ProviderRefusedKey.__name__})
"""Failures that say nothing of what another key would meet."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HealthPolicy:
    """How soon a model or a provider is left alone, and for how long."""

    failures: int = 5
    """In a row, after which it rests."""
    rest_s: float = 10.0
    """Its first rest; each further one, without an answer between them, is twice as long."""
    longest_rest_s: float = 300.0
    probe_s: float = 40.0
    """After this long a probe counts as lost: its process has died."""
    block_s: float = 5.0
    """How long a model is left alone whose provider asks us to wait and does not say for how long."""


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """How a model fares, its provider's troubles included."""

    state: State = "closed"
    """`open`: it rests, or asked us to wait; `half_open`: the next call finds out whether it answers again."""
    wait_s: float | None = None
    """Of an open one: seconds until it is asked again."""
    first_token_ms: int | None = None
    """Of its latest answers, a moving mean; None where none is known."""
    failures: int = 0
    """Since its last answer."""
    failure: str | None = None
    """Kind of its last failure: the name of an error class."""


HEALTHY = ModelHealth()


@dataclass(frozen=True, slots=True)
class ModelState:
    """A model's row, or a provider's, for those who run the installation."""

    provider: str
    model: str
    """Empty: the provider as a whole."""
    state: State
    wait_s: float | None
    failures: int
    first_token_ms: int | None
    calls: int
    failed_calls: int
    answered_at: datetime | None
    failed_at: datetime | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask a model; whoever has it says what came of it, once."""

    provider: str
    model: str
    probes: frozenset[str] = frozenset()
    """What the call finds out about: the model's id, and an empty text for the provider."""
    is_told: bool = True
    """Whether what comes of it is kept: not so of an own key's calls, and of what answers offline."""


class Health:
    """How every model fares, all processes together; without a database, as this process sees it."""

    def __init__(
        self,
        database: Database | None = None,
        policy: HealthPolicy | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._policy = policy or HealthPolicy()
        self._monotonic = monotonic
        self._states: dict[_Name, _State] = {}
        self._pending: list[_Word] = []
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._changed = threading.Condition()
        self._is_urgent = False
        self._is_closed = False
        self._is_known = database is None
        self._thread: threading.Thread | None = None

    def of(self, provider: str, model: str, *, own_key: bool = False) -> ModelHealth:
        """How a model fares, by its provider's name and its id; from memory, at most two seconds old. On an own key it
        does not matter whether the platform's is limited or refused."""
        states = self._states
        mine, whole = states.get((provider, model)), states.get((provider, WHOLE))
        if mine is None and whole is None:
            return HEALTHY
        now = self._monotonic()
        known = [state for state in (mine, whole) if state is not None]
        wait_s, worst = max(((state.wait_s(now, own_key), state) for state in known), key=lambda pair: pair[0])
        is_resting = any(state.is_resting(own_key) for state in known)
        return ModelHealth(
            state="open" if wait_s > 0 else "half_open" if is_resting else "closed",
            wait_s=wait_s if wait_s > 0 else None,
            first_token_ms=None if mine is None else mine.first_token_ms,
            failures=max(state.failures for state in known),
            failure=worst.failure,
        )

    def learn(self) -> None:
        """Looks once, before the first question, at what other processes know; later a thread does."""
        if not self._is_known:
            self._is_known = True
            self.refresh()
        if self._thread is None and self._database is not None:
            self._begin()

    def admit(self, provider: str, model: str, *, own_key: bool = False) -> Permit | None:
        """Leave to ask a model; None where it rests, or another call of any process is finding out about it."""
        health = self.of(provider, model, own_key=own_key)
        if health.state == "open":
            return None
        if own_key:
            return Permit(provider, model, is_told=False)
        if health.state == "closed":
            return Permit(provider, model)
        return self._probing(provider, model)

    def answered(self, permit: Permit, first_token_s: float | None) -> None:
        """The model answered, whatever its answer is worth."""
        first_token_ms = None if first_token_s is None else max(0, round(1000 * first_token_s))
        self._say(permit, [_Word(permit.model, True, first_token_ms=first_token_ms), _Word(WHOLE, True)])

    def failed(self, permit: Permit, error: AssayError) -> None:
        """The call failed; against whom that is held follows from the error."""
        failure = type(error).__name__
        if isinstance(error, ProviderRateLimited):
            told_s = error.retry_after_s
            block_s = self._policy.block_s if told_s is None else min(told_s, LONGEST_BLOCK_S)
            words = [_Word(permit.model, fails=True, failure=failure, block_s=block_s), _Word(WHOLE, True)]
        elif isinstance(error, ProviderLacksModel):
            words = [_Word(permit.model, fails=True, failure=failure), _Word(WHOLE, True)]
        elif isinstance(error, ProviderRejectedRequest):
            words = [_Word(permit.model), _Word(WHOLE, True)]
        elif isinstance(error, ProviderError):
            words = [_Word(permit.model, fails=True, failure=failure), _Word(WHOLE, fails=True, failure=failure)]
        else:
            words = [_Word(permit.model), _Word(WHOLE)]
        self._say(permit, words)

    def unknown(self, permit: Permit) -> None:
        """Nothing came of it that says anything: it was not asked, or its reader left."""
        if permit.probes:
            self._say(permit, [_Word(permit.model), _Word(WHOLE)])

    def all(self) -> list[ModelState]:
        """Every provider and model that was ever asked, by name; the provider as a whole comes first.

        Raises:
            DatabaseUnavailable: nobody knows.
        """
        if self._database is None:
            return []
        self.refresh()
        with self._database.heart() as driver:
            return [_model_state(row) for row in dao.states(driver)]

    def refresh(self) -> None:
        """Writes what waits, and reads what is known; while the database is away, what waits stays."""
        if self._database is None:
            return
        with self._refreshing:
            with self._lock:
                words, self._pending = self._pending, []
            try:
                with self._database.heart() as driver:
                    if words:
                        self._write(driver, words)
                    now = self._monotonic()
                    rows = dao.states(driver)
            except DatabaseUnavailable:
                with self._lock:
                    self._pending = [*words, *self._pending][-MAX_PENDING:]
                return
            states = {(row.provider, row.model): _state(row, now) for row in rows}
            with self._lock:
                for word in self._pending:
                    states[word.name] = word.applied(states.get(word.name, _State()), self._policy)
                self._states = states

    def close(self) -> None:
        """Writes what waits, and stops."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_WAIT_S)
        if self._pending:
            self.refresh()

    def _write(self, driver: Driver, words: Iterable[_Word]) -> None:
        policy, now = self._policy, self._monotonic()
        by_name: dict[_Name, list[_Word]] = {}
        for word in words:
            by_name.setdefault(word.name, []).append(word)
        dao.report(
            driver,
            [_report(name, by_name[name], now) for name in sorted(by_name)],
            most_failures=policy.failures,
            rest_s=policy.rest_s,
            longest_rest_s=policy.longest_rest_s,
        )

    def _probing(self, provider: str, model: str) -> Permit | None:
        """The one call that finds out, where nobody else has it."""
        until = self._monotonic() + self._policy.probe_s
        if self._database is None:
            names = {name for name in (model, WHOLE) if self._is_resting(provider, name)}
            return Permit(provider, model, frozenset(names)) if self._take(provider, names, until) else None
        try:
            with self._database.heart() as driver:
                row = dao.probe(driver, provider, model, probe_s=self._policy.probe_s)
        except DatabaseUnavailable:
            return None
        if row.granted:
            self._take(provider, set(row.probes or ()), until)
            return Permit(provider, model, frozenset(row.probes or ()))
        self._take(provider, {model, WHOLE}, self._monotonic() + min(row.wait_s or 0.0, PROBE_TOLD_S))
        return None

    def _is_resting(self, provider: str, model: str) -> bool:
        state = self._states.get((provider, model))
        return state is not None and state.rests_until is not None

    def _take(self, provider: str, models: Iterable[str], until: float) -> bool:
        """Has others of this process wait while one finds out; False where one does already."""
        with self._lock:
            taken = [(name, self._states[name]) for name in ((provider, m) for m in models) if name in self._states]
            if any(state.probed_until > self._monotonic() for _, state in taken):
                return False
            self._states |= {name: replace(state, probed_until=until) for name, state in taken}
        return True

    def _say(self, permit: Permit, words: Iterable[_Word]) -> None:
        """Takes note of what came of a call, at once; failures and news of what rests are written down soon."""
        if not permit.is_told:
            return
        now, is_urgent = self._monotonic(), False
        with self._lock:
            for word in words:
                said = replace(word, provider=permit.provider, at=now, ends_probe=word.model in permit.probes)
                before = self._states.get(said.name, _State())
                self._states[said.name] = said.applied(before, self._policy)
                is_urgent = is_urgent or said.fails or said.ends_probe or before.failures > 0
                self._pending.append(said)
            del self._pending[:-MAX_PENDING]
        if is_urgent:
            with self._changed:
                self._is_urgent = True
                self._changed.notify_all()

    def _begin(self) -> None:
        with self._changed:
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="assay-health", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_urgent or self._is_closed, timeout=REFRESH_S)
                if self._is_closed:
                    return
                self._is_urgent = False
            try:
                self.refresh()
            except Exception as error:  # noqa: BLE001 (the edge of the thread: the next round may do better)
                _log.error("How models fare could not be brought up to date: %s.", place_of(error))
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, timeout=PAUSE_S)


def resting(provider: str, health: ModelHealth) -> ProviderError:
    """What is told of a model that is not asked at present."""
    host = HOSTS.get(provider)
    label, wait_s = provider if host is None else host.label, max(1.0, health.wait_s or 0.0)
    told = f"Please wait a moment and ask again {_in_words(wait_s)}, or choose another model."
    if health.failure == ProviderRateLimited.__name__:
        return ProviderRateLimited(f"{label} asks us to wait. {told}", provider=provider, retry_after_s=wait_s)
    is_refused = health.failure == ProviderRefusedKey.__name__
    why = "does not accept this installation's key" if is_refused else "does not answer"
    return ProviderUnavailable(f"{label} {why} at present. {told}", provider=provider, retry_after_s=wait_s)


def asks_to_wait(error: ProviderError) -> bool:
    """Whether a call that failed so may succeed in a while: its model is limited, or rests."""
    return isinstance(error, ProviderRateLimited) or error.retry_after_s is not None


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of a model or a provider; moments are seconds of the process's own clock."""

    failures: int = 0
    rests: int = 0
    rests_until: float | None = None
    probed_until: float = 0.0
    blocked_until: float = 0.0
    failed_at: float = float("-inf")
    first_token_ms: int | None = None
    failure: str | None = None

    def is_resting(self, own_key: bool) -> bool:
        """Whether its circuit is not closed, as far as that concerns a call."""
        return self.rests_until is not None and not (own_key and self.failure in _OF_A_KEY)

    def wait_s(self, now: float, own_key: bool) -> float:
        """Seconds until it is asked again; 0 where it may be now."""
        wait_s = 0.0 if own_key else self.blocked_until - now
        if self.rests_until is not None and self.is_resting(own_key):
            wait_s = max(wait_s, self.rests_until - now)
            if self.rests_until <= now and not own_key:
                wait_s = max(wait_s, min(self.probed_until - now, PROBE_TOLD_S))
        return max(0.0, wait_s)


@dataclass(frozen=True, slots=True)
class _Word:
    """What one call says of a model or a provider. `applied` is what `model_report` does, in memory."""

    model: str
    has_answered: bool = False
    fails: bool = False
    failure: str | None = None
    block_s: float | None = None
    first_token_ms: int | None = None
    ends_probe: bool = False
    provider: str = ""
    at: float = 0.0

    @property
    def name(self) -> _Name:
        """Whom it is about."""
        return self.provider, self.model

    def applied(self, state: _State, policy: HealthPolicy) -> _State:
        """What is known after it."""
        if self.has_answered and (state.rests_until is None or self.at >= state.failed_at):
            state = replace(state, failures=0, rests=0, rests_until=None, probed_until=0.0)
        state = replace(
            state,
            failures=state.failures + self.fails,
            probed_until=0.0 if self.ends_probe else state.probed_until,
            blocked_until=max(state.blocked_until, self.at + (self.block_s or 0.0)),
            failed_at=self.at if self.fails else state.failed_at,
            first_token_ms=_mean(state.first_token_ms, self.first_token_ms),
            failure=self.failure or state.failure,
        )
        is_too_much = state.rests_until is None and state.failures >= policy.failures
        if not self.fails or not (self.ends_probe or is_too_much):
            return state
        rest_s = min(policy.longest_rest_s, policy.rest_s * 2.0 ** min(state.rests, 30))
        return replace(state, rests=state.rests + 1, rests_until=self.at + rest_s)


def _mean(before: int | None, latest: int | None) -> int | None:
    if before is None or latest is None:
        return before if latest is None else latest
    return (4 * before + latest) // 5


def _report(name: _Name, words: list[_Word], now: float) -> dao.ReportRow:
    """What calls said of one model, in the order in which they said it."""
    answers = [number for number, word in enumerate(words) if word.has_answered]
    since = words[answers[-1] + 1 :] if answers else words
    failures = [word for word in words if word.fails]
    blocks_s = [word.at + word.block_s - now for word in words if word.block_s is not None]
    tokens_ms = [word.first_token_ms for word in words if word.first_token_ms is not None]
    return dao.ReportRow(
        provider=name[0],
        model=name[1],
        has_answered=bool(answers),
        answered_ago_s=now - words[answers[-1]].at if answers else 0.0,
        failures=sum(word.fails for word in since),
        calls=sum(word.has_answered or word.fails for word in words),
        failed_calls=len(failures),
        failed_ago_s=now - failures[-1].at if failures else None,
        failure=failures[-1].failure if failures else None,
        block_s=max(blocks_s, default=None),
        first_token_ms=round(sum(tokens_ms) / len(tokens_ms)) if tokens_ms else None,
        ends_probe=any(word.ends_probe for word in words),
        is_probe_failed=any(word.ends_probe and word.fails for word in since),
    )


def _state(row: dao.StateRow, now: float) -> _State:
    return _State(
        failures=row.failures,
        rests=row.rests,
        rests_until=None if row.rests_s is None else now + row.rests_s,
        probed_until=now + (row.probed_s or 0.0),
        blocked_until=now + (row.blocked_s or 0.0),
        failed_at=float("-inf") if row.failed_ago_s is None else now - row.failed_ago_s,
        first_token_ms=row.first_token_ms,
        failure=row.failure,
    )


def _model_state(row: dao.StateRow) -> ModelState:
    state = _state(row, 0.0)
    wait_s = state.wait_s(0.0, False)
    return ModelState(
        provider=row.provider,
        model=row.model,
        state="open" if wait_s > 0 else "half_open" if state.is_resting(False) else "closed",
        wait_s=wait_s or None,
        failures=row.failures,
        first_token_ms=row.first_token_ms,
        calls=row.calls,
        failed_calls=row.failed_calls,
        answered_at=row.answered_at,
        failed_at=row.failed_at,
        failure=row.failure,
    )


def _in_words(seconds: float) -> str:
    return f"in {ceil(seconds)} s" if seconds < 100 else f"in {ceil(seconds / 60)} min"
