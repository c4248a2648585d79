"""What Google's adapter sends and reads, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import ChatRequest, EmbedRequest, Finish, Message, TokenUsage
from core.ai.providers.google_chat import GoogleChat
from core.ai.providers.hosts import HOSTS
from core.errors import (
    ProviderBroke,
    ProviderError,
    ProviderRateLimited,
    ProviderRefusedKey,
    ProviderRejectedRequest,
    ProviderUnavailable,
)
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, ask, events
from tests.fakes.google_server import GoogleServer

STREAM = "streamGenerateContent?alt=sse"
SCHEMA = {"type": "object", "properties": {"verdict": {"type": "string"}}, "required": ["verdict"]}


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as server:
        yield server


@pytest.fixture
def google(server: GoogleServer) -> Iterator[GoogleChat]:
    chat = GoogleChat(HOSTS["google"], SecretStr(KEY), server.base_url)
    yield chat
    chat.close()


def _chunk(*parts: Any, reason: Any = None, usage: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}],
        "usageMetadata": usage,
        **more,
    }


def _caught(google: GoogleChat) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        list(google.chat(ask(), LIMITS))
    return caught.value


def test_the_request_holds_what_was_asked_and_no_more(google: GoogleChat, server: GoogleServer) -> None:
    messages = (
        Message("system", "Answer shortly."),
        Message("user", "Hello"),
        Message("assistant", "Hi"),
        Message("user", "Beta?"),
    )
    events(google.chat(ChatRequest("gemini-fake", messages, 77, 0.7), LIMITS))

    received = server.requests[0]
    assert received.path == f"/v1beta/models/gemini-fake:{STREAM}"
    assert received.body == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hello"}]},
            {"role": "model", "parts": [{"text": "Hi"}]},
            {"role": "user", "parts": [{"text": "Beta?"}]},
        ],
        "systemInstruction": {"parts": [{"text": "Answer shortly."}]},
        "generationConfig": {"maxOutputTokens": 77, "temperature": 0.7},
    }
    assert received.headers["x-goog-api-key"] == KEY
    assert "authorization" not in received.headers


@pytest.mark.parametrize(
    ("changes", "config"),
    [
        ({"temperature": None}, {}),
        ({"temperature": None, "top_p": 0.5}, {"topP": 0.5}),
        ({"temperature": None, "stop": ("END", "\n\n")}, {"stopSequences": ["END", "\n\n"]}),
        (
            {"temperature": None, "json_schema": SCHEMA},
            {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        ),
        ({"temperature": None, "json_schema": {}}, {"responseMimeType": "application/json"}),
    ],
)
def test_each_parameter_has_its_name_on_the_wire(
    google: GoogleChat, server: GoogleServer, changes: dict[str, Any], config: dict[str, Any]
) -> None:
    events(google.chat(replace(ask(), **changes), LIMITS))

    assert server.requests[0].body["generationConfig"] == {"maxOutputTokens": 500, **config}


def test_without_a_system_message_there_is_no_instruction(google: GoogleChat, server: GoogleServer) -> None:
    events(google.chat(ChatRequest("gemini-fake", (Message("user", "Hello"),), 5, None), LIMITS))

    assert "systemInstruction" not in server.requests[0].body


def test_a_base_url_with_the_version_is_taken_too(server: GoogleServer) -> None:
    google = GoogleChat(HOSTS["google"], SecretStr(KEY), f"{server.base_url}/v1beta")
    events(google.chat(ask(), LIMITS))
    google.close()

    assert server.requests[0].path == f"/v1beta/models/gpt-4o-mini:{STREAM}"


def test_a_models_id_cannot_lead_to_another_address(google: GoogleChat, server: GoogleServer) -> None:
    events(google.chat(ask(model="../../x?y#z"), LIMITS))

    assert server.requests[0].path == f"/v1beta/models/..%2F..%2Fx%3Fy%23z:{STREAM}"


def test_of_cumulative_usage_the_last_counts(google: GoogleChat, server: GoogleServer) -> None:
    server.reply(is_usage_cumulative=True)
    texts, finish = events(google.chat(ask(), LIMITS))

    assert finish.usage == TokenUsage(5, len(texts))


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}, (7, 5, 0)),
        ({"promptTokenCount": 7, "candidatesTokenCount": 5, "cachedContentTokenCount": 3}, (7, 5, 3)),
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 16},
            (7, 9, 0),
        ),
        ({"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 4}, (7, 9, 0)),
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 4, "totalTokenCount": 12},
            (7, 5, 0),
        ),
        ({"promptTokenCount": 7, "thoughtsTokenCount": 4, "totalTokenCount": 11}, (7, 4, 0)),
        ({"promptTokenCount": 7, "totalTokenCount": 7}, (7, 0, 0)),
        ({"promptTokenCount": -7, "candidatesTokenCount": 10**12}, (-7, 10**12, 0)),
        ({"candidatesTokenCount": 5}, None),
        ({"promptTokenCount": "7", "candidatesTokenCount": 5}, None),
        ({"promptTokenCount": 7, "candidatesTokenCount": None}, None),
        ({"promptTokenCount": 7.5, "candidatesTokenCount": True}, None),
        ({}, None),
        ([1], None),
        ("many", None),
    ],
)
def test_usage_is_read_as_it_was_sent(
    google: GoogleChat, server: GoogleServer, sent: Any, read: tuple[int, ...] | None
) -> None:
    server.reply(chunks=(_chunk({"text": "Hi"}), _chunk(reason="STOP", usage=sent)))

    assert events(google.chat(ask(), LIMITS))[1].usage == (TokenUsage(*read) if read else None)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "malformed_function_call"),
        ("OTHER", "other"),
        ("X" * 500, "x" * 40),
    ],
)
def test_a_finish_reason_has_our_word(google: GoogleChat, server: GoogleServer, sent: str, read: str) -> None:
    server.reply(chunks=(_chunk({"text": "Hi"}, reason=sent),))

    assert events(google.chat(ask(), LIMITS)) == (["Hi"], Finish(read, None))


def test_what_the_model_thought_is_no_text(google: GoogleChat, server: GoogleServer) -> None:
    thought = {"text": "The user wants", "thought": True}
    server.reply(chunks=(_chunk(thought), _chunk(thought, {"text": "A"}, {"text": "B"}), _chunk(reason="STOP")))

    assert events(google.chat(ask(), LIMITS))[0] == ["AB"]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"candidates": None},
        {"candidates": []},
        {"candidates": [None]},
        {"candidates": {}},
        {"candidates": [{"finishReason": None}]},
        {"candidates": [{"finishReason": 5, "content": []}]},
        {"candidates": [{"finishReason": "FINISH_REASON_UNSPECIFIED"}]},
        {"candidates": [{"content": {"parts": None}}]},
        {"candidates": [{"content": {"parts": [None, 5, {}, {"text": None}, {"text": 5}, {"text": ""}]}}]},
        {"candidates": [{"content": {"parts": [{"thoughtSignature": "abc"}]}}]},
        {"promptFeedback": {}},
        {"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}},
        {"usageMetadata": {"promptTokenCount": "x"}},
        ": a comment\n\n",
    ],
)
def test_odd_chunks_are_passed_over(google: GoogleChat, server: GoogleServer, odd: Any) -> None:
    server.reply(chunks=(odd, _chunk({"text": "Hi"}), odd, _chunk({"text": " you"}, reason="STOP"), odd))

    assert events(google.chat(ask(), LIMITS)) == (["Hi", " you"], Finish("stop", None))


def test_a_blocked_prompt_is_a_rejected_request_whose_input_is_known(google: GoogleChat, server: GoogleServer) -> None:
    server.reply(chunks=({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}},))
    stream = google.chat(ask(), LIMITS)

    with pytest.raises(ProviderRejectedRequest):
        list(stream)
    assert stream.usage == TokenUsage(7, 0)


def test_what_breaks_after_the_finish_reason_breaks_nothing(google: GoogleChat, server: GoogleServer) -> None:
    server.reply(chunks=(_chunk({"text": "Hi"}, reason="STOP"), "data: {broken\n\n"))

    assert events(google.chat(ask(), LIMITS))[1] == Finish("stop", None)


def test_an_abort_after_the_finish_reason_still_finishes(google: GoogleChat, server: GoogleServer) -> None:
    server.reply(chunks=(_chunk({"text": "word"}, reason="STOP"),), hangs="after_finish")
    stream = google.chat(ask(), LIMITS)
    reader = Reader(stream)
    assert reader.has_begun.wait(10)
    stream.abort()
    reader.join()

    assert reader.events[-1] == Finish("stop", None)
    assert server.wait_for(disconnects=1)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, ProviderRateLimited),
        ({"code": 503, "status": "UNAVAILABLE"}, ProviderUnavailable),
        ({"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}, ProviderRefusedKey),
        ({"code": 403}, ProviderRefusedKey),
        ({"code": 400}, ProviderRejectedRequest),
        ({"code": "400", "details": "none"}, ProviderUnavailable),
        ("just text", ProviderUnavailable),
    ],
)
def test_an_error_in_the_stream_has_the_kind_of_its_code(
    google: GoogleChat, server: GoogleServer, error: Any, kind: type[ProviderError]
) -> None:
    server.reply(error=error)

    assert type(_caught(google)) is kind


def test_an_error_after_text_is_a_break(google: GoogleChat, server: GoogleServer) -> None:
    server.reply(error={"code": 503}, error_after=2)

    assert type(_caught(google)) is ProviderBroke


@pytest.mark.parametrize("reason", ["API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED"])
def test_a_key_that_is_not_valid_is_a_refused_key_although_its_status_is_400(
    google: GoogleChat, server: GoogleServer, reason: str
) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    server.reply(status=400, error={"code": 400, "status": "INVALID_ARGUMENT", "details": [info]})

    error = _caught(google)
    assert type(error) is ProviderRefusedKey
    assert "GOOGLE_API_KEY" in error.detail


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("37s", 37.0), ("1.5s", 1.5), ("-3s", 0.0), ("1e99s", 86_400.0), ("nans", 9.0), ("37", 9.0), ("s", 9.0), (5, 9.0)],
)
def test_the_wait_is_that_of_the_details_or_else_of_the_header(
    google: GoogleChat, server: GoogleServer, delay: object, seconds: float
) -> None:
    details = [None, {"@type": "x.QuotaFailure"}, {"@type": "x.RetryInfo", "retryDelay": delay}]
    server.reply(status=429, headers={"Retry-After": "9"}, error={"code": 429, "details": details})

    assert _caught(google).retry_after_s == seconds


@pytest.mark.parametrize("body", ["", "<html>", "[]", "{", '{"error": "no"}', '{"error": {"details": [5]}}'])
def test_a_refusal_in_another_form_has_the_kind_of_its_status(
    google: GoogleChat, server: GoogleServer, body: str
) -> None:
    server.reply(status=429, headers={"Retry-After": "9"}, body=body)
    error = _caught(google)

    assert type(error) is ProviderRateLimited
    assert error.retry_after_s == 9


@pytest.mark.parametrize("changes", [{"hangs": "between_tokens"}, {"cut_at_byte": 5}])
def test_a_refusal_whose_body_does_not_come_has_the_kind_of_its_status(
    google: GoogleChat, server: GoogleServer, changes: dict[str, Any]
) -> None:
    server.reply(status=404, **changes)
    began = time.monotonic()

    with pytest.raises(ProviderRejectedRequest):
        list(google.chat(ask(), LIMITS))
    assert time.monotonic() - began < LIMITS.first_token_s / 2


def test_embeddings_are_asked_for_in_one_request(google: GoogleChat, server: GoogleServer) -> None:
    events(google.embed(EmbedRequest("gemini-embedding-fake", ("one", "two"), dimensions=3), LIMITS))

    received = server.requests[0]
    assert received.path == "/v1beta/models/gemini-embedding-fake:batchEmbedContents"
    assert received.headers["x-goog-api-key"] == KEY
    assert received.body == {
        "requests": [
            {
                "model": "models/gemini-embedding-fake",
                "content": {"parts": [{"text": text}]},
                "outputDimensionality": 3,
            }
            for text in ("one", "two")
        ]
    }


def test_embeddings_without_usage_have_none_and_with_usage_have_it(google: GoogleChat, server: GoogleServer) -> None:
    request = EmbedRequest("gemini-embedding-fake", ("one",))

    assert events(google.embed(request, LIMITS))[1].usage is None
    server.reply(usage={"promptTokenCount": 3})
    assert events(google.embed(request, LIMITS))[1].usage == TokenUsage(3, 0)
