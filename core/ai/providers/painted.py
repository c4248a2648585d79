"""A picture as text, so that it is kept, followed and replayed like any other answer."""

from __future__ import annotations

import base64
import binascii
import io
import json
from typing import Literal

from core.ai.providers.contract import Picture

MAX_SIDE_PX = 4_096
"""Of a picture that is made."""
MediaType = Literal["image/png", "image/jpeg", "image/webp"]
_TYPES: dict[str, MediaType] = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def painted_text(picture: Picture) -> str:
    """A JSON object with the media type, width and height, and the bytes as base64."""
    sent = {"media_type": picture.media_type, "width": picture.width, "height": picture.height}
    return json.dumps({**sent, "data": base64.b64encode(picture.data).decode()}, separators=(",", ":"))


def painted(text: str) -> Picture:
    """The picture of `painted_text`."""
    sent = json.loads(text)
    return Picture(sent["media_type"], base64.b64decode(sent["data"]), sent["width"], sent["height"])


def picture_of(encoded: object) -> Picture:
    """The picture of its bytes in base64, its type and size read from itself; its pixels are not unpacked.

    Raises:
        ValueError: it is not base64, or not a PNG, JPEG or WebP of a reasonable size.
    """
    from PIL import Image, UnidentifiedImageError

    if not isinstance(encoded, str) or not encoded:
        raise ValueError("no picture")
    try:
        data = base64.b64decode(encoded, validate=True)
        with Image.open(io.BytesIO(data), formats=tuple(_TYPES)) as image:
            width, height, kind = image.width, image.height, image.format or ""
    except (binascii.Error, UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a picture") from error
    if not 0 < max(width, height) <= MAX_SIDE_PX:
        raise ValueError("a picture of an unreasonable size")
    return Picture(_TYPES[kind], data, width, height)
