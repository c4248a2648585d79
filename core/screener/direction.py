"""Which way a signal or a pattern points."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Up or down."""

    BULLISH = "bullish"
    BEARISH = "bearish"
