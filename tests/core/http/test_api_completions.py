"""`POST /api/ai/completions` and `/api/ai/embeddings`: models without a conversation."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import httpx2
import psycopg
import pytest

from core.metering.books import audit
from tests.core.http.conftest import MODEL, QUESTION, Api, assert_problem
from tests.fakes.chat_server import ChatServer
from tests.fakes.words import vectors_of

Service = psycopg.Connection[tuple[object, ...]]


def test_a_completion_has_the_shape_of_the_contract_and_no_conversation(basic: httpx2.Client, service: Service) -> None:
    answer = basic.post("/ai/completions", json={"prompt": QUESTION, "model": MODEL})
    assert answer.status_code == 200
    content = answer.json()
    assert content["text"] == "Spreading money over things that do not move together."
    assert (content["model"], content["provider"], content["cached"]) == (MODEL, "openai", False)
    assert set(content["usage"]) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert 0 < Decimal(content["cost_usd"]) < Decimal("0.01")
    assert content["route"] == {"reason": "chosen by name", "candidates": 1}
    assert not {"conversation_id", "message_id"} & set(content)
    assert (answer.headers["x-cost-usd"], answer.headers["x-cache"]) == (content["cost_usd"], "miss")
    assert (answer.headers["x-plan"], answer.headers["x-quota-remaining"]) == ("basic", "99")
    assert service.execute("SELECT count(*) FROM conversations").fetchone() == (0,)


def test_what_was_asked_for_reaches_the_provider(basic: httpx2.Client, chat_server: ChatServer) -> None:
    basic.post("/ai/completions", json={"prompt": QUESTION, "model": MODEL, "max_tokens": 77, "temperature": 0})
    body = chat_server.requests[0].body
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert (body["temperature"], body["messages"]) == (0, [{"role": "user", "content": QUESTION}])


def test_the_same_again_is_cached_but_for_white_space_at_its_ends(
    basic: httpx2.Client, chat_server: ChatServer, service: Service
) -> None:
    for prompt in (QUESTION, f"  {QUESTION}\n", QUESTION.lower()):
        answer = basic.post("/ai/completions", json={"prompt": prompt, "model": MODEL})
    assert (answer.json()["cached"], answer.headers["x-cache"]) == (False, "miss")
    assert chat_server.calls == 2
    row = service.execute("SELECT task, expires_at - created_at > interval '6 days' FROM cache_entries").fetchone()
    assert row == ("completion", True)


def test_an_answer_that_does_not_follow_its_schema_is_unusable_and_free(
    live_api: Api, basic: httpx2.Client, chat_server: ChatServer
) -> None:
    schema = {"type": "object", "properties": {"beta": {"type": "number"}}, "required": ["beta"]}
    body = {"prompt": QUESTION, "model": MODEL, "json_schema": schema}
    unusable = basic.post("/ai/completions", json=body)
    assert_problem(unusable, 502, "unusable_answer")
    assert unusable.headers["x-quota-remaining"] == "100"
    chat_server.reply(text='{"beta": 1.5}')
    assert json.loads(basic.post("/ai/completions", json=body).json()["text"]) == {"beta": 1.5}
    assert audit(live_api.workbench.database).differences == []


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": None},
        {"max_tokens": 0},
        {"max_tokens": "9"},
        {"max_tokens": 10**9},
        {"temperature": 3},
        {"json_schema": []},
        {"json_schema": {"type": "nonsense"}},
        {"stream": True},
    ],
)
def test_a_prompt_of_another_form_is_refused(
    basic: httpx2.Client, chat_server: ChatServer, changes: dict[str, Any]
) -> None:
    answer = basic.post("/ai/completions", json={"prompt": QUESTION, "model": MODEL, **changes})
    assert_problem(answer, 422, "invalid_request")
    assert chat_server.calls == 0


def test_texts_become_vectors_in_their_order(basic: httpx2.Client, chat_server: ChatServer) -> None:
    texts = ["net interest margin", "price to book"]
    answer = basic.post("/ai/embeddings", json={"input": texts, "model": "text-embedding-3-small"})
    content = answer.json()
    assert [len(vector) for vector in content["data"]] == [len(vector) for vector in vectors_of(texts, None)]
    assert content["data"][0] == pytest.approx(vectors_of(texts, None)[0], abs=1e-6)
    assert (content["model"], content["cached"]) == ("text-embedding-3-small", False)
    assert content["usage"] == {"prompt_tokens": 6, "completion_tokens": 0, "total_tokens": 6}
    assert 0 < Decimal(content["cost_usd"]) < Decimal("0.001")
    assert answer.headers["x-quota-metric"] == "requests_month"
    again = basic.post("/ai/embeddings", json={"input": texts, "model": "text-embedding-3-small"}).json()
    assert (again["cached"], again["cost_usd"], again["data"]) == (True, "0", content["data"])
    assert chat_server.calls == 1


def test_without_a_model_the_cheapest_that_gives_vectors_is_asked(basic: httpx2.Client) -> None:
    content = basic.post("/ai/embeddings", json={"input": "beta"}).json()
    assert content["model"] == "text-embedding-3-small"
    assert len(content["data"]) == 1


def test_vectors_of_what_is_no_text_are_refused(basic: httpx2.Client, chat_server: ChatServer) -> None:
    for given in (None, 5, [], [1, 2], [[1]], "", ["x", " "], ["x"] * 2_049):
        assert_problem(basic.post("/ai/embeddings", json={"input": given}), 422, "invalid_request")
    assert_problem(basic.post("/ai/embeddings", json={}), 422, "invalid_request")
    assert_problem(basic.post("/ai/embeddings", json={"input": "x" * 20_001}), 422, "prompt_rejected")
    assert chat_server.calls == 0


def test_where_nothing_gives_vectors_it_is_said(api: Api) -> None:
    with api.client(api.member("ann")) as client:
        problem = assert_problem(client.post("/ai/embeddings", json={"input": "beta"}), 501, "not_configured")
    assert "OPENAI_API_KEY" in str(problem["detail"])
