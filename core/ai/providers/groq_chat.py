"""Groq on its official SDK: Chat Completions, with usage and late errors in a place of its own."""

from __future__ import annotations

import ssl
from typing import Any, ClassVar

import httpx
import httpx2
from groq import Groq
from pydantic import SecretStr

from core.ai.providers.chat_chunks import ChatChunkStream, chat_parameters
from core.ai.providers.contract import ChatRequest, TimeLimits, TranscriptionRequest
from core.ai.providers.groq_errors import FOREIGN, translated
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import mapping
from core.ai.providers.media_stream import TranscriptStream, sound_parameters
from core.ai.providers.sdk import key_text
from core.ai.providers.wire import newer_response, older_http_client
from core.errors import ProviderError

SDK_PATH = "/openai/v1"
"""What the SDK adds to the base URL; taken off where an operator has given it."""


class GroqChat:
    """Groq at one address; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._http = older_http_client(tls)
        self._sdk = Groq(
            api_key=key_text(key),
            base_url=base_url.removesuffix(SDK_PATH),
            max_retries=0,
            http_client=self._http,
        )

    def chat(self, request: ChatRequest, limits: TimeLimits) -> GroqChatStream:
        """The answer to `request`, streamed; Groq is called when the first event is asked for."""
        return GroqChatStream(self._host, lambda: self._open(request, limits), request)

    def transcribe(self, request: TranscriptionRequest, limits: TimeLimits) -> GroqTranscriptStream:
        """What is said in the recording; Groq is called when the first event is asked for."""
        return GroqTranscriptStream(self._host, lambda: self._transcribe(request, limits), request.recording)

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _open(self, request: ChatRequest, limits: TimeLimits) -> httpx2.Response:
        opened = self._sdk.chat.completions.with_streaming_response.create(
            stream=True,
            timeout=httpx.Timeout(limits.connect_s, read=limits.first_token_s),
            **chat_parameters(request, self._host),
        )
        return newer_response(opened.__enter__().http_response)

    def _transcribe(self, request: TranscriptionRequest, limits: TimeLimits) -> httpx2.Response:
        timeout = httpx.Timeout(limits.connect_s, read=limits.first_token_s, write=limits.total_s)
        parameters = sound_parameters(request, "verbose_json")  # which alone tells how long the recording is
        opened = self._sdk.audio.transcriptions.with_streaming_response.create(timeout=timeout, **parameters)
        return newer_response(opened.__enter__().http_response)


class GroqChatStream(ChatChunkStream):
    """One answer on its way from Groq."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def _text_of(self, chunk: dict[str, Any]) -> str:
        own = mapping(chunk.get("x_groq"))
        return super()._text_of(
            {
                **chunk,
                "usage": own.get("usage") or chunk.get("usage"),
                "error": own.get("error") or chunk.get("error"),
            }
        )

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)


class GroqTranscriptStream(TranscriptStream):
    """One transcript on its way from Groq."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)
