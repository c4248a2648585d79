"""Processes are killed between any two steps of a call: nobody pays for what never came, and the books balance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from core.errors import MeteringDenied
from core.metering.books import audit
from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_credit_cover import FREE, HONEST_CREDITS
from tests.core.ai.test_gateway import HONEST, HONEST_COST, LONG, ask, used, wait_until
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply
from tests.flows.gateway_worker import QUESTION

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
Service = psycopg.Connection[tuple[object, ...]]
Worker = subprocess.Popen[str]


@dataclass(frozen=True)
class Death:
    """A step at which a process ends, and what must be left of it once its hold has expired."""

    step: str
    last_word: str
    hangs: str | None
    calls: int
    hold: tuple[str, str] | None
    """State and resolution; None where nothing was reserved."""
    status: str | None
    """Of the usage row; None where there is none."""


NEVER, UNRESOLVED = ("expired", "never_called"), ("expired", "unresolved")
DEATHS = [
    Death("before reserve", "before reserve", None, 0, None, None),
    Death("after reserve", "after reserve", None, 0, NEVER, None),
    Death("after the mark", "after the mark", None, 0, UNRESOLVED, "unresolved"),
    Death("in the call, headers", "asked", "headers", 1, UNRESOLVED, "unresolved"),
    Death("in the call, first token", "asked", "first_token", 1, UNRESOLVED, "unresolved"),
    Death("between two tokens", "token", "between_tokens", 1, UNRESOLVED, "unresolved"),
    Death("before settle", "before settle", None, 1, UNRESOLVED, "unresolved"),
    Death("after settle", "after settle", None, 1, ("settled", "success"), "success"),
]


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench beside the one that is killed; the books balance at the end."""
    settings = make_settings(
        database_url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url, DEFAULT_MODEL="auto"
    )
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst on the free plan: one request at a time."""
    return member_factory(live)()


StartWorker = Callable[..., Worker]


@pytest.fixture
def start(live: Workbench, ann: Principal, chat_server: ChatServer, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a process that asks, and comes back when it stands where it should."""
    started: list[Worker] = []

    def begin(step: str, last_word: str, *manners: str) -> Worker:
        assert live.settings.database_url is not None
        environ = {
            "DATABASE_URL": live.settings.database_url.get_secret_value(),
            "ASSAY_HOME": str(tmp_path / f"worker-{len(started)}"),
            "ASSAY_DEMO": "0",
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": chat_server.base_url,
            "PYTHONPATH": str(ROOT),
        }
        worker = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("gateway_worker.py")), ann.email, step, *manners],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(worker)
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.strip() == last_word:
                return worker
        raise AssertionError("the worker ended before it came there")

    yield begin
    for worker in started:
        if worker.poll() is None:
            worker.kill()
        worker.wait(10)
        assert worker.stdout is not None
        worker.stdout.close()


def holds(service: Service) -> list[tuple[object, ...]]:
    """How every hold ended."""
    return service.execute("SELECT state, resolution FROM holds ORDER BY created_at").fetchall()


def charges(service: Service) -> list[tuple[object, ...]]:
    """Status, charge and cost of every call."""
    return service.execute("SELECT status, charged_usd, cost_usd FROM usage_log ORDER BY at").fetchall()


@pytest.mark.parametrize(
    ("death", "sent"),
    [(death, signal.SIGKILL) for death in DEATHS] + [(death, signal.SIGTERM) for death in DEATHS[1::2]],
    ids=lambda value: value.step if isinstance(value, Death) else value.name,
)
def test_a_process_that_ends_between_two_steps_costs_what_the_table_says(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    move_time: MoveTime,
    start: StartWorker,
    *,
    death: Death,
    sent: signal.Signals,
) -> None:
    """litellm#34805, litellm#38157, new-api#4429: what was spent is not lost, what was held does not leak."""
    chat_server.reply(text=LONG, usage=HONEST, hangs=death.hangs)
    worker = start(death.step, death.last_word)
    assert chat_server.wait_for(calls=death.calls)
    worker.send_signal(sent)
    assert worker.wait(10) == -sent
    assert death.hangs is None or chat_server.wait_for(disconnects=1)
    assert chat_server.calls == death.calls

    chat_server.reply(text=LONG, usage=HONEST)
    if death.hold in (NEVER, UNRESOLVED):
        bound = service.execute("SELECT bound_usd FROM holds").fetchone()
        with pytest.raises(MeteringDenied) as denied:
            ask(live, ann, "Is the slot still taken?")
        assert denied.value.denial.code == "too_many_concurrent"
        move_time(timedelta(minutes=10))
    else:
        bound = None
    answer = ask(live, ann, "Is the slot free again?")
    assert answer.cost_usd == HONEST_COST
    assert holds(service) == ([death.hold] if death.hold else []) + [("settled", "success")]
    expected: list[tuple[object, ...]] = []
    if death.status == "unresolved":
        assert bound is not None
        expected = [("unresolved", Decimal(0), bound[0])]
    elif death.status is not None:
        expected = [(death.status, HONEST_COST, HONEST_COST)]
    live.usage_log.flush()
    logged = service.execute("SELECT status, charged_usd, cost_usd FROM usage_log WHERE status <> 'denied' ORDER BY at")
    assert logged.fetchall() == [*expected, ("success", HONEST_COST, HONEST_COST)]
    assert used(live, ann) == (2 if death.status == "success" else 1)
    assert [call.cost_usd for call in audit(live.database).odd_calls] == [row[2] for row in expected if bound]


@pytest.mark.parametrize("death", DEATHS, ids=lambda death: death.step)
def test_a_process_that_is_killed_under_credits_takes_none_but_what_was_settled(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    move_time: MoveTime,
    start: StartWorker,
    *,
    death: Death,
) -> None:
    chat_server.reply(text=LONG, usage=HONEST)
    for number in range(FREE):
        ask(live, ann, f"Question {number}?")
    service.execute("UPDATE plan_limits SET free_credits_day = 0 WHERE plan = 'free'")
    live.profiles.change(ann, {"uses_credits": True})
    live.credits.grant(ann.org_id, Decimal(5), reason="a test", author=None)
    chat_server.reply(text=LONG, usage=HONEST, hangs=death.hangs)
    worker = start(death.step, death.last_word)
    assert chat_server.wait_for(calls=FREE + death.calls)
    is_settled = death.status == "success"
    before = live.credits.balance(ann)
    assert (before.held > 0) is (death.hold in (NEVER, UNRESOLVED))
    assert before.balance + before.held == 5 - (HONEST_CREDITS if is_settled else 0)
    worker.kill()
    worker.wait(10)
    move_time(timedelta(minutes=10))
    live.meter.sweep()
    after = live.credits.balance(ann)
    assert (after.balance, after.held, after.overdraft) == (5 - (HONEST_CREDITS if is_settled else 0), 0, 0)
    kinds = [row[0] for row in service.execute("SELECT kind FROM ledger_entries ORDER BY id").fetchall()]
    held = ["hold", "charge", "release"] if is_settled else ["hold", "release"]
    assert kinds == ["grant", *(held if death.hold else [])]


def test_what_was_settled_before_the_death_is_served_from_the_cache(
    live: Workbench, ann: Principal, chat_server: ChatServer, start: StartWorker
) -> None:
    chat_server.reply(text=LONG, usage=HONEST)
    worker = start("after settle", "after settle")
    worker.kill()
    worker.wait(10)
    again = ask(live, ann)
    assert (again.is_cached, again.text, chat_server.calls, used(live, ann)) == (True, LONG, 1, 1)


@pytest.mark.parametrize("dies", [False, True], ids=["leader answers", "leader is killed"])
def test_a_question_that_another_process_asks_is_followed_there(
    live: Workbench, ann: Principal, chat_server: ChatServer, move_time: MoveTime, start: StartWorker, dies: bool
) -> None:
    gate = threading.Event()
    chat_server.script.append(Reply(text=LONG, usage=HONEST, gate=gate))
    chat_server.reply(text=LONG, usage=HONEST)
    worker = start("in the call", "asked")
    assert chat_server.wait_for(calls=1)
    follower = live.gateway.session(ann, QUESTION)  # the free plan's one slot is the leader's
    assert follower.hold is None
    if dies:
        worker.kill()
        worker.wait(10)
        move_time(timedelta(minutes=10))
    else:
        gate.set()
    answer = follower.result()
    gate.set()
    assert (answer.text, answer.is_cached, chat_server.calls, used(live, ann)) == (LONG, not dies, 1 + dies, 1)


def test_a_sweeper_alone_ends_what_a_dead_process_left(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, move_time: MoveTime, start: StartWorker
) -> None:
    chat_server.reply(hangs="first_token")
    worker = start("in the call", "asked")
    assert chat_server.wait_for(calls=1)
    worker.kill()
    worker.wait(10)
    assert live.meter.sweep() == 0
    move_time(timedelta(minutes=10))
    assert (live.meter.sweep(), live.meter.sweep()) == (1, 0)
    assert holds(service) == [UNRESOLVED]
    assert used(live, ann) == 0


@pytest.mark.parametrize("hangs", ["headers", "first_token", "between_tokens"])
def test_a_process_that_is_told_to_end_gives_back_what_it_held(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, start: StartWorker, hangs: str
) -> None:
    chat_server.reply(text=LONG, hangs=hangs)
    worker = start("in the call", "token" if hangs == "between_tokens" else "asked", "polite")
    assert chat_server.wait_for(calls=1)
    worker.terminate()
    assert worker.wait(20) == 0
    assert chat_server.wait_for(disconnects=1)
    status = "broken" if hangs == "between_tokens" else "failed"
    wait_until(lambda: holds(service) == [("released", status)])
    assert [row[:2] for row in charges(service)] == [(status, Decimal(0))]
    assert used(live, ann) == 0
    chat_server.reply(text=LONG, usage=HONEST)
    assert ask(live, ann, "Is the slot free again?").cost_usd == HONEST_COST
