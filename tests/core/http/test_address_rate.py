"""Strangers are counted by address, by all processes together; a flood costs the database nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

import httpx2
import psycopg
import pytest

from core.db.engine import Database
from core.errors import DatabaseUnavailable, MeteringDenied
from core.http.address_rate import AWAY_S, AddressRate
from core.metering.addresses import Addresses
from core.principal import Principal
from core.settings import ROOT
from tests.conftest import MoveTime
from tests.core.http.conftest import ServeApi, assert_problem

STRANGER = "192.0.2.1"
_T = TypeVar("_T")
Service = psycopg.Connection[tuple[object, ...]]
KNOCKING = """
import sys
from core.db.engine import Database
from core.metering.addresses import Addresses

database = Database(sys.argv[1], pool_size=2)
addresses = Addresses(database)
print("ready", flush=True)
sys.stdin.readline()
print(sum(addresses.take(sys.argv[2], 50) is None for _ in range(60)), flush=True)
database.close()
"""


class _Counting:
    """The shared count, with how often it was asked."""

    def __init__(self, answers: Callable[[], int | None] = lambda: None) -> None:
        self.asked = 0
        self._answers = answers

    def take(self, _address: str, _limit: int) -> int | None:
        self.asked += 1
        return self._answers()


def test_two_processes_together_let_in_exactly_the_limit(database_url: str) -> None:
    command = [sys.executable, "-c", KNOCKING, database_url, STRANGER]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    let_in = [process.communicate("go\n", timeout=60)[0] for process in started]
    assert sum(int(count) for count in let_in) == 50


def test_threads_that_knock_at_once_are_counted_one_by_one(database: Database) -> None:
    addresses = Addresses(database)
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _number: addresses.take(STRANGER, 20), range(200)))
    assert Counter(wait is None for wait in waits) == {True: 20, False: 180}
    assert all(wait is None or 1 <= wait <= 60 for wait in waits)


def test_the_shared_window_slides_with_the_databases_clock(database: Database, move_time: MoveTime) -> None:
    addresses = Addresses(database)
    for step in (0, 20):
        move_time(timedelta(seconds=step))
        assert addresses.take(STRANGER, 2) is None
    move_time(timedelta(seconds=40))
    wait_s = addresses.take(STRANGER, 2)
    assert wait_s is not None
    assert 15 <= wait_s <= 20
    assert addresses.take("192.0.2.2", 2) is None
    move_time(timedelta(seconds=62))
    assert addresses.take(STRANGER, 2) is None
    move_time(timedelta(seconds=-3600))
    assert addresses.take(STRANGER, 2) is not None


def test_addresses_that_were_quiet_are_forgotten(
    database: Database, service: Service, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.metering.addresses.TRIM_EVERY", 10)
    addresses = Addresses(database)
    for number in range(9):
        addresses.take(f"192.0.2.{number}", 5)
    move_time(timedelta(minutes=3))
    addresses.take(STRANGER, 5)
    assert service.execute("SELECT count(*) FROM address_meters").fetchone() == (1,)


def test_no_address_is_kept_in_words(database: Database, service: Service) -> None:
    Addresses(database).take(STRANGER, 5)
    assert STRANGER not in str(service.execute("SELECT * FROM address_meters").fetchall())


def test_an_address_that_was_refused_costs_no_more_work_until_its_reset() -> None:
    now, shared = 1000.0, _Counting(lambda: 20)
    rate = AddressRate(100, shared, monotonic=lambda: now)
    assert not rate.is_refused(STRANGER)
    assert [_wait_s(rate) for _ in range(1000)] == [20] * 1000
    assert shared.asked == 1
    now += 15.5
    assert _wait_s(rate) == 5
    assert rate.is_refused(STRANGER)
    now += 5
    assert not rate.is_refused(STRANGER)
    assert _wait_s(rate) == 20
    assert shared.asked == 2


def test_what_the_process_knows_to_be_too_much_is_not_asked_about() -> None:
    shared = _Counting()
    rate = AddressRate(3, shared, monotonic=lambda: 1000.0)
    for _ in range(3):
        assert _wait_s(rate) is None
    assert _wait_s(rate) == 60
    assert shared.asked == 3


def test_without_the_database_the_process_counts_by_itself() -> None:
    def away() -> int | None:
        raise DatabaseUnavailable

    now, shared = 1000.0, _Counting(away)
    rate = AddressRate(3, shared, monotonic=lambda: now)
    assert [_wait_s(rate) for _ in range(4)] == [None, None, None, 60]
    assert shared.asked == 1
    now += AWAY_S
    assert _wait_s(rate, "192.0.2.2") is None
    assert shared.asked == 2


def test_a_database_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.address_rate.SHARED_WAIT_S", 0.5)
    goes_on = threading.Event()

    def hang() -> int | None:
        goes_on.wait(10)
        return None

    shared = _Counting(hang)
    rate = AddressRate(2, shared)

    async def knock() -> list[int | None]:
        waits = [await _wait(rate) for _ in range(3)]
        goes_on.set()
        return waits

    *let_in, refused = _apart(knock())
    assert let_in == [None, None]
    assert refused is not None
    assert shared.asked == 1


def test_the_window_slides_and_says_how_long_to_wait() -> None:
    now = 1000.0
    rate = AddressRate(2, monotonic=lambda: now)
    assert _wait_s(rate) is None
    now += 20
    assert _wait_s(rate) is None
    now += 39.5
    assert _wait_s(rate) == 1
    assert _wait_s(rate, "192.0.2.2") is None
    now += 1
    assert _wait_s(rate) is None
    assert _wait_s(rate) == 20
    now += 3600
    assert _wait_s(rate) is None


def test_addresses_of_one_ipv6_network_share_one_window() -> None:
    rate = AddressRate(1, monotonic=lambda: 0.0)
    assert _wait_s(rate, "2001:db8::1") is None
    assert _wait_s(rate, "2001:db8::2") == 60
    assert _wait_s(rate, "2001:db8:0:1::1") is None


def test_so_many_addresses_are_remembered_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.http.address_rate.MAX_ADDRESSES", 3)
    rate = AddressRate(1, monotonic=lambda: 0.0)
    for number in range(100):
        assert _wait_s(rate, f"192.0.2.{number}") is None
    assert _wait_s(rate, "192.0.2.99") == 60
    assert _wait_s(rate, "192.0.2.0") is None


def test_one_limit_holds_for_the_api_for_openais_clients_and_for_sign_in(serve_api: ServeApi) -> None:
    api = serve_api(RATE_PER_ADDRESS="3")
    host = api.base_url.removesuffix("/api")
    with httpx2.Client(timeout=20) as stranger:
        assert stranger.get(f"{api.base_url}/health").status_code == 200
        assert stranger.get(f"{api.v1_url}/models").status_code == 401
        assert stranger.get(f"{host}/auth/session.js").status_code == 200
        for address in (f"{api.base_url}/health", f"{host}/auth/session.js", f"{host}/auth/nothing"):
            assert_problem(stranger.get(address), 429, "rate_limited")
        refused = stranger.get(f"{api.v1_url}/models")
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_the_tokens_of_an_address_that_was_refused_are_looked_up_one_by_one(
    serve_api: ServeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = serve_api(RATE_PER_ADDRESS="1")
    ann = api.token(api.member("ann"))
    accounts = api.workbench.accounts
    look_up, one_at_a_time, overlaps = accounts.principal_of_token, threading.Lock(), []

    def watched(token: str) -> Principal:
        is_alone = one_at_a_time.acquire(blocking=False)
        overlaps.append(not is_alone)
        try:
            return look_up(token)
        finally:
            if is_alone:
                one_at_a_time.release()

    def ask(token: str) -> int:
        return httpx2.get(f"{api.v1_url}/models", headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code

    for _ in range(2):
        httpx2.get(f"{api.base_url}/health")
    monkeypatch.setattr(accounts, "principal_of_token", watched)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(ask, ["assay_" + "x" * 43] * 30 + [ann] * 2))
    assert codes == [429] * 30 + [200] * 2
    assert overlaps == [False] * 32


def test_two_applications_on_one_database_share_the_limit(serve_api: ServeApi) -> None:
    one, other = (serve_api(RATE_PER_ADDRESS="4") for _ in range(2))
    codes = [httpx2.get(f"{api.base_url}/health").status_code for api in (one, other) * 3]
    assert codes == [200] * 4 + [429] * 2


def _wait_s(rate: AddressRate, address: str = STRANGER) -> int | None:
    return _apart(_wait(rate, address))


async def _wait(rate: AddressRate, address: str = STRANGER) -> int | None:
    try:
        await rate.take(address)
    except MeteringDenied as denied:
        return denied.denial.retry_after_s
    return None


def _apart(step: Coroutine[Any, Any, _T]) -> _T:
    """Runs a step on an event loop of its own, in a thread: that of a browser's tests may be under way in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, step).result()
