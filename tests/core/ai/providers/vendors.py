"""Adapters with the scripted servers of their wire formats, for suites that run over several of them."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import SecretStr

from core.ai.providers.anthropic_chat import AnthropicChat
from core.ai.providers.contract import Embedder, Provider
from core.ai.providers.google_chat import GoogleChat
from core.ai.providers.groq_chat import GroqChat
from core.ai.providers.hosts import HOSTS, Host
from core.ai.providers.ollama_chat import OllamaChat
from core.ai.providers.openai_chat import OpenAIChat
from tests.core.ai.providers.conftest import KEY
from tests.fakes.anthropic_server import AnthropicServer
from tests.fakes.chat_server import ChatServer
from tests.fakes.google_server import GoogleServer
from tests.fakes.groq_server import GroqServer
from tests.fakes.ollama_server import OllamaServer
from tests.fakes.scripted_server import ScriptedServer
from tests.fakes.tls import contexts_for_localhost

P_co = TypeVar("P_co", bound=Provider, covariant=True)


@dataclass(frozen=True)
class ChatVendor(Generic[P_co]):
    """One adapter, and the server that speaks its format."""

    host: Host
    adapter: Callable[..., P_co]
    server: Callable[[ssl.SSLContext | None], ScriptedServer]

    @contextlib.contextmanager
    def served(self) -> Iterator[tuple[P_co, ScriptedServer]]:
        """The adapter, pointed at its server."""
        with self.server(None) as server, contextlib.closing(self.open(server.base_url)) as adapter:
            yield adapter, server

    @contextlib.contextmanager
    def served_over_tls(self, folder: Path) -> Iterator[tuple[P_co, ScriptedServer]]:
        """The same behind TLS."""
        served, trusting = contexts_for_localhost(folder)
        with self.server(served) as server, contextlib.closing(self.open(server.base_url, trusting)) as adapter:
            yield adapter, server

    def open(self, base_url: str, tls: ssl.SSLContext | None = None) -> P_co:
        """An adapter for this address; whoever opens it closes it."""
        return self.adapter(self.host, SecretStr(KEY), base_url, tls=tls)


@dataclass(frozen=True)
class Vendor(ChatVendor[Embedder]):
    """One that turns texts into vectors too."""

    body_of: Callable[[object], object]
    """The body of a reply with these vectors."""


def _openai_body(vectors: object) -> object:
    rows = vectors if isinstance(vectors, list) else [vectors]
    return {"data": [{"index": number, "embedding": row} for number, row in enumerate(rows)]}


def _google_body(vectors: object) -> object:
    rows = vectors if isinstance(vectors, list) else [vectors]
    return {"embeddings": [{"values": row} for row in rows]}


VENDORS = {
    "openai": Vendor(HOSTS["openai"], OpenAIChat, ChatServer, _openai_body),
    "google": Vendor(HOSTS["google"], GoogleChat, GoogleServer, _google_body),
    "ollama": Vendor(HOSTS["ollama"], OllamaChat, OllamaServer, lambda vectors: {"embeddings": vectors}),
}

CHAT_VENDORS: dict[str, ChatVendor[Provider]] = {
    **VENDORS,
    "groq": ChatVendor(HOSTS["groq"], GroqChat, GroqServer),
    "anthropic": ChatVendor(HOSTS["anthropic"], AnthropicChat, AnthropicServer),
}
