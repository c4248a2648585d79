"""Requests of several calls: what is held, charged, kept and given back, wherever they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.ai.answer import Answer, Draft, Question
from core.ai.evidence import Evidence, Step
from core.ai.providers.contract import Message
from core.ai.tool_loop import Parts, ToolLoop
from core.errors import (
    AssayError,
    DatabaseUnavailable,
    MeteringDenied,
    ProviderBroke,
    ProviderTimeout,
    ProviderUnavailable,
    UnusableAnswer,
)
from core.metering.books import audit
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import MoveTime, make_settings, member_factory
from tests.core.ai.test_gateway import HONEST, HONEST_COST, LONG, last_row, question, used, wait_until
from tests.core.ai.tool_desk import SPECS, Desk, asks, first, marked, researched, wish
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Reply

Service = psycopg.Connection[tuple[object, ...]]
CLOSED = "It closed at 181.2 [1]."
DONE = Reply(text=CLOSED, usage=HONEST)


def opened_at(database_url: str, home: Path, chat_server: ChatServer, **limits: str) -> Workbench:
    home.mkdir(exist_ok=True)
    return open_workbench(
        make_settings(
            database_url,
            home,
            OPENAI_API_KEY="sk-test",
            OPENAI_BASE_URL=chat_server.base_url,
            **{"FIRST_TOKEN_TIMEOUT_S": "5", "TOKEN_GAP_TIMEOUT_S": "5", "TOTAL_TIMEOUT_S": "20", **limits},
        )
    )


@pytest.fixture
def live(database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench whose OpenAI is the scripted server; its books balance at the end."""
    with closing(opened_at(database_url, tmp_path / "home", chat_server)) as opened:
        yield opened
        opened.usage_log.flush()
        assert audit(opened.database).differences == []


@pytest.fixture
def hasty(live: Workbench, database_url: str, tmp_path: Path, chat_server: ChatServer) -> Iterator[Workbench]:
    """A workbench with short time limits."""
    limits = {"FIRST_TOKEN_TIMEOUT_S": "0.5", "TOKEN_GAP_TIMEOUT_S": "0.5", "TOTAL_TIMEOUT_S": "3"}
    with closing(opened_at(database_url, tmp_path / "hasty", chat_server, **limits)) as opened:
        yield opened


@pytest.fixture
def ann(live: Workbench) -> Principal:
    """An analyst on the premium plan."""
    return member_factory(live)(plan="premium", org="Acme")


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Tools; what still waits at the end is let go."""
    made = Desk()
    yield made
    made.gate.set()


def ask(live: Workbench, who: Principal, asked: Question, saved: list[Draft] | None = None) -> Answer:
    return live.gateway.session(who, asked, None if saved is None else saved.append).result()


def attempts(service: Service) -> list[tuple[object, ...]]:
    return service.execute("SELECT status, cost_usd FROM attempts ORDER BY number").fetchall()


def held(service: Service) -> list[tuple[object, ...]]:
    """State, resolution and whether what is charged was covered, of every hold."""
    return service.execute(
        "SELECT state, resolution, charged_usd <= bound_usd FROM holds ORDER BY created_at"
    ).fetchall()


def test_an_answer_with_tools_is_one_query_and_charged_as_the_sum_of_its_rounds(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish(), text="I look it up."), asks(wish(number=2, n=2)), DONE]
    saved: list[Draft] = []
    session = live.gateway.session(ann, researched(desk), saved.append)
    pieces = list(session.pieces())
    answer = session.answer
    assert answer is not None
    text = f"I look it up.\n\n{CLOSED}"
    assert ("".join(piece for piece in pieces if isinstance(piece, str)), answer.text) == (text, text)
    steps = [(piece.number, piece.state) for piece in pieces if isinstance(piece, Step)]
    assert steps == [(1, "running"), (1, "done"), (2, "running"), (2, "done")]
    assert (answer.cost_usd, answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3 * HONEST_COST, 300, 30)
    assert (answer.finish_reason, answer.state, answer.is_estimated) == ("stop", "complete", False)
    assert answer.evidence is not None
    assert [step.number for step in answer.evidence.steps] == [1, 2]
    assert [mark.is_verified for mark in answer.evidence.marks] == [True]
    assert (saved[0].text, saved[0].evidence, saved[0].cost_usd) == (text, answer.evidence, 3 * HONEST_COST)
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("success", 3 * HONEST_COST, 3 * HONEST_COST)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (300, 30)
    assert attempts(service) == [("success", HONEST_COST)] * 3
    assert (used(live, ann), held(service)) == (1, [("settled", "success", True)])


def test_the_model_is_shown_its_calls_and_their_results(
    live: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk
) -> None:
    chat_server.script = [asks(wish()), DONE]
    ask(live, ann, researched(desk))
    before, after = (received.body for received in chat_server.requests)
    assert before["tools"] == after["tools"]
    told = after["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "tool"]
    assert told[2]["tool_call_id"] == told[1]["tool_calls"][0]["id"]


def test_each_further_call_is_covered_before_it_is_made_with_what_was_spent(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    gate = threading.Event()
    much = {"prompt_tokens": 100_000, "completion_tokens": 10, "total_tokens": 100_010}
    chat_server.script = [asks(wish(), usage=much), replace(DONE, gate=gate)]
    session = live.gateway.session(ann, researched(desk))
    before = service.execute("SELECT held_usd FROM holds").fetchone()
    assert chat_server.wait_for(calls=2)
    after = service.execute("SELECT held_usd, (SELECT charge_usd_held FROM member_meters) FROM holds").fetchone()
    gate.set()
    session.result()
    assert before is not None
    assert after is not None
    assert after[0] == after[1]
    spent = Decimal("0.015006")  # 100,000 x 0.15 + 10 x 0.60 USD per million
    assert Decimal(str(after[0])) > spent + Decimal(str(before[0]))


@pytest.mark.parametrize("rounds", [1, 2])
def test_at_the_ceiling_it_stops_with_what_it_has(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk, rounds: int
) -> None:
    def lower(number: int) -> None:
        if number == rounds:
            service.execute("UPDATE plan_limits SET request_ceiling_usd = 0.000001")

    desk.on_run = lower
    chat_server.script = [asks(wish(number=n, n=n), text=f"Part {n}.") for n in (1, 2, 3)]
    answer = ask(live, ann, researched(desk))
    assert answer.text.startswith("\n\n".join(f"Part {n}." for n in range(1, rounds + 1)))
    assert answer.text.endswith("than the budget has left.")
    assert (answer.state, answer.finish_reason, answer.cost_usd) == ("complete", "length", rounds * HONEST_COST)
    assert answer.evidence is not None
    assert ("cost" in answer.evidence.notes[-1], len(answer.evidence.steps)) == (True, rounds)
    assert (chat_server.calls, used(live, ann)) == (rounds, 1)
    assert service.execute("SELECT count(*) FROM cache_entries").fetchone() == (0,)


def test_without_the_database_no_further_call_is_made(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    desk: Desk,
    *,
    move_time: MoveTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_args: object) -> bool:
        raise DatabaseUnavailable

    monkeypatch.setattr(live.meter, "top_up", away)
    chat_server.script = [asks(wish()), DONE]
    with pytest.raises(DatabaseUnavailable):
        ask(live, ann, researched(desk))
    move_time(timedelta(minutes=10))
    live.meter.sweep()
    row = last_row(service)
    assert (chat_server.calls, used(live, ann)) == (1, 0)
    assert (row["status"], row["charged_usd"]) == ("unresolved", 0)


@pytest.mark.parametrize("whose", ["memberships", "organisations"])
def test_a_budget_that_is_used_up_meanwhile_stops_it(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk, whose: str
) -> None:
    def use_up(_number: int) -> None:
        service.execute(f"UPDATE {whose} SET budget_usd_month = 0")

    desk.on_run = use_up
    chat_server.script = [asks(wish()), DONE]
    answer = ask(live, ann, researched(desk))
    assert (answer.state, answer.cost_usd, chat_server.calls, used(live, ann)) == ("complete", HONEST_COST, 1, 1)
    assert answer.text == answer.evidence.notes[-1] if answer.evidence else False


def test_with_the_time_nearly_over_no_further_round_is_begun(
    hasty: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk
) -> None:
    chat_server.script = [asks(wish("slow"))]
    answer = ask(hasty, ann, researched(desk))
    assert ("time for one answer" in answer.text, answer.cost_usd, chat_server.calls) == (True, HONEST_COST, 1)
    assert used(hasty, ann) == 1


def test_a_model_that_asks_for_ever_is_stopped_and_charged_for_its_rounds(
    live: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk
) -> None:
    chat_server.script = [asks(wish(number=n)) for n in range(20)]
    answer = ask(live, ann, researched(desk))
    assert "gave no answer" in answer.text
    assert (chat_server.calls, answer.cost_usd, len(desk.ran)) == (4, 4 * HONEST_COST, 1)
    assert "tools" not in chat_server.requests[-1].body
    assert used(live, ann) == 1


def cut_row(service: Service) -> dict[str, object]:
    wait_until(lambda: service.execute("SELECT 1 FROM usage_log WHERE status = 'cut'").fetchone() is not None)
    return last_row(service)


@pytest.mark.parametrize("text", ["", "I look it up."], ids=["calls alone", "text"])
def test_a_client_who_leaves_while_a_tool_runs_pays_for_the_rounds_that_were_done(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk, text: str
) -> None:
    chat_server.script = [asks(wish("slow"), text=text)]
    saved: list[Draft] = []
    with live.gateway.session(ann, researched(desk), saved.append):
        wait_until(lambda: bool(desk.ran))
    row = cut_row(service)
    assert (row["charged_usd"], row["cost_usd"], row["estimated"]) == (HONEST_COST, HONEST_COST, False)
    assert (saved[0].state, saved[0].text, saved[0].cost_usd) == ("partial", text, HONEST_COST)
    assert (chat_server.calls, used(live, ann), attempts(service)) == (1, 1, [("success", HONEST_COST)])


@pytest.mark.parametrize("stage", ["first_token", "between_tokens"])
def test_a_client_who_leaves_in_a_later_round_pays_for_what_came_of_it_too(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk, stage: Any
) -> None:
    chat_server.script = [asks(wish()), Reply(text=LONG, hangs=stage, usage=None)]
    saved: list[Draft] = []
    with live.gateway.session(ann, researched(desk), saved.append) as session:
        assert chat_server.wait_for(calls=2)
        if stage == "between_tokens":
            next(iter(session))
    row = cut_row(service)
    assert chat_server.wait_for(disconnects=1)
    assert Decimal(str(row["charged_usd"])) > HONEST_COST
    assert (row["charged_usd"] == row["cost_usd"], row["estimated"]) == (True, True)
    assert (saved[0].state, saved[0].text) == ("partial", "one" if stage == "between_tokens" else "")
    assert [status for status, _ in attempts(service)] == ["success", "cut"]
    assert used(live, ann) == 1


def test_a_client_who_leaves_before_anything_came_is_free_as_ever(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [Reply(hangs="first_token")]
    with live.gateway.session(ann, researched(desk)):
        assert chat_server.wait_for(calls=1)
    row = cut_row(service)
    assert (row["charged_usd"], used(live, ann)) == (0, 0)


def test_our_own_time_limit_in_a_later_round_charges_what_came(
    hasty: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    desk.work_s = 0.5
    chat_server.script = [asks(wish()), Reply(text=LONG * 4, delay_s=0.2, usage=None)]
    answer = ask(hasty, ann, researched(desk))
    row = last_row(service)
    assert (answer.state, answer.finish_reason, row["status"]) == ("partial", "cut", "cut")
    assert answer.cost_usd > HONEST_COST
    assert used(hasty, ann) == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(text=LONG, cut_after=3), ProviderBroke),
        (Reply(text=LONG, hangs="between_tokens"), ProviderBroke),
        (Reply(status=400), AssayError),
        (Reply(hangs="first_token"), ProviderTimeout),
    ],
    ids=["breaks", "stands still", "refuses", "never begins"],
)
def test_what_a_provider_breaks_in_a_later_round_is_free_and_its_text_is_kept(
    hasty: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    service: Service,
    desk: Desk,
    *,
    reply: Reply,
    error: type[AssayError],
) -> None:
    chat_server.script = [asks(wish(), text="I look it up."), reply]
    saved: list[Draft] = []
    with pytest.raises(error):
        ask(hasty, ann, researched(desk), saved)
    row = last_row(service)
    assert (row["status"], row["charged_usd"], used(hasty, ann)) == ("broken", 0, 0)
    assert Decimal(str(row["cost_usd"])) >= HONEST_COST
    assert (saved[0].state, saved[0].text.startswith("I look it up."), saved[0].cost_usd) == ("partial", True, 0)
    assert saved[0].note
    assert saved[0].evidence is not None
    assert len(saved[0].evidence.steps) == 1


def test_a_later_round_that_fails_with_nothing_written_is_a_failure(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish()), Reply(status=400)]
    with pytest.raises(AssayError):
        ask(live, ann, researched(desk))
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"], used(live, ann)) == ("failed", 0, HONEST_COST, 0)


def test_a_restart_between_two_rounds_is_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish("slow"), text="I look it up.")]
    session = live.gateway.session(ann, researched(desk))
    wait_until(lambda: bool(desk.ran))
    live.gateway.close()
    with pytest.raises(ProviderUnavailable, match="restarted"):
        session.result()
    assert (last_row(service)["status"], used(live, ann)) == ("broken", 0)


def test_a_passing_refusal_in_a_later_round_is_tried_again(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish()), Reply(status=503), DONE]
    assert ask(live, ann, researched(desk)).cost_usd == 2 * HONEST_COST
    assert [status for status, _ in attempts(service)] == ["success", "failed", "success"]
    assert (used(live, ann), len(desk.ran)) == (1, 1)


def test_another_model_takes_over_with_the_same_conversation_and_each_costs_its_own_price(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish()), Reply(status=404), asks(wish(number=2, n=2)), DONE]
    answer = ask(live, ann, researched(desk, model="auto"))
    models = [received.body["model"] for received in chat_server.requests]
    assert models[0] == models[1] != models[2] == models[3]  # the one that answered last is asked first
    bodies = [received.body for received in chat_server.requests]
    assert bodies[1]["messages"] == bodies[2]["messages"]
    rows = service.execute("SELECT model, status, cost_usd FROM attempts ORDER BY number").fetchall()
    assert answer.cost_usd == sum(Decimal(str(cost)) for _, status, cost in rows if status == "success")
    assert (answer.model, rows[3][0]) == (rows[2][0], rows[2][0])
    assert used(live, ann) == 1


def test_usage_that_is_missing_is_estimated_with_the_calls_and_the_tools(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    zero_output = {"prompt_tokens": 50, "completion_tokens": 0, "total_tokens": 50}
    chat_server.script = [asks(wish(), usage=None), asks(wish(number=2, n=2), usage=zero_output), DONE]
    answer = ask(live, ann, researched(desk))
    rows = service.execute("SELECT estimated, completion_tokens > 0 FROM attempts ORDER BY number").fetchall()
    assert rows == [(True, True), (True, True), (False, True)]
    assert answer.is_estimated
    assert held(service) == [("settled", "success", True)]


def test_an_answer_is_kept_with_what_it_rests_on_and_given_again_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish()), DONE]
    answer = ask(live, ann, researched(desk))
    saved: list[Draft] = []
    session = live.gateway.session(ann, researched(desk), saved.append)
    pieces = list(session.pieces())
    again = session.answer
    assert again is not None
    assert [piece if isinstance(piece, str) else piece.number for piece in pieces] == [1, CLOSED]
    assert (again.is_cached, again.cost_usd, again.saved_usd) == (True, 0, 2 * HONEST_COST)
    assert again.evidence == answer.evidence == saved[0].evidence
    assert (chat_server.calls, used(live, ann), len(desk.ran)) == (2, 1, 1)
    service.execute("UPDATE cache_entries SET value = value - 'evidence'")
    with closing(open_workbench(live.settings.model_copy(update={"assay_home": live.settings.assay_home / "x"}))) as o:
        older = ask(o, ann, researched(desk))
    assert (older.is_cached, older.evidence) == (True, None)


def test_an_answer_is_kept_no_longer_than_what_it_rests_on_is_fresh(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, move_time: MoveTime
) -> None:
    chat_server.script = [asks(wish()), DONE, asks(wish()), DONE]
    ask(live, ann, researched(Desk(keep_s=300)))
    move_time(timedelta(seconds=310))
    assert not ask(live, ann, researched(Desk(keep_s=300))).is_cached
    assert chat_server.calls == 4


def test_what_is_not_fresh_at_all_is_not_kept(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script = [asks(wish()), DONE]
    ask(live, ann, researched(Desk(keep_s=0)))
    assert service.execute("SELECT count(*) FROM cache_entries").fetchone() == (0,)


def test_other_tools_make_another_key(live: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk) -> None:
    chat_server.script = [DONE] * 4
    other = (replace(SPECS[0], description="Another."),)
    for asked in (
        researched(desk),
        researched(desk, tools=other),
        researched(desk, tools=()),
        question(first()[0].text),
    ):
        ask(live, ann, asked)
    assert chat_server.calls == 3  # without tools it is the same question, however it is led


def test_a_repeat_of_the_request_gets_what_the_answer_rests_on_too(
    live: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk
) -> None:
    key = Idempotency("POST /api/ai/chat", "key-1", b"a" * 32, {})
    chat_server.script = [asks(wish()), DONE]
    answer = ask(live, ann, researched(desk, idempotency=key, skips_cache=True))
    replay = live.gateway.replayed(ann, key)
    assert replay is not None
    assert replay.answer.evidence is not None
    assert (replay.answer.evidence, replay.answer.cost_usd) == (answer.evidence, 2 * HONEST_COST)
    assert (chat_server.calls, used(live, ann)) == (2, 1)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "other process"])
def test_followers_of_an_answer_with_tools_get_its_steps_free(
    live: Workbench,
    ann: Principal,
    chat_server: ChatServer,
    database_url: str,
    tmp_path: Path,
    desk: Desk,
    *,
    elsewhere: bool,
) -> None:
    chat_server.script = [asks(wish("slow")), DONE]
    with closing(opened_at(database_url, tmp_path / "there", chat_server)) as there:
        leader = live.gateway.session(ann, researched(desk))
        wait_until(lambda: bool(desk.ran))
        follower = (there if elsewhere else live).gateway.session(ann, researched(desk))
        desk.gate.set()
        pieces = list(follower.pieces())
        assert [piece.number for piece in pieces if isinstance(piece, Step)] == ([1] if elsewhere else [1, 1])
        assert "".join(piece for piece in pieces if isinstance(piece, str)) == CLOSED
        assert follower.answer is not None
        assert (follower.answer.is_cached, follower.answer.evidence) == (True, leader.result().evidence)
    assert (chat_server.calls, used(live, ann), len(desk.ran)) == (2, 1, 1)


def test_a_follower_who_was_shown_steps_alone_takes_over_where_the_leader_fails(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    chat_server.script = [asks(wish("slow")), Reply(status=400), asks(wish()), DONE]
    leader = live.gateway.session(ann, researched(desk))
    wait_until(lambda: bool(desk.ran))
    follower = live.gateway.session(ann, researched(desk))
    desk.gate.set()
    pieces = list(follower.pieces())
    with pytest.raises(AssayError):
        leader.result()
    steps = [(piece.number, piece.tool, piece.state) for piece in pieces if isinstance(piece, Step)]
    assert steps[-2:] == [(1, "quote", "running"), (1, "quote", "done")]
    assert "".join(piece for piece in pieces if isinstance(piece, str)) == CLOSED
    assert (chat_server.calls, used(live, ann)) == (4, 1)
    assert held(service) == [("released", "failed", True), ("settled", "success", True)]


def test_200_at_once_with_ten_left_are_ten_queries(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service, desk: Desk
) -> None:
    live.directory.set_plan(ann.org_name, "free")
    service.execute(
        "UPDATE plan_limits SET requests_minute = 10000, requests_hour = 10000, concurrent_requests = 300,"
        " chat_queries_day = 10 WHERE plan = 'free'"
    )
    free = live.directory.member(ann.email, ann.org_name)
    desk.work_s = 0.02

    chat_server.reply(chunks=asks(wish()).chunks)

    def send(number: int) -> str:
        asked = f"Question {number}?"
        course = lambda: ToolLoop(desk, question(asked).messages, marked)
        try:
            return ask(live, free, researched(desk, asked, course=course)).state
        except MeteringDenied:
            return "denied"

    with ThreadPoolExecutor(48) as pool:
        outcomes = list(pool.map(send, range(200)))
    assert (outcomes.count("complete"), outcomes.count("denied")) == (10, 190)
    assert (used(live, free), len(desk.ran), chat_server.calls) == (10, 10, 40)
    charged = service.execute("SELECT sum(charged_usd) FROM usage_log").fetchone()
    assert charged == (40 * HONEST_COST,)


def in_parts(*more: str, reads: Any = None, **changes: Any) -> Question:
    """A question of several parts, whose whole text is read."""
    course = lambda: Parts([(Message("user", text),) for text in more])
    return question("first", course=course, reads=reads or (lambda text: text), **changes)


def test_a_request_in_parts_is_one_query_and_shown_whole(
    live: Workbench, ann: Principal, chat_server: ChatServer, desk: Desk
) -> None:
    chat_server.script = [Reply(text=f'{{"part": {n}}}', usage=HONEST) for n in (1, 2, 3)]
    session = live.gateway.session(ann, in_parts("second", "third", reads=lambda text: text.replace("\n", ",")))
    pieces = list(session)
    assert pieces == ['{"part": 1},{"part": 2},{"part": 3}']
    assert session.answer is not None
    assert (session.answer.cost_usd, session.answer.evidence) == (3 * HONEST_COST, Evidence())
    assert [received.body["messages"][-1]["content"] for received in chat_server.requests] == [
        "first",
        "second",
        "third",
    ]
    assert used(live, ann) == 1


def test_of_a_request_in_parts_the_last_is_repaired(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.script = [Reply(text=text, usage=HONEST) for text in ("one", "two", "right")]
    answer = ask(live, ann, in_parts("second", reads=lambda text: text if "right" in text else None))
    assert (answer.text, answer.cost_usd, used(live, ann)) == ("one\nright", 2 * HONEST_COST, 1)
    assert last_row(service)["cost_usd"] == 3 * HONEST_COST


def test_a_request_in_parts_that_stays_unusable_is_free(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="wrong", usage=HONEST)
    with pytest.raises(UnusableAnswer):
        ask(live, ann, in_parts("second", reads=lambda _text: None))
    row = last_row(service)
    assert (row["status"], row["charged_usd"], row["cost_usd"]) == ("failed", 0, 3 * HONEST_COST)
    assert used(live, ann) == 0


def test_a_request_in_parts_stops_at_the_ceiling_with_the_parts_that_it_has(
    live: Workbench, ann: Principal, chat_server: ChatServer, service: Service
) -> None:
    gate = threading.Event()
    chat_server.script = [Reply(text="one", usage=HONEST, gate=gate)]
    session = live.gateway.session(ann, in_parts("second " * 500))
    assert chat_server.wait_for(calls=1)
    service.execute("UPDATE plan_limits SET request_ceiling_usd = 0.000001")
    gate.set()
    answer = session.result()
    assert (answer.text, answer.cost_usd, used(live, ann)) == ("one", HONEST_COST, 1)
    assert answer.evidence is not None
    assert "1 of 2 parts" in answer.evidence.notes[0]


def test_room_is_that_of_the_model_which_would_be_asked(live: Workbench, ann: Principal) -> None:
    assert live.gateway.room(ann, question("x" * 100_000)) == (128_000, 16_384)
