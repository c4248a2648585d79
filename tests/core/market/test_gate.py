"""The gate: allowances that hold over all callers, circuits that open and close, retries for what is worth them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import pytest

from core.clock import SystemClock
from core.db.engine import Database
from core.errors import AssayError, NoData, NotConfigured, RateLimited, SourceDown, SourceError
from core.market.circuit import Circuit, CircuitPolicy, RetryPolicy
from core.market.gate import Gate, SourceState
from core.market.sources.contract import Allowance
from core.ops.telemetry import Telemetry
from tests.conftest import MoveTime

NOON = datetime(2026, 5, 5, 12, 0, tzinfo=UTC)
ONCE = RetryPolicy(attempts=1)
POLICY = CircuitPolicy(failures=3, rest_s=30, longest_rest_s=100, probe_s=15)


@dataclass
class Vendor:
    """A source that answers as the test says, and counts who asked."""

    name: str = "vendor"
    allowance: Allowance = field(default_factory=Allowance)
    asked: int = 0
    failures: list[BaseException] = field(default_factory=list)
    """What the next requests fail with."""

    def ask(self) -> str:
        """One request."""
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


class NoPause(Random):
    """Chance that always says the shortest."""

    def uniform(self, a: float, b: float) -> float:
        """The lower end."""
        return a


def down() -> SourceDown:
    return SourceDown("It broke.", source="vendor")


MakeGate = Callable[..., Gate]


@pytest.fixture
def make_gate(database: Database) -> Iterator[MakeGate]:
    """Gates of the same database, as processes have them."""
    made: list[Gate] = []

    def make(**options: object) -> Gate:
        made.append(Gate(database, SystemClock(), NoPause(), **{"circuit": POLICY, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for gate in made:
        gate.close()


@pytest.fixture
def gate(make_gate: MakeGate) -> Gate:
    """A gate that tries nothing again."""
    return make_gate(retry=ONCE)


def state_of(gate: Gate, name: str = "vendor") -> SourceState:
    return {state.name: state for state in gate.states()}[name]


def refused(gate: Gate, vendor: Vendor) -> AssayError:
    """What a caller is told who does not wait, and is not let through."""
    before = vendor.asked
    with pytest.raises(SourceError) as caught:
        gate.call(vendor, vendor.ask, patience_s=0)
    assert vendor.asked == before
    return caught.value


def test_an_answer_is_given_and_counted(gate: Gate) -> None:
    vendor = Vendor(allowance=Allowance(5, 50, 500))
    assert gate.call(vendor, vendor.ask) == "answer"
    state = state_of(gate)
    assert [(window.window, window.used, window.limit) for window in state.windows] == [
        ("second", 1, 5),
        ("minute", 1, 50),
        ("day", 1, 500),
    ]
    assert (state.circuit, state.failures_in_a_row, state.failure) == (Circuit.CLOSED, 0, None)
    assert state.answered_at is not None
    assert state.latency_ms is not None


@pytest.mark.parametrize(
    ("limits", "wait"),
    [
        (Allowance(per_second=2), timedelta(seconds=1)),
        (Allowance(per_minute=2), timedelta(minutes=1)),
        (Allowance(per_day=2), timedelta(hours=12)),
    ],
)
def test_each_window_refuses_when_it_is_full_and_says_when_to_come_back(
    gate: Gate, move_time: MoveTime, limits: Allowance, wait: timedelta
) -> None:
    vendor = Vendor(allowance=limits)
    move_time(NOON)
    assert gate.take(vendor, 5) == 2
    error = refused(gate, vendor)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pytest.approx(wait.total_seconds(), rel=0.05, abs=0.5)
    move_time(NOON + wait / 2)
    refused(gate, vendor)
    move_time(NOON + 1.06 * wait)
    assert gate.call(vendor, vendor.ask) == "answer"


def test_the_window_that_lasts_longest_is_the_one_that_is_named(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(allowance=Allowance(per_second=1, per_minute=1, per_day=1))
    move_time(NOON)
    gate.call(vendor, vendor.ask)
    error = refused(gate, vendor)
    assert "of this day" in error.detail
    assert "in 12 h" in error.detail


def test_no_second_however_it_is_laid_holds_more_than_the_allowance(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(allowance=Allowance(per_second=3))
    granted: list[float] = []
    for step in range(60):
        at = step * 0.05
        move_time(NOON + timedelta(seconds=at))
        granted += [at] * gate.take(vendor, 2)
    assert len(granted) >= 3 * 2
    assert max(sum(first <= at < first + 1 for at in granted) for first in granted) == 3


def test_a_minute_that_spans_two_minutes_of_the_clock_holds_no_more_either(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(allowance=Allowance(per_minute=4))
    move_time(NOON + timedelta(seconds=59))
    assert gate.take(vendor, 9) == 4
    move_time(NOON + timedelta(seconds=65))
    assert gate.take(vendor, 9) == 0
    move_time(NOON + timedelta(seconds=122))
    assert gate.take(vendor, 9) == 4


def test_a_day_begins_at_midnight_utc(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(allowance=Allowance(per_day=2))
    move_time(datetime(2026, 5, 5, 23, 59, 50, tzinfo=UTC))
    assert gate.take(vendor, 9) == 2
    error = refused(gate, vendor)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pytest.approx(10, abs=2)
    move_time(datetime(2026, 5, 6, 0, 0, 1, tzinfo=UTC))
    assert gate.take(vendor, 9) == 2


def test_a_clock_that_is_set_back_frees_nothing(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(allowance=Allowance(per_second=1, per_day=2))
    move_time(NOON)
    assert gate.take(vendor) == 1
    move_time(NOON - timedelta(days=1))
    assert gate.take(vendor) == 0


def test_a_source_without_an_allowance_is_asked_as_often_as_one_likes(gate: Gate) -> None:
    vendor = Vendor()
    assert gate.take(vendor, 100_000) == 100_000


def test_a_caller_waits_for_its_turn_when_that_is_near(gate: Gate) -> None:
    vendor = Vendor(allowance=Allowance(per_second=1))
    begun = SystemClock().monotonic()
    assert [gate.call(vendor, vendor.ask) for _ in range(2)] == ["answer"] * 2
    assert SystemClock().monotonic() - begun >= 1


def test_many_threads_never_take_more_than_there_is(gate: Gate) -> None:
    vendor = Vendor(allowance=Allowance(per_day=50))
    with ThreadPoolExecutor(8) as pool:
        granted = sum(pool.map(lambda _: gate.take(vendor, 3), range(40)))
    assert granted == 50
    assert state_of(gate).windows[2].used == 50


def test_requests_that_belong_together_take_what_there_is_and_fail_alone(gate: Gate) -> None:
    vendor = Vendor(allowance=Allowance(per_day=3))

    def unknown() -> str:
        raise NoData("There is no such symbol.", source="vendor")

    outcomes = gate.call_each(vendor, {"A": vendor.ask, "B": unknown, "C": vendor.ask, "D": vendor.ask})
    assert (outcomes["A"], outcomes["C"]) == ("answer", "answer")
    assert isinstance(outcomes["B"], NoData)
    assert isinstance(outcomes["D"], RateLimited)


def test_requests_that_belong_together_leave_together(gate: Gate) -> None:
    together = threading.Barrier(20)

    def ask() -> int:
        return together.wait(5)

    outcomes = gate.call_each(Vendor(), dict.fromkeys(range(20), ask))
    assert sorted(str(each) for each in outcomes.values()) == sorted(map(str, range(20)))


def test_nothing_is_asked_where_nothing_is_wanted(gate: Gate) -> None:
    assert gate.call_each(Vendor(), {}) == {}
    assert gate.states() == []


@pytest.mark.parametrize("error", [NoData("None.", source="vendor"), NotConfigured("Set VENDOR_API_KEY.")])
def test_what_will_not_change_is_not_tried_again_and_opens_no_circuit(make_gate: MakeGate, error: AssayError) -> None:
    gate, vendor = make_gate(), Vendor()
    for _ in range(2 * POLICY.failures):
        vendor.failures = [error]
        with pytest.raises(type(error)):
            gate.call(vendor, vendor.ask)
    assert vendor.asked == 2 * POLICY.failures
    assert state_of(gate).circuit is Circuit.CLOSED


def test_a_failure_is_tried_again_and_each_attempt_is_counted(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(), Vendor(allowance=Allowance(per_day=10))
    vendor.failures = [down(), down()]
    assert gate.call(vendor, vendor.ask) == "answer"
    assert vendor.asked == 3
    state = state_of(gate)
    assert state.windows[2].used == 3
    assert (state.failures_in_a_row, state.failure) == (0, "SourceDown")


def test_attempts_are_bounded(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(circuit=CircuitPolicy(failures=100)), Vendor()
    vendor.failures = [down() for _ in range(100)]
    with pytest.raises(SourceDown, match="It broke"):
        gate.call(vendor, vendor.ask)
    assert vendor.asked == RetryPolicy().attempts


def test_a_retry_that_the_allowance_refuses_leaves_the_first_failure(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(), Vendor(allowance=Allowance(per_day=1))
    vendor.failures = [down()]
    with pytest.raises(SourceDown, match="It broke"):
        gate.call(vendor, vendor.ask)
    assert vendor.asked == 1


def test_what_failed_slowly_is_not_tried_again(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(retry=RetryPolicy(within_s=0.05)), Vendor()

    def ask_slowly() -> str:
        threading.Event().wait(0.06)
        return vendor.ask()

    vendor.failures = [down()]
    with pytest.raises(SourceDown):
        gate.call(vendor, ask_slowly)
    assert vendor.asked == 1


def test_pauses_grow_and_are_anywhere_below_their_bound() -> None:
    policy, random = RetryPolicy(first_pause_s=1, longest_pause_s=4), Random(7)
    pauses = {attempts: [policy.pause_s(attempts, random) for _ in range(400)] for attempts in (1, 2, 3, 9)}
    bounds = {1: 1, 2: 2, 3: 4, 9: 4}
    for attempts, bound in bounds.items():
        assert 0 <= min(pauses[attempts]) < 0.1 * bound
        assert 0.9 * bound < max(pauses[attempts]) <= bound


def test_a_source_that_asks_us_to_wait_is_left_alone_by_all_until_then(
    make_gate: MakeGate, move_time: MoveTime
) -> None:
    gate, other, vendor = make_gate(), make_gate(), Vendor()
    move_time(NOON)
    vendor.failures = [RateLimited("Slow down.", source="vendor", retry_after_s=600)]
    with pytest.raises(RateLimited, match="Slow down"):
        gate.call(vendor, vendor.ask)
    assert vendor.asked == 1
    move_time(NOON + timedelta(seconds=590))
    error = refused(other, vendor)
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pytest.approx(10, abs=2)
    assert state_of(gate).blocked_until is not None
    move_time(NOON + timedelta(seconds=601))
    assert other.call(vendor, vendor.ask) == "answer"
    assert state_of(gate).blocked_until is None


def test_one_that_does_not_say_how_long_is_left_alone_for_a_while(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor(failures=[RateLimited("Slow down.", source="vendor")])
    move_time(NOON)
    with pytest.raises(RateLimited):
        gate.call(vendor, vendor.ask)
    move_time(NOON + timedelta(seconds=POLICY.block_s - 5))
    refused(gate, vendor)
    move_time(NOON + timedelta(seconds=POLICY.block_s + 1))
    assert gate.call(vendor, vendor.ask) == "answer"


def test_a_short_wait_that_a_source_asks_for_is_kept_and_it_is_asked_again(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(), Vendor(failures=[RateLimited("Slow down.", source="vendor", retry_after_s=0.1)])
    begun = SystemClock().monotonic()
    assert gate.call(vendor, vendor.ask) == "answer"
    assert SystemClock().monotonic() - begun >= 0.1
    assert vendor.asked == 2


def test_the_circuit_opens_after_so_many_failures_in_a_row_and_not_before(gate: Gate) -> None:
    vendor = Vendor()
    for failures in ([down(), down()], [down(), down(), down()]):
        vendor.failures = [*failures]
        for _ in failures:
            assert state_of(gate).circuit is Circuit.CLOSED if gate.states() else True
            with pytest.raises(SourceDown, match="It broke"):
                gate.call(vendor, vendor.ask)
        if len(failures) < POLICY.failures:
            gate.call(vendor, vendor.ask)
    assert state_of(gate).circuit is Circuit.OPEN
    error = refused(gate, vendor)
    assert isinstance(error, SourceDown)
    assert "tried again in" in error.detail


def open_circuit(gate: Gate, vendor: Vendor) -> None:
    vendor.failures = [down() for _ in range(POLICY.failures)]
    for _ in range(POLICY.failures):
        with pytest.raises(SourceDown):
            gate.call(vendor, vendor.ask)
    assert state_of(gate).circuit is Circuit.OPEN


def test_after_its_rest_one_probe_of_all_processes_closes_the_circuit(make_gate: MakeGate, move_time: MoveTime) -> None:
    gate, other, vendor = make_gate(retry=ONCE), make_gate(retry=ONCE), Vendor()
    move_time(NOON)
    open_circuit(gate, vendor)
    move_time(NOON + timedelta(seconds=POLICY.rest_s - 1))
    refused(other, vendor)
    move_time(NOON + timedelta(seconds=POLICY.rest_s + 1))
    assert state_of(gate).circuit is Circuit.HALF_OPEN

    def probe() -> str:
        refused(other, vendor)
        return vendor.ask()

    assert gate.call(vendor, probe) == "answer"
    assert state_of(gate).circuit is Circuit.CLOSED
    assert other.call_each(vendor, dict.fromkeys(range(5), vendor.ask)) == dict.fromkeys(range(5), "answer")


def test_many_requests_at_a_half_open_circuit_send_one_ahead(gate: Gate, move_time: MoveTime) -> None:
    vendor = Vendor()
    move_time(NOON)
    open_circuit(gate, vendor)
    move_time(NOON + timedelta(seconds=POLICY.rest_s + 1))
    vendor.asked, vendor.failures = 0, [down()]
    outcomes = gate.call_each(vendor, dict.fromkeys(range(10), vendor.ask))
    assert vendor.asked == 1
    assert all(isinstance(each, SourceDown) for each in outcomes.values())
    move_time(NOON + timedelta(seconds=10 * POLICY.rest_s))
    assert set(gate.call_each(vendor, dict.fromkeys(range(10), vendor.ask)).values()) == {"answer"}
    assert vendor.asked == 11


def test_each_probe_that_fails_doubles_the_rest_up_to_its_longest(gate: Gate, move_time: MoveTime) -> None:
    vendor, now, rests = Vendor(), NOON, []
    move_time(now)
    open_circuit(gate, vendor)
    for _ in range(4):
        state = state_of(gate)
        assert state.rests_until is not None
        rests.append(round((state.rests_until - now).total_seconds()))
        now = state.rests_until + timedelta(seconds=1)
        move_time(now)
        vendor.failures = [down()]
        with pytest.raises(SourceDown):
            gate.call(vendor, vendor.ask)
    assert rests == [30, 60, 100, 100]


def test_a_probe_that_never_comes_back_is_given_up(
    make_gate: MakeGate, move_time: MoveTime, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    gate, vendor = make_gate(retry=ONCE), Vendor()
    move_time(NOON)
    open_circuit(gate, vendor)
    now = NOON + timedelta(seconds=POLICY.rest_s + 1)
    move_time(now)
    assert gate.take(vendor) == 1  # and whoever took it is dead
    move_time(now + timedelta(seconds=POLICY.probe_s - 2))
    refused(gate, vendor)
    move_time(now + timedelta(seconds=POLICY.probe_s + 1))
    assert gate.call(vendor, vendor.ask) == "answer"
    assert service.execute("SELECT probed_until, rests, rests_until FROM sources").fetchone() == (None, 0, None)


def test_a_late_failure_of_a_request_that_left_before_does_not_lengthen_the_rest(
    gate: Gate, move_time: MoveTime
) -> None:
    vendor = Vendor()
    move_time(NOON)

    def late() -> str:
        open_circuit(gate, vendor)
        raise down()

    with pytest.raises(SourceDown):
        gate.call(vendor, late)
    state = state_of(gate)
    assert state.rests_until is not None
    assert (state.rests_until - NOON).total_seconds() == pytest.approx(POLICY.rest_s, abs=5)


def test_what_was_taken_and_not_asked_is_given_back(make_gate: MakeGate) -> None:
    gate, vendor = make_gate(retry=ONCE), Vendor(allowance=Allowance(per_day=200))
    limited = RateLimited("Slow down.", source="vendor", retry_after_s=600)
    asked = threading.Semaphore(0)

    def ask() -> str:
        asked.release()
        raise limited

    outcomes = gate.call_each(vendor, dict.fromkeys(range(150), ask))
    assert set(outcomes.values()) == {limited}
    count = 0
    while asked.acquire(blocking=False):
        count += 1
    assert state_of(gate).windows[2].used == count


def test_what_was_taken_before_midnight_is_not_given_back_to_the_new_day(gate: Gate, move_time: MoveTime) -> None:
    vendor, midnight = Vendor(allowance=Allowance(per_day=200)), datetime(2026, 5, 6, tzinfo=UTC)
    first, others = threading.Lock(), threading.Event()
    move_time(midnight - timedelta(seconds=10))

    def ask() -> str:
        if first.acquire(blocking=False):
            move_time(midnight + timedelta(seconds=1))
            assert gate.take(vendor, 60) == 60
            others.set()
        others.wait(5)
        raise RateLimited("Slow down.", source="vendor", retry_after_s=600)

    gate.call_each(vendor, dict.fromkeys(range(150), ask))
    assert state_of(gate).windows[2].used == 60


@pytest.mark.parametrize(("patience_s", "most"), [(0.0, 1), (0.1, 2)])
def test_patience_counts_what_asking_takes_where_not_all_may_be_asked_at_once(
    gate: Gate, move_time: MoveTime, patience_s: float, most: int
) -> None:
    vendor = Vendor(allowance=Allowance(per_second=1))

    def ask_slowly() -> str:
        threading.Event().wait(0.06)
        move_time(NOON + timedelta(seconds=2 * vendor.asked))  # there is room again when it answers
        return vendor.ask()

    move_time(NOON - timedelta(seconds=2))
    outcomes = list(gate.call_each(vendor, dict.fromkeys(range(5), ask_slowly), patience_s=patience_s).values())
    assert 1 <= vendor.asked <= most
    assert outcomes[: vendor.asked] == ["answer"] * vendor.asked
    for left in outcomes[vendor.asked :]:
        assert isinstance(left, RateLimited)
        assert left.retry_after_s == 0


def test_a_flaw_of_ours_is_raised_and_counts_as_a_failure(gate: Gate) -> None:
    vendor = Vendor(failures=[ZeroDivisionError()])
    with pytest.raises(ZeroDivisionError):
        gate.call(vendor, vendor.ask)
    assert (state_of(gate).failures_in_a_row, state_of(gate).failure) == (1, "ZeroDivisionError")


def test_states_name_those_too_that_were_never_asked(gate: Gate) -> None:
    vendor = Vendor(name="a", allowance=Allowance(per_day=7))
    gate.call(Vendor(name="b"), lambda: None)
    assert [(state.name, state.windows[2].limit) for state in gate.states([vendor])] == [("a", 7), ("b", None)]


def test_a_gate_that_closes_waits_for_no_allowance(database: Database) -> None:
    vendor = Vendor(allowance=Allowance(per_minute=1))
    with closing(Gate(database, SystemClock(), Random(1), circuit=POLICY)) as gate:
        gate.call(vendor, vendor.ask)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(gate.call, vendor, vendor.ask, patience_s=100)
            gate.close()
            with pytest.raises(RateLimited):
                waiting.result(5)


def test_no_connection_is_held_while_a_source_is_asked(gate: Gate, database: Database) -> None:
    assert sum(gate.call(Vendor(), database.connections_in_use).values()) == 0


def test_requests_are_counted_by_what_came_of_them(make_gate: MakeGate) -> None:
    telemetry = Telemetry()
    gate, vendor = make_gate(retry=ONCE, telemetry=telemetry), Vendor(failures=[down()])
    with pytest.raises(SourceDown):
        gate.call(vendor, vendor.ask)
    gate.call(vendor, vendor.ask)
    name = "assay_source_call_seconds_count"
    for outcome in ("ok", "SourceDown"):
        assert telemetry.registry.get_sample_value(name, {"source": "vendor", "outcome": outcome}) == 1
