"""Ollama, the server of local models, in its own wire format: a line of JSON for each piece of the answer."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
from pydantic import SecretStr

from core.ai.providers.calls import Calls, sent_arguments, sent_name
from core.ai.providers.chat_chunks import functions
from core.ai.providers.contract import ChatRequest, EmbedRequest, Message, TimeLimits, TokenUsage
from core.ai.providers.embed_stream import EmbedStream
from core.ai.providers.failures import Refusal
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import DRAIN_WAIT_S, HttpStream, count, lines, mapping, parsed, post
from core.ai.providers.shown import encoded
from core.ai.providers.wire import http_client

MAX_LINES_AFTER_DONE = 4


class OllamaChat:
    """One Ollama server; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._api_url = f"{base_url.removesuffix('/v1')}/api/"
        self._headers = {"authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._http = http_client(tls)

    def chat(self, request: ChatRequest, limits: TimeLimits) -> OllamaChatStream:
        """The answer to `request`, streamed; the host is called when the first event is asked for."""
        return OllamaChatStream(
            self._host, lambda: self._post("chat", _chat_body(request, self._host), limits), Calls(request)
        )

    def embed(self, request: EmbedRequest, limits: TimeLimits) -> OllamaEmbedStream:
        """The vectors of `request.inputs`; the host is called when the first event is asked for."""
        return OllamaEmbedStream(
            self._host, lambda: self._post("embed", _embed_body(request), limits), wanted=len(request.inputs)
        )

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _post(self, method: str, body: dict[str, Any], limits: TimeLimits) -> httpx2.Response:
        return post(self._http, f"{self._api_url}{method}", body, limits, self._headers)


class OllamaChatStream(HttpStream):
    """One answer on its way; its last line says that it is done, why, and what was counted."""

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        pieces = lines(response)
        for line in pieces:
            piece = parsed(line)
            if "error" in piece:
                raise Refusal(None)
            self.usage = _usage(piece) or self.usage
            is_done, reason = piece.get("done") is True, piece.get("done_reason")
            if is_done:
                self._end(reason if isinstance(reason, str) and reason else "stop", wait_s=DRAIN_WAIT_S)
            message = mapping(piece.get("message"))
            self._take_calls(message.get("tool_calls"))
            content = message.get("content")
            yield content if isinstance(content, str) else ""
            if is_done:
                break
        for _ in itertools.islice(pieces, MAX_LINES_AFTER_DONE):
            pass

    def _take_calls(self, calls: object) -> None:
        """Each call comes whole, its arguments as an object."""
        for call in map(mapping, calls if isinstance(calls, list) else []):
            function = mapping(call.get("function"))
            self._calls.whole(function.get("name"), function.get("arguments"), call_id=call.get("id"))


class OllamaEmbedStream(EmbedStream):
    """The vectors of one request on their way."""

    def _vectors(self, reply: dict[str, Any]) -> Sequence[object]:
        embeddings = reply.get("embeddings")
        return embeddings if isinstance(embeddings, list) else []

    def _prompt_tokens(self, reply: dict[str, Any]) -> object:
        return reply.get("prompt_eval_count")


def _chat_body(request: ChatRequest, host: Host) -> dict[str, Any]:
    options: dict[str, Any] = {"num_predict": request.max_tokens}
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.top_p is not None:
        options["top_p"] = request.top_p
    if request.stop:
        options["stop"] = list(request.stop)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, host) for message in request.messages],
        "stream": True,
        "options": options,
        # Unasked, it drops the beginning of what does not fit the context, and answers something else.
        "truncate": False,
        "shift": False,
    }
    if request.tools:
        body["tools"] = functions(request)
    return body if request.json_schema is None else {**body, "format": request.json_schema or "json"}


def _message(message: Message, host: Host) -> dict[str, Any]:
    """A turn; older servers tell results by the name of the tool, newer ones by the call's id too."""
    sent: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.pictures:
        sent["images"] = [data for _, data in encoded(message, host)]
    if message.call is not None:
        return {**sent, "tool_name": sent_name(message.call.name), "tool_call_id": message.call.id}
    if not message.calls:
        return sent
    calls = [
        {"id": call.id, "function": {"name": sent_name(call.name), "arguments": sent_arguments(call)}}
        for call in message.calls
    ]
    return {**sent, "tool_calls": calls}


def _embed_body(request: EmbedRequest) -> dict[str, Any]:
    size = {} if request.dimensions is None else {"dimensions": request.dimensions}
    return {"model": request.model, "input": list(request.inputs), "truncate": False, **size}


def _usage(piece: dict[str, Any]) -> TokenUsage | None:
    prompt, answer = count(piece.get("prompt_eval_count")), count(piece.get("eval_count"))
    return None if prompt is None or answer is None else TokenUsage(prompt, answer)
