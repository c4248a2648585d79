"""Pictures: really decoded, scaled, and written anew without anything that was hidden in them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from core.errors import InvalidRequest, PayloadTooLarge
from core.research.attachments.found import Found
from core.research.attachments.limits import MAX_IMAGE_BYTES, MAX_PIXELS, MAX_SIDE

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
QUALITIES = (85, 70, 50, 30)
_BROKEN = "This picture cannot be read: it is broken, or no picture. Save it again as PNG or JPEG, and attach that."


def read_picture(data: bytes) -> Found:
    """A picture of at most `MAX_SIDE` pixels a side and `MAX_IMAGE_BYTES` bytes, without EXIF.

    Of one that moves it is the first frame.

    Raises:
        InvalidRequest: it cannot be decoded.
        PayloadTooLarge: it has more pixels than are unpacked.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                frames = int(getattr(opened, "n_frames", 1))
                is_photo = opened.format in ("JPEG", "MPO")
                opened.load()
                picture = ImageOps.exif_transpose(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PayloadTooLarge(
            f"This picture has more than {MAX_PIXELS // 1_000_000} million pixels. Make it smaller, and attach that."
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, KeyError) as error:
        raise InvalidRequest(_BROKEN) from error
    if frames > 1 and not is_photo:
        notes.append(f"The picture moves: the first of its {frames:,} frames was kept.")
    plain = picture.convert("RGBA" if _is_transparent(picture) else "RGB")
    plain.info = {}
    before = plain.size
    plain.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    if plain.size != before:
        notes.append(
            f"The picture was scaled from {before[0]:,} × {before[1]:,} to {plain.width:,} × {plain.height:,} pixels."
        )
    media_type, written = _written(plain, is_photo=is_photo)
    return Found(
        kind="image",
        media_type=media_type,
        notes=tuple(notes),
        width=plain.width,
        height=plain.height,
        image=written,
    )


def _is_transparent(picture: Image) -> bool:
    return "A" in picture.getbands() or "transparency" in picture.info


def _written(picture: Image, *, is_photo: bool) -> tuple[str, bytes]:
    """As PNG where it is drawn and small enough, or else as JPEG."""
    if not is_photo:
        content = io.BytesIO()
        picture.save(content, "PNG", optimize=False)
        if content.tell() <= MAX_IMAGE_BYTES:
            return "image/png", content.getvalue()
    flat = _on_white(picture)
    for quality in QUALITIES:
        content = io.BytesIO()
        flat.save(content, "JPEG", quality=quality)
        if content.tell() <= MAX_IMAGE_BYTES:
            return "image/jpeg", content.getvalue()
    raise PayloadTooLarge("This picture stays too large, however it is written. Make it smaller, and attach that.")


def _on_white(picture: Image) -> Image:
    from PIL import Image

    if picture.mode == "RGB":
        return picture
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat
