"""Processes share whom they leave alone, and who finds out whether a provider is back: real ones, killed hard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.db.engine import Database
from core.metering.books import audit
from core.settings import ROOT
from core.workbench import open_workbench
from tests.conftest import make_settings, member_factory
from tests.fakes.chat_server import ChatServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(90)]
Service = psycopg.Connection[tuple[object, ...]]
MODEL = "gpt-4o-mini"


class Worker:
    """One process, ready for orders."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.flows.health_worker", "ann@test.example"],
            env={**os.environ, **environ},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, *words: str) -> None:
        """Tells it what to do next."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """What came of its last order; waits for that."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def order(self, *words: str) -> Any:
        """Tells it what to do, and waits for what comes of it."""
        self.send(*words)
        return self.answer()

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def close(self) -> None:
        """Ends it, however it stands."""
        if self.process.poll() is None:
            self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def workers(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[list[Worker]]:
    """Two processes on one database, whose OpenAI is the scripted server; the books balance at the end."""
    with closing(open_workbench(make_settings(database_url, tmp_path))) as bench:
        member_factory(bench)(plan="enterprise")
    started = []
    for number in range(2):
        home = tmp_path / f"home-{number}"
        settings = {
            "DATABASE_URL": database_url,
            "ASSAY_HOME": str(home),
            "ASSAY_DEMO": "0",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": chat_server.base_url,
            "FIRST_TOKEN_TIMEOUT_S": "2",
            "CONNECT_TIMEOUT_S": "1",
            "TOTAL_TIMEOUT_S": "10",
        }
        started.append(Worker(settings))
    for worker in started:
        assert worker.answer() == "ready"
    yield started
    for worker in started:
        worker.close()
    with closing(Database(database_url)) as database:
        assert audit(database).differences == []


def until(claim: Callable[[], bool], within_s: float) -> float:
    """Waits for a claim to come true; gives the seconds that took."""
    begun = time.monotonic()
    while not claim():
        assert time.monotonic() - begun < within_s, "it did not come true in time"
        time.sleep(0.05)
    return time.monotonic() - begun


def open_circuit(workers: list[Worker], chat_server: ChatServer) -> None:
    """The first process meets a provider that fails."""
    chat_server.reply(status=500)
    for number in range(5):
        assert workers[0].order("ask", MODEL, f"Question {number}?")["error"] == "ProviderUnavailable"


def half_open(workers: list[Worker], service: Service) -> None:
    """Ends every rest, and waits until each process knows."""
    resting = "SELECT count(*) FROM model_states WHERE rests_until > assay_now()"  # the model, and its provider
    until(lambda: service.execute(resting).fetchone() == (2,), 5)
    service.execute("UPDATE model_states SET rests_until = assay_now() - interval '1 s' WHERE rests > 0")
    for worker in workers:
        until(lambda worker=worker: worker.order("state", "openai", MODEL)["state"] == "half_open", 5)  # type: ignore[misc]


def test_what_one_process_met_the_other_is_spared(workers: list[Worker], chat_server: ChatServer) -> None:
    open_circuit(workers, chat_server)
    until(lambda: workers[1].order("state", "openai", MODEL)["state"] == "open", 3)
    calls = chat_server.calls
    refused = workers[1].order("ask", MODEL, "And here?")
    assert refused["error"] == "ProviderUnavailable"
    assert "wait a moment" in refused["detail"]
    assert chat_server.calls == calls


def test_one_process_finds_out_for_both(workers: list[Worker], chat_server: ChatServer, service: Service) -> None:
    open_circuit(workers, chat_server)
    half_open(workers, service)
    chat_server.reply(hangs="first_token")
    calls = chat_server.calls
    workers[0].send("ask", MODEL, "Is it back?")
    assert chat_server.wait_for(calls=calls + 1)
    assert workers[1].order("ask", MODEL, "Is it back here?")["error"] == "ProviderUnavailable"
    assert chat_server.calls == calls + 1
    assert workers[0].answer()["error"] == "ProviderTimeout"
    half_open(workers, service)
    chat_server.reply()
    assert workers[1].order("ask", MODEL, "Is it back now?")["model"] == MODEL
    until(lambda: workers[0].order("state", "openai", MODEL)["state"] == "closed", 3)


def test_a_process_that_dies_while_it_finds_out_holds_nobody_up_for_long(
    workers: list[Worker], chat_server: ChatServer, service: Service
) -> None:
    """Its probe is given up when it must be over; its hold expires, and nothing is charged."""
    open_circuit(workers, chat_server)
    half_open(workers, service)
    chat_server.reply(hangs="first_token")
    calls = chat_server.calls
    workers[0].send("ask", MODEL, "Is it back?")
    assert chat_server.wait_for(calls=calls + 1)
    workers[0].kill()
    chat_server.reply()
    assert workers[1].order("admit", "openai", MODEL) == {"granted": False, "probes": []}
    taken_s = until(lambda: bool(workers[1].order("ask", MODEL, "Is it back here?").get("model")), 20)
    assert taken_s <= 10  # connecting, the first token, and five seconds
    charged = service.execute("SELECT count(*) FROM usage_log WHERE charged_usd > 0").fetchone()
    assert charged == (1,)
