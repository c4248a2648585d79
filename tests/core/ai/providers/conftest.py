"""What the tests of the adapters share."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from core.ai.providers.contract import ChatRequest, ChatStream, Delta, Finish, Message, TimeLimits
from core.ai.providers.hosts import HOSTS
from core.ai.providers.openai_chat import OpenAIChat
from tests.fakes.chat_server import ChatServer
from tests.fakes.tls import contexts_for_localhost

KEY = "sk-secret-key"
LIMITS = TimeLimits(connect_s=5, first_token_s=30, between_tokens_s=30, total_s=60)
OpenChat = Callable[..., OpenAIChat]


def ask(
    text: str = "What is diversification?",
    *,
    model: str = "gpt-4o-mini",
    max_tokens: int = 500,
    temperature: float | None = 0.7,
    max_tokens_parameter: str | None = None,
) -> ChatRequest:
    """A request with one user message."""
    messages = (Message("system", "Answer shortly."), Message("user", text))
    return ChatRequest(model, messages, max_tokens, temperature, max_tokens_parameter)


def events(stream: ChatStream) -> tuple[list[str], Finish]:
    """The texts of an answer, and its end."""
    *deltas, finish = list(stream)
    assert isinstance(finish, Finish)
    assert all(isinstance(delta, Delta) for delta in deltas)
    return [delta.text for delta in deltas if isinstance(delta, Delta)], finish


class Reader:
    """Reads a stream in a thread of its own, as the gateway does."""

    def __init__(self, stream: ChatStream) -> None:
        self.events: list[Delta | Finish] = []
        self.error: Exception | None = None
        self.has_begun = threading.Event()
        self.ended_at = 0.0
        self._stream = stream
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Waits for the end."""
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        try:
            for event in self._stream:
                self.events.append(event)
                self.has_begun.set()
        except Exception as error:  # noqa: BLE001
            self.error = error
        finally:
            self.ended_at = time.perf_counter()
            self._stream.close()


@pytest.fixture
def open_chat() -> Iterator[OpenChat]:
    """Makes adapters for a base URL, and closes them."""
    made: list[OpenAIChat] = []

    def make(base_url: str, host: str = "openai", tls: ssl.SSLContext | None = None) -> OpenAIChat:
        made.append(OpenAIChat(HOSTS[host], SecretStr(KEY), base_url, tls=tls))
        return made[-1]

    yield make
    for chat in made:
        chat.close()


@pytest.fixture
def chat(open_chat: OpenChat, chat_server: ChatServer) -> OpenAIChat:
    """The adapter, pointed at the fake."""
    return open_chat(chat_server.base_url)


@pytest.fixture
def tls_chat(open_chat: OpenChat, tmp_path: Path) -> Iterator[tuple[OpenAIChat, ChatServer]]:
    """The adapter, pointed at a fake behind TLS."""
    served, trusting = contexts_for_localhost(tmp_path)
    with ChatServer(served) as server:
        yield open_chat(server.base_url, tls=trusting), server
