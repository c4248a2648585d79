"""Embeddings of OpenAI, and of every host that speaks its format, on the official SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import httpx2
from openai import OpenAI, omit

from core.ai.providers.contract import EmbedRequest, TimeLimits
from core.ai.providers.embed_stream import EmbedStream
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import mapping
from core.ai.providers.openai_errors import FOREIGN, translated
from core.ai.providers.vectors import unpacked
from core.errors import ProviderError


class OpenAIEmbedStream(EmbedStream):
    """The vectors of one request on their way through the SDK."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def __init__(self, host: Host, sdk: OpenAI, request: EmbedRequest, limits: TimeLimits) -> None:
        super().__init__(host, lambda: _ask(sdk, request, limits), wanted=len(request.inputs))

    def _vectors(self, reply: dict[str, Any]) -> Sequence[object]:
        data = reply.get("data")
        rows = [mapping(row) for row in data] if isinstance(data, list) else []
        return [_numbers(row.get("embedding")) for row in _in_order(rows)]

    def _prompt_tokens(self, reply: dict[str, Any]) -> object:
        return mapping(reply.get("usage")).get("prompt_tokens")

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)


def _ask(sdk: OpenAI, request: EmbedRequest, limits: TimeLimits) -> httpx2.Response:
    opened = sdk.embeddings.with_streaming_response.create(
        model=request.model,
        input=list(request.inputs),
        dimensions=omit if request.dimensions is None else request.dimensions,
        encoding_format="float",  # the one that every host knows
        timeout=httpx2.Timeout(limits.connect_s, read=limits.first_token_s),
    )
    response: httpx2.Response = opened.__enter__().http_response
    return response


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of the inputs where the host numbers them; none where its numbers are not theirs."""
    numbers = [row.get("index") for row in rows]
    if len(rows) < 2 or numbers == [None] * len(rows):
        return rows
    by_number = {number: row for number, row in zip(numbers, rows, strict=True) if isinstance(number, int)}
    return [by_number[number] for number in range(len(rows))] if by_number.keys() == set(range(len(rows))) else []


def _numbers(embedding: object) -> object:
    """A list as it was asked for, or the base64 that some hosts send all the same."""
    if not isinstance(embedding, str):
        return embedding
    try:
        return unpacked(embedding)
    except ValueError:
        return None
