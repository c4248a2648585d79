"""Recordings: what they are by their bytes, how long they are, and what is held for them."""

from __future__ import annotations

import math
import random
import struct

import pytest

from core.ai.recordings import MAX_RECORDING_BYTES, MAX_RECORDING_S, recording_of, transcription_question
from core.errors import InvalidRequest, PayloadTooLarge
from tests.fakes.sounds import RATE, wav

FRAME_BYTES = 417
FRAME = b"\xff\xfb\x90\x00" + bytes(FRAME_BYTES - 4)
"""Of MPEG layer 3: 128 kbit/s at 44.1 kHz, 1,152 samples."""


def _flac(samples: int, data: bytes) -> bytes:
    """8 kHz, one channel, 16 bits."""
    packed = (RATE << 44) | (0 << 41) | (15 << 36) | samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    return b"fLaC" + b"\x80" + len(info).to_bytes(3, "big") + info + data


def _ogg(seconds: int) -> bytes:
    """Opus of silence: a head and a last page that tells how many samples there were."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    return _page(2, 0, 0, head) + _page(0, 0, 1, tags) + _page(4, seconds * 48_000, 2, bytes(200))


def _page(kind: int, position: int, number: int, data: bytes) -> bytes:
    lacing = bytes([len(data)])
    return b"OggS" + struct.pack("<BBqIIIB", 0, kind, position, 1, number, 0, len(lacing)) + lacing + data


@pytest.mark.parametrize(
    ("data", "media_type", "seconds"),
    [
        (wav(2.5), "audio/wav", 3),
        (wav(0.01), "audio/wav", 1),
        (FRAME * 400, "audio/mpeg", 11),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00" + FRAME * 400, "audio/mpeg", 11),
        (_flac(RATE * 7, bytes(500)), "audio/flac", 7),
        (_ogg(12), "audio/ogg", 12),
        (b"\x1aE\xdf\xa3" + bytes(7_496), "audio/webm", 10),
    ],
    ids=["wav", "short", "mp3", "mp3 with tags", "flac", "opus", "webm"],
)
def test_type_and_length_are_read_from_the_bytes(data: bytes, media_type: str, seconds: int) -> None:
    found = recording_of(data)

    assert (found.media_type, found.seconds, found.data) == (media_type, seconds, data)


def test_a_header_that_says_too_little_is_not_believed() -> None:
    short = bytearray(wav(60))
    short[40:44] = (RATE).to_bytes(4, "little")  # one second of sixty
    assert recording_of(bytes(short)).seconds == 60

    pages = _ogg(1)[:-228] + _page(0, 0, 2, bytes(255)) * 4_000 + _ogg(1)[-228:]
    assert recording_of(pages).seconds == len(pages) // 64_000 > 10

    assert recording_of(_flac(1, bytes(RATE * 2 * 5))).seconds == 5


@pytest.mark.parametrize("seconds", [1, 59, 600])
def test_an_honest_file_is_held_for_no_more_than_it_is(seconds: int) -> None:
    assert recording_of(wav(seconds)).seconds == seconds


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"\xff", b"hello there", b"RIFF", b"RIFF\0\0\0\0AVI ", b"OggS", b"fLaC", b"ID3", b"\0\0\0\x18ftypM4A "],
    ids=["empty", "one", "ff", "text", "riff", "avi", "ogg", "flac", "id3", "m4a"],
)
def test_what_is_no_recording_is_told(data: bytes) -> None:
    with pytest.raises(InvalidRequest):
        recording_of(data)


def test_what_is_too_much_is_told() -> None:
    with pytest.raises(PayloadTooLarge, match="25 MB"):
        recording_of(bytes(MAX_RECORDING_BYTES + 1))
    with pytest.raises(InvalidRequest, match="121 minutes long"):
        recording_of(_ogg(121 * 60))
    assert recording_of(_ogg(MAX_RECORDING_S)).seconds == MAX_RECORDING_S
    assert recording_of(b"\x1aE\xdf\xa3" + bytes(10_000_000)).seconds == MAX_RECORDING_S


def test_damaged_files_raise_nothing_else() -> None:
    chance = random.Random(7)
    whole = [wav(1), FRAME * 30, _flac(RATE, bytes(99)), _ogg(3), b"\0\0\0\x18ftypM4A " + bytes(200)]
    for _ in range(3_000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(1, 12)):
            data[chance.randrange(4, min(len(data), 120))] = chance.randrange(256)
        data = data[: chance.randrange(1, len(data) + 1)]
        try:
            found = recording_of(bytes(data))
        except InvalidRequest:
            continue
        assert 1 <= found.seconds <= MAX_RECORDING_S
        assert math.isfinite(found.seconds)


def test_the_question_names_the_sound_and_not_its_file() -> None:
    one = transcription_question(recording_of(wav(2)), language=None, model="auto", channel="api", idempotency=None)
    other = transcription_question(
        recording_of(wav(2, level=129)), language="de", model="auto", channel="api", idempotency=None
    )

    assert one.operation == "transcription"
    assert one.messages != other.messages
    assert (one.data_version, other.data_version) == ("", "de")
    assert len(one.messages[0].text) == 64
    assert "RIFF" not in repr(one)
