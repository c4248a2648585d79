"""A small server that speaks Ollama's own format: a line of JSON for each piece, the last one `done`."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Usage, Wanted
from tests.fakes.words import vectors_of, words_in


class OllamaFormat:
    """Messages with content; reason and usage stand in the last line."""

    base_path = ""
    content_type = "application/x-ndjson"
    calling = "stop"
    malformed = '{"message": {"content": \n'

    def is_served(self, path: str) -> bool:
        """Whether the path is one of this format."""
        return path in ("/api/chat", "/api/embed")

    def whole(self, received: Received, reply: Reply) -> Any:
        """The vectors, where embeddings are asked for."""
        if received.path != "/api/embed":
            return None
        usage = self.usage(received, 0) if reply.usage == "honest" else reply.usage or {}
        vectors = vectors_of(received.body["input"], received.body.get("dimensions"))
        return {"model": received.body["model"], "embeddings": vectors, **usage}

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """Words for tokens."""
        texts = [message["content"] for message in received.body.get("messages", [])]
        prompt = words_in(*texts, *received.body.get("input", []))
        return {"prompt_eval_count": prompt, "eval_count": completion_tokens}

    def frame(self, chunk: Any) -> str:
        """One line."""
        return f"{json.dumps(chunk)}\n"

    def begin(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing comes before the first token."""
        yield from ()

    def token(self, received: Received, text: str, usage: Usage | None) -> Iterator[Any]:
        """A piece of the text."""
        yield {**_line(received, text), **(usage or {})}

    def calls(self, received: Received, reply: Reply) -> Iterator[Any]:
        """Each call whole; in turns they come in one line."""
        calls = [_call(place, wanted) for place, wanted in enumerate(reply.wants)]
        for together in [calls] if reply.is_interleaved else [[call] for call in calls]:
            line = _line(received, "")
            yield {**line, "message": {**line["message"], "tool_calls": together}}

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The last line."""
        if reason is not None:
            yield {**_line(received, ""), "done": True, "done_reason": reason, "total_duration": 5, **(usage or {})}

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing follows."""
        yield from ()

    def done(self) -> Iterator[Any]:
        """The last line was the mark of the end."""
        yield from ()

    def error(self, error: Any) -> Any:
        """An error in place of a message; here it is a text."""
        return {"error": error}

    def refusal(self, reply: Reply) -> Any:
        """An error as a text."""
        return {"error": reply.error or "refused"}


class OllamaServer(ScriptedServer):
    """A server of local models."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(OllamaFormat(), tls)


def _call(place: int, wanted: Wanted) -> dict[str, Any]:
    named = {} if wanted.id is None else {"id": wanted.id}
    return {
        **named,
        "function": {"index": place, "name": wanted.name, "arguments": json.loads(wanted.arguments)},
    }


def _line(received: Received, text: str) -> dict[str, Any]:
    return {
        "model": received.body["model"],
        "created_at": "2026-11-21T12:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": False,
    }
