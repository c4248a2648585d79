"""How models fare: when a circuit opens, who finds out, whom a failure is held against, and what others learn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from core.ai.health import HEALTHY, LONGEST_BLOCK_S, Health, HealthPolicy, Permit, resting
from core.db.engine import Database
from core.errors import (
    AssayError,
    ProviderBroke,
    ProviderError,
    ProviderLacksModel,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.core.ai.test_gateway import wait_until

Service = psycopg.Connection[tuple[object, ...]]
POLICY = HealthPolicy(failures=3, rest_s=10, longest_rest_s=35, probe_s=20, block_s=5)
MINE, OTHER = ("openai", "gpt-4o-mini"), ("openai", "gpt-4o")
DOWN = ProviderUnavailable("down", provider="openai")


class Moments:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The moment."""
        return self.now


@pytest.fixture
def clock() -> Moments:
    """A clock that stands still until it is moved."""
    return Moments()


@pytest.fixture
def health(clock: Moments) -> Health:
    """What one process knows that shares it with nobody."""
    return Health(None, POLICY, monotonic=clock)


def fail(health: Health, times: int, error: AssayError = DOWN, name: tuple[str, str] = MINE) -> None:
    """So many calls fail, as ones that were let through."""
    for _ in range(times):
        health.failed(health.admit(*name) or Permit(*name), error)


def test_what_was_never_asked_is_healthy(health: Health) -> None:
    assert health.of(*MINE) is HEALTHY
    assert health.admit(*MINE) == Permit(*MINE)


def test_failures_in_a_row_open_the_circuit_and_an_answer_between_them_does_not_let_it(health: Health) -> None:
    fail(health, 2)
    health.answered(Permit(*MINE), 0.2)
    fail(health, 2)
    assert (health.of(*MINE).state, health.of(*MINE).failures) == ("closed", 2)
    fail(health, 1)
    found = health.of(*MINE)
    assert (found.state, found.wait_s, found.failure) == ("open", 10, "ProviderUnavailable")
    assert health.admit(*MINE) is None


def test_each_rest_is_twice_as_long_up_to_the_longest_until_an_answer_closes_it(health: Health, clock: Moments) -> None:
    fail(health, 3)
    for rest_s in (10, 20, 35, 35):
        assert health.of(*MINE).wait_s == rest_s
        clock.now += rest_s
        assert health.of(*MINE).state == "half_open"
        fail(health, 1)
    clock.now += 35
    permit = health.admit(*MINE)
    assert permit is not None
    health.answered(permit, 0.1)
    assert health.of(*MINE).state == "closed"
    fail(health, 3)
    assert health.of(*MINE).wait_s == 10


def test_while_one_finds_out_nobody_else_is_let_through(health: Health, clock: Moments) -> None:
    fail(health, 3)
    clock.now += 10
    first = health.admit(*MINE)
    assert first is not None
    assert first.probes == {"gpt-4o-mini", ""}
    assert (health.admit(*MINE), health.admit(*OTHER)) == (None, None)
    assert health.of(*MINE).wait_s == 2  # users are asked to wait a moment, not until the probe is given up
    health.unknown(first)
    assert health.admit(*MINE) is not None


def test_a_probe_that_never_comes_back_is_given_up(health: Health, clock: Moments) -> None:
    fail(health, 3)
    clock.now += 10
    assert health.admit(*MINE) is not None
    clock.now += POLICY.probe_s - 1
    assert health.admit(*MINE) is None
    clock.now += 1
    assert health.admit(*MINE) is not None


@pytest.mark.parametrize(
    ("error", "mine", "others"),
    [
        (DOWN, "open", "open"),
        (ProviderTimeout("slow", provider="openai"), "open", "open"),
        (ProviderBroke("broke", provider="openai"), "open", "open"),
        (ProviderRefusedKey("key", provider="openai"), "open", "open"),
        (ProviderLacksModel("gone", provider="openai"), "open", "closed"),
        (ProviderRateLimited("wait", provider="openai"), "open", "closed"),
        (ProviderRejectedRequest("long", provider="openai"), "closed", "closed"),
        (AssayError("ours"), "closed", "closed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AssayError) else value,
)
def test_a_failure_is_held_against_whom_it_concerns(health: Health, error: AssayError, mine: str, others: str) -> None:
    fail(health, 3, error)
    assert (health.of(*MINE).state, health.of(*OTHER).state) == (mine, others)
    assert health.of("anthropic", "claude") is HEALTHY


def test_a_model_that_fails_beside_one_that_answers_rests_alone(health: Health) -> None:
    for _ in range(3):
        fail(health, 1)
        health.answered(Permit(*OTHER), 0.1)
    assert (health.of(*MINE).state, health.of(*OTHER).state) == ("open", "closed")


def test_retry_after_is_obeyed_within_reason(health: Health, clock: Moments) -> None:
    fail(health, 1, ProviderRateLimited("wait", provider="openai", retry_after_s=7))
    assert (health.of(*MINE).state, health.of(*MINE).wait_s) == ("open", 7)
    assert health.of(*OTHER).state == "closed"
    clock.now += 7
    assert health.of(*MINE).state == "closed"
    fail(health, 1, ProviderRateLimited("wait", provider="openai"), OTHER)
    assert health.of(*OTHER).wait_s == POLICY.block_s
    fail(health, 1, ProviderRateLimited("wait", provider="openai", retry_after_s=86_400), ("openai", "o4-mini"))
    assert health.of("openai", "o4-mini").wait_s == LONGEST_BLOCK_S


@pytest.mark.parametrize("kind", [ProviderRateLimited, ProviderRefusedKey])
def test_an_own_key_is_not_held_up_by_the_platforms_and_says_nothing_of_itself(
    health: Health, kind: type[ProviderError]
) -> None:
    fail(health, 3, kind("no", provider="openai"))
    assert health.of(*MINE).state == "open"
    assert health.of(*MINE, own_key=True).state == "closed"
    permit = health.admit(*MINE, own_key=True)
    assert permit is not None
    health.answered(permit, 0.1)
    assert health.of(*MINE).state == "open"
    for _ in range(5):
        health.failed(replace(permit, model="gpt-4o"), kind("no", provider="openai"))
    assert health.of(*OTHER, own_key=True).state == "closed"


def test_an_own_key_waits_for_a_provider_that_is_down(health: Health) -> None:
    fail(health, 3)
    assert health.admit(*MINE, own_key=True) is None


def test_first_tokens_are_a_moving_mean(health: Health) -> None:
    for seconds in (0.2, 0.2, 1.2):
        health.answered(Permit(*MINE), seconds)
    assert health.of(*MINE).first_token_ms == 400


def test_what_is_told_asks_to_wait_a_moment_and_for_how_long(health: Health) -> None:
    fail(health, 1, ProviderRateLimited("wait", provider="openai", retry_after_s=7))
    limited = resting("openai", health.of(*MINE))
    assert isinstance(limited, ProviderRateLimited)
    assert (limited.retry_after_s, limited.provider) == (7, "openai")
    assert limited.detail.startswith("OpenAI asks us to wait. Please wait a moment and ask again in 7 s")
    fail(health, 3, DOWN, OTHER)
    down = resting("openai", health.of(*OTHER))
    assert isinstance(down, ProviderUnavailable)
    assert "wait a moment" in down.detail


def test_looking_takes_no_longer_than_twenty_microseconds(health: Health) -> None:
    fail(health, 3)
    times = []
    for _ in range(2_000):
        begun = time.perf_counter()
        health.of(*MINE)
        times.append(time.perf_counter() - begun)
    assert sorted(times)[1_000] <= 20e-6


@pytest.fixture
def pair(database_url: str) -> Iterator[tuple[Health, Health]]:
    """What two processes know that share a database."""
    with closing(Database(database_url)) as one, closing(Database(database_url)) as two:
        first, second = Health(one, POLICY), Health(two, POLICY)
        first.learn()
        second.learn()
        yield first, second
        first.close()
        second.close()


def test_what_one_process_met_another_knows_within_two_seconds(pair: tuple[Health, Health]) -> None:
    here, there = pair
    begun = time.monotonic()
    fail(here, 3)
    assert here.of(*MINE).state == "open"
    wait_until(lambda: there.of(*MINE).state == "open", within_s=3)
    assert time.monotonic() - begun <= 2.5
    found = there.of(*MINE)
    assert (found.failure, found.failures) == ("ProviderUnavailable", 3)
    assert found.wait_s is not None
    assert 5 < found.wait_s <= 10


def test_a_process_that_has_just_begun_knows_it_before_its_first_question(
    pair: tuple[Health, Health], database: Database
) -> None:
    fail(pair[0], 3)
    pair[0].refresh()
    with closing(Health(database, POLICY)) as newcomer:
        newcomer.learn()
        assert newcomer.of(*MINE).state == "open"


def end_rest(service: Service) -> None:
    """Has every circuit that is open be half open."""
    service.execute("UPDATE model_states SET rests_until = assay_now() - interval '1 s'")


def test_of_twenty_threads_in_two_processes_one_finds_out(pair: tuple[Health, Health], service: Service) -> None:
    fail(pair[0], 3)
    pair[0].refresh()
    end_rest(service)
    for health in pair:
        health.refresh()
        assert health.of(*MINE).state == "half_open"
    start = threading.Barrier(20)

    def ask(number: int) -> Permit | None:
        start.wait()
        return pair[number % 2].admit(*MINE)

    with ThreadPoolExecutor(20) as pool:
        permits = [permit for permit in pool.map(ask, range(20)) if permit is not None]
    assert [permit.probes for permit in permits] == [{"gpt-4o-mini", ""}]
    pair[0].answered(permits[0], 0.1)
    assert pair[0].of(*MINE).state == "closed"
    wait_until(lambda: pair[1].of(*MINE).state == "closed", within_s=3)


def test_a_probe_that_fails_opens_it_again_for_all_and_for_longer(
    pair: tuple[Health, Health], service: Service
) -> None:
    fail(pair[0], 3)
    pair[0].refresh()
    end_rest(service)
    pair[1].refresh()
    fail(pair[1], 1)
    pair[1].refresh()
    pair[0].refresh()
    wait_s = pair[0].of(*MINE).wait_s
    assert wait_s is not None
    assert 15 < wait_s <= 20
    rows = service.execute("SELECT model, rests, failures, calls, failed_calls FROM model_states ORDER BY 1").fetchall()
    assert rows == [("", 2, 4, 4, 4), ("gpt-4o-mini", 2, 4, 4, 4)]


def test_a_late_answer_of_a_call_that_left_before_does_not_close_it(
    database: Database, service: Service, clock: Moments
) -> None:
    early, late = Health(database, POLICY, monotonic=clock), Health(database, POLICY)
    early.answered(Permit(*MINE), 0.1)  # said by a process that has not written it down yet
    clock.now += 30
    fail(late, 3)
    late.refresh()
    early.refresh()
    late.refresh()
    assert late.of(*MINE).state == "open"
    assert service.execute("SELECT calls FROM model_states WHERE model <> ''").fetchone() == (4,)


def test_while_the_database_is_away_each_process_goes_by_what_it_saw_and_tells_it_later(
    database_url: str, service: Service
) -> None:
    away = Database("postgresql://nobody:x@127.0.0.1:1/none")
    health = Health(away, POLICY)
    fail(health, 3)
    health.refresh()
    assert health.of(*MINE).state == "open"
    with closing(Database(database_url)) as back:
        health._database = back
        health.refresh()
        health.close()
    assert health.of(*MINE).state == "open"
    assert service.execute("SELECT failures FROM model_states WHERE model <> ''").fetchone() == (3,)
    away.close()


def test_those_who_run_the_installation_see_every_model_and_provider(database: Database) -> None:
    with closing(Health(database, POLICY)) as health:
        health.answered(Permit(*MINE), 0.25)
        fail(health, 1, ProviderTimeout("slow", provider="openai"), OTHER)
        fail(health, 3, DOWN, ("mistral", "mistral-small-latest"))
        rows = health.all()
    told = [(row.provider, row.model, row.state, row.calls, row.failed_calls, row.first_token_ms) for row in rows]
    assert told == [
        ("mistral", "", "open", 3, 3, None),
        ("mistral", "mistral-small-latest", "open", 3, 3, None),
        ("openai", "", "closed", 2, 1, None),
        ("openai", "gpt-4o", "closed", 1, 1, None),
        ("openai", "gpt-4o-mini", "closed", 1, 0, 250),
    ]
