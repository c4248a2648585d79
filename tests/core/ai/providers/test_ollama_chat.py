"""What Ollama's adapter sends and reads, over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import EmbedRequest, Finish, TokenUsage
from core.ai.providers.hosts import HOSTS
from core.ai.providers.ollama_chat import OllamaChat
from core.errors import ProviderBroke, ProviderRejectedRequest, ProviderUnavailable
from tests.core.ai.providers.conftest import KEY, LIMITS, Reader, ask, events
from tests.fakes.ollama_server import OllamaServer

SCHEMA = {"type": "object", "properties": {"verdict": {"type": "string"}}, "required": ["verdict"]}


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with OllamaServer() as server:
        yield server


@pytest.fixture
def ollama(server: OllamaServer) -> Iterator[OllamaChat]:
    chat = OllamaChat(HOSTS["ollama"], None, server.base_url)
    yield chat
    chat.close()


def _line(content: Any = None, **more: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}, "done": False, **more}


def test_the_request_holds_what_was_asked_and_no_more(ollama: OllamaChat, server: OllamaServer) -> None:
    events(ollama.chat(ask("Hello", model="llama3.2:3b", max_tokens=77), LIMITS))

    received = server.requests[0]
    assert received.path == "/api/chat"
    assert received.body == {
        "model": "llama3.2:3b",
        "messages": [{"role": "system", "content": "Answer shortly."}, {"role": "user", "content": "Hello"}],
        "stream": True,
        "options": {"num_predict": 77, "temperature": 0.7},
        "truncate": False,
        "shift": False,
    }
    assert "authorization" not in received.headers


@pytest.mark.parametrize(
    ("changes", "options", "form"),
    [
        ({"temperature": None}, {}, None),
        ({"temperature": None, "top_p": 0.5}, {"top_p": 0.5}, None),
        ({"temperature": None, "stop": ("END",)}, {"stop": ["END"]}, None),
        ({"temperature": None, "json_schema": SCHEMA}, {}, SCHEMA),
        ({"temperature": None, "json_schema": {}}, {}, "json"),
    ],
)
def test_each_parameter_has_its_name_on_the_wire(
    ollama: OllamaChat, server: OllamaServer, changes: dict[str, Any], options: dict[str, Any], form: object
) -> None:
    events(ollama.chat(replace(ask(), **changes), LIMITS))

    body = server.requests[0].body
    assert body["options"] == {"num_predict": 500, **options}
    assert body.get("format") == form


@pytest.mark.parametrize("path", ["", "/v1"])
def test_a_base_url_of_its_other_format_is_taken_too(server: OllamaServer, path: str) -> None:
    ollama = OllamaChat(HOSTS["ollama"], None, f"{server.base_url}{path}")
    events(ollama.chat(ask(), LIMITS))
    ollama.close()

    assert server.requests[0].path == "/api/chat"


def test_a_key_that_is_set_is_sent(server: OllamaServer) -> None:
    ollama = OllamaChat(HOSTS["ollama"], SecretStr(KEY), server.base_url)
    events(ollama.chat(ask(), LIMITS))
    ollama.close()

    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"prompt_eval_count": 7, "eval_count": 5}, (7, 5)),
        ({"prompt_eval_count": -7, "eval_count": 10**12}, (-7, 10**12)),
        ({"eval_count": 5}, None),
        ({"prompt_eval_count": 7}, None),
        ({"prompt_eval_count": "7", "eval_count": 5}, None),
        ({"prompt_eval_count": 7, "eval_count": True}, None),
        ({}, None),
    ],
)
def test_usage_is_read_as_it_was_sent(
    ollama: OllamaChat, server: OllamaServer, sent: dict[str, Any], read: tuple[int, int] | None
) -> None:
    server.reply(chunks=(_line("Hi"), _line("", done=True, **sent)))

    assert events(ollama.chat(ask(), LIMITS))[1].usage == (TokenUsage(*read) if read else None)


def test_what_the_model_thought_is_no_text(ollama: OllamaChat, server: OllamaServer) -> None:
    thought = {"message": {"role": "assistant", "content": "", "thinking": "The user wants"}, "done": False}
    server.reply(chunks=(thought, _line("Hi"), _line("", done=True, done_reason="stop")))

    assert events(ollama.chat(ask(), LIMITS)) == (["Hi"], Finish("stop", None))


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"message": None},
        {"message": []},
        {"message": {"content": None}},
        {"message": {"content": 5}},
        {"message": {"content": ""}, "done": None},
        {"done": "yes"},
        "\n",
        "  \r\n",
        "{}\r\n",
    ],
)
def test_odd_lines_are_passed_over(ollama: OllamaChat, server: OllamaServer, odd: Any) -> None:
    server.reply(chunks=(odd, _line("Hi"), odd, _line(" you", done=True), odd))

    assert events(ollama.chat(ask(), LIMITS)) == (["Hi", " you"], Finish("stop", None))


def test_lines_may_come_in_any_pieces(ollama: OllamaChat, server: OllamaServer) -> None:
    text = '{"message": {"content": "Käse"}}\n{"message": {"content": "!"}}\n{"done": true, "done_reason": "length"}'
    server.reply(chunks=tuple(text))

    assert events(ollama.chat(ask(), LIMITS)) == (["Käse", "!"], Finish("length", None))


@pytest.mark.parametrize("malformed", ["[1, 2]\n", "null\n", '"text"\n', "{\n", "nothing", f"{'[' * 100_000}\n"])
def test_a_line_that_is_no_object_breaks_the_answer(ollama: OllamaChat, server: OllamaServer, malformed: str) -> None:
    server.reply(chunks=(_line("Hi"), malformed, _line("", done=True)))
    reader = Reader(ollama.chat(ask(), LIMITS))
    reader.join()

    assert isinstance(reader.error, ProviderBroke)
    assert len(reader.events) == 1


@pytest.mark.parametrize(("after", "kind"), [(0, ProviderUnavailable), (2, ProviderBroke)])
def test_an_error_line_fails_or_breaks_the_answer(
    ollama: OllamaChat, server: OllamaServer, after: int, kind: type[Exception]
) -> None:
    server.reply(error="model runner has unexpectedly stopped", error_after=after)
    reader = Reader(ollama.chat(ask(), LIMITS))
    reader.join()

    assert type(reader.error) is kind
    assert len(reader.events) == after


def test_nothing_is_waited_for_once_it_is_done(ollama: OllamaChat, server: OllamaServer) -> None:
    server.reply(hangs="after_finish")

    assert events(ollama.chat(ask(), LIMITS))[1].reason == "stop"
    assert server.wait_for(disconnects=1)


@pytest.mark.parametrize("changes", [{"hangs": "between_tokens"}, {"cut_at_byte": 5}])
def test_a_refusal_whose_body_does_not_come_has_the_kind_of_its_status(
    ollama: OllamaChat, server: OllamaServer, changes: dict[str, Any]
) -> None:
    server.reply(status=404, **changes)
    began = time.monotonic()

    with pytest.raises(ProviderRejectedRequest):
        list(ollama.chat(ask(), LIMITS))
    assert time.monotonic() - began < LIMITS.first_token_s / 2


def test_embeddings_are_asked_for_in_one_request(ollama: OllamaChat, server: OllamaServer) -> None:
    finish = events(ollama.embed(EmbedRequest("all-minilm", ("one", "two three"), dimensions=3), LIMITS))[1]

    assert server.requests[0].path == "/api/embed"
    assert server.requests[0].body == {
        "model": "all-minilm",
        "input": ["one", "two three"],
        "truncate": False,
        "dimensions": 3,
    }
    assert finish.usage == TokenUsage(3, 0)
