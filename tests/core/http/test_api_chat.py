"""`POST /api/ai/chat` over a socket: whole, cached and streamed; denied, failed and cut."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest

from core.errors import DatabaseUnavailable
from core.metering.books import audit
from core.principal import Role
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem
from tests.fakes.chat_server import ChatServer

LONG = "one two three four five six seven eight nine ten"


def test_an_answer_has_the_shape_of_the_contract(basic: httpx2.Client) -> None:
    answer = basic.post("/ai/chat", json={"message": QUESTION, "model": MODEL})
    assert answer.status_code == 200
    content = answer.json()
    assert content["text"] == "Spreading money over things that do not move together."
    assert (content["model"], content["provider"], content["cached"]) == (MODEL, "openai", False)
    assert content["usage"]["total_tokens"] == sum(
        content["usage"][part] for part in ("prompt_tokens", "completion_tokens")
    )
    assert isinstance(content["cost_usd"], str)
    assert 0 < Decimal(content["cost_usd"]) < Decimal("0.01")
    assert (content["credits"], content["sources"], content["confidence"]) == ("0", [], None)
    assert content["route"] == {"reason": "chosen by name", "candidates": 1}
    assert len(content["conversation_id"]) == len(content["message_id"]) == 36
    assert answer.headers["x-plan"] == "basic"
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("60", "59")
    assert 0 < int(answer.headers["ratelimit-reset"]) <= 60
    assert (answer.headers["x-quota-metric"], answer.headers["x-quota-remaining"]) == (
        "chat_queries_day",
        "99",
    )
    assert answer.headers["x-quota-reset"].endswith("Z")


def test_the_same_again_is_cached_and_moves_no_quota(basic: httpx2.Client, chat_server: ChatServer) -> None:
    first = basic.post("/ai/chat", json={"message": QUESTION}).json()
    again = basic.post("/ai/chat", json={"message": "  what IS portfolio\n diversification? "})
    content = again.json()
    assert (content["cached"], content["cost_usd"], content["text"]) == (True, "0", first["text"])
    assert again.headers["x-quota-remaining"] == "99"
    events = _events(basic.post("/ai/chat", json={"message": QUESTION, "stream": True}).text)
    assert events[0] == {"delta": first["text"], "model": first["model"]}
    assert (events[1]["cached"], events[1]["cost_usd"]) == (True, "0")
    assert chat_server.calls == 1


def test_a_conversation_goes_on_and_is_its_owners_alone(live_api: Api, basic: httpx2.Client) -> None:
    first = basic.post("/ai/chat", json={"message": QUESTION}).json()
    body = {"message": "And of bonds?", "conversation_id": first["conversation_id"]}
    second = basic.post("/ai/chat", json=body).json()
    assert second["conversation_id"] == first["conversation_id"]
    colleague = live_api.member("colleague", plan="basic", org="basic's organisation", role=Role.ANALYST)
    stranger = live_api.member("stranger")
    for other in (colleague, stranger):
        with live_api.client(other) as client:
            assert_problem(client.post("/ai/chat", json=body), 404, "not_found")


def test_a_stream_brings_deltas_then_the_sums_then_the_end(basic: httpx2.Client) -> None:
    with basic.stream("POST", "/ai/chat", json={"message": QUESTION, "model": MODEL, "stream": True}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-plan"] == "basic"
        assert answer.headers["x-quota-remaining"] == "99"
        text = answer.read().decode()
    assert text.endswith("data: [DONE]\n\n")
    *deltas, sums = _events(text)
    assert len(deltas) > 3
    assert "".join(event["delta"] for event in deltas).startswith("Spreading money")
    assert {event["model"] for event in deltas} == {MODEL}
    assert set(sums) >= {
        "cost_usd",
        "usage",
        "cached",
        "conversation_id",
        "model",
        "message_id",
        "credits",
        "route",
    }
    assert sums["usage"]["completion_tokens"] == 9


def test_deltas_come_as_they_are_made(basic: httpx2.Client, chat_server: ChatServer) -> None:
    chat_server.reply(text=LONG, hangs="between_tokens")
    with basic.stream("POST", "/ai/chat", json={"message": QUESTION, "stream": True}) as answer:
        assert next(answer.iter_lines()).startswith("data: ")


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_first_event_has_its_status(
    basic: httpx2.Client, chat_server: ChatServer, stream: bool
) -> None:
    body = {"message": QUESTION, "model": MODEL, "stream": stream}
    chat_server.reply(status=401)
    assert "OPENAI_API_KEY" in str(
        assert_problem(basic.post("/ai/chat", json=body), 503, "provider_unavailable")["detail"]
    )
    chat_server.reply(hangs="first_token")
    assert_problem(basic.post("/ai/chat", json=body), 503, "provider_unavailable")
    chat_server.reply(status=429, headers={"Retry-After": "7"})
    busy = basic.post("/ai/chat", json=body)
    assert_problem(busy, 503, "provider_rate_limited")
    assert busy.headers["retry-after"] == "7"
    assert (busy.headers["x-plan"], busy.headers["x-quota-remaining"]) == ("basic", "100")
    calls = chat_server.calls
    refused = basic.post("/ai/chat", json=body)
    assert "wait a moment" in str(assert_problem(refused, 503, "provider_rate_limited")["detail"])
    assert 1 <= int(refused.headers["retry-after"]) <= 7
    assert chat_server.calls == calls


def test_a_failure_after_the_first_event_is_an_event(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    chat_server.reply(text=LONG, cut_after=3)
    text = basic.post("/ai/chat", json={"message": QUESTION, "model": MODEL, "stream": True}).text
    assert text.endswith("data: [DONE]\n\n")
    *deltas, last = _events(text)
    assert len(deltas) == 3
    assert (last["error"]["status"], last["error"]["code"]) == (503, "provider_unavailable")
    assert _used(basic) == 0
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_that_nobody_foresaw_tells_nothing(
    live_api: Api,
    basic: httpx2.Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stream: bool,
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError("SELECT secret FROM vault")

    monkeypatch.setattr(live_api.workbench.assistant, "ask", fail)
    answer = basic.post("/ai/chat", json={"message": QUESTION, "stream": stream})
    assert_problem(answer, 500, "internal")
    assert "secret" not in answer.text
    assert "RuntimeError in fail" in caplog.text
    assert "secret" not in caplog.text


def test_the_eleventh_question_is_denied_in_one_sentence(free: httpx2.Client) -> None:
    for number in range(10):
        assert free.post("/ai/chat", json={"message": f"What is beta {number}?"}).status_code == 200
    for stream in (False, True):
        denied = free.post("/ai/chat", json={"message": "What is alpha?", "stream": stream})
        problem = assert_problem(denied, 429, "quota_exceeded")
        assert problem["reason"] == problem["detail"] == "Daily chat query limit reached (10/day)"
        assert (problem["metric"], problem["limit"], problem["used"]) == ("chat_queries_day", 10, 10)
        assert (problem["remaining"], problem["upgrade_url"]) == (0, "/billing")
        assert str(problem["resets_at"]).endswith("T00:00:00Z")
        assert 0 < int(denied.headers["retry-after"]) <= 86_400
        assert (denied.headers["x-plan"], denied.headers["x-quota-remaining"]) == ("free", "0")
    assert free.post("/ai/chat", json={"message": "what is BETA 3?"}).json()["cached"] is True


def test_a_denial_about_money_speaks_in_decimal_strings(basic: httpx2.Client) -> None:
    answer = basic.post("/ai/chat", json={"message": "€" * 20_000, "model": "gpt-4o"})
    problem = assert_problem(answer, 402, "cost_ceiling")
    assert problem["limit"] == "0.05"
    assert isinstance(problem["used"], str)
    assert Decimal(problem["used"]) > Decimal("0.05")
    assert problem["resets_at"] is None
    assert "retry-after" not in answer.headers


def test_a_viewer_and_a_plan_without_the_class_are_refused(live_api: Api) -> None:
    viewer = live_api.member("viewer", role=Role.VIEWER)
    with live_api.client(viewer) as client:
        assert_problem(client.post("/ai/chat", json={"message": "hi"}), 403, "forbidden")
    with live_api.client(live_api.member("free")) as client:
        assert_problem(client.post("/ai/chat", json={"message": "hi", "model": "gpt-4o"}), 403, "plan_required")


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_call(
    live_api: Api,
    basic: httpx2.Client,
    chat_server: ChatServer,
    service: psycopg.Connection[tuple[object, ...]],
    stream: bool,
) -> None:
    chat_server.reply(text="word " * 200, delay_s=0.02)
    connection = _asked(live_api, basic, {"message": QUESTION, "model": MODEL, "stream": stream})
    assert chat_server.wait_for(calls=1)
    if stream:
        assert b"delta" in _until(connection, b"delta")
    else:
        time.sleep(0.2)
    left = time.monotonic()
    connection.close()
    assert chat_server.wait_for(disconnects=1)
    assert time.monotonic() - left < 1
    _eventually(lambda: service.execute("SELECT state FROM holds").fetchall() == [("settled",)])
    assert _used(basic) == 1


def test_a_client_that_leaves_before_the_first_token_stops_the_call(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    chat_server.reply(hangs="first_token")
    connection = _asked(live_api, basic, {"message": QUESTION, "model": MODEL, "stream": True})
    assert chat_server.wait_for(calls=1)
    connection.close()
    assert chat_server.wait_for(disconnects=1, timeout_s=0.8)


def test_readers_who_do_not_read_hold_up_nobody(live_api: Api, basic: httpx2.Client, chat_server: ChatServer) -> None:
    chat_server.reply(text="word " * 200, delay_s=0.02)
    bodies = [{"message": f"{QUESTION} {number}", "model": MODEL, "stream": True} for number in range(2)]
    idle = [_asked(live_api, basic, body) for body in bodies]
    assert chat_server.wait_for(calls=2)
    started = time.monotonic()
    with live_api.client() as stranger:
        assert stranger.get("/health").status_code == 200
    assert time.monotonic() - started < 1
    for connection in idle:
        connection.close()
    assert chat_server.wait_for(disconnects=2)


def test_a_reader_who_takes_nothing_for_long_has_left(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.http.streams.SEND_WAIT_S", 0.2)
    chat_server.reply(text=f"{'word' * 50_000} " * 100, delay_s=0.02)
    connection = _asked(live_api, basic, {"message": QUESTION, "model": MODEL, "stream": True})
    assert chat_server.wait_for(disconnects=1)
    connection.close()


def test_the_database_that_is_down_is_said_and_no_call_is_made(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(live_api.workbench.accounts, "principal_of_token", fail)
    monkeypatch.setattr(live_api.workbench.database, "ping", fail)
    assert_problem(basic.post("/ai/chat", json={"message": QUESTION}), 503, "internal")
    assert chat_server.calls == 0


def _events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def _used(client: httpx2.Client) -> int:
    used: int = client.get("/user/usage").json()["usage"]["daily"]["chatQueries"]["used"]
    return used


def _asked(api: Api, client: httpx2.Client, body: dict[str, object]) -> socket.socket:
    """A raw connection on which a question was sent, and from which nothing was read."""
    address = urlsplit(api.base_url)
    assert address.hostname is not None
    assert address.port is not None
    connection = socket.create_connection((address.hostname, address.port), timeout=10)
    content = json.dumps(body).encode()
    head = (
        f"POST /api/ai/chat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: {client.headers['authorization']}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    connection.sendall(head.encode() + content)
    return connection


def _until(connection: socket.socket, mark: bytes) -> bytes:
    received = b""
    while mark not in received:
        piece = connection.recv(65536)
        assert piece, received
        received += piece
    return received


def _eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)
