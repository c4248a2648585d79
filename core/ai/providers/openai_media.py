"""Pictures and transcripts of OpenAI, and of every host that speaks its format, on the official SDK."""

from __future__ import annotations

from typing import ClassVar

import httpx2
from openai import OpenAI

from core.ai.providers.contract import PictureRequest, TimeLimits, TranscriptionRequest
from core.ai.providers.hosts import Host
from core.ai.providers.media_stream import PictureStream, TranscriptStream, picture_parameters, sound_parameters
from core.ai.providers.openai_errors import FOREIGN, translated
from core.errors import ProviderError


class OpenAIPictureStream(PictureStream):
    """One picture on its way through the SDK."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def __init__(self, host: Host, sdk: OpenAI, request: PictureRequest, limits: TimeLimits) -> None:
        super().__init__(host, lambda: _paint(sdk, request, limits))

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)


class OpenAITranscriptStream(TranscriptStream):
    """One transcript on its way through the SDK."""

    foreign: ClassVar[tuple[type[Exception], ...]] = FOREIGN

    def __init__(self, host: Host, sdk: OpenAI, request: TranscriptionRequest, limits: TimeLimits) -> None:
        super().__init__(host, lambda: _transcribe(sdk, request, limits), request.recording)

    def _translated(self, error: Exception, *, has_begun: bool) -> ProviderError:
        return translated(error, self._host, has_begun=has_begun)


def _paint(sdk: OpenAI, request: PictureRequest, limits: TimeLimits) -> httpx2.Response:
    opened = sdk.images.with_streaming_response.generate(timeout=_timeout(limits), **picture_parameters(request))
    response: httpx2.Response = opened.__enter__().http_response
    return response


def _transcribe(sdk: OpenAI, request: TranscriptionRequest, limits: TimeLimits) -> httpx2.Response:
    parameters = sound_parameters(request, "json")  # the one that every model knows
    opened = sdk.audio.transcriptions.with_streaming_response.create(timeout=_timeout(limits), **parameters)
    response: httpx2.Response = opened.__enter__().http_response
    return response


def _timeout(limits: TimeLimits) -> httpx2.Timeout:
    return httpx2.Timeout(limits.connect_s, read=limits.first_token_s, write=limits.total_s)
