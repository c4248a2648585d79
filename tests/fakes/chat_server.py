"""A small server that speaks Chat Completions with streaming, as OpenAI and many hosts do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Stage, Usage, closed_address
from tests.fakes.words import vectors_of, words_in

__all__ = ["ChatFormat", "ChatServer", "Reply", "Stage", "closed_address"]


class ChatFormat:
    """Chat Completions: chunks with choices, usage in a chunk of its own, `[DONE]`."""

    base_path = "/v1"
    content_type = "text/event-stream"
    malformed = 'data: {"choices": [{"delta": \n\n'
    calling = "tool_calls"

    def is_served(self, path: str) -> bool:
        """Whether the path is one of this format."""
        return path.startswith(self.base_path)

    def whole(self, received: Received, reply: Reply) -> Any:
        """The vectors, where embeddings are asked for."""
        if not received.path.endswith("/embeddings"):
            return None
        vectors = vectors_of(received.body["input"], received.body.get("dimensions"))
        rows = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        usage = self.usage(received, 0) if reply.usage == "honest" else reply.usage
        return {"object": "list", "data": rows, "model": received.body["model"], "usage": usage}

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """Words for tokens."""
        texts = [message.get("content") or "" for message in received.body.get("messages", [])]
        prompt = words_in(*texts, *received.body.get("input", []))
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt + completion_tokens,
        }

    def frame(self, chunk: Any) -> str:
        """One event."""
        return f"data: {json.dumps(chunk)}\n\n"

    def begin(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing comes before the first token."""
        yield from ()

    def token(self, received: Received, text: str, usage: Usage | None) -> Iterator[Any]:
        """A piece of the text."""
        yield chat_chunk(received, {"content": text}, None, usage)

    def calls(self, received: Received, reply: Reply) -> Iterator[Any]:
        """Calls by their index: the name with no arguments, and these in pieces."""
        for place, wanted in enumerate(reply.wants):
            if wanted.thought:
                yield chat_chunk(received, {"reasoning_content": wanted.thought, "content": None}, None, None)
            function = {"name": wanted.name, "arguments": ""}
            named = {} if wanted.id is None else {"id": wanted.id}
            yield _call_chunk(received, {"index": place, **named, "type": "function", "function": function})
            if not reply.is_interleaved:
                for number, piece in reply.call_pieces:
                    if number == place:
                        yield _call_chunk(received, {"index": place, "function": {"arguments": piece}})
        for place, piece in reply.call_pieces if reply.is_interleaved else ():
            yield _call_chunk(received, {"index": place, "function": {"arguments": piece}})

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The finish reason alone."""
        if reason is not None:
            yield chat_chunk(received, {}, reason, None)

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """A chunk without choices."""
        if usage is not None:
            yield {**chat_chunk(received, {}, None, usage), "choices": []}

    def done(self) -> Iterator[Any]:
        """The mark that is no JSON."""
        yield "data: [DONE]\n\n"

    def error(self, error: Any) -> Any:
        """An error in place of choices."""
        return {"error": error}

    def refusal(self, reply: Reply) -> Any:
        """An error with its kind."""
        return {"error": reply.error or {"message": "refused", "type": "refused", "code": None}}


class ChatServer(ScriptedServer):
    """A host that speaks Chat Completions."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(ChatFormat(), tls)


def _call_chunk(received: Received, piece: dict[str, Any]) -> dict[str, Any]:
    return chat_chunk(received, {"content": None, "tool_calls": [piece]}, None, None)


def chat_chunk(
    received: Received, delta: dict[str, Any], finish_reason: str | None, usage: Usage | None
) -> dict[str, Any]:
    """A chunk with one choice."""
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": received.body.get("model"),
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        "usage": usage,
    }
