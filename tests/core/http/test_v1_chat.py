"""`/v1/chat/completions` as the official client of OpenAI finds it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import openai
import psycopg
import pytest
from openai.types.chat import ChatCompletionMessageParam

from core.errors import DatabaseUnavailable
from core.metering.books import audit
from core.principal import Principal
from tests.conftest import LiveApp
from tests.core.http.conftest import MODEL, QUESTION, Api, eventually
from tests.fakes.chat_server import ChatServer

ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]
ANSWER = "Spreading money over things that do not move together."
LONG = "one two three four five six seven eight nine ten"
Service = psycopg.Connection[tuple[object, ...]]


def test_an_answer_is_what_the_official_client_expects(openai_client: openai.OpenAI, basic_member: Principal) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
    answer = raw.parse()
    assert (answer.object, answer.model, answer.choices[0].message.role) == ("chat.completion", MODEL, "assistant")
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (ANSWER, "stop")
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 9
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    assert answer._request_id == raw.headers["x-request-id"]
    assert (raw.headers["x-plan"], raw.headers["ratelimit-remaining"]) == (basic_member.plan, "59")
    assert (raw.headers["x-quota-metric"], raw.headers["x-quota-remaining"]) == ("chat_queries_day", "99")
    assert (raw.headers["x-cache"], raw.headers["cache-control"]) == ("miss", "no-store")
    assert 0 < Decimal(raw.headers["x-cost-usd"]) < Decimal("0.01")


def test_what_was_sent_reaches_the_provider(openai_client: openai.OpenAI, chat_server: ChatServer) -> None:
    openai_client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "beta?"}]},
            {"role": "assistant", "content": "A slope."},
            {"role": "user", "content": "Of what?"},
        ],
        max_completion_tokens=50,
        temperature=0.2,
        top_p=0.9,
        stop=["\n\n", "END"],
        seed=7,
        user="desk-3",
        n=1,
        presence_penalty=0,
        tools=[],
    )
    body = chat_server.requests[0].body
    assert [(message["role"], message["content"]) for message in body["messages"]] == [
        ("system", "Be brief."),
        ("user", "What is\nbeta?"),
        ("assistant", "A slope."),
        ("user", "Of what?"),
    ]
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.2, 0.9, ["\n\n", "END"])
    assert 50 in (body.get("max_tokens"), body.get("max_completion_tokens"))
    assert not {"seed", "user", "tools", "n"} & set(body)


def test_a_message_of_an_answer_can_be_sent_back_as_it_came(openai_client: openai.OpenAI) -> None:
    said = openai_client.chat.completions.create(model=MODEL, messages=ASKED).choices[0].message
    back: Any = said.model_dump()
    again = openai_client.chat.completions.create(model=MODEL, messages=[*ASKED, back, *ASKED])
    assert again.choices[0].message.content == ANSWER


def test_auto_is_routed_and_says_who_answered(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="auto", messages=ASKED)
    assert answer.model != "auto"
    assert answer.choices[0].message.content == ANSWER


def test_a_stream_begins_with_the_role_and_ends_with_the_reason(openai_client: openai.OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.id for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len(chunks) > 5
    assert {chunk.usage for chunk in chunks} == {None}


def test_a_stream_tells_its_usage_last_where_it_is_asked_to(openai_client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        openai_client.chat.completions.create(model=MODEL, messages=ASKED, stream=True, stream_options=options)
    )
    *others, last = chunks
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.completion_tokens, last.usage.total_tokens > 9) == (9, True)
    assert {chunk.usage for chunk in others} == {None}


def test_the_wire_of_a_stream_is_openais(live_api: Api, basic_member: Principal) -> None:
    body = {"model": MODEL, "messages": ASKED, "stream": True, "stream_options": {"include_usage": True}}
    with live_api.client(basic_member) as http:
        answer = http.post(f"{live_api.v1_url}/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["x-quota-remaining"], answer.headers["ratelimit-remaining"]) == ("99", "59")
    *events, end = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    assert end == "[DONE]"
    first = json.loads(events[0])
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert first["usage"] is None
    assert all(json.loads(event)["choices"][0]["index"] == 0 for event in events[:-1])


def test_the_same_again_is_cached_and_free_and_white_space_makes_a_difference(
    openai_client: openai.OpenAI, chat_server: ChatServer
) -> None:
    first = openai_client.chat.completions.create(model=MODEL, messages=ASKED)
    raw = openai_client.chat.completions.with_raw_response.create(model=MODEL, messages=ASKED)
    assert (raw.headers["x-cache"], raw.headers["x-cost-usd"]) == ("hit", "0")
    assert raw.headers["x-quota-remaining"] == "99"
    again = raw.parse()
    assert again.choices[0].message.content == first.choices[0].message.content
    assert again.usage == first.usage
    stream = openai_client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ANSWER
    assert chat_server.calls == 1
    for other in (f"{QUESTION} ", QUESTION.lower()):
        openai_client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": other}])
    openai_client.chat.completions.create(model=MODEL, messages=ASKED, temperature=0.3)
    assert chat_server.calls == 4


def test_calls_stand_beside_the_chats_under_the_same_limits(live_api: Api, chat_server: ChatServer) -> None:
    free = live_api.member("free")
    with (
        live_api.client(free) as http,
        openai.OpenAI(base_url=live_api.v1_url, api_key=live_api.token(free), max_retries=0) as client,
    ):
        for number in range(5):
            assert http.post("/ai/chat", json={"message": f"What is beta {number}?"}).status_code == 200
            client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": f"What is alpha {number}?"}]
            )
        with pytest.raises(openai.RateLimitError) as denied:
            client.chat.completions.create(model="auto", messages=ASKED)
        assert http.post("/ai/chat", json={"message": "One more?"}).status_code == 429
        usage = http.get("/user/usage").json()["usage"]["daily"]["chatQueries"]
        assert usage == {"used": 10, "limit": 10, "remaining": 0}
        groups = http.get("/ai/usage", params={"group_by": "channel"}).json()["groups"]
    assert {group["key"]: group["requests"] for group in groups} == {"api": 6, "v1": 6}
    assert (denied.value.code, denied.value.status_code) == ("quota_exceeded", 429)
    assert "Daily chat query limit reached (10/day)" in denied.value.message
    assert int(denied.value.response.headers["retry-after"]) > 0
    assert denied.value.response.headers["x-quota-remaining"] == "0"
    assert chat_server.calls == 10


def test_a_client_that_leaves_in_the_middle_is_settled_as_a_cut(
    live_api: Api, openai_client: openai.OpenAI, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text="word " * 200, delay_s=0.02)
    stream = openai_client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    assert chat_server.wait_for(disconnects=1)
    logged = "SELECT status, charged_usd > 0 FROM usage_log"
    eventually(lambda: service.execute(logged).fetchall() == [("cut", True)])
    assert audit(live_api.workbench.database).differences == []


def test_a_stream_that_breaks_says_so_in_the_stream_and_is_free(
    live_api: Api, openai_client: openai.OpenAI, chat_server: ChatServer, service: Service
) -> None:
    chat_server.reply(text=LONG, cut_after=3)
    stream = openai_client.chat.completions.create(model=MODEL, messages=ASKED, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(4)] == ["", "one", " two", " three"]
    with pytest.raises(openai.APIError) as broken:
        next(stream)
    assert broken.value.code == "provider_unavailable"
    assert service.execute("SELECT charged_usd FROM usage_log").fetchall() == [(Decimal(0),)]
    assert audit(live_api.workbench.database).differences == []


def test_an_answer_that_follows_a_schema_can_be_asked_for(
    openai_client: openai.OpenAI, chat_server: ChatServer
) -> None:
    chat_server.reply(text='{"beta": 1.5}')
    schema: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "figure",
            "schema": {"type": "object", "properties": {"beta": {"type": "number"}}, "required": ["beta"]},
        },
    }
    answer = openai_client.chat.completions.create(model=MODEL, messages=ASKED, response_format=schema)
    assert json.loads(answer.choices[0].message.content or "") == {"beta": 1.5}


def test_the_clients_own_number_of_a_request_comes_back(live_api: Api, basic_member: Principal) -> None:
    body = {"model": MODEL, "messages": ASKED}
    with live_api.client(basic_member) as http:
        answer = http.post(f"{live_api.v1_url}/chat/completions", json=body, headers={"X-Client-Request-Id": "mine-7"})
    assert answer.headers["x-client-request-id"] == "mine-7"
    assert answer.headers["x-request-id"] != "mine-7"


def test_without_a_database_no_provider_is_called(
    live_api: Api, openai_client: openai.OpenAI, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(live_api.workbench.accounts, "principal_of_token", fail)
    with pytest.raises(openai.InternalServerError) as failed:
        openai_client.chat.completions.create(model=MODEL, messages=ASKED)
    assert (failed.value.status_code, failed.value.code) == (503, "internal")
    assert chat_server.calls == 0


def test_a_running_application_serves_it_beside_its_pages(live_app: LiveApp) -> None:
    token = live_app.command("user", "token", live_app.email).stdout.strip()
    with openai.OpenAI(base_url=f"{live_app.base_url}/v1", api_key=token, max_retries=0) as client:
        assert "auto" in {model.id for model in client.models.list()}
        stream = client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "What is duration?"}], stream=True
        )
        assert "duration" in "".join(chunk.choices[0].delta.content or "" for chunk in stream).lower()
        with pytest.raises(openai.NotFoundError) as missing:
            client.completions.create(model="auto", prompt="What is duration?")
    assert missing.value.code == "unknown_url"
