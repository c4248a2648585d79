"""Chat Completions as JSON, the format of OpenAI and of most other hosts: what is asked, and how answers are read."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from core.ai.providers.calls import Calls, carried_by, carried_for, sent_arguments, sent_id, sent_name, system_first
from core.ai.providers.contract import ChatRequest, Message, TokenUsage
from core.ai.providers.failures import Refusal
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import DRAIN_WAIT_S, TRAILER_WAIT_S, HttpStream, count, events, mapping, parsed
from core.ai.providers.shown import content_parts

MAX_EVENTS_AFTER_DONE = 4
SCHEMA_NAME = "answer"
"""The format wants a name; models see it."""
_THINKING_TEXT = "reasoning_content"
"""The field of thinking that is one text."""
_THINKING_TEXTS = frozenset({"text", "summary", "data"})
"""Of thinking that is a list, what comes in pieces."""


def chat_parameters(request: ChatRequest, host: Host) -> dict[str, Any]:
    """What the host is sent, apart from `stream` and its options."""
    is_strict = host.answers_results and any(message.call for message in request.messages)
    messages = system_first(request.messages) if is_strict else request.messages
    parameters: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, host) for message in messages],
        request.max_tokens_parameter or host.max_tokens_parameter: request.max_tokens,
    }
    if request.temperature is not None:
        parameters["temperature"] = request.temperature
    if request.top_p is not None:
        parameters["top_p"] = request.top_p
    if request.stop:
        parameters["stop"] = list(request.stop)
    if request.json_schema is not None:
        parameters["response_format"] = _response_format(dict(request.json_schema))
    if request.tools:
        parameters |= {"tools": functions(request), "tool_choice": "auto"}
    return parameters


def functions(request: ChatRequest) -> list[dict[str, Any]]:
    """The tools on offer as functions, which is how Ollama wants them too."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in request.tools
    ]


class ChatChunkStream(HttpStream):
    """One answer on its way from a host that speaks Chat Completions."""

    def __init__(self, host: Host, ask: Callable[[], httpx2.Response], request: ChatRequest) -> None:
        super().__init__(host, ask, Calls(request))
        self._thought: list[Any] = []

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        chunks = events(response)
        for data in chunks:
            if data.startswith("[DONE]"):
                self._end(self._reason or "stop", wait_s=DRAIN_WAIT_S)
                break
            yield self._text_of(parsed(data))
        for _ in itertools.islice(chunks, MAX_EVENTS_AFTER_DONE):
            pass

    def _text_of(self, chunk: dict[str, Any]) -> str:
        """Takes note of what a chunk says of usage and of the end, and returns its text."""
        self.usage = chat_usage(chunk.get("usage")) or self.usage
        if chunk.get("error"):
            raise Refusal(_status_of(chunk["error"]))
        choices = chunk.get("choices")
        choice = mapping(choices[0]) if isinstance(choices, list) and choices else {}
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            self._end(reason, wait_s=TRAILER_WAIT_S)
        delta = mapping(choice.get("delta"))
        self._take_calls(delta.get("tool_calls"))
        if self._host.thinking_field:
            thought = delta.get(self._host.thinking_field)
            self._thought += thought if isinstance(thought, list) else [thought] if isinstance(thought, str) else []
        return _text(delta.get("content") or delta.get("refusal"))

    def _take_calls(self, pieces: object) -> None:
        for piece in map(mapping, pieces if isinstance(pieces, list) else []):
            function, place = mapping(piece.get("function")), count(piece.get("index"))
            self._calls.piece(
                place, call_id=piece.get("id"), name=function.get("name"), arguments=function.get("arguments")
            )

    def _carried(self) -> str:
        if not self._thought:
            return ""
        joined = _joined(self._thought) if isinstance(self._thought[0], dict) else "".join(map(str, self._thought))
        return carried_by(self._host, json.dumps(joined))


def chat_usage(found: object) -> TokenUsage | None:
    """The counts as the host sent them, impossible ones too; None where there are none."""
    if not isinstance(found, dict):
        return None
    prompt, completion = count(found.get("prompt_tokens")), count(found.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = mapping(found.get("prompt_tokens_details"))
    cached = count(details.get("cached_tokens"))
    cached = count(found.get("prompt_cache_hit_tokens")) if cached is None else cached
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=completion + _reasoning_apart(found, prompt + completion),
        cached_prompt_tokens=cached or 0,
        cache_write_prompt_tokens=count(details.get("cache_write_tokens")) or 0,
    )


def _message(message: Message, host: Host) -> dict[str, Any]:
    """A turn as the host takes it; to some no thinking is an error where a call is, so it is empty at least."""
    if message.call is not None:
        return {"role": "tool", "tool_call_id": sent_id(message.call.id, host.call_id_length), "content": message.text}
    content = content_parts(message, host) if message.pictures else message.text
    sent: dict[str, Any] = {"role": message.role, "content": content}
    if not message.calls:
        return sent
    thought = carried_for(host, message.calls)
    if thought or host.thinking_field == _THINKING_TEXT:
        sent[host.thinking_field] = json.loads(thought or '""')
    calls = [
        {
            "id": sent_id(call.id, host.call_id_length),
            "type": "function",
            "function": {"name": sent_name(call.name), "arguments": json.dumps(sent_arguments(call))},
        }
        for call in message.calls
    ]
    return {**sent, "content": message.text or None, "tool_calls": calls}


def _joined(details: list[Any]) -> list[dict[str, Any]]:
    """Thinking that came in pieces, each with its kind and place, as it is wanted back."""
    joined: list[dict[str, Any]] = []
    for piece in map(mapping, details):
        last = joined[-1] if joined else {}
        if not joined or any(last.get(name) != piece.get(name) for name in ("type", "index")):
            joined.append(dict(piece))
            continue
        for name, value in piece.items():
            grows = name in _THINKING_TEXTS and isinstance(value, str) and isinstance(last.get(name), str)
            last[name] = last[name] + value if grows else last.get(name) if value is None else value
    return joined


def _response_format(schema: dict[str, object]) -> dict[str, object]:
    if not schema:
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": schema}}


def _text(content: object) -> str:
    """The text of a delta: most hosts send a string, some a list of parts (of which thinking is left out)."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text")
    return "".join(text for text in texts if isinstance(text, str))


def _reasoning_apart(found: dict[str, Any], counted: int) -> int:
    """Reasoning tokens that a host bills as output but leaves out of `completion_tokens`; its total tells."""
    reasoning = count(mapping(found.get("completion_tokens_details")).get("reasoning_tokens"))
    return reasoning if reasoning and count(found.get("total_tokens")) == counted + reasoning else 0


def _status_of(error: object) -> int | None:
    """The status of HTTP that hosts send as `code` or `status_code`, a number or its digits."""
    found = [str(mapping(error).get(name)) for name in ("code", "status_code")]
    return next((int(code) for code in found if re.fullmatch("[1-5][0-9]{2}", code)), None)
