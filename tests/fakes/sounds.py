"""Recordings that are made here: silence in a WAV file."""

from __future__ import annotations

import io
import math
import wave

from core.ai.providers.contract import Recording

RATE = 8_000
"""Samples of one byte in a second."""


def wav(seconds: float, *, level: int = 128) -> bytes:
    """The file of so many seconds; another level is another recording."""
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(RATE)
        sound.writeframes(bytes([level]) * round(seconds * RATE))
    return written.getvalue()


def wav_seconds(data: bytes) -> float:
    """How long a WAV file is; 1 for what is none."""
    try:
        with wave.open(io.BytesIO(data)) as sound:
            return float(sound.getnframes() / sound.getframerate())
    except (wave.Error, EOFError):
        return 1.0


def recording(seconds: float = 2.5, *, level: int = 128) -> Recording:
    """Silence, as an adapter takes it."""
    return Recording("audio/wav", wav(seconds, level=level), math.ceil(seconds))
