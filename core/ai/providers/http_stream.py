"""An answer read from one HTTP response, for adapters that read the wire themselves and not through an SDK."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx2

from core.ai.providers.calls import Calls
from core.ai.providers.contract import Delta, Finish, TimeLimits, TokenUsage
from core.ai.providers.failures import HTTP_FOREIGN, MalformedChunk, Refusal, http_translated, retry_after_s, told
from core.ai.providers.hosts import Host
from core.ai.providers.wire import Line, opening
from core.errors import ProviderBroke, ProviderError

MAX_EVENT_BYTES = 1_048_576
"""Of one event or line of a stream."""
MAX_REFUSAL_BYTES = 65_536
"""Read of the body of a refusal."""
MAX_REASON_CHARS = 40
FILTERED = "content_filter"
"""The finish reason of an answer whose calls are not to be used."""
CUT = "length"
"""That of one whose last call may be cut; it keeps this reason."""
TRAILER_WAIT_S = 5.0
"""Longest wait for what may still follow the finish reason."""
REFUSAL_WAIT_S = 0.5
"""Longest wait for more of the body of a refusal."""
DRAIN_WAIT_S = 0.05
"""Longest wait for the end of the body where nothing of worth follows, so that the connection can serve again."""


class HttpStream(ABC):
    """One answer on its way from a host; a wire format says how its text is read."""

    foreign: ClassVar[tuple[type[Exception], ...]] = HTTP_FOREIGN
    """What may be raised while the answer is asked for and read."""

    def __init__(self, host: Host, ask: Callable[[], httpx2.Response], calls: Calls | None = None) -> None:
        self.usage: TokenUsage | None = None
        self._calls = calls or Calls()
        """The calls of tools that have come; without any given, none is read."""
        self._host = host
        self._ask = ask
        self._line = Line()
        self._response: httpx2.Response | None = None
        self._has_begun = False
        self._reason: str | None = None

    @property
    def was_sent(self) -> bool:
        """Whether the request has left us."""
        return self._line.has_sent

    def __iter__(self) -> Iterator[Delta | Finish]:
        """Deltas, then one Finish, or a ProviderError."""
        try:
            yield from self._deltas()
        except self.foreign as error:
            if self._reason is None:
                raise self._translated(error, has_begun=self._has_begun or self._line.is_cut) from None
        finally:
            self.close()
        if self._reason is None:
            raise told(ProviderBroke, self._host)
        yield self._finish(self._reason)

    def abort(self) -> None:
        """Wakes a blocked read and closes the connection, from any thread."""
        self._line.cut()

    def close(self) -> None:
        """Closes the connection unless the answer was read to its end; the host stops generating."""
        self._line.let_go()
        self._line.cut()  # nothing is asked of the host any more
        if self._response is not None:
            self._response.close()

    @abstractmethod
    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        """The pieces of the answer; takes note of usage and, by `_end`, of the finish reason as they come."""

    def _carried(self) -> str:
        """What the host wants back with the calls, as `carried_by` writes it."""
        return ""

    def _end(self, reason: str, *, wait_s: float) -> None:
        """The answer is complete; what follows is waited for so long at most."""
        self._reason = reason[:MAX_REASON_CHARS]
        self._line.read_limit_s = wait_s

    def _refusal(self, response: httpx2.Response, body: bytes) -> Refusal:
        """What a status that is not 200 says."""
        return Refusal(response.status_code, retry_after_s=retry_after_s(response.headers, datetime.now(UTC)))

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return http_translated(error, self._host, has_begun=has_begun)

    def _deltas(self) -> Iterator[Delta]:
        if self._line.is_cut:
            return
        with opening(self._line):
            self._response = self._ask()
        if self._response.status_code != 200:
            raise self._refusal(self._response, self._beginning(self._response))
        for text in self._texts(self._response):
            self._has_begun = self._has_begun or bool(text) or self._calls.has_begun
            if text:
                yield Delta(text)
            if bool(self._line.is_cut):
                return

    def _finish(self, reason: str) -> Finish:
        """The last event; hosts differ in what they call the end of an answer that asks for tools."""
        calls = () if reason == FILTERED else self._calls.made(self._carried())
        return Finish("tool_calls" if calls and reason != CUT else reason, self.usage, calls)

    def _beginning(self, response: httpx2.Response) -> bytes:
        """Of a refusal as much as comes; its status alone says enough."""
        self._line.read_limit_s = REFUSAL_WAIT_S
        read = bytearray()
        with contextlib.suppress(httpx2.HTTPError):
            for piece in response.iter_bytes():
                read += piece
                if len(read) > MAX_REFUSAL_BYTES:
                    break
        return bytes(read)


def post(
    http: httpx2.Client, url: str, body: Mapping[str, object], limits: TimeLimits, headers: Mapping[str, str]
) -> httpx2.Response:
    """The response to `body`, not read yet."""
    timeout = httpx2.Timeout(limits.connect_s, read=limits.first_token_s)
    return http.send(http.build_request("POST", url, json=body, headers=headers, timeout=timeout), stream=True)


def events(response: httpx2.Response) -> Iterator[str]:
    """The data of each server-sent event."""
    # Event streams are UTF-8 by definition; some hosts say otherwise, or nothing.
    response.headers["content-type"] = "text/event-stream; charset=utf-8"
    for event in httpx2.EventSource(response, max_event_size=MAX_EVENT_BYTES):
        yield event.data


def whole(response: httpx2.Response, most_bytes: int) -> bytes:
    """The whole body.

    Raises:
        MalformedChunk: there is more of it than anybody sends in earnest.
    """
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > most_bytes:
            raise MalformedChunk
    return bytes(body)


def lines(response: httpx2.Response) -> Iterator[bytes]:
    """Each line that is not blank, the last also without its end."""
    pending = bytearray()
    for piece in response.iter_bytes():
        first, *others = piece.split(b"\n")
        pending += first
        for other in others:
            if pending.strip():
                yield bytes(pending)
            pending = bytearray(other)
        if len(pending) > MAX_EVENT_BYTES:
            raise MalformedChunk
    if pending.strip():
        yield bytes(pending)


def parsed(data: str | bytes) -> dict[str, Any]:
    """A JSON object.

    Raises:
        MalformedChunk: it is not one.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedChunk from None
    if not isinstance(value, dict):
        raise MalformedChunk
    return value


def mapping(value: object) -> dict[str, Any]:
    """The JSON object that stands at this place, or an empty one."""
    return value if isinstance(value, dict) else {}


def count(value: object) -> int | None:
    """A count as the host sent it, an impossible one too; None where it is not a whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None
