"""OpenAI, and every host that speaks Chat Completions, on the official SDK."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import httpx2
from openai import OpenAI
from pydantic import SecretStr

from core.ai.providers.contract import ChatRequest, Delta, Finish, Message, TimeLimits, TokenUsage
from core.ai.providers.failures import MalformedChunk, Refusal, told
from core.ai.providers.hosts import Host
from core.ai.providers.openai_errors import FOREIGN, translated
from core.ai.providers.wire import Line, http_client, opening
from core.errors import ProviderBroke

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

MAX_EVENT_BYTES = 1_048_576
"""Of one event of a stream."""
TRAILER_WAIT_S = 5.0
"""Longest wait for the usage that some hosts send after the finish reason."""
DRAIN_WAIT_S = 0.05
"""Longest wait for the end of the body after `[DONE]`, so that the connection can serve the next call."""
MAX_EVENTS_AFTER_DONE = 4
NO_KEY = "none"
"""Sent where a host needs no key, since the SDK insists on one."""


class OpenAIChat:
    """One host; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._http = http_client(tls)
        self._sdk = OpenAI(
            api_key=key.get_secret_value() if key else NO_KEY,
            base_url=base_url,
            max_retries=0,
            http_client=self._http,
        )

    def chat(self, request: ChatRequest, limits: TimeLimits) -> OpenAIChatStream:
        """The answer to `request`, streamed; the host is called when the first event is asked for."""
        return OpenAIChatStream(self._host, lambda: self._open(request, limits))

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _open(self, request: ChatRequest, limits: TimeLimits) -> httpx2.Response:
        parameters: dict[str, Any] = {
            request.max_tokens_parameter or self._host.max_tokens_parameter: request.max_tokens
        }
        if request.temperature is not None:
            parameters["temperature"] = request.temperature
        if self._host.asks_for_usage:
            parameters["stream_options"] = {"include_usage": True}
        opened = self._sdk.chat.completions.with_streaming_response.create(
            model=request.model,
            messages=[_wire_message(message) for message in request.messages],
            stream=True,
            timeout=httpx2.Timeout(limits.connect_s, read=limits.first_token_s),
            **parameters,
        )
        response: httpx2.Response = opened.__enter__().http_response
        return response


class OpenAIChatStream:
    """One answer on its way from a host."""

    def __init__(self, host: Host, open_response: Callable[[], httpx2.Response]) -> None:
        self.usage: TokenUsage | None = None
        self._host = host
        self._open = open_response
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
        except FOREIGN as error:
            if self._reason is None:
                raise self._translated(error) from None
        finally:
            self.close()
        if self._reason is None:
            raise told(ProviderBroke, self._host)
        yield Finish(self._reason, self.usage)

    def abort(self) -> None:
        """Wakes a blocked read and closes the connection, from any thread."""
        self._line.cut()

    def close(self) -> None:
        """Closes the connection unless the answer was read to its end; the host stops generating."""
        self._line.let_go()
        self._line.cut()  # nothing is asked of the host any more
        if self._response is not None:
            self._response.close()

    def _deltas(self) -> Iterator[Delta]:
        if self._line.is_cut:
            return
        with opening(self._line):
            self._response = self._open()
        # Event streams are UTF-8 by definition; some hosts say otherwise, or nothing.
        self._response.headers["content-type"] = "text/event-stream; charset=utf-8"
        events = iter(httpx2.EventSource(self._response, max_event_size=MAX_EVENT_BYTES))
        for event in events:
            if bool(self._line.is_cut):
                return
            if event.data.startswith("[DONE]"):
                self._reason = self._reason or "stop"
                self._drain(events)
                return
            text = self._text_of(_parsed(event.data))
            if text:
                self._has_begun = True
                yield Delta(text)

    def _drain(self, events: Iterator[object]) -> None:
        self._line.read_limit_s = DRAIN_WAIT_S
        for _ in itertools.islice(events, MAX_EVENTS_AFTER_DONE):
            pass

    def _text_of(self, chunk: dict[str, Any]) -> str:
        """Takes note of what a chunk says of usage and of the end, and returns its text."""
        if chunk.get("error"):
            raise Refusal(_status_of(chunk["error"]))
        self.usage = _usage(chunk.get("usage")) or self.usage
        choices = chunk.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._reason = reason[:40]
            self._line.read_limit_s = TRAILER_WAIT_S
        delta = choice.get("delta")
        return _text(delta.get("content") or delta.get("refusal")) if isinstance(delta, dict) else ""

    def _translated(self, error: Exception) -> Exception:
        return translated(error, self._host, has_begun=self._has_begun or self._line.is_cut)


def _wire_message(message: Message) -> ChatCompletionMessageParam:
    return cast("ChatCompletionMessageParam", {"role": message.role, "content": message.text})


def _parsed(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedChunk from None
    if not isinstance(chunk, dict):
        raise MalformedChunk
    return chunk


def _text(content: object) -> str:
    """The text of a delta: most hosts send a string, some a list of parts (of which thinking is left out)."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _usage(found: object) -> TokenUsage | None:
    """The counts as the host sent them, impossible ones too; None where there are none."""
    if not isinstance(found, dict):
        return None
    prompt, completion = _count(found.get("prompt_tokens")), _count(found.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = found.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    cached = _count(details.get("cached_tokens"))
    cached = _count(found.get("prompt_cache_hit_tokens")) if cached is None else cached
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion + _reasoning_apart(found, prompt + completion),
        cached_prompt_tokens=cached or 0,
        cache_write_prompt_tokens=_count(details.get("cache_write_tokens")) or 0,
    )


def _reasoning_apart(found: dict[str, Any], counted: int) -> int:
    """Reasoning tokens that a host bills as output but leaves out of `completion_tokens`; its total tells."""
    details = found.get("completion_tokens_details")
    reasoning = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    return reasoning if reasoning and _count(found.get("total_tokens")) == counted + reasoning else 0


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or value.is_integer() else None


def _status_of(error: object) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    return int(code) if isinstance(code, int) or (isinstance(code, str) and code.isascii() and code.isdigit()) else None
