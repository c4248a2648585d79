"""Processes are killed between two rounds of an answer with tools: nobody pays, and the books balance."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from core.metering.books import audit
from core.principal import Principal
from core.settings import ROOT
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_gateway import HONEST, HONEST_COST, ask, used
from tests.core.ai.tool_desk import asks, wish
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
Service = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench beside the one that is killed; the books balance at the end."""
    settings = make_settings(database_url, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=chat_server.base_url)
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst on the free plan: one request at a time."""
    return member_factory(live)()


@pytest.mark.parametrize(("step", "word", "calls"), [("tool", "in a tool", 1), ("settle", "before settle", 2)])
def test_a_process_that_is_killed_between_two_rounds_costs_nobody_anything(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    move_time: MoveTime,
    tmp_path: Path,
    *,
    step: str,
    word: str,
    calls: int,
) -> None:
    chat_server.script = [asks(wish()), Reply(text="It closed at 181.2.", usage=HONEST)][:calls]
    assert live.settings.database_url is not None
    environ = {
        "DATABASE_URL": live.settings.database_url.get_secret_value(),
        "ASSAY_HOME": str(tmp_path / "worker"),
        "ASSAY_DEMO": "0",
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": chat_server.base_url,
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.flows.tool_worker", ann.email, step],
        env={**os.environ, **environ},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        try:
            assert any(line.strip() == word for line in worker.stdout)
        finally:
            worker.send_signal(signal.SIGKILL)
    assert chat_server.calls == calls
    move_time(timedelta(minutes=10))
    chat_server.reply(usage=HONEST)
    assert ask(live, ann).cost_usd == HONEST_COST
    holds = service.execute(
        "SELECT state, resolution, charged_usd, cost_usd = bound_usd FROM holds ORDER BY created_at"
    )
    assert holds.fetchone() == ("expired", "unresolved", Decimal(0), True)
    assert used(live, ann) == 1
