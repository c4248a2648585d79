"""What is Anthropic's own on the wire, over a real socket; the rest is the contract's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.anthropic_chat import AnthropicChat
from core.ai.providers.contract import ChatRequest, Finish, Message, TokenUsage
from core.ai.providers.hosts import HOSTS
from core.errors import (
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderTimeout,
    ProviderUnavailable,
)
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, ask, events
from tests.fakes.anthropic_server import AnthropicServer

PLAIN = {"input_tokens": 7, "output_tokens": 1}


@pytest.fixture
def server() -> Iterator[AnthropicServer]:
    with AnthropicServer() as server:
        yield server


@pytest.fixture
def claude(server: AnthropicServer) -> Iterator[AnthropicChat]:
    with contextlib.closing(AnthropicChat(HOSTS["anthropic"], SecretStr(KEY), server.base_url)) as claude:
        yield claude


def _start(usage: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"usage": usage}}


def _said(text: Any, kind: str = "text_delta") -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, "text": text}}


def _end(usage: Any = None, reason: Any = "end_turn") -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def test_the_request_holds_what_was_asked_and_no_more(claude: AnthropicChat, server: AnthropicServer) -> None:
    events(claude.chat(ask("Hello", max_tokens=77), LIMITS))

    received = server.requests[0]
    assert received.path == "/v1/messages"
    assert received.body == {
        "model": "gpt-4o-mini",
        "max_tokens": 77,
        "system": [{"type": "text", "text": "Answer shortly."}],
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.7,
        "stream": True,
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_only_a_request_with_a_temperature_asks_for_the_version_that_takes_one(
    claude: AnthropicChat, server: AnthropicServer
) -> None:
    events(claude.chat(ask(), LIMITS))
    events(claude.chat(ask(temperature=None), LIMITS))

    with_temperature, without = (received.headers["anthropic-version"] for received in server.requests)
    assert with_temperature == "2023-06-01" < without


def test_an_address_that_holds_the_path_of_the_sdk_is_taken_too(server: AnthropicServer) -> None:
    with contextlib.closing(AnthropicChat(HOSTS["anthropic"], SecretStr(KEY), f"{server.base_url}/v1")) as claude:
        events(claude.chat(ask(), LIMITS))

    assert server.requests[0].path == "/v1/messages"


def test_system_messages_go_to_their_own_place_in_order(claude: AnthropicChat, server: AnthropicServer) -> None:
    messages = (
        Message("system", "One."),
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("system", "Two."),
        Message("user", "Go on"),
    )
    events(claude.chat(ChatRequest("m", messages, 5, None), LIMITS))

    body = server.requests[0].body
    assert [block["text"] for block in body["system"]] == ["One.", "Two."]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_without_a_system_message_none_is_sent(claude: AnthropicChat, server: AnthropicServer) -> None:
    events(claude.chat(ChatRequest("m", (Message("user", "Hi"),), 5, None), LIMITS))

    assert sorted(server.requests[0].body) == ["max_tokens", "messages", "model", "stream"]


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"temperature": 0.7, "top_p": 0.3}, {"temperature": 0.7}),
        ({"top_p": 0.3}, {"top_p": 0.3}),
        ({"stop": ("a", "b")}, {"stop_sequences": ["a", "b"]}),
        ({"json_schema": {}}, {}),
        ({"json_schema": {"no": "schema"}}, {}),
        (
            {"json_schema": {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}},
            {
                "output_config": {
                    "format": {
                        "type": "json_schema",
                        "schema": {
                            "type": "object",
                            "properties": {"a": {"type": "integer", "description": "{minimum: 1}"}},
                            "additionalProperties": False,
                        },
                    }
                }
            },
        ),
    ],
)
def test_what_is_asked_of_the_answer_is_sent_as_the_format_has_it(
    claude: AnthropicChat, server: AnthropicServer, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    plain = ChatRequest("m", (Message("user", "Hi"),), 5, None)
    events(claude.chat(plain, LIMITS))
    events(claude.chat(replace(plain, **asked), LIMITS))

    bodies = [received.body for received in server.requests]
    assert {name: value for name, value in bodies[1].items() if name not in bodies[0]} == sent


def test_the_environment_of_the_sdk_is_not_sent(monkeypatch: pytest.MonkeyPatch, server: AnthropicServer) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Private: yes")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another")
    with contextlib.closing(AnthropicChat(HOSTS["anthropic"], SecretStr(KEY), server.base_url)) as claude:
        events(claude.chat(ask(), LIMITS))

    headers = server.requests[0].headers
    assert not [name for name in headers if name.startswith("x-")]
    assert headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_use"),
    ],
)
def test_reasons_have_our_words(claude: AnthropicChat, server: AnthropicServer, sent: str, read: str) -> None:
    server.reply(finish_reason=sent)

    assert events(claude.chat(ask(), LIMITS))[1].reason == read


@pytest.mark.parametrize(
    ("start", "end", "read"),
    [
        (PLAIN, {"output_tokens": 5}, (7, 5, 0, 0)),
        ({**PLAIN, "cache_read_input_tokens": 100}, {"output_tokens": 5}, (107, 5, 100, 0)),
        (
            {**PLAIN, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
            {"output_tokens": 5},
            (127, 5, 100, 20),
        ),
        (PLAIN, {"input_tokens": 9, "cache_read_input_tokens": 2, "output_tokens": 5}, (11, 5, 2, 0)),
        (PLAIN, {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 5}, (7, 5, 0, 0)),
        (None, {"input_tokens": 9, "output_tokens": 5}, (9, 5, 0, 0)),
        ({"input_tokens": -7}, {"output_tokens": 10**12}, (-7, 10**12, 0, 0)),
        (PLAIN, {"output_tokens": "5"}, (7, 0, 0, 0)),
        (PLAIN, None, (7, 0, 0, 0)),
        (None, {"output_tokens": 5}, None),
        ({"output_tokens": 1}, {"output_tokens": 5}, None),
        ({"input_tokens": True}, {"output_tokens": 5}, None),
        ([7], "many", None),
    ],
)
def test_usage_has_all_parts_of_the_input_and_the_last_count_of_the_output(
    claude: AnthropicChat, server: AnthropicServer, start: Any, end: Any, read: tuple[int, ...] | None
) -> None:
    server.reply(chunks=(_start(start), _said("Hi"), _end(end)))

    assert events(claude.chat(ask(), LIMITS))[1].usage == (TokenUsage(*read) if read else None)


def test_after_a_cut_the_output_counted_at_the_start_does_not_pass_for_the_answers(
    claude: AnthropicChat, server: AnthropicServer
) -> None:
    server.reply(cut_after=3)
    stream = claude.chat(ask(), LIMITS)
    with pytest.raises(ProviderBroke):
        list(stream)

    assert stream.usage == TokenUsage(5, 0)


def test_only_text_is_text(claude: AnthropicChat, server: AnthropicServer) -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "A"}}
    thought = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}
    tool = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}}
    odd = (_said(None), _said(5), {"type": "news"}, {"type": "content_block_delta", "delta": []}, {"no": "type"})
    server.reply(
        chunks=(*(chunk if "type" in chunk else "data: {}\n\n" for chunk in (block, thought, tool, *odd)), _end())
    )

    assert events(claude.chat(ask(), LIMITS))[0] == ["A"]


@pytest.mark.parametrize(
    ("changes", "is_complete"),
    [
        ({"finish_reason": None, "done": False}, False),
        ({"finish_reason": None}, True),
        ({"done": False}, True),
    ],
    ids=["neither", "only-message-stop", "only-a-reason"],
)
def test_a_stop_reason_or_the_end_of_the_message_ends_an_answer(
    claude: AnthropicChat, server: AnthropicServer, changes: dict[str, Any], *, is_complete: bool
) -> None:
    server.reply(**changes)
    reader = Reader(claude.chat(ask(), LIMITS))
    reader.join()

    assert isinstance(reader.events[-1], Finish) == is_complete
    assert isinstance(reader.error, ProviderBroke) != is_complete


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("overloaded_error", ProviderUnavailable),
        ("api_error", ProviderUnavailable),
        ("rate_limit_error", ProviderRateLimited),
        ("billing_error", ProviderRateLimited),
        ("authentication_error", ProviderRefusedKey),
        ("invalid_request_error", ProviderRejectedRequest),
        ("timeout_error", ProviderTimeout),
        ("never_heard_of", ProviderUnavailable),
    ],
)
def test_an_error_in_the_stream_has_its_kind_before_text_and_is_a_break_after_it(
    claude: AnthropicChat, server: AnthropicServer, error: str, kind: type[ProviderError]
) -> None:
    for after, expected in ((0, kind), (2, ProviderBroke)):
        server.reply(error=error, error_after=after)
        reader = Reader(claude.chat(ask(), LIMITS))
        reader.join()

        assert type(reader.error) is expected
        assert len(reader.events) == after


@pytest.mark.parametrize("status", [504, 529])
def test_statuses_of_its_own_are_known(claude: AnthropicChat, server: AnthropicServer, status: int) -> None:
    server.reply(status=status, error="overloaded_error")

    with pytest.raises(ProviderTimeout if status == 504 else ProviderUnavailable):
        list(claude.chat(ask(), LIMITS))
    assert server.calls == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 402, "error": "billing_error"},
        {"status": 400, "error": {"type": "invalid_request_error", "message": "Your credit balance is too low to …"}},
        {"error": "billing_error"},
    ],
)
def test_an_account_without_credit_is_not_asked_again_soon(
    claude: AnthropicChat, server: AnthropicServer, changes: dict[str, Any]
) -> None:
    server.reply(**changes)

    with pytest.raises(ProviderRateLimited, match="no credit left") as caught:
        list(claude.chat(ask(), LIMITS))
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 600
