"""What the calls for pictures and transcripts take and give."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.http.models import Answer, Body, Money, Tokens


class PictureWanted(Body):
    """A picture to make."""

    prompt: str
    """What it is to show."""
    size: Literal["1024x1024", "1024x1536", "1536x1024"] = "1024x1024"
    """Width and height in pixels."""
    quality: Literal["low", "medium", "high"] = "low"
    """How much work is put into it; the price rises with it."""
    model: str | None = Field(None, min_length=1)
    """Id of a model that makes pictures, or "auto"."""


class PictureMade(Answer):
    """A picture."""

    b64_json: str
    """The file, in base64."""
    media_type: Literal["image/png", "image/jpeg", "image/webp"]


class MediaFacts(Answer):
    """What is known of a picture or a transcript beside itself."""

    model: str
    provider: str
    usage: Tokens
    estimated: bool
    """Whether the tokens are our own estimate, since the provider sent no count that can be."""
    cost_usd: Money
    credits: Money
    cached: bool


class Pictures(MediaFacts):
    """Pictures that were made."""

    data: list[PictureMade]


class TranscriptWanted(Body):
    """What a form asks for beside its file."""

    model: str | None = Field(None, min_length=1)
    """Id of a model that writes recordings down, or "auto"."""
    language: str | None = Field(None, pattern=r"^[a-z]{2}$")
    """Of the recording, ISO 639-1; without it the model finds out."""


class Transcript(MediaFacts):
    """What is said in a recording."""

    text: str
    seconds: int
    """How long the recording is, rounded up."""
