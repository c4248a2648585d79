"""Frames of results as bytes: compressed Arrow, so that every type and every missing figure comes back as it was."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def bytes_of(frame: pl.DataFrame) -> bytes:
    """The frame as an Arrow file, compressed."""
    buffer = BytesIO()
    frame.write_ipc(buffer, compression="zstd")
    return buffer.getvalue()


def frame_of(written: bytes) -> pl.DataFrame:
    """The frame that was written."""
    import polars as pl

    return pl.read_ipc(BytesIO(written))
