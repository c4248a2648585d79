"""Vectors read from one HTTP response, as a stream like any other answer."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx2

from core.ai.providers.contract import TokenUsage
from core.ai.providers.failures import MalformedChunk
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import DRAIN_WAIT_S, HttpStream, count, parsed, whole
from core.ai.providers.vectors import embedded_text

MAX_BODY_BYTES = 67_108_864
"""Of the vectors of one request."""


class EmbedStream(HttpStream):
    """The vectors of one request on their way; a wire format says where in the reply they are."""

    def __init__(self, host: Host, ask: Callable[[], httpx2.Response], *, wanted: int) -> None:
        super().__init__(host, ask)
        self._wanted = wanted

    @abstractmethod
    def _vectors(self, reply: dict[str, Any]) -> Sequence[object]:
        """The vectors, in the order of the inputs."""

    @abstractmethod
    def _prompt_tokens(self, reply: dict[str, Any]) -> object:
        """What the host says it counted; anything but a whole number is no usage."""

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        reply = parsed(whole(response, MAX_BODY_BYTES))
        prompt_tokens = count(self._prompt_tokens(reply))
        if prompt_tokens is not None:
            self.usage = TokenUsage(prompt_tokens, 0)
        text = _checked(self._vectors(reply), self._wanted)
        self._end("stop", wait_s=DRAIN_WAIT_S)
        yield text


def _checked(vectors: Sequence[object], wanted: int) -> str:
    lists = [vector for vector in vectors if isinstance(vector, list)]
    if not len(lists) == len(vectors) == wanted:
        raise MalformedChunk
    try:
        return embedded_text(lists)
    except ValueError:
        raise MalformedChunk from None
