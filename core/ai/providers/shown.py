"""Pictures that a model is shown, as hosts take them in a message."""

from __future__ import annotations

import base64
import io
from typing import Any

from core.ai.providers.contract import Message, Picture
from core.ai.providers.failures import told
from core.ai.providers.hosts import Host
from core.errors import ProviderRejectedRequest


def encoded(message: Message, host: Host) -> list[tuple[str, str]]:
    """Media type and base64 of each picture of a message, in a format that the host reads.

    Raises:
        ProviderRejectedRequest: the host takes no pictures at all.
    """
    if message.pictures and not host.picture_types:
        raise told(ProviderRejectedRequest, host)
    return [_encoded(picture, host) for picture in message.pictures]


def content_parts(message: Message, host: Host) -> list[dict[str, Any]]:
    """The content of a message of Chat Completions with pictures: these first, then the text.

    Raises:
        ProviderRejectedRequest: as `encoded`.
    """
    detail = {"detail": "high"} if host.takes_detail else {}
    parts: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}", **detail}}
        for media_type, data in encoded(message, host)
    ]
    return [*parts, {"type": "text", "text": message.text}] if message.text else parts


def base64_text(data: bytes) -> str:
    """Bytes as they are sent in JSON."""
    return base64.b64encode(data).decode()


def _encoded(picture: Picture, host: Host) -> tuple[str, str]:
    is_read = picture.media_type in host.picture_types
    media_type, data = (picture.media_type, picture.data) if is_read else ("image/png", _as_png(picture))
    return media_type, base64_text(data)


def _as_png(picture: Picture) -> bytes:
    """The same picture without loss; whoever made the `Picture` has read its pixels before."""
    from PIL import Image

    written = io.BytesIO()
    with Image.open(io.BytesIO(picture.data)) as image:
        image.save(written, "PNG")
    return written.getvalue()
