"""A small server that speaks the Gemini API: server-sent events without a mark of the end, cumulative usage."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from typing import Any

from tests.fakes.scripted_server import Received, Reply, ScriptedServer, Usage, Wanted
from tests.fakes.words import vectors_of, words_in

REASONS = {"stop": "STOP", "length": "MAX_TOKENS"}
SERVED = re.compile(r"/v1beta/models/[^/:]+:(streamGenerateContent\?alt=sse|batchEmbedContents)")


class GoogleFormat:
    """Candidates with parts; the finish reason and the last usage come in the last event."""

    base_path = ""
    content_type = "text/event-stream"
    calling = "STOP"
    malformed = 'data: {"candidates": [{"content": \r\n\r\n'

    def is_served(self, path: str) -> bool:
        """Whether the path is one of this format."""
        return SERVED.fullmatch(path) is not None

    def whole(self, received: Received, reply: Reply) -> Any:
        """The vectors, where embeddings are asked for; they come without usage."""
        if not received.path.endswith(":batchEmbedContents"):
            return None
        requests = received.body["requests"]
        texts = [request["content"]["parts"][0]["text"] for request in requests]
        vectors = vectors_of(texts, requests[0].get("outputDimensionality"))
        usage = {} if reply.usage in (None, "honest") else {"usageMetadata": reply.usage}
        return {"embeddings": [{"values": vector} for vector in vectors], **usage}

    def usage(self, received: Received, completion_tokens: int) -> Usage:
        """Words for tokens; as in the real one, a count of zero is left out."""
        contents = [*received.body.get("contents", []), received.body.get("systemInstruction", {})]
        prompt = words_in(*(part.get("text", part) for content in contents for part in content.get("parts", [])))
        answer = {"candidatesTokenCount": completion_tokens} if completion_tokens else {}
        return {"promptTokenCount": prompt, **answer, "totalTokenCount": prompt + completion_tokens}

    def frame(self, chunk: Any) -> str:
        """One event."""
        return f"data: {json.dumps(chunk)}\r\n\r\n"

    def begin(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing comes before the first token."""
        yield from ()

    def token(self, received: Received, text: str, usage: Usage | None) -> Iterator[Any]:
        """A piece of the text."""
        yield _chunk(text, None, usage)

    def calls(self, received: Received, reply: Reply) -> Iterator[Any]:
        """Each call whole, with its sign; in turns they come in one event."""
        parts = [_call_part(wanted) for wanted in reply.wants]
        for together in [parts] if reply.is_interleaved else [[part] for part in parts]:
            yield _chunk_of(together, None, None)

    def finish(self, received: Received, reason: str | None, usage: Usage | None) -> Iterator[Any]:
        """The finish reason, with the usage of all."""
        if reason is not None:
            yield _chunk("", REASONS.get(reason, reason), usage)

    def trailer(self, received: Received, usage: Usage | None) -> Iterator[Any]:
        """Nothing follows."""
        yield from ()

    def done(self) -> Iterator[Any]:
        """There is no mark of the end."""
        yield from ()

    def error(self, error: Any) -> Any:
        """An error in place of candidates."""
        return {"error": error}

    def refusal(self, reply: Reply) -> Any:
        """An error with its status."""
        return {"error": reply.error or {"code": reply.status, "message": "refused", "status": "REFUSED"}}


class GoogleServer(ScriptedServer):
    """The Gemini API."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(GoogleFormat(), tls)


def _call_part(wanted: Wanted) -> dict[str, Any]:
    named = {} if wanted.id is None else {"id": wanted.id}
    signed = {"thoughtSignature": wanted.thought} if wanted.thought else {}
    return {"functionCall": {**named, "name": wanted.name, "args": json.loads(wanted.arguments)}, **signed}


def _chunk(text: str, finish_reason: str | None, usage: Usage | None) -> dict[str, Any]:
    return _chunk_of([{"text": text}], finish_reason, usage)


def _chunk_of(parts: list[dict[str, Any]], finish_reason: str | None, usage: Usage | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    return {
        "candidates": [candidate if finish_reason is None else {**candidate, "finishReason": finish_reason}],
        **({} if usage is None else {"usageMetadata": usage}),
        "modelVersion": "fake",
        "responseId": "fake",
    }
