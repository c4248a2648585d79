"""Google's Gemini API, on our own HTTP client: the vendor's SDK is heavy, and reads the machine's credentials."""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import SecretStr

from core.ai.providers.calls import (
    Calls,
    carried_by,
    carried_for,
    earlier_tools,
    is_our_id,
    sent_arguments,
    sent_name,
    turns,
)
from core.ai.providers.contract import (
    ChatRequest,
    EmbedRequest,
    Message,
    TimeLimits,
    TokenUsage,
    ToolCall,
    ToolSpec,
)
from core.ai.providers.embed_stream import EmbedStream
from core.ai.providers.failures import MalformedChunk, Refusal, bounded_wait_s
from core.ai.providers.google_schema import google_schema
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import TRAILER_WAIT_S, HttpStream, count, events, mapping, parsed, post
from core.ai.providers.shown import encoded
from core.ai.providers.wire import http_client

VERSION = "/v1beta"
REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY"), "content_filter"
    ),
}
"""Our words for its finish reasons; any other is passed on in lower case."""
BROKEN = frozenset({"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"})
"""Those of an answer that without text came to nothing, since the model's call could not be read."""
UNSIGNED = ("gemini-1", "gemini-2")
"""How the names of models begin that sign no calls."""
NO_SIGN = "skip_thought_signature_validator"
"""What the vendor has stand in for the sign of a call that its model did not make."""
_UNSPECIFIED = ("FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED")


class GoogleChat:
    """The Gemini API at one address; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._models_url = f"{base_url.removesuffix(VERSION)}{VERSION}/models/"
        self._headers = {"x-goog-api-key": key.get_secret_value()} if key else {}
        self._http = http_client(tls)

    def chat(self, request: ChatRequest, limits: TimeLimits) -> GoogleChatStream:
        """The answer to `request`, streamed; the host is called when the first event is asked for."""
        return GoogleChatStream(
            self._host,
            lambda: self._post(request.model, "streamGenerateContent?alt=sse", _chat_body(request, self._host), limits),
            Calls(request),
        )

    def embed(self, request: EmbedRequest, limits: TimeLimits) -> GoogleEmbedStream:
        """The vectors of `request.inputs`; the host is called when the first event is asked for."""
        return GoogleEmbedStream(
            self._host,
            lambda: self._post(request.model, "batchEmbedContents", _embed_body(request), limits),
            wanted=len(request.inputs),
        )

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _post(self, model: str, method: str, body: dict[str, Any], limits: TimeLimits) -> httpx2.Response:
        return post(self._http, f"{self._models_url}{quote(model, safe='')}:{method}", body, limits, self._headers)


class _GoogleRefusals(HttpStream):
    def _refusal(self, response: httpx2.Response, body: bytes) -> Refusal:
        plain = super()._refusal(response, body)
        try:
            error = mapping(parsed(body).get("error"))
        except MalformedChunk:
            return plain
        return _refusal_of(error, response.status_code, plain.retry_after_s)


class GoogleChatStream(_GoogleRefusals):
    """One answer on its way; its usage is cumulative, so the last counts."""

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        for data in events(response):
            chunk = parsed(data)
            if "error" in chunk:
                error = mapping(chunk["error"])
                raise _refusal_of(error, count(error.get("code")), None)
            self.usage = _usage(chunk.get("usageMetadata")) or self.usage
            if _said(mapping(chunk.get("promptFeedback")).get("blockReason")):
                raise Refusal(400)
            candidates = chunk.get("candidates")
            candidate = mapping(candidates[0]) if isinstance(candidates, list) and candidates else {}
            reason = _said(candidate.get("finishReason"))
            parts = _parts(mapping(candidate.get("content")).get("parts"))
            text = _text(parts)
            if reason in BROKEN and not (text or self._has_begun):
                raise MalformedChunk
            if reason:
                self._end(REASONS.get(reason, reason.lower()), wait_s=TRAILER_WAIT_S)
            self._take_calls(parts)
            yield text

    def _take_calls(self, parts: list[dict[str, Any]]) -> None:
        """Each call comes whole; with those of newer models a sign comes that they want back."""
        for part in parts:
            call, sign = mapping(part.get("functionCall")), part.get("thoughtSignature")
            if call:
                carried = carried_by(self._host, sign) if isinstance(sign, str) else ""
                self._calls.whole(call.get("name"), call.get("args"), call_id=call.get("id"), carried=carried)


class GoogleEmbedStream(_GoogleRefusals, EmbedStream):
    """The vectors of one request on their way."""

    def _vectors(self, reply: dict[str, Any]) -> Sequence[object]:
        embeddings = reply.get("embeddings")
        return [mapping(one).get("values") for one in embeddings] if isinstance(embeddings, list) else []

    def _prompt_tokens(self, reply: dict[str, Any]) -> object:
        return mapping(reply.get("usageMetadata")).get("promptTokenCount")


def _chat_body(request: ChatRequest, host: Host) -> dict[str, Any]:
    config: dict[str, Any] = {"maxOutputTokens": request.max_tokens}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.top_p is not None:
        config["topP"] = request.top_p
    if request.stop:
        config["stopSequences"] = list(request.stop)
    if request.json_schema is not None:
        config["responseMimeType"] = "application/json"
    if request.json_schema:
        config["responseJsonSchema"] = request.json_schema
    said = (message for message in request.messages if message.role != "system")
    body: dict[str, Any] = {
        "contents": [_content(messages, host, request.model) for messages in turns(said)],
        "generationConfig": config,
        **_tools(request),
    }
    system = [{"text": message.text} for message in request.messages if message.role == "system"]
    return {**body, "systemInstruction": {"parts": system}} if system else body


def _tools(request: ChatRequest) -> dict[str, Any]:
    """The tools on offer; those of earlier turns where no more are wanted."""
    specs = request.tools or earlier_tools(request)
    if not specs:
        return {}
    declared = [_declared(spec) for spec in specs]
    config = {} if request.tools else {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}
    return {"tools": [{"functionDeclarations": declared}], **config}


def _declared(spec: ToolSpec) -> dict[str, Any]:
    schema = google_schema(spec.parameters)
    plain = {"name": spec.name, "description": spec.description}
    return plain if schema is None else {**plain, "parameters": schema}


def _content(messages: tuple[Message, ...], host: Host, model: str) -> dict[str, Any]:
    """A turn of either side; the results of all calls of one turn are one of the user's."""
    first = messages[0]
    if first.role == "tool":
        calls = [(message.call, message.text) for message in messages if message.call is not None]
        return {"role": "user", "parts": [{"functionResponse": _result(call, text)} for call, text in calls]}
    shown = [{"inlineData": {"mimeType": kind, "data": data}} for kind, data in encoded(first, host)]
    text = [{"text": first.text}] if first.text or not (first.calls or shown) else []
    role = "user" if first.role == "user" else "model"
    return {"role": role, "parts": [*shown, *text, *_asking(first.calls, host, model)]}


def _asking(calls: tuple[ToolCall, ...], host: Host, model: str) -> list[dict[str, Any]]:
    """The calls, each with the sign that came with it; newer models refuse a first one without any."""
    parts = []
    for number, call in enumerate(calls):
        sign = carried_for(host, (call,)) or ("" if number or model.startswith(UNSIGNED) else NO_SIGN)
        asked = {**_named(call), "args": sent_arguments(call)}
        parts.append({"functionCall": asked, **({"thoughtSignature": sign} if sign else {})})
    return parts


def _result(call: ToolCall, text: str) -> dict[str, Any]:
    return {**_named(call), "response": {"output": text}}


def _named(call: ToolCall) -> dict[str, Any]:
    """The call's name, with its id where the API gave it one."""
    named = {"name": sent_name(call.name)}
    return named if is_our_id(call.id) else {**named, "id": call.id}


def _embed_body(request: EmbedRequest) -> dict[str, Any]:
    size = {} if request.dimensions is None else {"outputDimensionality": request.dimensions}
    model = f"models/{request.model}"
    return {
        "requests": [{"model": model, "content": {"parts": [{"text": text}]}, **size} for text in request.inputs],
    }


def _parts(given: object) -> list[dict[str, Any]]:
    return [mapping(part) for part in given] if isinstance(given, list) else []


def _text(parts: list[dict[str, Any]]) -> str:
    """The text of a candidate, without what the model thought."""
    texts = (part.get("text") for part in parts if not part.get("thought"))
    return "".join(text for text in texts if isinstance(text, str))


def _usage(found: object) -> TokenUsage | None:
    """The counts so far; a count of zero is left out on this wire."""
    counts = mapping(found)
    prompt, answer = count(counts.get("promptTokenCount")), count(counts.get("candidatesTokenCount", 0))
    if prompt is None or answer is None:
        return None
    thoughts = count(counts.get("thoughtsTokenCount")) or 0
    are_apart = count(counts.get("totalTokenCount")) != prompt + answer
    return TokenUsage(
        prompt_tokens=prompt,
        completion_tokens=answer + (thoughts if are_apart else 0),
        cached_prompt_tokens=count(counts.get("cachedContentTokenCount")) or 0,
    )


def _said(reason: object) -> str:
    return reason if isinstance(reason, str) and reason not in _UNSPECIFIED else ""


def _refusal_of(error: dict[str, Any], status: int | None, header_wait_s: float | None) -> Refusal:
    """What its error says: a key that is not valid has status 400, and a wait stands in the details."""
    given = error.get("details")
    details = [mapping(detail) for detail in given] if isinstance(given, list) else []
    if any(str(detail.get("reason")).startswith("API_KEY_") for detail in details):
        status = 401
    waits = (_seconds(detail.get("retryDelay")) for detail in details)
    told_wait_s = next((wait_s for wait_s in waits if wait_s is not None), None)
    return Refusal(status, retry_after_s=header_wait_s if told_wait_s is None else told_wait_s)


def _seconds(delay: object) -> float | None:
    """A duration such as `37.5s`."""
    if not isinstance(delay, str) or not delay.endswith("s"):
        return None
    try:
        return bounded_wait_s(float(delay[:-1]))
    except ValueError:
        return bounded_wait_s(math.nan)
