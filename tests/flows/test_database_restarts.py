"""Postgres is restarted, or killed, between the steps of a call and under load; and many processes ask at once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.db.embedded import EmbeddedServer, attach
from core.errors import AssayError, DatabaseUnavailable, MeteringDenied
from core.metering.books import audit
from core.metering.meter import Feature, Hold
from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings, member_factory
from tests.core.ai.test_gateway import HONEST, HONEST_COST, LONG, ask, question
from tests.core.metering.factories import hold_request, record
from tests.fakes.chat_server import ChatServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Connection = psycopg.Connection[tuple[object, ...]]
STEPS = ["reserve_or_join", "mark_in_flight", "settle"]


@pytest.fixture
def home() -> Iterator[Path]:
    """The folder of a server that the tests own alone."""
    folder = Path(tempfile.mkdtemp(prefix="assay-restart-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(home: Path) -> EmbeddedServer:
    """A Postgres that may be ended."""
    return attach(home)


@pytest.fixture
def live(server: EmbeddedServer, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench on it, that does not bring it back by itself; the books balance at the end."""
    settings = make_settings(
        server.url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url, TOTAL_TIMEOUT_S="30"
    )
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst with slots enough."""
    return member_factory(live)(plan="enterprise")


def end(server: EmbeddedServer, sent: signal.Signals) -> None:
    """Ends a server, and waits until it is gone."""
    pid = int((server.data_dir / "postmaster.pid").read_text("utf-8").splitlines()[0])
    os.kill(pid, sent)
    with suppress(ProcessLookupError, ChildProcessError):
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            time.sleep(0.01)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(psycopg.OperationalError):
            psycopg.connect(server.admin_url.replace("+psycopg", ""), connect_timeout=2).close()
            time.sleep(0.02)
            continue
        return
    raise AssertionError("the server does not end")


def rows(server: EmbeddedServer, statement: str) -> list[tuple[Any, ...]]:
    """What the owner of everything finds."""
    with psycopg.connect(server.admin_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("SET search_path = assay")
        return connection.execute(statement).fetchall()


def before(live: Workbench, name: str, step: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has something happen once, just before a method of the meter is done."""
    method, left = getattr(live.meter, name), [step]

    def stepped(*args: Any) -> Any:
        if left:
            left.pop()()
        return method(*args)

    monkeypatch.setattr(live.meter, name, stepped)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
@pytest.mark.parametrize("step", STEPS)
def test_a_server_that_was_restarted_between_two_steps_charges_once(
    live: Workbench,
    ann: Principal,
    server: EmbeddedServer,
    home: Path,
    chat_server: ChatServer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    step: str,
    sent: signal.Signals,
) -> None:
    def restart() -> None:
        end(server, sent)
        attach(home)

    chat_server.reply(text=LONG, usage=HONEST)
    before(live, step, restart, monkeypatch)
    try:
        assert ask(live, ann).cost_usd == HONEST_COST
        answered = 1
    except AssayError:  # a reservation that was not yet flushed is lost with the server, and then nobody is called
        assert step != "settle"
        assert chat_server.calls == 0
        answered = 0
    charged = rows(server, "SELECT count(*), coalesce(sum(charged_usd), 0) FROM usage_log WHERE status = 'success'")
    assert charged == [(answered, answered * HONEST_COST)]
    assert ask(live, ann, "And now?").cost_usd == HONEST_COST
    assert chat_server.calls == answered + 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
def test_a_server_that_is_away_when_a_call_ends_is_waited_for(
    live: Workbench,
    ann: Principal,
    server: EmbeddedServer,
    home: Path,
    chat_server: ChatServer,
    sent: signal.Signals,
) -> None:
    gate = threading.Event()
    chat_server.reply(text=LONG, usage=HONEST, gate=gate)
    with live.gateway.session(ann, question()) as session:
        assert chat_server.wait_for(calls=1)
        end(server, sent)
        with pytest.raises(DatabaseUnavailable):
            ask(live, ann, "Is anybody there?")
        gate.set()
        assert "".join(event for event, _ in zip(session, range(3), strict=False))
        attach(home)
        assert session.result().cost_usd == HONEST_COST
    assert chat_server.calls == 1
    assert rows(server, "SELECT status, charged_usd FROM usage_log") == [("success", HONEST_COST)]


def started(live: Workbench, who: Principal, tmp_path: Path, *, threads: int, questions: int) -> subprocess.Popen[str]:
    """A process that is ready to ask."""
    assert live.settings.database_url is not None
    name = f"{time.monotonic_ns()}"
    environ = {
        "DATABASE_URL": live.settings.database_url.get_secret_value(),
        "ASSAY_HOME": str(tmp_path / name),
        "ASSAY_DEMO": "0",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": str(live.settings.text("OPENAI_BASE_URL")),
        "TOTAL_TIMEOUT_S": "30",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("load_worker.py")), who.email, str(threads), str(questions)],
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def let_go(workers: list[subprocess.Popen[str]]) -> None:
    """All begin at once."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "ready"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()


def outcomes(workers: list[subprocess.Popen[str]]) -> Counter[str]:
    """What all of them were told, once they have ended."""
    total: Counter[str] = Counter()
    for worker in workers:
        out, _ = worker.communicate(timeout=120)
        total.update(json.loads(out.splitlines()[-1]))
    return total


def test_restarts_under_the_load_of_several_processes_lose_nothing_and_charge_nothing_twice(
    live: Workbench, ann: Principal, server: EmbeddedServer, home: Path, chat_server: ChatServer, tmp_path: Path
) -> None:
    """litellm PR#34887, litellm#34805, new-api PR#6089: what was settled stays, and was settled once."""
    chat_server.reply(text=LONG, usage=HONEST, delay_s=0.01)
    with ExitStack() as stack:
        workers = [stack.enter_context(started(live, ann, tmp_path, threads=8, questions=150)) for _ in range(2)]
        let_go(workers)
        for sent in (signal.SIGINT, signal.SIGKILL):
            before_it = chat_server.calls
            assert chat_server.wait_for(calls=before_it + 20, timeout_s=30)
            end(server, sent)
            attach(home)
        told = outcomes(workers)
    assert sum(told.values()) == 300
    assert set(told) <= {"answer", "DatabaseUnavailable", "ProviderTimeout"}, told
    charged = rows(server, "SELECT count(*), sum(charged_usd) FROM usage_log WHERE status = 'success'")
    assert charged == [(told["answer"], told["answer"] * HONEST_COST)]
    assert chat_server.calls >= told["answer"]
    with psycopg.connect(server.admin_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(
            "CREATE OR REPLACE FUNCTION assay.assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
            "AS $$ SELECT clock_timestamp() + interval '10 minutes' $$"
        )
    while live.meter.sweep():
        pass
    assert rows(server, "SELECT count(*) FROM holds WHERE state IN ('reserved', 'in_flight')") == [(0,)]
    assert rows(server, "SELECT sum(open_holds) FROM member_meters") == [(0,)]
    quota = rows(server, "SELECT sum(chat_query_used), sum(chat_query_held) FROM member_meters")
    assert quota == [(told["answer"], 0)]


def test_two_hundred_threads_of_four_processes_make_exactly_ten_calls(
    live: Workbench, server: EmbeddedServer, chat_server: ChatServer, tmp_path: Path
) -> None:
    """litellm#34732, litellm#40095, litellm#35567, new-api#5690, new-api#6607, one-api#2440, bifrost#3547.

    And litellm#27736. Checked and taken in one step, in one place, however many ask.
    """
    who = member_factory(live)(plan="free")
    with psycopg.connect(server.admin_url.replace("+psycopg", ""), autocommit=True) as owner:
        owner.execute(
            "UPDATE assay.plan_limits SET concurrent_requests = NULL, requests_minute = NULL, requests_hour = NULL "
            "WHERE plan = 'free'"
        )
    chat_server.reply(text="Yes.", usage=HONEST)
    with ExitStack() as stack:
        workers = [stack.enter_context(started(live, who, tmp_path, threads=50, questions=50)) for _ in range(4)]
        let_go(workers)
        told = outcomes(workers)
    assert told == {"answer": 10, "MeteringDenied": 190}
    assert chat_server.calls == 10
    quota = rows(server, "SELECT sum(chat_query_used), sum(chat_query_held), sum(charge_usd_used) FROM member_meters")
    assert quota == [(10, 0, 10 * HONEST_COST)]


def test_steps_of_every_kind_at_once_wait_for_one_another_in_one_order(
    workbench: Workbench, member: MakeMember, service: Connection, database_url: str
) -> None:
    """litellm PR#34887, litellm#31866: no deadlock, so no increment that a deadlock drops."""
    people = [
        *(member(name, org="Acme", plan="enterprise") for name in ("ann", "bob", "carl")),
        *(member(name, org="Bolt", plan="enterprise") for name in ("dora", "emil")),
    ]
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    chance = random.Random(7)
    plans = ["enterprise", "team"]
    orders = [(chance.choice(people), chance.randrange(8), chance.choice(plans)) for _ in range(1200)]

    def step(order: tuple[Principal, int, str]) -> None:
        who, kind, plan = order
        meter, feature = workbench.meter, Feature.SIGNAL_VALIDATION if kind % 2 else Feature.CHAT_QUERY
        if kind == 7:
            service_call("UPDATE organisations SET plan = %s WHERE id = %s", (plan, who.org_id))
            meter.sweep(who.org_id)
            return
        flight = f"{who.org_name} {kind % 3}".encode().ljust(32) if kind < 4 else None
        try:
            hold = meter.reserve_or_join(who, hold_request(feature=feature, flight_key=flight, lifetime_s=12))
        except MeteringDenied:
            return
        if not isinstance(hold, Hold) or not meter.mark_in_flight(hold):
            return
        meter.top_up(hold, Decimal("0.002"))
        if kind == 6:
            meter.release(hold, "failed", record())
        else:
            meter.settle(hold, "cut" if kind == 5 else "success", Decimal("0.0004"), record())

    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("SET ROLE assay_service; SET search_path = assay")
        guard = threading.Lock()

        def service_call(statement: str, values: tuple[object, ...]) -> None:
            with guard:
                other.execute(statement, values)

        first = service.execute(deadlocks).fetchone()
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(step, orders))
    assert service.execute(deadlocks).fetchone() == first
    assert service.execute("SELECT sum(open_holds) FROM member_meters").fetchone() == (0,)
    assert audit(workbench.database).differences == []
