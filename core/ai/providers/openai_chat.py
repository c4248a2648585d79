"""OpenAI, and every host that speaks Chat Completions, on the official SDK."""

from __future__ import annotations

import ssl
from typing import ClassVar, cast

import httpx2
from openai import APIResponse, OpenAI, Stream
from pydantic import SecretStr

from core.ai.providers.chat_chunks import ChatChunkStream, chat_parameters
from core.ai.providers.contract import ChatRequest, EmbedRequest, PictureRequest, TimeLimits, TranscriptionRequest
from core.ai.providers.hosts import Host
from core.ai.providers.openai_embed import OpenAIEmbedStream
from core.ai.providers.openai_errors import FOREIGN, translated
from core.ai.providers.openai_media import OpenAIPictureStream, OpenAITranscriptStream
from core.ai.providers.sdk import key_text
from core.ai.providers.wire import http_client
from core.errors import ProviderError

AS_IT_COMES = {"X-Stainless-Raw-Response": "stream"}
"""Has the client hand over the response unread, as its `with_streaming_response` does; the header is not sent."""


class OpenAIChat:
    """One host; safe to share between threads."""

    is_offline = False

    def __init__(self, host: Host, key: SecretStr | None, base_url: str, *, tls: ssl.SSLContext | None = None) -> None:
        self.name = host.name
        self._host = host
        self._http = http_client(tls)
        self._sdk = OpenAI(
            api_key=key_text(key),
            base_url=base_url,
            max_retries=0,
            http_client=self._http,
        )

    def chat(self, request: ChatRequest, limits: TimeLimits) -> OpenAIChatStream:
        """The answer to `request`, streamed; the host is called when the first event is asked for."""
        return OpenAIChatStream(self._host, lambda: self._open(request, limits), request)

    def embed(self, request: EmbedRequest, limits: TimeLimits) -> OpenAIEmbedStream:
        """The vectors of `request.inputs`; the host is called when the first event is asked for."""
        return OpenAIEmbedStream(self._host, self._sdk, request, limits)

    def paint(self, request: PictureRequest, limits: TimeLimits) -> OpenAIPictureStream:
        """The picture that is asked for; the host is called when the first event is asked for."""
        return OpenAIPictureStream(self._host, self._sdk, request, limits)

    def transcribe(self, request: TranscriptionRequest, limits: TimeLimits) -> OpenAITranscriptStream:
        """What is said in the recording; the host is called when the first event is asked for."""
        return OpenAITranscriptStream(self._host, self._sdk, request, limits)

    def close(self) -> None:
        """Closes the idle connections."""
        self._http.close()

    def _open(self, request: ChatRequest, limits: TimeLimits) -> httpx2.Response:
        parameters = chat_parameters(request, self._host)
        if self._host.asks_for_usage:
            parameters["stream_options"] = {"include_usage": True}
        # The client's plain `post`: its typed `create` walks every parameter through the types of the API, half a
        # millisecond for a body that is right already.
        timeout = httpx2.Timeout(limits.connect_s, read=limits.first_token_s)
        opened = self._sdk.post(
            "/chat/completions",
            cast_to=APIResponse[object],
            body={**parameters, "stream": True},
            options={"headers": AS_IT_COMES, "timeout": timeout},
            stream=True,
            stream_cls=Stream[object],
        )
        return cast("APIResponse[object]", opened).http_response


class OpenAIChatStream(ChatChunkStream):
    """One answer on its way through the SDK."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)
