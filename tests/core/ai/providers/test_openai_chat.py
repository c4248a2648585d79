"""The Chat Completions adapter over a real socket: what it sends, reads, and makes of misbehaviour."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.ai.providers.contract import Finish, TokenUsage
from core.ai.providers.openai_chat import OpenAIChat
from core.errors import (
    ProviderBroke,
    ProviderUnavailable,
)
from tests.core.ai.providers.conftest import KEY, LIMITS, OpenChat, Reader, ask, events
from tests.fakes.chat_server import ChatServer, Reply, closed_address

TEXT = Reply().text


def _chunk(content: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}


def test_the_request_holds_what_was_asked_and_no_more(chat: OpenAIChat, chat_server: ChatServer) -> None:
    events(chat.chat(ask("Hello", max_tokens=77), LIMITS))

    received = chat_server.requests[0]
    assert received.path == "/v1/chat/completions"
    assert received.body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Answer shortly."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 77,
        "temperature": 0.7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_a_reasoning_model_gets_its_own_parameter_and_no_temperature(chat: OpenAIChat, chat_server: ChatServer) -> None:
    events(chat.chat(ask(temperature=None, max_tokens_parameter="max_completion_tokens"), LIMITS))

    body = chat_server.requests[0].body
    assert body["max_completion_tokens"] == 500
    assert "max_tokens" not in body
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"top_p": 0.3}, {"top_p": 0.3}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"json_schema": {}}, {"response_format": {"type": "json_object"}}),
        (
            {"json_schema": {"type": "object"}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        ),
    ],
)
def test_what_is_asked_of_the_answer_is_sent(
    chat: OpenAIChat, chat_server: ChatServer, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    events(chat.chat(ask(), LIMITS))
    events(chat.chat(replace(ask(), **asked), LIMITS))

    plain, asking = (received.body for received in chat_server.requests)
    assert {name: value for name, value in asking.items() if name not in plain} == sent


def test_a_host_that_sends_usage_unasked_is_not_asked(open_chat: OpenChat, chat_server: ChatServer) -> None:
    events(open_chat(chat_server.base_url, "mistral").chat(ask(), LIMITS))

    assert "stream_options" not in chat_server.requests[0].body


def test_the_environment_of_the_sdk_is_not_sent_to_anybody(
    monkeypatch: pytest.MonkeyPatch, open_chat: OpenChat, chat_server: ChatServer
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-private")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Private: yes")
    events(open_chat(chat_server.base_url, "deepseek").chat(ask(), LIMITS))

    headers = chat_server.requests[0].headers
    assert not [name for name in headers if name.startswith(("x-", "openai-"))]
    assert "private" not in str(headers)


def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, open_chat: OpenChat, chat_server: ChatServer
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, closed_address())
    events(open_chat(chat_server.base_url).chat(ask(), LIMITS))

    assert chat_server.calls == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(chat: OpenAIChat, chat_server: ChatServer, status: int) -> None:
    with ChatServer() as elsewhere:
        chat_server.reply(status=status, headers={"Location": f"{elsewhere.base_url}/chat/completions"})
        with pytest.raises(ProviderUnavailable):
            list(chat.chat(ask(), LIMITS))

        assert (chat_server.calls, elsewhere.calls) == (1, 0)


def test_one_connection_serves_one_call_after_the_other(chat: OpenAIChat, chat_server: ChatServer) -> None:
    for _ in range(5):
        events(chat.chat(ask(), LIMITS))

    assert (chat_server.calls, chat_server.connections) == (5, 1)
    assert chat_server.disconnects == 0


def test_the_text_usage_and_reason_are_the_hosts(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(text="Käufe: 5 €, 日本 📈", finish_reason="content_filter")
    texts, finish = events(chat.chat(ask(), LIMITS))

    assert "".join(texts) == "Käufe: 5 €, 日本 📈"
    assert finish == Finish("content_filter", TokenUsage(5, 5))


def test_of_cumulative_usage_the_last_counts(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(is_usage_cumulative=True)
    texts, finish = events(chat.chat(ask(), LIMITS))

    assert finish.usage == TokenUsage(5, len(texts))


def test_missing_usage_is_none(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(usage=None)

    assert events(chat.chat(ask(), LIMITS))[1] == Finish("stop", None)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (
            {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}},
            (7, 5, 3, 0),
        ),
        ({"prompt_tokens": 7, "completion_tokens": 5, "prompt_cache_hit_tokens": 4}, (7, 5, 4, 0)),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 6},
            },
            (7, 5, 1, 6),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "total_tokens": 12,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            (7, 5, 0, 0),
        ),
        (
            {
                "prompt_tokens": 7,
                "completion_tokens": 5,
                "total_tokens": 16,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            (7, 9, 0, 0),
        ),
        ({"prompt_tokens": -7, "completion_tokens": 10**12}, (-7, 10**12, 0, 0)),
        ({"prompt_tokens": 7.0, "completion_tokens": 5, "prompt_tokens_details": None}, (7, 5, 0, 0)),
        ({"prompt_tokens": 7}, None),
        ({"prompt_tokens": "7", "completion_tokens": 5}, None),
        ({"prompt_tokens": True, "completion_tokens": 5}, None),
        ({"prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": 7.5, "completion_tokens": 5}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": float("nan")}, None),
        ([1, 2], None),
        ("many", None),
    ],
)
def test_usage_is_read_as_it_was_sent(
    chat: OpenAIChat, chat_server: ChatServer, sent: Any, read: tuple[int, ...] | None
) -> None:
    chat_server.reply(chunks=(_chunk("Hi"), _chunk(finish="stop"), {"choices": [], "usage": sent}))
    finish = events(chat.chat(ask(), LIMITS))[1]

    assert finish.usage == (TokenUsage(*read) if read else None)


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"delta": None, "finish_reason": None}]},
        {"choices": [{"delta": [], "finish_reason": 5}]},
        {"choices": [{"delta": {"content": None}}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [], "usage": None, "error": None},
        ": a comment\n\n",
        "event: ping\ndata: {}\n\n",
        "id: 5\nretry: soon\n\n",
        "data:{}\r\n\r\n",
    ],
)
def test_odd_chunks_are_passed_over(chat: OpenAIChat, chat_server: ChatServer, odd: Any) -> None:
    odd = odd if odd != "id: 5\nretry: soon\n\n" else "retry: soon\n\n"
    chat_server.reply(chunks=(odd, _chunk("Hi"), odd, _chunk(" you", finish="stop"), odd))
    texts, finish = events(chat.chat(ask(), LIMITS))

    assert texts == ["Hi", " you"]
    assert finish.reason == "stop"


def test_content_in_parts_is_joined_without_the_thinking(chat: OpenAIChat, chat_server: ChatServer) -> None:
    parts = [
        {"type": "thinking", "thinking": []},
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B"},
    ]
    chat_server.reply(chunks=(_chunk(parts), _chunk(finish="stop")))

    assert events(chat.chat(ask(), LIMITS))[0] == ["AB"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"done": False}, "stop"), ({"finish_reason": None}, "stop"), ({"finish_reason": "length"}, "length")],
    ids=["no-done", "no-reason", "both"],
)
def test_a_finish_reason_or_done_ends_an_answer(
    chat: OpenAIChat, chat_server: ChatServer, changes: dict[str, Any], reason: str
) -> None:
    chat_server.reply(**changes)
    texts, finish = events(chat.chat(ask(), LIMITS))

    assert "".join(texts) == TEXT
    assert finish.reason == reason
    assert finish.usage is not None


@pytest.mark.parametrize(
    ("changes", "deltas"),
    [
        ({"finish_reason": None, "done": False}, 9),
        ({"cut_after": 3}, 3),
        ({"malformed_after": 3}, 3),
        ({"malformed_after": 0}, 0),
        ({"chunks": (_chunk("Hi"), "data: [1, 2]\n\n"), "done": False}, 1),
        ({"chunks": (_chunk("Hi"), f"data: {'[' * 100_000}\n\n"), "done": False}, 1),
        ({"chunks": (_chunk("Hi"), f"data: {'9' * 5000}\n\n"), "done": False}, 1),
        ({"chunks": (_chunk("Hi"), {"error": {"code": 502, "message": "upstream"}}), "done": False}, 1),
        ({"chunks": (_chunk("Hi"), f"data: {'x' * 2_000_000}"), "done": False}, 1),
        ({"chunks": (), "done": False}, 0),
    ],
)
def test_a_stream_that_ends_without_either_is_broken(
    chat: OpenAIChat, chat_server: ChatServer, changes: dict[str, Any], deltas: int
) -> None:
    chat_server.reply(**changes)
    stream = chat.chat(ask(), LIMITS)
    reader = Reader(stream)
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert len(reader.events) == deltas


def test_the_usage_of_a_broken_stream_is_kept(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(is_usage_cumulative=True, cut_after=3)
    stream = chat.chat(ask(), LIMITS)
    with pytest.raises(ProviderBroke):
        list(stream)

    assert stream.usage == TokenUsage(5, 3)


def test_what_breaks_after_the_finish_reason_breaks_nothing(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(chunks=(_chunk("Hi", finish="stop"), "data: {broken\n\n"), done=False)

    assert events(chat.chat(ask(), LIMITS))[1] == Finish("stop", None)


def test_an_abort_after_the_finish_reason_still_finishes(chat: OpenAIChat, chat_server: ChatServer) -> None:
    chat_server.reply(chunks=(_chunk("word", finish="stop"),), hangs="after_finish")
    stream = chat.chat(ask(), LIMITS)
    reader = Reader(stream)
    assert reader.has_begun.wait(10)
    stream.abort()
    reader.join()

    assert reader.events[-1] == Finish("stop", None)
    assert chat_server.wait_for(disconnects=1)
