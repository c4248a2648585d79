"""Processes share what a source allows, whom it leaves alone and who is fetching: counted exactly, killed hard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.market.quotes import LEASE_S
from core.settings import ROOT
from tests.conftest import MoveTime
from tests.core.http.conftest import eventually
from tests.fakes.market_answers import Share
from tests.fakes.market_server import KEY, MarketServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
Service = psycopg.Connection[tuple[object, ...]]


class Worker:
    """One process, ready for orders."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.quote_worker"],
            env={**os.environ, **environ},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def order(self, *words: str) -> None:
        """Tells it what to do next."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What came of its last order; waits for that."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """Ends it, however it stands."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def server() -> Iterator[MarketServer]:
    """The market's server of both processes."""
    with MarketServer() as started:
        yield started


StartWorkers = Callable[..., list[Worker]]


@pytest.fixture
def start(server: MarketServer, database_url: str, tmp_path: Path) -> Iterator[StartWorkers]:
    """Starts processes on the test's database, and ends them."""
    started: list[Worker] = []

    def begin(count: int = 2, **environ: str) -> list[Worker]:
        settings = {
            "DATABASE_URL": database_url,
            "ASSAY_HOME": str(tmp_path),
            "ASSAY_DEMO": "0",
            "PYTHONPATH": str(ROOT),
            "ALPHAVANTAGE_API_KEY": KEY,
            "ALPHAVANTAGE_BASE_URL": server.url,
            "ALPHAVANTAGE_PER_SECOND": "1000",
            "ALPHAVANTAGE_PER_DAY": "1000",
        }
        workers = [Worker({**settings, **environ}) for _ in range(count)]
        started.extend(workers)
        assert [worker.answer() for worker in workers] == ["ready"] * count
        return workers

    yield begin
    for worker in started:
        worker.end()


def test_two_processes_take_exactly_what_one_allowance_holds(start: StartWorkers, service: Service) -> None:
    workers = start()
    for worker in workers:
        worker.order("take", "vendor", "500", "400")
    takes = [worker.answer() for worker in workers]
    assert sum(map(sum, takes)) == 500
    assert all(map(any, takes))
    assert service.execute("SELECT day_used FROM sources WHERE name = 'vendor'").fetchone() == (500,)


def test_two_processes_ask_a_source_as_often_as_it_allows_in_all(start: StartWorkers, server: MarketServer) -> None:
    symbols = [f"S{number}" for number in range(60)]
    server.shares |= {symbol: Share(symbol) for symbol in symbols}
    workers = start(ALPHAVANTAGE_PER_DAY="45")
    for worker, half in zip(workers, (symbols[:30], symbols[30:]), strict=True):
        worker.order("quotes", *half)
    told = [quote for worker in workers for quote in worker.answer().values()]
    assert [source for source, _ in told].count("alphavantage") == 45
    assert [source for source, _ in told].count("none") == 15
    assert len(server.requests) == 45


def test_two_processes_fetch_a_symbol_once(start: StartWorkers, server: MarketServer) -> None:
    server.reply("alphavantage", delay_s=0.5)
    workers = start()
    for worker in workers:
        worker.order("quotes", "ACME")
    assert sorted(worker.answer()["ACME"] for worker in workers) == [["alphavantage", "256.08"], ["cache", "256.08"]]
    assert len(server.requests) == 1


def test_the_fetch_of_a_process_that_is_killed_is_taken_over(
    start: StartWorkers, server: MarketServer, service: Service, move_time: MoveTime
) -> None:
    server.reply("alphavantage", hangs="headers")
    killed, survivor = start()
    killed.order("quotes", "ACME")
    eventually(lambda: len(server.requests) == 1)
    killed.process.send_signal(signal.SIGKILL)
    killed.process.wait(10)
    server.reply("alphavantage")
    survivor.order("quotes", "ACME")
    assert len(server.requests) == 1
    move_time(timedelta(seconds=LEASE_S + 1))
    assert survivor.answer() == {"ACME": ["alphavantage", "256.08"]}
    assert len(server.requests) == 2
    assert service.execute("SELECT count(*) FROM quote_fetches").fetchone() == (0,)


def test_a_source_that_one_process_found_down_is_left_alone_by_the_other(
    start: StartWorkers, server: MarketServer
) -> None:
    server.reply("alphavantage", status=500, body={})
    first, second = start()
    first.order("quotes", *(f"S{number}" for number in range(8)))
    assert {source for source, _ in first.answer().values()} == {"none"}
    asked = len(server.requests)
    second.order("quotes", "ACME")
    assert second.answer() == {"ACME": ["none", None]}
    assert len(server.requests) == asked
