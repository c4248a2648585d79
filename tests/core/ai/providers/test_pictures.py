"""Pictures in messages: every adapter sends them in its vendor's format, and nobody else gets any."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from core.ai.providers.contract import ChatRequest, Message, Provider, ToolCall
from core.ai.providers.hosts import HOSTS
from core.ai.providers.offline import OFFLINE_MODEL, Offline
from core.ai.providers.openai_chat import OpenAIChat
from core.ai.providers.registry import GLOSSARY
from core.errors import ProviderRejectedRequest
from tests.core.ai.providers.asking import asking, used
from tests.core.ai.providers.conftest import KEY, LIMITS, events
from tests.core.ai.providers.vendors import CHAT_VENDORS
from tests.fakes.chat_server import ChatServer
from tests.fakes.pictures import base64_of, picture
from tests.fakes.scripted_server import ScriptedServer

CHART, LOGO = picture("image/png", of="chart"), picture("image/jpeg", of="logo")
Part = tuple[str, str]
"""`text` and the text, or the media type and base64 of a picture; of Ollama, which sends none, `image`."""


def _of_chat(body: dict[str, Any]) -> list[list[Part]]:
    return [_chat_parts(message["content"]) for message in body["messages"] if message["role"] == "user"]


def _chat_parts(content: Any) -> list[Part]:
    if isinstance(content, str):
        return [("text", content)]
    found: list[Part] = []
    for part in content:
        if part["type"] == "text":
            found.append(("text", part["text"]))
        else:
            kind, _, data = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
            found.append((kind, data))
    return found


def _of_anthropic(body: dict[str, Any]) -> list[list[Part]]:
    found = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if message["role"] == "user" and all(block["type"] in ("text", "image") for block in blocks):
            found.append([_anthropic_part(block) for block in blocks])
    return found


def _anthropic_part(block: dict[str, Any]) -> Part:
    if block["type"] == "text":
        return "text", block["text"]
    assert block["source"]["type"] == "base64"
    return block["source"]["media_type"], block["source"]["data"]


def _of_google(body: dict[str, Any]) -> list[list[Part]]:
    return [
        [
            ("text", part["text"]) if "text" in part else (part["inlineData"]["mimeType"], part["inlineData"]["data"])
            for part in content["parts"]
        ]
        for content in body["contents"]
        if content["role"] == "user" and not any("functionResponse" in part for part in content["parts"])
    ]


def _of_ollama(body: dict[str, Any]) -> list[list[Part]]:
    return [
        [*(("image", data) for data in message.get("images", [])), ("text", message["content"])]
        for message in body["messages"]
        if message["role"] == "user"
    ]


READ: dict[str, Callable[[dict[str, Any]], list[list[Part]]]] = {
    "openai": _of_chat,
    "groq": _of_chat,
    "anthropic": _of_anthropic,
    "google": _of_google,
    "ollama": _of_ollama,
}


@pytest.fixture(params=sorted(READ))
def vendor(request: pytest.FixtureRequest) -> str:
    """One wire format after the other."""
    name: str = request.param
    return name


@pytest.fixture
def served(vendor: str) -> Iterator[tuple[Provider, ScriptedServer]]:
    """Its adapter, pointed at its server."""
    with CHAT_VENDORS[vendor].served() as (adapter, server):
        yield adapter, server


def _request(*messages: Message) -> ChatRequest:
    return ChatRequest("a-model", messages, 100, None)


def _kind(vendor: str, media_type: str) -> str:
    return "image" if vendor == "ollama" else media_type


class TestEveryAdapter:
    def test_sends_a_messages_pictures_before_its_text(
        self, vendor: str, served: tuple[Provider, ScriptedServer]
    ) -> None:
        adapter, server = served
        shown = Message("user", "What do these show?", pictures=(CHART, LOGO))
        texts, _ = events(adapter.chat(_request(Message("system", "Look."), shown), LIMITS))

        assert "".join(texts)
        assert READ[vendor](server.requests[0].body) == [
            [
                (_kind(vendor, "image/png"), base64_of(CHART.data)),
                (_kind(vendor, "image/jpeg"), base64_of(LOGO.data)),
                ("text", "What do these show?"),
            ]
        ]

    def test_sends_the_pictures_of_earlier_turns_where_they_stood(
        self, vendor: str, served: tuple[Provider, ScriptedServer]
    ) -> None:
        adapter, server = served
        first = Message("user", "This is a chart.", pictures=(CHART,))
        events(adapter.chat(_request(first, Message("assistant", "I see."), Message("user", "And now?")), LIMITS))

        assert READ[vendor](server.requests[0].body) == [
            [(_kind(vendor, "image/png"), base64_of(CHART.data)), ("text", "This is a chart.")],
            [("text", "And now?")],
        ]

    def test_sends_a_message_without_pictures_as_it_always_was(
        self, vendor: str, served: tuple[Provider, ScriptedServer]
    ) -> None:
        adapter, server = served
        events(adapter.chat(_request(Message("user", "Plain.")), LIMITS))

        body = server.requests[0].body
        content = body["contents"][0]["parts"] if vendor == "google" else body["messages"][0]["content"]
        assert content == ([{"text": "Plain."}] if vendor == "google" else "Plain.")

    def test_sends_pictures_beside_the_calls_of_tools(
        self, vendor: str, served: tuple[Provider, ScriptedServer]
    ) -> None:
        adapter, server = served
        shown = Message("user", "And this?", pictures=(CHART,))
        call = ToolCall("call_12345678901", "quote", '{"symbol": "AAPL"}')
        events(adapter.chat(asking(*used(call), Message("assistant", "187.25"), shown), LIMITS))

        last = READ[vendor](server.requests[0].body)[-1]
        assert last == [(_kind(vendor, "image/png"), base64_of(CHART.data)), ("text", "And this?")]

    def test_sends_no_format_that_its_host_does_not_read(
        self, vendor: str, served: tuple[Provider, ScriptedServer]
    ) -> None:
        adapter, server = served
        new = picture("image/webp", width=5, height=3, of="new")
        events(adapter.chat(_request(Message("user", "Look.", pictures=(new,))), LIMITS))

        kind, data = READ[vendor](server.requests[0].body)[0][0]
        with Image.open(io.BytesIO(base64.b64decode(data))) as sent:
            assert (sent.size, sent.format) == ((5, 3), "PNG" if vendor == "ollama" else "WEBP")
            assert kind == _kind(vendor, f"image/{(sent.format or '').lower()}")


@pytest.mark.parametrize(
    ("host", "detail"), [("openai", "high"), ("xai", "high"), ("openrouter", "high"), ("mistral", None)]
)
def test_a_host_that_can_be_told_looks_no_closer_than_we_count(host: str, detail: str | None) -> None:
    with ChatServer() as server:
        adapter = OpenAIChat(HOSTS[host], SecretStr(KEY), server.base_url)
        events(adapter.chat(_request(Message("user", "Look.", pictures=(CHART,))), LIMITS))
        adapter.close()

        assert server.requests[0].body["messages"][0]["content"][0]["image_url"].get("detail") == detail


@pytest.mark.parametrize("host", ["xai", "deepseek"])
def test_a_host_that_reads_older_formats_alone_gets_a_png(host: str) -> None:
    with ChatServer() as server:
        adapter = OpenAIChat(HOSTS[host], SecretStr(KEY), server.base_url)
        shown = Message("user", "Look.", pictures=(picture("image/webp"),))
        events(adapter.chat(_request(shown), LIMITS))
        adapter.close()

        assert _of_chat(server.requests[0].body)[0][0][0] == "image/png"


def test_a_host_whose_models_see_nothing_is_not_called() -> None:
    with ChatServer() as server:
        adapter = OpenAIChat(HOSTS["perplexity"], SecretStr(KEY), server.base_url)
        stream = adapter.chat(_request(Message("user", "Look.", pictures=(CHART,))), LIMITS)

        with pytest.raises(ProviderRejectedRequest, match="Perplexity"):
            list(stream)
        assert not stream.was_sent
        adapter.close()

        assert server.calls == 0


def test_the_offline_glossary_sees_nothing() -> None:
    shown = Message("user", "What is beta?", pictures=(CHART,))

    with pytest.raises(ProviderRejectedRequest, match="no pictures"):
        list(Offline(GLOSSARY).chat(ChatRequest(OFFLINE_MODEL, (shown,), 100, None), LIMITS))
