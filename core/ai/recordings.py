"""Recordings that are to be written down: what they are, how long they are, and how their words are asked for."""

from __future__ import annotations

import hashlib
import io
import struct
from math import ceil, isfinite
from typing import TYPE_CHECKING

from core.ai.answer import TRANSCRIPTION, Question
from core.ai.bounds import TRANSCRIPT_TOKENS
from core.ai.providers.contract import Message, Recording
from core.errors import InvalidRequest, PayloadTooLarge
from core.metering.repeats import Idempotency

if TYPE_CHECKING:
    from tinytag import TinyTag

MAX_RECORDING_BYTES = 25 * 1024 * 1024
"""What the vendors take of one file."""
MAX_RECORDING_S = 2 * 3600
MAX_BYTES_PER_S = {"audio/mpeg": 40_000, "audio/mp4": 72_000, "audio/ogg": 64_000}
"""The most that a second takes in formats with loss: 320, 576 and 512 kbit/s. One without loss takes its samples."""
LEAST_BYTES_PER_S = 750
"""Opus at its lowest: 6 kbit/s."""
_BEGINNINGS = (
    (b"RIFF", 0, "audio/wav"),
    (b"fLaC", 0, "audio/flac"),
    (b"OggS", 0, "audio/ogg"),
    (b"ftyp", 4, "audio/mp4"),
    (b"\x1aE\xdf\xa3", 0, "audio/webm"),
    (b"ID3", 0, "audio/mpeg"),
)
"""How files begin, and where."""
_TAKEN = "Send MP3, M4A, WAV, FLAC, OGG or WebM."


def recording_of(data: bytes) -> Recording:
    """The recording in a file: its type and its length are read from its bytes, whatever it is called.

    A hold is made for its seconds. A header may say fewer than there are, so they are not fewer than its bytes take at
    the highest rate of the format. They are not as many as its bytes could hold at the lowest rate either: for usual
    speech that is sixteen times too long, and would refuse most of it at the plan's ceiling. What a vendor then counts
    above the hold is charged in full, as with any other model. The length of WebM is not in a place of its own: it is
    taken to be speech at the lowest rate.

    Raises:
        PayloadTooLarge: there are more than `MAX_RECORDING_BYTES`.
        InvalidRequest: it is empty, no recording, cut before its first sound, or longer than `MAX_RECORDING_S`.
    """
    if len(data) > MAX_RECORDING_BYTES:
        raise PayloadTooLarge(
            f"The recording is larger than {MAX_RECORDING_BYTES // 1024 // 1024} MB; send a part of it."
        )
    if not data:
        raise InvalidRequest("The file is empty: there is no recording in it.")
    media_type = _type_of(data)
    if media_type == "audio/webm":
        seconds = min(ceil(len(data) / LEAST_BYTES_PER_S), MAX_RECORDING_S)
    else:
        seconds = _seconds(data, media_type)
    if seconds > MAX_RECORDING_S:
        hours = MAX_RECORDING_S // 3600
        raise InvalidRequest(
            f"The recording is {seconds // 60:,} minutes long, of at most {hours} hours; send a part of it."
        )
    return Recording(media_type, data, seconds)


def transcription_question(
    recording: Recording, *, language: str | None, model: str, channel: str, idempotency: Idempotency | None
) -> Question:
    """The question for the words of a recording; the same recording in the same language is the same question."""
    return Question(
        messages=(Message("user", hashlib.sha256(recording.data).hexdigest()),),
        model=model,
        feature=None,
        task=TRANSCRIPTION,
        max_tokens=TRANSCRIPT_TOKENS,
        channel=channel,
        data_version=language or "",
        is_exact=True,
        recording=recording,
        language=language,
        idempotency=idempotency,
    )


def _type_of(data: bytes) -> str:
    found = next((kind for mark, at, kind in _BEGINNINGS if data[at : at + len(mark)] == mark), None)
    if found is None and len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0:  # a frame of MPEG without tags
        found = "audio/mpeg"
    if found is None or (found == "audio/wav" and data[8:12] != b"WAVE"):
        raise InvalidRequest(f"The file is no recording that can be read. {_TAKEN}")
    return found


def _seconds(data: bytes, media_type: str) -> int:
    from tinytag import TinyTag, TinyTagException

    unreadable = (TinyTagException, struct.error, LookupError, ValueError, TypeError, ArithmeticError)
    try:
        found = TinyTag.get(file_obj=io.BytesIO(data), tags=False)
    except unreadable as error:
        raise InvalidRequest(f"The recording cannot be read: the file is damaged. {_TAKEN}") from error
    told = found.duration
    if told is None or not isfinite(told) or told <= 0:
        raise InvalidRequest(f"The recording has no sound that can be read. {_TAKEN}")
    return max(1, ceil(told), int(len(data) / _most_bytes_per_s(found, media_type)))


def _most_bytes_per_s(found: TinyTag, media_type: str) -> int:
    known = MAX_BYTES_PER_S.get(media_type)
    if known is not None:
        return known
    return max(1, (found.samplerate or 1) * (found.channels or 1) * ((found.bitdepth or 32) // 8 or 1))
