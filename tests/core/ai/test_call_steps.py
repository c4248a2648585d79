"""The steps of a call one by one: what is not called, not given, not charged; see tests/guards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.ai import gateway as gateway_module
from core.ai.answer import Draft
from core.ai.providers.contract import Message
from core.db import metering_dao as dao
from core.db.engine import Database
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    InvalidRequest,
    PromptRejected,
    ProviderBroke,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnavailable,
)
from core.metering.books import audit
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_gateway import HONEST, HONEST_COST, LONG, MODEL, ask, last_row, question, used, wait_until
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

Service = psycopg.Connection[tuple[object, ...]]
SCHEMA = {"type": "object", "properties": {"beta": {"type": "number"}}, "required": ["beta"]}


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server; its books balance at the end."""
    settings = make_settings(
        database_url,
        tmp_path,
        OPENAI_API_KEY="sk-test",
        OPENAI_BASE_URL=chat_server.base_url,
        FIRST_TOKEN_TIMEOUT_S="3",
        CONNECT_TIMEOUT_S="0.4",
        TOKEN_GAP_TIMEOUT_S="0.6",
        TOTAL_TIMEOUT_S="6",
    )
    with closing(open_workbench(settings)) as opened:
        yield opened
        assert audit(opened.database).differences == []


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst on the basic plan."""
    return member_factory(live)(plan="basic")


def before(live: Workbench, name: str, step: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has something happen just before a method of the meter is done."""
    method = getattr(live.meter, name)

    def stepped(*args: Any) -> Any:
        step()
        return method(*args)

    monkeypatch.setattr(live.meter, name, stepped)


def test_a_hold_that_expired_before_the_call_calls_nobody(
    live: Workbench, ann: Principal, chat_server: ChatServer, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(live, "mark_in_flight", lambda: move_time(timedelta(minutes=10)), monkeypatch)
    with pytest.raises(ProviderTimeout):
        ask(live, ann)
    assert (chat_server.calls, used(live, ann)) == (0, 0)


def test_an_answer_that_came_too_late_is_not_given_and_not_charged(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    move_time: MoveTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before(live, "settle", lambda: move_time(timedelta(minutes=10)), monkeypatch)
    with pytest.raises(ProviderTimeout):
        ask(live, ann)
    row = last_row(service)
    assert (chat_server.calls, used(live, ann), row["status"], row["charged_usd"]) == (1, 0, "unresolved", 0)
    assert service.execute("SELECT count(*) FROM cache_entries").fetchone() == (0,)


@pytest.mark.parametrize("stage", ["first_token", "between_tokens"])
def test_a_cut_of_a_reasoning_model_is_logged_at_its_worst_case_and_charged_by_what_came(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, stage: Any
) -> None:
    """What it thought before it was cut is billed, and never told."""
    chat_server.reply(text=LONG, hangs=stage)
    with live.gateway.session(ann, question(model="gpt-5-mini")) as session:
        assert chat_server.wait_for(calls=1)
        if stage == "between_tokens":
            next(iter(session))
        assert session.hold is not None
    wait_until(lambda: service.execute("SELECT 1 FROM usage_log").fetchone() is not None)
    row = service.execute(
        "SELECT u.status, u.estimated, u.cost_usd = h.bound_usd, u.charged_usd < h.bound_usd / 2, "
        "h.cost_usd = h.bound_usd, (SELECT sum(cost_usd) FROM attempts) = h.bound_usd "
        "FROM usage_log u JOIN holds h ON h.id = u.hold_id"
    ).fetchone()
    assert row == ("cut", True, True, True, True, True)


@pytest.mark.parametrize("step", ["reserve", "mark_in_flight", "settle"])
def test_a_lost_reply_is_asked_for_again_and_counted_once(
    live: Workbench, ann: Principal, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """litellm#15740, litellm#17814, litellm#39455: the statement was done, its reply never came; no second row."""
    done = getattr(dao, step)
    lost: list[object] = []

    def replied(*args: Any, **values: Any) -> Any:
        answer = done(*args, **values)
        if not lost:
            lost.append(answer)
            raise DatabaseUnavailable
        return answer

    monkeypatch.setattr(dao, step, replied)
    if step == "mark_in_flight":
        with pytest.raises(ProviderTimeout):  # it cannot be known who marked it: nobody is called, nothing is charged
            ask(live, ann)
        assert (chat_server.calls, used(live, ann)) == (0, 0)
        return
    assert ask(live, ann).text
    assert (len(lost), chat_server.calls, used(live, ann)) == (1, 1, 1)


def test_a_conversation_that_does_not_fit_the_model_is_refused_before_anything_is_counted(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    messages = tuple(Message("user", "x" * 20_000) for _ in range(40))
    with pytest.raises(PromptRejected):
        ask(live, ann, messages=messages)
    assert (chat_server.calls, service.execute("SELECT count(*) FROM holds").fetchone()) == (0, (0,))


def test_nothing_begins_in_a_gateway_that_closes(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    live.gateway.close()
    with pytest.raises(ProviderUnavailable):
        ask(live, ann)
    assert chat_server.calls == 0


def test_a_process_takes_no_more_calls_than_it_may_and_reserves_nothing_for_them(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway_module, "MAX_CALLS", 1)
    chat_server.reply(hangs="first_token")
    with live.gateway.session(ann, question()):
        assert chat_server.wait_for(calls=1)
        with pytest.raises(ProviderUnavailable):
            ask(live, ann, "Another one?")
        assert service.execute("SELECT count(*) FROM holds").fetchone() == (1,)


def test_after_the_first_token_no_other_model_is_asked(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    chat_server.reply(text=LONG, cut_after=3)
    with pytest.raises(ProviderBroke):
        ask(live, ann, model="auto")
    assert (chat_server.calls, used(live, ann)) == (1, 0)


def test_a_reader_who_left_before_the_first_token_has_no_other_model_asked(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(hangs="first_token")
    with live.gateway.session(ann, question(model="auto")):
        assert chat_server.wait_for(calls=1)
    wait_until(lambda: service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,))
    assert (chat_server.calls, last_row(service)["status"]) == (1, "cut")
    assert service.execute("SELECT count(*) FROM attempts").fetchone() == (1,)


def test_a_time_limit_closes_the_providers_stream(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    began = time.monotonic()
    with pytest.raises(ProviderBroke):
        ask(live, ann)
    assert time.monotonic() - began < 2.5  # the client's own limit would be three seconds
    assert chat_server.wait_for(disconnects=1)
    assert used(live, ann) == 0


def test_a_slow_stream_goes_on_while_tokens_come(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, delay_s=0.4)
    assert ask(live, ann).text == LONG


def test_a_repair_is_charged_alone_and_both_attempts_are_logged(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    """litellm#39294: the attempt that answered is charged; the cost log has every attempt at its own price."""
    chat_server.script = [Reply(text="no JSON", usage=HONEST), Reply(text='{"beta": 1.2}', usage=HONEST)]
    answer = ask(live, ann, json_schema=SCHEMA)
    row = last_row(service)
    assert (answer.cost_usd, row["charged_usd"], row["cost_usd"]) == (HONEST_COST, HONEST_COST, 2 * HONEST_COST)
    assert (chat_server.calls, used(live, ann)) == (2, 1)


def test_an_answer_of_which_nothing_could_be_shown_is_free_where_our_own_time_limit_cut_it(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    """An unusable answer costs nothing; a cut charges for text that somebody was shown."""
    chat_server.reply(text='{"beta": 1.2, "words": "' + LONG * 20 + '"}', delay_s=0.1)
    with pytest.raises(ProviderBroke):
        ask(live, ann, json_schema=SCHEMA)
    row = last_row(service)
    billed = Decimal(str(row["cost_usd"]))
    assert (used(live, ann), row["status"], row["charged_usd"], billed > 0) == (0, "broken", 0, True)


def test_an_answer_that_stays_unusable_after_its_repair_is_free_and_every_attempt_is_logged(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="no JSON", usage=HONEST)
    with pytest.raises(AssayError, match="schema"):
        ask(live, ann, json_schema=SCHEMA)
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("failed", 0, 2 * HONEST_COST)
    assert (chat_server.calls, used(live, ann)) == (2, 0)


def test_an_unexpected_error_gives_the_hold_back(
    live: Workbench, ann: Principal, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr(live.providers["openai"], "chat", broken)
    with pytest.raises(AssayError, match="cost you nothing"):
        ask(live, ann)
    assert service.execute("SELECT state, resolution FROM holds").fetchall() == [("released", "failed")]


def test_a_text_that_cannot_be_saved_is_settled_all_the_same(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    def full(_draft: Draft) -> None:
        raise OSError("the disk is full")

    chat_server.reply(usage=HONEST)
    assert live.gateway.session(ann, question(), full).result().cost_usd == HONEST_COST
    assert used(live, ann) == 1


def test_a_refusal_that_lasts_is_not_tried_again(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(status=429, headers={"Retry-After": "3"})
    with pytest.raises(ProviderRateLimited):
        ask(live, ann)
    assert chat_server.calls == 1


def test_a_leader_goes_on_while_a_follower_of_another_process_waits(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    gate = threading.Event()
    chat_server.reply(text=LONG, gate=gate)
    with live.gateway.session(ann, question()):
        assert chat_server.wait_for(calls=1)
        service.execute("UPDATE holds SET followers = 1, followed_until = assay_now() + interval '1 minute'")
    gate.set()
    wait_until(lambda: service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,))
    assert (last_row(service)["status"], used(live, ann)) == ("success", 1)


def test_a_partial_answer_is_never_kept(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens", usage=None)
    with live.gateway.session(ann, question()) as session:
        next(iter(session))
    wait_until(lambda: service.execute("SELECT count(*) FROM usage_log").fetchone() == (1,))
    assert last_row(service)["status"] == "cut"
    assert service.execute("SELECT count(*) FROM cache_entries").fetchone() == (0,)


def test_an_answer_that_expired_is_asked_for_again(
    live: Workbench, ann: Principal, chat_server: ChatServer, move_time: MoveTime
) -> None:
    ask(live, ann)
    move_time(timedelta(hours=13))
    assert not ask(live, ann).is_cached
    assert chat_server.calls == 2


def test_free_rows_wait_for_a_database_that_is_away(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    """litellm#34805, litellm#38157: a row leaves the buffer when it is committed, not before."""
    ask(live, ann)
    here = live.usage_log._database
    with closing(Database("postgresql://nobody:x@127.0.0.1:1/none")) as away:
        live.usage_log._database = away
        ask(live, ann)
        live.usage_log.flush()
        live.usage_log._database = here
    live.usage_log.flush()
    assert service.execute("SELECT count(*) FROM usage_log WHERE status = 'cached'").fetchone() == (1,)


def test_more_output_than_the_model_has_is_refused_before_anything_is_counted(
    live: Workbench, ann: Principal, chat_server: ChatServer
) -> None:
    most = next(model.max_output for model in live.catalogue.chat_models() if model.id == MODEL)
    with pytest.raises(InvalidRequest, match="max_tokens"):
        ask(live, ann, max_tokens=most + 1)
    assert chat_server.calls == 0
    ask(live, ann, max_tokens=most)


def test_a_call_that_a_restart_stops_says_so(live: Workbench, ann: Principal, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    session = live.gateway.session(ann, question())
    next(iter(session))
    live.gateway.close()
    with pytest.raises(ProviderUnavailable, match="restarted"):
        session.result()


def test_usage_of_exactly_zero_with_no_text_costs_nothing(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="", usage={"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    answer = ask(live, ann)
    row = last_row(service)
    assert (answer.cost_usd, row["charged_usd"], row["cost_usd"], row["estimated"]) == (0, 0, 0, False)
    assert used(live, ann) == 1
