"""Failures of `/v1` in OpenAI's shape: every error of ours, every bad parameter, every bad body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import openai
import pytest

from core import errors
from core.errors import AssayError, Denial
from core.http.v1.errors import error_of, error_response, status_of
from core.principal import Principal, Role
from tests.core.http.conftest import MODEL, QUESTION, Api
from tests.fakes.chat_server import ChatServer

ASKED: list[Any] = [{"role": "user", "content": QUESTION}]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def http(live_api: Api, basic_member: Principal) -> Iterator[httpx2.Client]:
    """A plain client of a member on the basic plan."""
    headers = {"Authorization": f"Bearer {live_api.token(basic_member)}"}
    with httpx2.Client(base_url=live_api.v1_url, headers=headers, timeout=20) as client:
        yield client


def assert_error(answer: httpx2.Response, status: int, code: str, param: str | None = None) -> str:
    """Checks that an answer is this error in OpenAI's shape, and gives its sentence."""
    content = answer.json()
    assert set(content) == {"error"}, content
    error = content["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), error
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.headers["x-request-id"]) >= 32
    return str(error["message"])


def test_every_error_of_ours_has_a_status_and_a_type_that_clients_know() -> None:
    for error in _one_of_each():
        told: Any = error_of(error)["error"]
        status = status_of(error)
        assert status != 422
        assert told["type"] == {
            400: "invalid_request_error",
            401: "authentication_error",
            402: "insufficient_quota",
            403: "permission_error",
            404: "invalid_request_error",
            405: "invalid_request_error",
            409: "conflict_error",
            413: "invalid_request_error",
            429: "rate_limit_error",
        }.get(status, "server_error")
        assert told["message"] == error.detail
        assert error_response(error).status_code == status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("quota_exceeded", 429),
        ("rate_limited", 429),
        ("too_many_concurrent", 429),
        ("cost_ceiling", 402),
        ("budget_exceeded", 402),
        ("insufficient_credits", 402),
        ("plan_required", 403),
    ],
)
def test_every_denial_keeps_its_code_and_says_when_to_come_back(code: str, status: int) -> None:
    answer = error_response(errors.MeteringDenied(_denial(code)))
    assert (answer.status_code, json.loads(bytes(answer.body))["error"]["code"]) == (status, code)
    assert answer.headers["retry-after"] == "7"


def test_a_wrong_key_is_401(live_api: Api, chat_server: ChatServer) -> None:
    for key in ("sk-wrong", "assay_" + "x" * 43):
        with (
            openai.OpenAI(base_url=live_api.v1_url, api_key=key, max_retries=0) as client,
            pytest.raises(openai.AuthenticationError) as refused,
        ):
            client.chat.completions.create(model=MODEL, messages=ASKED)
        assert refused.value.code == "invalid_api_key"
    assert chat_server.calls == 0


def test_what_the_role_and_the_plan_do_not_allow_is_403(live_api: Api) -> None:
    viewer = live_api.member("viewer", role=Role.VIEWER)
    free = live_api.member("free")
    for member, model, code in ((viewer, MODEL, "forbidden"), (free, "gpt-4o", "plan_required")):
        with (
            openai.OpenAI(base_url=live_api.v1_url, api_key=live_api.token(member), max_retries=0) as client,
            pytest.raises(openai.PermissionDeniedError) as refused,
        ):
            client.chat.completions.create(model=model, messages=ASKED)
        assert refused.value.code == code


def test_an_unknown_model_is_404_and_names_the_parameter(openai_client: openai.OpenAI) -> None:
    for streams in (False, True):
        with pytest.raises(openai.NotFoundError) as missing:
            openai_client.chat.completions.create(model="gpt-99", messages=ASKED, stream=streams)
        assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


def test_money_that_is_short_is_402(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as denied:
        openai_client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "€" * 20_000}])
    assert (denied.value.status_code, denied.value.code) == (402, "cost_ceiling")
    assert denied.value.type == "insufficient_quota"


def test_a_provider_that_fails_is_5xx_with_its_wait(openai_client: openai.OpenAI, chat_server: ChatServer) -> None:
    chat_server.reply(status=429, headers={"Retry-After": "7"})
    with pytest.raises(openai.InternalServerError) as busy:
        openai_client.chat.completions.create(model=MODEL, messages=ASKED)
    assert (busy.value.status_code, busy.value.code) == (503, "provider_rate_limited")
    assert busy.value.response.headers["retry-after"] == "7"
    assert busy.value.response.headers["x-quota-remaining"] == "100"


def test_an_answer_that_does_not_follow_its_schema_is_502_and_free(
    openai_client: openai.OpenAI, chat_server: ChatServer
) -> None:
    chat_server.reply(text="no figure at all")
    with pytest.raises(openai.InternalServerError) as failed:
        openai_client.chat.completions.create(model=MODEL, messages=ASKED, response_format={"type": "json_object"})
    assert (failed.value.status_code, failed.value.code) == (502, "unusable_answer")
    assert failed.value.response.headers["x-quota-remaining"] == "100"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": -1}, "frequency_penalty"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"reasoning_effort": "high"}, "reasoning_effort"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
    ({"stop": [""]}, "stop"),
    ({"stop": 5}, "stop"),
    ({"stream": "yes"}, "stream"),
    ({"stream_options": {"include_usage": True}}, "stream_options"),
    ({"stream": True, "stream_options": {"else": True}}, "stream_options.else"),
    ({"response_format": {"type": "xml"}}, "response_format"),
    ({"response_format": {"type": "json_schema"}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 5}}}, "response_format"),
    ({"nonsense": 1}, "nonsense"),
    ({"model": ""}, "model"),
    ({"model": 5}, "model"),
    ({"messages": []}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": ["hello"]}, "messages.0"),
    ({"messages": [{"role": "user"}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"messages": [{"role": "user", "content": []}]}, "messages.0.content"),
    ({"messages": [{"content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": "x", "mood": "calm"}]}, "messages.0"),
    ({"messages": [{"role": "user", "name": "ann", "content": "x"}]}, "messages.0.name"),
    ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]}, "messages.0.tool_calls"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages.0.content.0",
    ),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages.0.content.0"),
    ({"messages": [{"role": "system", "content": "a\x00b"}, *ASKED]}, "messages.0.content"),
    ({"messages": [{"role": "system", "content": "\ud800"}, *ASKED]}, "messages.0.content"),
]


def test_what_cannot_be_honoured_is_refused_by_name_and_nothing_is_counted(
    http: httpx2.Client, chat_server: ChatServer, live_api: Api, basic_member: Principal
) -> None:
    for changes, param in REFUSED:
        body = json.dumps({"model": MODEL, "messages": ASKED, **changes})
        answer = http.post("/chat/completions", content=body, headers=JSON)
        assert param.split(".")[0] in assert_error(answer, 400, "invalid_request", param)
    assert chat_server.calls == 0
    assert live_api.workbench.usage.overview(basic_member).allowances["requests_month"].used == 0


def test_a_prompt_that_is_none_is_rejected(http: httpx2.Client) -> None:
    for content in ("", " \n", "x" * 20_001):
        body = {"model": MODEL, "messages": [{"role": "user", "content": content}]}
        assert_error(http.post("/chat/completions", json=body), 400, "prompt_rejected")


def test_more_output_than_the_model_has_is_refused(http: httpx2.Client) -> None:
    body = {"model": MODEL, "messages": ASKED, "max_tokens": 1_000_000}
    assert "at most 16,384" in assert_error(http.post("/chat/completions", json=body), 400, "invalid_request")


def test_a_body_that_is_no_question_is_refused_in_a_sentence(http: httpx2.Client) -> None:
    deep = b'{"messages": ' + b"[" * 200 + b"]" * 200 + b"}"
    for body in (b"", b"{", b"[]", b'"x"', b'{"model": NaN}', b'{"model": "a", "model": "b"}', deep, b"\xff"):
        assert_error(http.post("/chat/completions", content=body, headers=JSON), 400, "invalid_request")
    plain = http.post("/chat/completions", content=b"{}", headers={"Content-Type": "text/plain"})
    assert "application/json" in assert_error(plain, 400, "invalid_request")
    large = http.post("/chat/completions", content=b" " * 1_048_577, headers=JSON)
    assert_error(large, 413, "payload_too_large")


def test_what_is_not_served_has_openais_shape_too(http: httpx2.Client, live_api: Api) -> None:
    for path in ("/nothing", "/", "/chat/completions/", "/completions", "/images/generations"):
        assert_error(http.get(path), 404, "unknown_url")
    refused = http.get("/chat/completions")
    assert_error(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"
    with httpx2.Client(base_url=live_api.v1_url) as stranger:
        for method, path in (("POST", "/chat/completions"), ("POST", "/embeddings"), ("GET", "/models")):
            answer = stranger.request(method, path)
            assert_error(answer, 401, "invalid_api_key")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_an_error_that_nobody_foresaw_tells_nothing(
    http: httpx2.Client, live_api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_args: object, **_named: object) -> None:
        raise RuntimeError("SELECT secret FROM vault")

    monkeypatch.setattr(live_api.workbench.gateway, "session", fail)
    for streams in (False, True):
        answer = http.post("/chat/completions", json={"model": MODEL, "messages": ASKED, "stream": streams})
        assert_error(answer, 500, "internal")
        assert "secret" not in answer.text
    assert "secret" not in caplog.text


def _one_of_each() -> Iterator[AssayError]:
    """One error of every class of the tree."""
    waiting: list[type[AssayError]] = [AssayError]
    while waiting:
        kind = waiting.pop()
        if not kind.__module__.startswith("core."):
            continue
        waiting += kind.__subclasses__()
        if issubclass(kind, errors.MeteringDenied):
            yield kind(_denial("quota_exceeded"))
        elif issubclass(kind, errors.ProviderError):
            yield kind("It failed.", provider="openai")
        elif issubclass(kind, errors.SourceError):
            yield kind("It failed.", source="fmp")
        elif kind.__name__ == "InvalidParameter":
            yield kind("It is wrong.", None)  # type: ignore[call-arg]
        elif kind.__name__ == "Undecryptable":
            yield kind()  # type: ignore[call-arg]
        else:
            yield kind("It failed.")


def _denial(code: str) -> Denial:
    return Denial(
        code=code,
        metric="chat_queries_day",
        limit=Decimal(10),
        used=Decimal(10),
        remaining=Decimal(0),
        resets_at=None,
        retry_after_s=7,
        reason="It is full.",
    )
