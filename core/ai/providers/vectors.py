"""Vectors as text, so that an embedding is kept, followed and replayed like any other answer."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Sequence


def embedded_text(vectors: Sequence[Sequence[object]]) -> str:
    """A JSON list with one base64 string of little-endian 32-bit floats for each vector.

    Raises:
        ValueError: a vector is empty or holds what is not a finite number.
    """
    return json.dumps([base64.b64encode(_packed(vector)).decode() for vector in vectors], separators=(",", ":"))


def packed_vectors(text: str) -> list[str]:
    """The base64 strings of `embedded_text`, one for each vector."""
    return [str(vector) for vector in json.loads(text)]


def vectors_of(text: str) -> list[list[float]]:
    """The vectors of `embedded_text`, in 32-bit precision."""
    return [unpacked(vector) for vector in packed_vectors(text)]


def unpacked(vector: str) -> list[float]:
    """One vector of its base64 string.

    Raises:
        ValueError: it is not one.
    """
    packed = base64.b64decode(vector, validate=True)
    if len(packed) % 4:
        raise ValueError("not a list of 32-bit floats")
    return list(struct.unpack(f"<{len(packed) // 4}f", packed))


def _packed(vector: Sequence[object]) -> bytes:
    numbers = [value for value in vector if isinstance(value, int | float) and not isinstance(value, bool)]
    try:
        if not numbers or len(numbers) < len(vector) or not all(map(math.isfinite, numbers)):
            raise ValueError("not a vector of finite numbers")
        return struct.pack(f"<{len(numbers)}f", *numbers)
    except (OverflowError, struct.error):
        raise ValueError("not a vector of 32-bit floats") from None
