"""`Idempotency-Key`: sent again, a request gets the same answer, and is charged once."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from core.http.idempotency import canonical
from core.metering.books import audit
from core.principal import Principal, Role
from tests.conftest import MoveTime
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem
from tests.fakes.chat_server import ChatServer

EMBEDDER = "text-embedding-3-small"
Service = psycopg.Connection[tuple[object, ...]]
CALLS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/api/ai/chat", {"message": QUESTION, "model": MODEL}, {"message": "Another?", "model": MODEL}),
    ("/api/ai/completions", {"prompt": QUESTION, "model": MODEL}, {"prompt": "Another?", "model": MODEL}),
    ("/api/ai/embeddings", {"input": "beta", "model": EMBEDDER}, {"input": "alpha", "model": EMBEDDER}),
    (
        "/v1/chat/completions",
        {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]},
        {"model": MODEL, "messages": [{"role": "user", "content": "Another?"}]},
    ),
    ("/v1/embeddings", {"model": EMBEDDER, "input": "beta"}, {"model": EMBEDDER, "input": "alpha"}),
]


@pytest.fixture
def http(live_api: Api, basic_member: Principal) -> Iterator[httpx2.Client]:
    """A client of a member on the basic plan, for both wire formats."""
    headers = {"Authorization": f"Bearer {live_api.token(basic_member)}"}
    with httpx2.Client(base_url=live_api.base_url.removesuffix("/api"), headers=headers, timeout=20) as client:
        yield client


@pytest.mark.parametrize(("path", "body", "other"), CALLS)
def test_the_same_again_gets_the_same_answer_and_is_charged_once(
    live_api: Api, http: httpx2.Client, service: Service, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "order 7!"}
    first = http.post(path, json=body, headers=key)
    assert first.status_code == 200, first.text
    assert "idempotency-replayed" not in first.headers
    service.execute("DELETE FROM cache_entries")
    again = http.post(path, json=dict(reversed(body.items())), headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    assert _told(again) == _told(first)
    assert again.headers["x-plan"] == "basic"
    refused = http.post(path, json=other, headers=key)
    assert (refused.status_code, _code(refused)) == (409, "conflict")
    assert http.post(path, json=other, headers={"Idempotency-Key": "order 8"}).status_code == 200
    assert service.execute("SELECT count(*) FROM holds WHERE state = 'settled'").fetchone() == (2,)
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize("path", ["/api/ai/chat", "/v1/chat/completions"])
def test_a_stream_is_replayed_as_one_delta(http: httpx2.Client, chat_server: ChatServer, path: str) -> None:
    body = {**next(body for known, body, _ in CALLS if known == path), "stream": True}
    key = {"Idempotency-Key": "stream-1"}
    first, again = (http.post(path, json=body, headers=key) for _ in range(2))
    assert again.headers["idempotency-replayed"] == "true"
    assert len(_deltas(first)) > 3
    assert _deltas(again) == ["".join(_deltas(first))]
    assert again.text.endswith("data: [DONE]\n\n")
    assert chat_server.calls == 1


@pytest.mark.parametrize(("path", "body"), [(path, body) for path, body, _ in CALLS if "embed" not in path])
def test_while_the_first_still_runs_the_second_is_told_to_come_back(
    http: httpx2.Client, chat_server: ChatServer, path: str, body: dict[str, Any]
) -> None:
    chat_server.reply(text="one two three four five", delay_s=0.15)
    key = {"Idempotency-Key": "slow"}
    answers: list[httpx2.Response] = []
    first = threading.Thread(target=lambda: answers.append(http.post(path, json=body, headers=key)))
    first.start()
    assert chat_server.wait_for(calls=1)
    busy = http.post(path, json=body, headers=key)
    first.join()
    assert (busy.status_code, _code(busy), busy.headers["retry-after"]) == (409, "conflict", "1")
    assert answers[0].status_code == 200
    assert http.post(path, json=body, headers=key).headers["idempotency-replayed"] == "true"
    assert chat_server.calls == 1


def test_a_key_that_is_none_is_refused(http: httpx2.Client, chat_server: ChatServer) -> None:
    for path, body, _ in CALLS:
        for keys in ([b""], [b"x" * 256], [b"caf\xe9"], [b"a\tb"], [b"one", b"two"]):
            answer = http.post(path, json=body, headers=[(b"Idempotency-Key", key) for key in keys])
            assert _code(answer) == "invalid_request", (path, keys)
            assert "printable ASCII" in answer.text
    assert chat_server.calls == 0
    assert http.post(CALLS[1][0], json=CALLS[1][1], headers={"Idempotency-Key": "x" * 255}).status_code == 200


def test_the_key_of_another_user_or_route_is_unrelated(live_api: Api, http: httpx2.Client) -> None:
    key = {"Idempotency-Key": "shared-name"}
    assert http.post("/api/ai/completions", json={"prompt": QUESTION, "model": MODEL}, headers=key).status_code == 200
    colleague = live_api.member("colleague", plan="basic", org="basic's organisation", role=Role.ANALYST)
    stranger = live_api.member("stranger", plan="basic")
    for other in (colleague, stranger):
        with live_api.client(other) as client:
            answer = client.post("/ai/completions", json={"prompt": "Mine?", "model": MODEL}, headers=key)
            assert answer.status_code == 200
            assert "idempotency-replayed" not in answer.headers
    path, body, _ = CALLS[3]
    assert "idempotency-replayed" not in http.post(path, json=body, headers=key).headers


def test_after_a_failure_or_a_denial_the_key_is_free_again(http: httpx2.Client, chat_server: ChatServer) -> None:
    key, body = {"Idempotency-Key": "retry-me"}, {"prompt": QUESTION, "model": MODEL}
    chat_server.reply(status=400)
    assert http.post("/api/ai/completions", json=body, headers=key).status_code == 422
    assert_problem(
        http.post("/api/ai/completions", json={"prompt": "€" * 20_000, "model": "gpt-4o"}, headers=key),
        402,
        "cost_ceiling",
    )
    chat_server.reply()
    assert http.post("/api/ai/completions", json=body, headers=key).status_code == 200


def test_a_key_is_forgotten_after_a_day(http: httpx2.Client, chat_server: ChatServer, move_time: MoveTime) -> None:
    key = {"Idempotency-Key": "yesterday"}
    assert http.post("/api/ai/completions", json={"prompt": QUESTION, "model": MODEL}, headers=key).status_code == 200
    move_time(timedelta(hours=25))
    answer = http.post("/api/ai/completions", json={"prompt": "Another?", "model": MODEL}, headers=key)
    assert answer.status_code == 200
    assert "idempotency-replayed" not in answer.headers
    assert chat_server.calls == 2


def test_two_that_come_at_once_are_charged_once(
    live_api: Api, http: httpx2.Client, service: Service, chat_server: ChatServer
) -> None:
    chat_server.reply(delay_s=0.02)
    key, answers = {"Idempotency-Key": "twice"}, []
    body = {"prompt": QUESTION, "model": MODEL}

    def press() -> None:
        answers.append(http.post("/api/ai/completions", json=body, headers=key))

    pressing = [threading.Thread(target=press) for _ in range(6)]
    for thread in pressing:
        thread.start()
    for thread in pressing:
        thread.join()
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert 200 in {answer.status_code for answer in answers}
    assert service.execute("SELECT count(*) FROM holds WHERE state = 'settled'").fetchone() == (1,)
    assert chat_server.calls == 1
    assert audit(live_api.workbench.database).differences == []


def test_all_spellings_of_a_body_are_one() -> None:
    assert canonical(b'{ "b": [1, {"d": "\\u00e9", "c": 2}],\n "a": null}') == canonical(
        '{"a":null,"b":[1,{"c":2,"d":"é"}]}'.encode()
    )
    assert canonical(b'{"a": [1, 2]}') != canonical(b'{"a": [2, 1]}')


def _told(answer: httpx2.Response) -> dict[str, Any]:
    """The content of an answer, but for the moment at which it was sent."""
    return {name: value for name, value in answer.json().items() if name != "created"}


def _code(answer: httpx2.Response) -> object:
    content = answer.json()
    return content["error"]["code"] if "error" in content else content["code"]


def _deltas(answer: httpx2.Response) -> list[str]:
    events = [json.loads(event.removeprefix("data: ")) for event in answer.text.split("\n\n") if event[6:7] == "{"]
    pieces = [
        event["choices"][0]["delta"].get("content") if "choices" in event else event.get("delta") for event in events
    ]
    return [piece for piece in pieces if piece]
