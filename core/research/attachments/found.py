"""What was read of a file, and how one process hands it to another: a line of JSON, then the bytes of a picture."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.research.attachments.limits import MAX_IMAGE_BYTES, MAX_NOTES, MAX_TEXT_CHARS

Kind = Literal["pdf", "csv", "xlsx", "text", "image"]
MAX_ANSWER_BYTES = 8 * MAX_TEXT_CHARS + MAX_IMAGE_BYTES + 100_000
"""Bytes that are handed over: each character may be escaped in six, and there are notes."""
_PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/webp": b"RIFF"}


class Found(BaseModel):
    """What a file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Kind
    media_type: str = Field(max_length=100)
    """Of the file; of a picture as it was written anew."""
    text: str = Field("", max_length=MAX_TEXT_CHARS)
    pages: int | None = Field(None, ge=0)
    """Of a PDF, all of them; sheets of a workbook."""
    notes: tuple[str, ...] = Field((), max_length=MAX_NOTES, strict=False)
    width: int | None = Field(None, ge=1)
    """Of a picture, in pixels."""
    height: int | None = Field(None, ge=1)
    image: bytes | None = Field(None, max_length=MAX_IMAGE_BYTES, exclude=True, repr=False)


class Refusal(BaseModel):
    """Why a file was not read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    refused: str = Field(max_length=1_000)
    """A sentence for the reader."""
    is_too_large: bool = False


def written(answer: Found | Refusal) -> bytes:
    """An answer as it is handed over."""
    picture = (answer.image or b"") if isinstance(answer, Found) else b""
    return answer.model_dump_json().encode() + b"\n" + picture


def taken(content: bytes) -> Found | Refusal | None:
    """What was handed over, which is believed in nothing: None where it is no answer."""
    line, _, picture = content.partition(b"\n")
    try:
        if line.startswith(b'{"refused"'):
            return Refusal.model_validate_json(line)
        found = Found.model_validate_json(line)
    except ValidationError:
        return None
    if found.kind != "image":
        return found if not picture and found.width is None else None
    is_picture = picture.startswith(_PICTURES.get(found.media_type, b"\0\0")) and len(picture) <= MAX_IMAGE_BYTES
    return found.model_copy(update={"image": picture}) if is_picture and found.width and found.height else None
