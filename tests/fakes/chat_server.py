"""A small server that speaks Chat Completions with streaming, as OpenAI and many hosts do."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

from core.ai.pictures import painted_tokens
from tests.fakes.pictures import base64_of, picture_bytes
from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Stage, Usage, closed_address
from tests.fakes.sounds import wav_seconds
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
        """The vectors, the picture or the transcript, where they are asked for."""
        if received.path.endswith("/images/generations"):
            return self.painted(received, reply)
        if received.path.endswith("/audio/transcriptions"):
            return self.transcribed(received, reply)
        if not received.path.endswith("/embeddings"):
            return None
        vectors = vectors_of(received.body["input"], received.body.get("dimensions"))
        rows = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
        usage = self.usage(received, 0) if reply.usage == "honest" else reply.usage
        return {"object": "list", "data": rows, "model": received.body["model"], "usage": usage}

    def painted(self, received: Received, reply: Reply) -> Any:
        """A picture of the size and format that are asked for, with as many tokens as its vendor counts."""
        asked = received.body
        width, height = map(int, asked["size"].split("x"))
        made = picture_bytes(f"image/{asked['output_format']}", width, height, asked["prompt"])
        words, tokens = words_in(asked["prompt"]), painted_tokens(asked["size"], asked["quality"])
        usage = {"input_tokens": words, "output_tokens": tokens, "total_tokens": words + tokens}
        counted = usage if reply.usage == "honest" else reply.usage
        return {
            "created": 0,
            "data": [{"b64_json": base64_of(made)}],
            **({} if counted is None else {"usage": counted}),
        }

    def transcribed(self, received: Received, reply: Reply) -> Any:
        """The text; the usage of newer models is of tokens, ten a second of sound, that of others of time."""
        seconds = wav_seconds(received.body["file"]["data"])
        usage: Usage = {"type": "duration", "seconds": seconds}
        if "4o" in received.body["model"]:
            asked, said = round(10 * seconds), words_in(reply.text)
            usage = {"type": "tokens", "input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
        counted = usage if reply.usage == "honest" else reply.usage
        return {"text": reply.text, **({} if counted is None else {"usage": counted})}

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """Words for tokens."""
        texts = [_text(message.get("content")) for message in received.body.get("messages", [])]
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


def _text(content: object) -> str:
    """The text of a message, which with pictures is one of its parts."""
    parts = content if isinstance(content, list) else [{"text": content or ""}]
    return " ".join(str(part.get("text", "")) for part in parts)


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
