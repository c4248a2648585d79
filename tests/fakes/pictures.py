"""Pictures that are made here, small and always the same."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Literal

from PIL import Image

from core.ai.providers.contract import Picture

Kind = Literal["image/png", "image/jpeg", "image/webp"]


def picture(media_type: Kind = "image/png", *, width: int = 12, height: int = 8, of: str = "") -> Picture:
    """A picture of one colour, which is that of a text."""
    return Picture(media_type, picture_bytes(media_type, width, height, of), width, height)


def picture_bytes(media_type: str, width: int, height: int, of: str = "") -> bytes:
    """The file of a picture."""
    red, green, blue = hashlib.sha256(of.encode()).digest()[:3]
    written = io.BytesIO()
    Image.new("RGB", (width, height), (red, green, blue)).save(written, media_type.removeprefix("image/"))
    return written.getvalue()


def base64_of(data: bytes) -> str:
    """As it is sent."""
    return base64.b64encode(data).decode()
