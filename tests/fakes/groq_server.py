"""A small server that speaks Chat Completions as Groq does: at its own path, with usage in `x_groq`."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

from tests.fakes.chat_server import ChatFormat, chat_chunk
from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Usage
from tests.fakes.sounds import wav_seconds


class GroqFormat(ChatFormat):
    """Chunks with choices; usage comes with the finish reason."""

    base_path = ""

    def is_served(self, path: str) -> bool:
        """Whether the path is one of this format."""
        return path in ("/openai/v1/chat/completions", "/openai/v1/audio/transcriptions")

    def transcribed(self, received: Received, reply: Reply) -> Any:
        """The text; how long the recording is stands beside it where it is asked for at length."""
        is_long = received.body.get("response_format") == "verbose_json"
        seconds = {"duration": wav_seconds(received.body["file"]["data"])} if is_long and reply.usage else {}
        return {"text": reply.text, **seconds, "x_groq": {"id": "req_fake"}}

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The finish reason with the usage of all."""
        if reason is not None:
            counted = {} if usage is None else {"usage": usage}
            yield {**chat_chunk(received, {}, reason, None), "x_groq": {"id": "req_fake", **counted}}

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing follows."""
        yield from ()


class GroqServer(ScriptedServer):
    """Groq."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(GroqFormat(), tls)
