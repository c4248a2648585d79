"""How each wire format is told of tools, calls and results, and what it wants back with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import Finish, Message, Provider, ToolCall
from core.ai.providers.hosts import HOSTS
from core.ai.providers.openai_chat import OpenAIChat
from tests.core.ai.providers.asking import QUOTE, RESULT, asking, used
from tests.core.ai.providers.conftest import KEY, LIMITS, events
from tests.core.ai.providers.vendors import CHAT_VENDORS
from tests.fakes.chat_server import ChatServer, chat_chunk
from tests.fakes.scripted_server import Received, ScriptedServer, Wanted

APPLE = ToolCall("id-1", "quote", '{"symbol": "AAPL"}')
OTHER = ToolCall("call_2", "no such tool", "nonsense")
TALK = (*used(APPLE, OTHER, text="Let me look."), Message("user", "And?"))
QUOTE_FUNCTION = {
    "type": "function",
    "function": {"name": "quote", "description": QUOTE.description, "parameters": QUOTE.parameters},
}


def _sent(vendor: str, request: Any) -> dict[str, Any]:
    with CHAT_VENDORS[vendor].served() as (adapter, server):
        events(adapter.chat(request, LIMITS))
        return server.requests[0].body


@contextlib.contextmanager
def _host(name: str) -> Iterator[tuple[OpenAIChat, ChatServer]]:
    with (
        ChatServer() as server,
        contextlib.closing(OpenAIChat(HOSTS[name], SecretStr(KEY), server.base_url)) as adapter,
    ):
        yield adapter, server


def _asked(adapter: Provider, server: ScriptedServer, **reply: Any) -> Finish:
    server.reply(**reply)
    return events(adapter.chat(asking(), LIMITS))[1]


@pytest.mark.parametrize("vendor", ["openai", "groq"])
def test_chat_completions(vendor: str) -> None:
    body = _sent(vendor, asking(*TALK))

    assert (body["tools"], body["tool_choice"]) == ([QUOTE_FUNCTION], "auto")
    assert body["messages"][2:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "id-1", "type": "function", "function": {"name": "quote", "arguments": '{"symbol": "AAPL"}'}},
                {"id": "call_2", "type": "function", "function": {"name": "no_such_tool", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "id-1", "content": RESULT},
        {"role": "tool", "tool_call_id": "call_2", "content": RESULT},
        {"role": "user", "content": "And?"},
    ]
    plain = _sent(vendor, asking(*used(APPLE), tools=()))
    assert "tools" not in plain
    assert "tool_choice" not in plain
    assert plain["messages"][2]["content"] is None


def test_anthropic() -> None:
    body = _sent("anthropic", asking(*TALK))

    assert body["system"] == [{"type": "text", "text": "Use tools."}]
    assert body["tools"] == [
        {"name": "quote", "description": QUOTE.description, "input_schema": QUOTE.parameters},
    ]
    assert body["tool_choice"] == {"type": "auto"}
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me look."},
                {"type": "tool_use", "id": "id-1", "name": "quote", "input": {"symbol": "AAPL"}},
                {"type": "tool_use", "id": "call_2", "name": "no_such_tool", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "id-1", "content": RESULT},
                {"type": "tool_result", "tool_use_id": "call_2", "content": RESULT},
            ],
        },
        {"role": "user", "content": "And?"},
    ]


def test_anthropic_wants_tools_declared_that_are_not_to_be_used_any_more() -> None:
    body = _sent("anthropic", asking(*used(APPLE, replace(APPLE, id="id-2"), text=" "), tools=()))

    assert [tool["name"] for tool in body["tools"]] == ["quote"]
    assert body["tool_choice"] == {"type": "none"}
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use", "tool_use"]


def test_google() -> None:
    body = _sent("google", asking(*TALK, model="gemini-2.5-flash"))

    assert body["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "quote",
                    "description": QUOTE.description,
                    "parameters": {
                        "type": "object",
                        "properties": {"symbol": {"type": "string", "maxLength": 12, "description": "As listed."}},
                        "required": ["symbol"],
                    },
                }
            ]
        }
    ]
    assert "toolConfig" not in body
    response = {"output": RESULT}
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "Let me look."},
                {"functionCall": {"id": "id-1", "name": "quote", "args": {"symbol": "AAPL"}}},
                {"functionCall": {"name": "no_such_tool", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "id-1", "name": "quote", "response": response}},
                {"functionResponse": {"name": "no_such_tool", "response": response}},
            ],
        },
        {"role": "user", "parts": [{"text": "And?"}]},
    ]


def test_google_wants_tools_declared_that_are_not_to_be_used_any_more() -> None:
    body = _sent("google", asking(*used(APPLE), tools=()))

    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == ["quote"]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "NONE"}}


def test_ollama() -> None:
    body = _sent("ollama", asking(*TALK))

    assert body["tools"] == [QUOTE_FUNCTION]
    assert body["messages"][2:] == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "id-1", "function": {"name": "quote", "arguments": {"symbol": "AAPL"}}},
                {"id": "call_2", "function": {"name": "no_such_tool", "arguments": {}}},
            ],
        },
        {"role": "tool", "tool_name": "quote", "tool_call_id": "id-1", "content": RESULT},
        {"role": "tool", "tool_name": "no_such_tool", "tool_call_id": "call_2", "content": RESULT},
        {"role": "user", "content": "And?"},
    ]


def test_without_tools_no_request_speaks_of_any() -> None:
    for vendor in CHAT_VENDORS:
        assert "tool" not in str(_sent(vendor, asking(tools=())))[100:].replace("Use tools.", "")


class TestThinking:
    def test_anthropic_gets_the_message_back_as_it_came(self) -> None:
        with CHAT_VENDORS["anthropic"].served() as (adapter, server):
            wants = (Wanted("quote", '{"a": 1}', "id-1", "I have to look."), Wanted("quote", '{"a": 2}', "id-2"))
            finish = _asked(adapter, server, text="Let me look.", wants=wants)
            events(adapter.chat(asking(*used(*finish.calls, text="Let me look.")), LIMITS))

            assert server.requests[-1].body["messages"][1]["content"] == [
                {"type": "text", "text": "Let me look."},
                {"type": "thinking", "thinking": "I have to look.", "signature": "signed"},
                {"type": "tool_use", "id": "id-1", "name": "quote", "input": {"a": 1}},
                {"type": "tool_use", "id": "id-2", "name": "quote", "input": {"a": 2}},
            ]

    def test_anthropic_gets_no_blank_text_back(self) -> None:
        with CHAT_VENDORS["anthropic"].served() as (adapter, server):
            finish = _asked(adapter, server, text="", wants=(Wanted("quote", "{}", "id-1", "Hm."),))
            events(adapter.chat(asking(*used(*finish.calls)), LIMITS))

            content = server.requests[-1].body["messages"][1]["content"]
            assert [block["type"] for block in content] == ["thinking", "tool_use"]

    def test_google_gets_the_sign_of_each_call_back(self) -> None:
        with CHAT_VENDORS["google"].served() as (adapter, server):
            wants = (Wanted("quote", "{}", None, "c2ln"), Wanted("quote", "{}"))
            finish = _asked(adapter, server, text="", wants=wants, is_interleaved=True)
            events(adapter.chat(asking(*used(*finish.calls)), LIMITS))

            parts = server.requests[-1].body["contents"][1]["parts"]
            assert [part.get("thoughtSignature") for part in parts] == ["c2ln", None]

    @pytest.mark.parametrize(
        ("model", "signs"),
        [("gemini-2.5-pro", [None, None]), ("gemini-3.8-flash", ["skip_thought_signature_validator", None])],
    )
    def test_google_is_told_of_calls_that_another_model_made(self, model: str, signs: list[str | None]) -> None:
        foreign = replace(APPLE, carried="anthropic:[]")
        body = _sent("google", asking(*used(foreign, OTHER), model=model))

        assert [part.get("thoughtSignature") for part in body["contents"][1]["parts"]] == signs

    def test_deepseek_gets_its_reasoning_back_and_an_empty_one_where_there_was_none(self) -> None:
        with _host("deepseek") as (adapter, server):
            finish = _asked(adapter, server, text="", wants=(Wanted("quote", "{}", "id-1", "I have to look."),))
            events(adapter.chat(asking(*used(*finish.calls), *used(APPLE), Message("assistant", "Yes.")), LIMITS))

            first, _, second, _, last = server.requests[-1].body["messages"][2:]
            assert (first["reasoning_content"], second["reasoning_content"]) == ("I have to look.", "")
            assert "reasoning_content" not in last

    def test_other_hosts_get_none(self) -> None:
        with _host("xai") as (adapter, server):
            finish = _asked(adapter, server, text="", wants=(Wanted("quote", "{}", "id-1", "I have to look."),))
            events(adapter.chat(asking(*used(*finish.calls)), LIMITS))

            assert finish.calls[0].carried == ""
            assert sorted(server.requests[-1].body["messages"][2]) == ["content", "role", "tool_calls"]

    def test_openrouter_gets_its_details_back_put_together(self) -> None:
        received = Received("", {}, {})
        details = [
            [{"type": "reasoning.text", "index": 0, "text": "I have ", "signature": None}],
            [{"type": "reasoning.text", "index": 0, "text": "to look.", "format": "f"}],
            [{"type": "reasoning.text", "index": 0, "signature": "signed", "text": None}],
            [{"type": "reasoning.encrypted", "index": 1, "data": "c2ln"}],
        ]
        call = {"index": 0, "id": "id-1", "function": {"name": "quote", "arguments": "{}"}}
        chunks = [chat_chunk(received, {"reasoning_details": each}, None, None) for each in details]
        chunks.append(chat_chunk(received, {"tool_calls": [call]}, "tool_calls", None))
        with _host("openrouter") as (adapter, server):
            finish = _asked(adapter, server, chunks=tuple(chunks))
            server.reply()
            events(adapter.chat(asking(*used(*finish.calls), *used(APPLE)), LIMITS))

            first, _, second, _ = server.requests[-1].body["messages"][2:]
            assert first["reasoning_details"] == [
                {"type": "reasoning.text", "index": 0, "text": "I have to look.", "signature": "signed", "format": "f"},
                {"type": "reasoning.encrypted", "index": 1, "data": "c2ln"},
            ]
            assert "reasoning_details" not in second


class TestOddHosts:
    """Chat Completions as other hosts write them."""

    @pytest.mark.parametrize(
        ("pieces", "calls"),
        [
            # all calls numbered 0, each with an id of its own
            (
                [
                    {"index": 0, "id": "a", "function": {"name": "quote", "arguments": '{"n": 1}'}},
                    {"index": 0, "id": "b", "function": {"name": "quote", "arguments": '{"n": 2}'}},
                ],
                [("a", "quote", '{"n": 1}'), ("b", "quote", '{"n": 2}')],
            ),
            # numbered 0 and with empty ids
            (
                [
                    {"index": 0, "id": "", "function": {"name": "quote", "arguments": '{"n": 1}'}},
                    {"index": 0, "id": "", "function": {"name": "news", "arguments": '{"n": 2}'}},
                ],
                [("call_1", "quote", '{"n": 1}'), ("call_2", "news", '{"n": 2}')],
            ),
            # neither numbers nor ids, and objects in place of texts
            (
                [
                    {"function": {"name": "quote", "arguments": {"n": 1}}},
                    {"function": {"name": "quote", "arguments": {"n": 2}}},
                ],
                [("call_1", "quote", '{"n": 1}'), ("call_2", "quote", '{"n": 2}')],
            ),
            # id and name again with each piece
            (
                [
                    {"index": 0, "id": "a", "function": {"name": "quote", "arguments": '{"n"'}},
                    {"index": 0, "id": "a", "function": {"name": "quote", "arguments": ": 1}"}},
                ],
                [("a", "quote", '{"n": 1}')],
            ),
            # a name in pieces, then the whole of it
            (
                [
                    {"index": 0, "id": "a", "function": {"name": "quo"}},
                    {"index": 0, "function": {"name": "te"}},
                    {"index": 0, "function": {"name": "quote", "arguments": None}},
                ],
                [("a", "quote", "{}")],
            ),
            ([None, 3, {"index": "x"}, {"function": 7}], []),
        ],
        ids=["numbered-0", "no-ids", "no-numbers", "repeated", "named-in-pieces", "nothing"],
    )
    def test_calls_are_told_apart(self, pieces: list[Any], calls: list[tuple[str, str, str]]) -> None:
        received = Received("", {}, {})
        chunks = tuple(chat_chunk(received, {"tool_calls": [piece]}, None, None) for piece in pieces)
        end = chat_chunk(received, {"tool_calls": 5}, "stop", None)
        with _host("openrouter") as (adapter, server):
            finish = _asked(adapter, server, chunks=(*chunks, end))

            assert [(call.id, call.name, call.arguments) for call in finish.calls] == calls

    def test_mistral_gets_nothing_after_results(self) -> None:
        talk = (*used(APPLE), Message("system", "Answer now."))
        with _host("mistral") as (adapter, server), _host("openai") as (other, others):
            for each in (adapter, other):
                events(each.chat(asking(*talk), LIMITS))

            told = server.requests[0].body["messages"]
            assert [message["role"] for message in told] == ["system", "user", "assistant", "tool"]
            assert told[0]["content"] == "Use tools.\n\nAnswer now."
            assert others.requests[0].body["messages"][-1] == {"role": "system", "content": "Answer now."}

    def test_mistral_gets_ids_of_its_own_form(self) -> None:
        own = replace(APPLE, id="D681PevKs")
        with _host("mistral") as (adapter, server):
            events(adapter.chat(asking(*used(own, OTHER)), LIMITS))

            _, _, asked, *results = server.requests[-1].body["messages"]
            ids = [call["id"] for call in asked["tool_calls"]]
            assert ids[0] == "D681PevKs"
            assert ids[1].isalnum()
            assert len(ids[1]) == 9
            assert [result["tool_call_id"] for result in results] == ids
