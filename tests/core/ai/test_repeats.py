"""Idempotency-Key at the gateway: one request is charged once, however often it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.ai.answer import Answer, Draft
from core.errors import AssayError, Conflict, MeteringDenied, ProviderError, StillRunning
from core.metering.books import audit
from core.metering.repeats import Idempotency
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_gateway import LONG, Service, question, used, wait_until
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

KEY = Idempotency("POST /api/ai/chat", "key-1", b"a" * 32, {"conversation_id": "c", "message_id": "m"})


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    settings = make_settings(
        database_url,
        tmp_path,
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=chat_server.base_url,
        TOKEN_GAP_TIMEOUT_S="5",
    )
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert not audit(opened.database).differences


@pytest.fixture
def ann(live: Workbench) -> Principal:
    return member_factory(live)(plan="premium")


def ask(live: Workbench, who: Principal, key: Idempotency = KEY, text: str = "What is risk?") -> Answer:
    return live.gateway.session(who, question(text, idempotency=key, skips_cache=True)).result()


def test_a_repeat_gets_the_same_answer_and_is_not_charged_again(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG)
    assert live.gateway.replayed(ann, KEY) is None
    first = ask(live, ann)
    for _ in range(3):
        replay = live.gateway.replayed(ann, KEY)
        assert replay is not None
        assert replay.context == KEY.context
        told = replay.answer
        assert (told.text, told.model, told.usage, told.cost_usd) == (LONG, first.model, first.usage, first.cost_usd)
        assert (told.request_id, told.state, told.finish_reason) == (first.request_id, "complete", "stop")
    assert (chat_server.calls, used(live, ann)) == (1, 1)
    live.usage_log.flush()
    rows = service.execute("SELECT status, cache_level, charged_usd, saved_usd FROM usage_log ORDER BY id").fetchall()
    assert rows == [("success", None, first.cost_usd, 0), *[("cached", "replay", 0, first.cost_usd)] * 3]


def test_200_at_once_with_one_key_make_one_call(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    """Twice charged: litellm#15740, #17814, #39455."""
    chat_server.reply(text=LONG, delay_s=0.02)

    def send(_: int) -> str:
        try:
            return "replayed" if live.gateway.replayed(ann, KEY) else ask(live, ann).state
        except StillRunning:
            return "running"

    with ThreadPoolExecutor(24) as pool:
        outcomes = list(pool.map(send, range(200)))
    assert outcomes.count("complete") == 1
    assert set(outcomes) <= {"complete", "running", "replayed"}
    assert (chat_server.calls, used(live, ann)) == (1, 1)


def test_while_the_first_runs_a_repeat_is_told_to_wait(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    gate = threading.Event()
    chat_server.reply(text=LONG, gate=gate)
    session = live.gateway.session(ann, question(idempotency=KEY))
    assert chat_server.wait_for(calls=1)
    with pytest.raises(StillRunning):
        live.gateway.replayed(ann, KEY)
    with pytest.raises(StillRunning):
        ask(live, ann)
    gate.set()
    session.result()
    assert live.gateway.replayed(ann, KEY) is not None


def test_the_same_key_with_another_body_is_a_conflict(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    ask(live, ann)
    other = replace(KEY, body_sha256=b"b" * 32)
    for send in (lambda: live.gateway.replayed(ann, other), lambda: ask(live, ann, other)):
        with pytest.raises(Conflict) as refused:
            send()
        assert not isinstance(refused.value, StillRunning)
    assert chat_server.calls == 1


def test_another_route_another_user_and_another_organisation_share_no_key(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    bob = member_factory(live)("bob", plan="premium", org=ann.org_name, role=Role.ANALYST)
    live.directory.add_user(ann.email, org_name="Second", plan="premium", role=Role.OWNER)
    elsewhere = live.directory.member(ann.email, "Second")
    ask(live, ann)
    ask(live, ann, replace(KEY, route="POST /v1/chat/completions"))
    ask(live, bob)
    ask(live, elsewhere)
    assert chat_server.calls == 4


def test_after_a_failure_or_a_denial_the_key_is_free_again(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script.append(Reply(status=400))
    with pytest.raises(ProviderError):
        ask(live, ann)
    service.execute("UPDATE memberships SET budget_usd_month = 0")
    with pytest.raises(MeteringDenied):
        ask(live, ann)
    service.execute("UPDATE memberships SET budget_usd_month = NULL")
    assert ask(live, ann).state == "complete"
    assert used(live, ann) == 1


def test_after_its_hold_expired_the_key_is_free_again(
    live: Workbench, ann: Principal, chat_server: ChatServer, move_time: MoveTime
) -> None:
    chat_server.script.append(Reply(hangs="first_token"))
    lost = live.gateway.session(ann, question(idempotency=KEY))
    assert chat_server.wait_for(calls=1)
    move_time(timedelta(minutes=10))
    assert live.gateway.replayed(ann, KEY) is None
    assert ask(live, ann).state == "complete"
    lost.cancel()
    with pytest.raises(AssayError):
        lost.result()


def test_after_24_hours_the_key_is_new(
    live: Workbench, ann: Principal, chat_server: ChatServer, move_time: MoveTime, service: Service
) -> None:
    ask(live, ann)
    move_time(timedelta(hours=23, minutes=59))
    assert live.gateway.replayed(ann, KEY) is not None
    move_time(timedelta(hours=24, minutes=1))
    assert live.gateway.replayed(ann, KEY) is None
    ask(live, ann)
    assert chat_server.calls == 2
    live.meter.sweep()
    kept = service.execute("SELECT count(*) FROM kept_answers").fetchone()
    assert kept == (1,)


def test_a_cut_answer_is_replayed_as_it_was_charged(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    saved: list[Draft] = []
    with live.gateway.session(ann, question(idempotency=KEY), saved.append) as session:
        first = next(iter(session))
    wait_until(lambda: service.execute("SELECT 1 FROM usage_log").fetchone() is not None)
    replay = live.gateway.replayed(ann, KEY)
    assert replay is not None
    came = saved[0].text
    assert "one".startswith(first)  # its end waits: it may be the beginning of a secret
    assert (came, replay.answer.text, replay.answer.state) == ("one", "one", "partial")
    assert replay.answer.finish_reason == "cut"
    assert replay.answer.cost_usd > 0


def test_a_free_early_cut_leaves_the_key_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script.append(Reply(hangs="first_token"))
    with live.gateway.session(ann, question(idempotency=KEY)):
        assert chat_server.wait_for(calls=1)
    wait_until(lambda: service.execute("SELECT 1 FROM usage_log").fetchone() is not None)
    assert live.gateway.replayed(ann, KEY) is None
    assert ask(live, ann).state == "complete"
