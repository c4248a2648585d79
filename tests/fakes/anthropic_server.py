"""A small server that speaks Anthropic's Messages API: named events, usage at the start and at the end."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Usage
from tests.fakes.words import words_in

REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


class AnthropicFormat:
    """Events of a message with one block of text; `message_stop` ends it."""

    base_path = ""
    content_type = "text/event-stream; charset=utf-8"
    calling = "tool_use"
    malformed = 'event: content_block_delta\ndata: {"type": "content_block_delta", "delta": \n\n'

    def is_served(self, path: str) -> bool:
        """Whether the path is the one of this format."""
        return path == "/v1/messages"

    def whole(self, received: Received, reply: Reply) -> Any:
        """Every answer is streamed."""
        return None

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """Words for tokens."""
        system = received.body.get("system", [])
        texts = [system] if isinstance(system, str) else [block["text"] for block in system]
        prompt = words_in(*texts, *(message["content"] for message in received.body["messages"]))
        return {
            "input_tokens": prompt,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": completion_tokens,
        }

    def frame(self, chunk: Any) -> str:
        """One event, named as its type."""
        return f"event: {chunk['type']}\ndata: {json.dumps(chunk)}\n\n"

    def begin(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """The message without content; as in the real one, a few output tokens are counted already."""
        counted = {} if usage is None else {"usage": {**usage, "output_tokens": usage.get("output_tokens") or 1}}
        message: dict[str, Any] = {
            "id": "msg_fake",
            "type": "message",
            "role": "assistant",
            "content": [],
            "stop_reason": None,
        }
        yield {"type": "message_start", "message": {**message, "model": received.body.get("model"), **counted}}
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        yield {"type": "ping"}

    def token(self, received: Received, text: str, usage: Usage | None) -> Iterator[Any]:
        """A piece of the text, and the usage so far in an event of its own."""
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        if usage is not None:
            yield _message_delta(None, usage)

    def calls(self, received: Received, reply: Reply) -> Iterator[Any]:
        """Blocks behind that of the text, with the thinking before the first: their inputs come as pieces of JSON."""
        yield {"type": "content_block_stop", "index": 0}
        places = range(1, len(reply.wants) + 1)
        if reply.wants[0].thought:
            places = range(2, len(reply.wants) + 2)
            yield from _thinking(1, reply.wants[0].thought)
        for place, wanted in zip(places, reply.wants, strict=True):
            block: dict[str, Any] = {"type": "tool_use", "id": wanted.id, "name": wanted.name, "input": {}}
            yield {"type": "content_block_start", "index": place, "content_block": block}
            yield _input(place, "")
            if not reply.is_interleaved:
                yield from (_input(place, piece) for number, piece in reply.call_pieces if places[number] == place)
                yield {"type": "content_block_stop", "index": place}
        if reply.is_interleaved:
            yield from (_input(places[number], piece) for number, piece in reply.call_pieces)
            yield from ({"type": "content_block_stop", "index": place} for place in places)

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The stop reason, with the usage of all."""
        yield {"type": "content_block_stop", "index": 0}
        if reason is not None:
            yield _message_delta(REASONS.get(reason, reason), usage)

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing comes between the stop reason and the end."""
        yield from ()

    def done(self) -> Iterator[Any]:
        """The end of the message."""
        yield {"type": "message_stop"}

    def error(self, error: Any) -> Any:
        """An event of its own."""
        return {"type": "error", "error": error if isinstance(error, dict) else {"type": error, "message": "failed"}}

    def refusal(self, reply: Reply) -> Any:
        """The same as a body."""
        return self.error(reply.error or "refused_error")


class AnthropicServer(ScriptedServer):
    """Anthropic's Messages API."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(AnthropicFormat(), tls)


def _input(place: int, piece: str) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": place,
        "delta": {"type": "input_json_delta", "partial_json": piece},
    }


def _thinking(place: int, thought: str) -> Iterator[Any]:
    """A block of thinking in two pieces, and its signature."""
    block = {"type": "thinking", "thinking": "", "signature": ""}
    yield {"type": "content_block_start", "index": place, "content_block": block}
    half = len(thought) // 2
    for delta in (
        {"type": "thinking_delta", "thinking": thought[:half]},
        {"type": "thinking_delta", "thinking": thought[half:]},
        {"type": "signature_delta", "signature": "signed"},
    ):
        yield {"type": "content_block_delta", "index": place, "delta": delta}
    yield {"type": "content_block_stop", "index": place}


def _message_delta(reason: str | None, usage: Usage | None) -> dict[str, Any]:
    counted = {} if usage is None else {"usage": usage}
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, **counted}
