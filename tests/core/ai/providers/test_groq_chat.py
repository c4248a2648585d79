"""What is Groq's own on the wire, over a real socket; the rest is the contract's and Chat Completions'."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import ChatRequest, Finish, Message, TokenUsage
from core.ai.providers.groq_chat import GroqChat
from core.ai.providers.hosts import HOSTS
from core.errors import ProviderBroke, ProviderError, ProviderRateLimited, ProviderRejectedRequest, ProviderUnavailable
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, ask, events
from tests.fakes.groq_server import GroqServer


@pytest.fixture
def server() -> Iterator[GroqServer]:
    with GroqServer() as server:
        yield server


@pytest.fixture
def groq(server: GroqServer) -> Iterator[GroqChat]:
    with contextlib.closing(GroqChat(HOSTS["groq"], SecretStr(KEY), server.base_url)) as groq:
        yield groq


def _chunk(content: Any = None, finish: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": finish}], **more}


def test_the_request_holds_what_was_asked_and_no_more(groq: GroqChat, server: GroqServer) -> None:
    events(groq.chat(ask("Hello", max_tokens=77), LIMITS))

    received = server.requests[0]
    assert received.path == "/openai/v1/chat/completions"
    assert received.body == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Answer shortly."}, {"role": "user", "content": "Hello"}],
        "max_tokens": 77,
        "temperature": 0.7,
        "stream": True,
    }
    assert received.headers["authorization"] == f"Bearer {KEY}"


def test_an_address_that_holds_the_path_of_the_sdk_is_taken_too(server: GroqServer) -> None:
    with contextlib.closing(GroqChat(HOSTS["groq"], SecretStr(KEY), f"{server.base_url}/openai/v1")) as groq:
        events(groq.chat(ask(), LIMITS))

    assert server.requests[0].path == "/openai/v1/chat/completions"


def test_what_is_asked_of_the_answer_is_sent(groq: GroqChat, server: GroqServer) -> None:
    request = ChatRequest(
        "m", (Message("user", "Hi"),), 5, None, top_p=0.3, stop=("\n",), json_schema={"type": "object"}
    )
    events(groq.chat(request, LIMITS))

    body = server.requests[0].body
    assert body["top_p"] == 0.3
    assert body["stop"] == ["\n"]
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    }
    assert "temperature" not in body


def test_the_environment_of_the_sdk_is_not_sent(monkeypatch: pytest.MonkeyPatch, server: GroqServer) -> None:
    monkeypatch.setenv("GROQ_CUSTOM_HEADERS", "X-Private: yes")
    with contextlib.closing(GroqChat(HOSTS["groq"], SecretStr(KEY), server.base_url)) as groq:
        events(groq.chat(ask(), LIMITS))

    assert not [name for name in server.requests[0].headers if name.startswith("x-")]


@pytest.mark.parametrize("usage", [{"x_groq": {"usage": 1}}, {"usage": 1}], ids=["own-place", "usual-place"])
def test_usage_is_read_in_either_place(groq: GroqChat, server: GroqServer, usage: dict[str, Any]) -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}}
    placed = {"x_groq": {"id": "r", "usage": counts}} if "x_groq" in usage else {"usage": counts}
    server.reply(chunks=(_chunk("Hi", x_groq={"id": "r"}), _chunk(finish="stop", **placed)))

    assert events(groq.chat(ask(), LIMITS))[1] == Finish("stop", TokenUsage(7, 5, 3))


def test_reasoning_is_no_text(groq: GroqChat, server: GroqServer) -> None:
    thought = {"choices": [{"index": 0, "delta": {"reasoning": "hm"}, "finish_reason": None}]}
    server.reply(chunks=(thought, _chunk("Hi"), _chunk(finish="stop")))

    assert events(groq.chat(ask(), LIMITS))[0] == ["Hi"]


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"x_groq": {"id": "r", "error": "over capacity"}, "choices": []}, ProviderUnavailable),
        (
            {"error": {"message": "failed", "type": "invalid_request_error", "status_code": 400}},
            ProviderRejectedRequest,
        ),
        ({"error": {"message": "wait", "code": "rate_limit_exceeded", "status_code": 429}}, ProviderRateLimited),
    ],
)
def test_an_error_in_the_stream_has_its_kind(
    groq: GroqChat, server: GroqServer, chunk: dict[str, Any], kind: type[ProviderError]
) -> None:
    server.reply(chunks=(chunk,))

    with pytest.raises(ProviderError) as caught:
        list(groq.chat(ask(), LIMITS))
    assert type(caught.value) is kind


def test_an_error_after_text_is_a_break_whose_usage_is_kept(groq: GroqChat, server: GroqServer) -> None:
    counts = {"prompt_tokens": 7, "completion_tokens": 1}
    server.reply(chunks=(_chunk("Hi"), {"x_groq": {"error": "stopped", "usage": counts}, "choices": []}), done=False)
    stream = groq.chat(ask(), LIMITS)
    reader = Reader(stream)
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert stream.usage == TokenUsage(7, 1)


def test_an_account_that_may_not_spend_is_without_credit(groq: GroqChat, server: GroqServer) -> None:
    server.reply(status=400, error={"message": "limit", "type": "invalid_request_error", "code": "blocked_api_access"})

    with pytest.raises(ProviderRateLimited, match="no credit left"):
        list(groq.chat(ask(), LIMITS))
