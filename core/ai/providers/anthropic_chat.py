"""Anthropic's Messages API on its official SDK."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import httpx2
from anthropic import Anthropic, transform_schema
from pydantic import SecretStr

from core.ai.providers.anthropic_errors import FOREIGN, STATUS_OF_TYPE, translated
from core.ai.providers.calls import (
    Calls,
    carried_by,
    carried_for,
    earlier_tools,
    sent_arguments,
    sent_id,
    sent_name,
    turns,
)
from core.ai.providers.contract import ChatRequest, Message, TimeLimits, TokenUsage
from core.ai.providers.failures import Refusal
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import DRAIN_WAIT_S, TRAILER_WAIT_S, HttpStream, count, events, mapping, parsed
from core.ai.providers.sdk import key_text
from core.ai.providers.shown import encoded
from core.ai.providers.wire import http_client
from core.errors import ProviderError

SDK_PATH = "/v1"
"""What the SDK adds to the base URL; taken off where an operator has given it."""
VERSION_WITH_SAMPLING = "2023-06-01"
"""The last version of its API that takes a temperature; the SDK's own refuses one even at the usual value."""
MAX_TEMPERATURE = 1.0
MAX_EVENTS_AFTER_STOP = 4
INPUT_COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
"""The parts of the input, which do not overlap."""
OUTPUT_COUNT = "output_tokens"
"""Of the output with its thinking."""
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
"""Our words for its stop reasons; any other is passed on as it is."""
_THINKING = frozenset({"thinking", "redacted_thinking"})
_GROWING = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
"""What of a block a delta adds to."""


class AnthropicChat:
    """Anthropic at one address; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._http = http_client(tls)
        self._sdk = Anthropic(
            api_key=key_text(key),
            base_url=base_url.removesuffix(SDK_PATH),
            max_retries=0,
            http_client=self._http,
            open_telemetry=False,
        )

    def chat(self, request: ChatRequest, limits: TimeLimits) -> AnthropicChatStream:
        """The answer to `request`, streamed; Anthropic is called when the first event is asked for."""
        return AnthropicChatStream(self._host, lambda: self._open(request, limits), request)

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _open(self, request: ChatRequest, limits: TimeLimits) -> httpx2.Response:
        opened = self._sdk.messages.with_streaming_response.create(
            stream=True,
            timeout=httpx2.Timeout(limits.connect_s, read=limits.first_token_s),
            **_parameters(request, self._host),
        )
        response: httpx2.Response = opened.__enter__().http_response
        return response


class AnthropicChatStream(HttpStream):
    """One answer on its way from Anthropic."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def __init__(self, host: Host, ask: Callable[[], httpx2.Response], request: ChatRequest) -> None:
        super().__init__(host, ask, Calls(request))
        self._blocks: dict[object, dict[str, Any]] = {}
        """The beginnings of what has come, by place in the message."""
        self._grown: dict[object, dict[str, list[str]]] = {}
        """What came after the beginnings."""
        self._counts: dict[str, int] = {}

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        read: dict[object, Callable[[dict[str, Any]], str]] = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "message_delta": self._message_delta,
            "error": self._error,
        }
        pieces = events(response)
        for data in pieces:
            event = parsed(data)
            if event.get("type") == "message_stop":
                self._end(self._reason or "stop", wait_s=DRAIN_WAIT_S)
                break
            yield read.get(event.get("type"), _nothing)(event)
        for _ in itertools.islice(pieces, MAX_EVENTS_AFTER_STOP):
            pass

    def _start(self, event: dict[str, Any]) -> str:
        # Its output tokens are those before the text: after a cut they must not pass for the count of the answer.
        self._count(mapping(event.get("message")).get("usage"), INPUT_COUNTS)
        return ""

    def _block_start(self, event: dict[str, Any]) -> str:
        place, block = event.get("index"), mapping(event.get("content_block"))
        self._blocks[place] = block
        if block.get("type") == "tool_use":
            # Its input comes in pieces after it; some hosts send it here.
            self._calls.piece(
                place, call_id=block.get("id"), name=block.get("name"), arguments=block.get("input") or None
            )
        return _text(block, "text")

    def _block_delta(self, event: dict[str, Any]) -> str:
        place, delta = event.get("index"), mapping(event.get("delta"))
        kind, name = delta.get("type"), _GROWING.get(str(delta.get("type")))
        if kind == "input_json_delta" and self._blocks.get(place, {}).get("type") == "tool_use":
            self._calls.piece(place, arguments=delta.get("partial_json"))
        if name is not None and isinstance(delta.get(name), str):
            self._grown.setdefault(place, {}).setdefault(name, []).append(delta[name])
        return _text(delta, "text_delta")

    def _message_delta(self, event: dict[str, Any]) -> str:
        self._count(event.get("usage"), (*INPUT_COUNTS, OUTPUT_COUNT))
        reason = mapping(event.get("delta")).get("stop_reason")
        if isinstance(reason, str) and reason:
            self._end(REASONS.get(reason, reason), wait_s=TRAILER_WAIT_S)
        return ""

    def _carried(self) -> str:
        """Text and thinking as they came where there is thinking, of which it wants every sign back."""
        if not any(block.get("type") in _THINKING for block in self._blocks.values()):
            return ""
        kept = [self._whole(place) for place, block in self._blocks.items() if block.get("type") != "tool_use"]
        return carried_by(self._host, json.dumps(kept))

    def _whole(self, place: object) -> dict[str, Any]:
        block, grown = self._blocks[place], self._grown.get(place, {})
        return {**block, **{name: f"{block.get(name) or ''}{''.join(pieces)}" for name, pieces in grown.items()}}

    def _error(self, event: dict[str, Any]) -> str:
        raise Refusal(STATUS_OF_TYPE.get(str(mapping(event.get("error")).get("type"))))

    def _count(self, usage: object, names: Iterable[str]) -> None:
        """Takes over the counts of these names, which are of the whole answer so far, impossible ones too."""
        found = mapping(usage)
        self._counts |= {name: number for name in names if (number := count(found.get(name))) is not None}
        if INPUT_COUNTS[0] in self._counts:
            plain, read, written = (self._counts.get(name, 0) for name in INPUT_COUNTS)
            self.usage = TokenUsage(plain + read + written, self._counts.get(OUTPUT_COUNT, 0), read, written)

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)


def _parameters(request: ChatRequest, host: Host) -> dict[str, Any]:
    said = (message for message in request.messages if message.role != "system")
    parameters: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": [_turn(messages, host) for messages in turns(said)],
        **_tools(request),
    }
    system = [{"type": "text", "text": message.text} for message in request.messages if message.role == "system"]
    if system:
        parameters["system"] = system
    sampling = _sampling(request)
    if sampling:
        parameters |= {"extra_body": sampling, "extra_headers": {"anthropic-version": VERSION_WITH_SAMPLING}}
    if request.stop:
        parameters["stop_sequences"] = list(request.stop)
    schema = _strict(request)
    if schema:
        parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return parameters


def _tools(request: ChatRequest) -> dict[str, Any]:
    """The tools on offer; it refuses a conversation with calls without any, even where no more are wanted."""
    specs = request.tools or earlier_tools(request)
    if not specs:
        return {}
    tools = [
        {"name": spec.name, "description": spec.description, "input_schema": dict(spec.parameters)} for spec in specs
    ]
    return {"tools": tools, "tool_choice": {"type": "auto" if request.tools else "none"}}


def _turn(messages: tuple[Message, ...], host: Host) -> dict[str, Any]:
    """A turn of either side; the results of all calls of one turn are one of the user's."""
    first = messages[0]
    if first.role == "tool":
        results = [
            {"type": "tool_result", "tool_use_id": sent_id(message.call.id), "content": message.text}
            for message in messages
            if message.call is not None
        ]
        return {"role": "user", "content": results}
    if not first.calls:
        return {"role": first.role, "content": _shown(first, host) if first.pictures else first.text}
    return {"role": "assistant", "content": _asking(first, host)}


def _shown(message: Message, host: Host) -> list[dict[str, Any]]:
    """The blocks of a turn with pictures, which the vendor wants before the text."""
    blocks: list[dict[str, Any]] = [
        {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        for media_type, data in encoded(message, host)
    ]
    return [*blocks, {"type": "text", "text": message.text}] if message.text.strip() else blocks


def _asking(message: Message, host: Host) -> list[dict[str, Any]]:
    """The blocks of a turn that asked for tools: text, and thinking as it came, and then the calls."""
    carried = carried_for(host, message.calls)
    before = json.loads(carried) if carried else [{"type": "text", "text": message.text}]
    uses = [
        {"type": "tool_use", "id": sent_id(call.id), "name": sent_name(call.name), "input": sent_arguments(call)}
        for call in message.calls
    ]
    return [*(block for block in before if not _is_blank(block)), *uses]


def _is_blank(block: dict[str, Any]) -> bool:
    """Whether it is a block of text that it does not take back."""
    return block.get("type") == "text" and not str(block.get("text")).strip()


def _sampling(request: ChatRequest) -> dict[str, float]:
    """What the vendor's newer models take none of; of the older ones some refuse both at once."""
    if request.temperature is not None:
        return {"temperature": min(request.temperature, MAX_TEMPERATURE)}
    return {} if request.top_p is None else {"top_p": request.top_p}


def _strict(request: ChatRequest) -> dict[str, Any] | None:
    """The schema within what the vendor takes; None where there is none, or one that it cannot be told."""
    try:
        return transform_schema(dict(request.json_schema)) if request.json_schema else None
    except (ValueError, TypeError, AttributeError, AssertionError, RecursionError):
        return None


def _nothing(event: dict[str, Any]) -> str:
    """Of pings, ends of blocks, and events to come."""
    return ""


def _text(block: dict[str, Any], kind: str) -> str:
    """The text of a block of this kind; thinking and tools are other kinds."""
    text = block.get("text") if block.get("type") == kind else None
    return text if isinstance(text, str) else ""
