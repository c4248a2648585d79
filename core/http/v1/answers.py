"""What clients of OpenAI get: completions, chunks, embeddings and models, exactly in its form."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from core.ai.answer import Answer
from core.ai.providers.contract import TokenUsage
from core.ai.providers.vectors import packed_vectors, vectors_of

FINISH_REASONS = {"stop": "stop", "length": "length", "content_filter": "content_filter", "cut": "length"}
"""Why an answer ended, in OpenAI's words; `cut`: our time limit ended it, and what came is charged."""


def completion(answer: Answer) -> dict[str, Any]:
    """A whole answer."""
    message = {"role": "assistant", "content": answer.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
    return {
        **_frame("chat.completion", answer.request_id, answer.model),
        "choices": [choice],
        "usage": usage_of(answer.usage),
    }


class Chunks:
    """The chunks of one streamed answer."""

    def __init__(self, request_id: UUID, model: str, *, includes_usage: bool) -> None:
        self._frame = _frame("chat.completion.chunk", request_id, model)
        if includes_usage:
            self._frame["usage"] = None

    def opening(self) -> dict[str, Any]:
        """The first: who speaks."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def delta(self, text: str) -> dict[str, Any]:
        """A piece of the text."""
        return self._chunk({"content": text})

    def ending(self, answer: Answer) -> list[dict[str, Any]]:
        """The last of the text, which says why it ended; then, where it was asked for, the usage."""
        last = self._chunk({}, finish_reason(answer))
        if "usage" not in self._frame:
            return [last]
        return [last, {**self._frame, "choices": [], "usage": usage_of(answer.usage)}]

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._frame, "choices": [choice]}


def embeddings(answer: Answer, *, is_packed: bool) -> dict[str, Any]:
    """Vectors in the order of their texts, as numbers or as base64 of 32-bit floats."""
    vectors: list[Any] = [*(packed_vectors(answer.text) if is_packed else vectors_of(answer.text))]
    tokens = answer.usage.prompt_tokens
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)],
        "model": answer.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def model_row(name: str, owner: str) -> dict[str, Any]:
    """A model. When it was made is not known here: zero, and not a time of our own."""
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def usage_of(usage: TokenUsage) -> dict[str, Any]:
    """Tokens of an answer."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_prompt_tokens},
    }


def finish_reason(answer: Answer) -> str:
    """Why an answer ended; a provider's own word, which clients do not know, counts as its end."""
    return FINISH_REASONS.get(answer.finish_reason, "stop")


def _frame(kind: str, request_id: UUID, model: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{request_id.hex}", "object": kind, "created": int(time.time()), "model": model}
