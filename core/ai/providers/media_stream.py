"""Pictures and transcripts read from one HTTP response, as streams like any other answer, in OpenAI's format.

Groq and Mistral speak it too; they tell the length of a recording elsewhere.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from core.ai.providers.contract import PictureRequest, Recording, TokenUsage, TranscriptionRequest
from core.ai.providers.failures import MalformedChunk
from core.ai.providers.hosts import Host
from core.ai.providers.http_stream import DRAIN_WAIT_S, HttpStream, count, mapping, parsed, whole
from core.ai.providers.painted import painted_text, picture_of

MAX_PICTURE_BODY_BYTES = 33_554_432
MAX_TRANSCRIPT_BODY_BYTES = 16_777_216
PICTURE_FORMAT = "webp"
PICTURE_COMPRESSION = 80
"""Per cent of what the format keeps: a picture then fits the cache."""
EXTENSIONS = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/webm": "webm",
}
"""By media type of a recording, the end of the name that hosts know it by; these are what they read."""
TIMES_AS_LONG = 2
SECONDS_MORE = 60
"""A host that counts so much more than the recording has is not believed."""


class WholeStream(HttpStream):
    """An answer that comes in one piece."""

    most_bytes: int

    @abstractmethod
    def _text(self, reply: dict[str, Any]) -> str:
        """What the reply says; takes note of usage.

        Raises:
            MalformedChunk: it is not what was asked for.
        """

    def _texts(self, response: httpx2.Response) -> Iterator[str]:
        text = self._text(parsed(whole(response, self.most_bytes)))
        self._end("stop", wait_s=DRAIN_WAIT_S)
        yield text


class PictureStream(WholeStream):
    """A picture on its way; its usage is of tokens."""

    most_bytes = MAX_PICTURE_BODY_BYTES

    def _text(self, reply: dict[str, Any]) -> str:
        self.usage = _token_usage(mapping(reply.get("usage")))
        made = reply.get("data")
        first = mapping(made[0]) if isinstance(made, list) and made else {}
        try:
            return painted_text(picture_of(first.get("b64_json")))
        except ValueError:
            raise MalformedChunk from None


class TranscriptStream(WholeStream):
    """What is said in a recording on its way; its usage is of tokens, of seconds, or of both."""

    most_bytes = MAX_TRANSCRIPT_BODY_BYTES

    def __init__(self, host: Host, ask: Callable[[], httpx2.Response], recording: Recording) -> None:
        super().__init__(host, ask)
        self._recording = recording

    def _text(self, reply: dict[str, Any]) -> str:
        text = reply.get("text")
        if not isinstance(text, str):
            raise MalformedChunk
        self.usage = self._usage(reply)
        return text.strip()

    def _usage(self, reply: dict[str, Any]) -> TokenUsage | None:
        usage = mapping(reply.get("usage"))
        told = (usage.get("seconds"), usage.get("prompt_audio_seconds"), reply.get("duration"))
        given = next((seconds for seconds in told if seconds is not None), None)
        tokens = _token_usage(usage)
        if given is None:
            return tokens
        seconds = _seconds(given)
        most = TIMES_AS_LONG * self._recording.seconds + SECONDS_MORE
        if seconds is None or not 0 <= seconds <= most:
            return None
        counted = tokens or TokenUsage(0, 0)
        return TokenUsage(counted.prompt_tokens, counted.completion_tokens, audio_s=seconds)


def picture_parameters(request: PictureRequest) -> dict[str, Any]:
    """What a host is sent: one picture, in a format and of a size that can be kept."""
    return {
        "model": request.model,
        "prompt": request.prompt,
        "size": request.size,
        "quality": request.quality,
        "n": 1,
        "output_format": PICTURE_FORMAT,
        "output_compression": PICTURE_COMPRESSION,
    }


def sound_parameters(request: TranscriptionRequest, response_format: str) -> dict[str, Any]:
    """What a host is sent with the file, and the file as an SDK takes it: its name, bytes and type."""
    recording = request.recording
    name = f"recording.{EXTENSIONS.get(recording.media_type, 'mp3')}"
    language = {} if request.language is None else {"language": request.language}
    return {
        "model": request.model,
        "file": (name, recording.data, recording.media_type),
        "response_format": response_format,
        **language,
    }


def _token_usage(usage: dict[str, Any]) -> TokenUsage | None:
    """The counts as the host sent them; it calls them as Chat Completions does, or by the newer names."""
    prompt, written = (
        count(usage.get(f"{new}_tokens", usage.get(f"{old}_tokens")))
        for new, old in (("input", "prompt"), ("output", "completion"))
    )
    if prompt is None or written is None:
        return None
    cached = count(mapping(usage.get("input_tokens_details")).get("cached_tokens"))
    return TokenUsage(prompt, written, cached_prompt_tokens=cached or 0)


def _seconds(given: object) -> int | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        return None
    return math.ceil(given)
