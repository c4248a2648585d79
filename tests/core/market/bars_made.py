"""Bars and as-of days for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import polars as pl

from core.market.as_of import AsOf, Reason

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def as_of(day: date) -> AsOf:
    """The market as of a day that a user chose."""
    return AsOf(day, Reason.CHOSEN, NOW)


def frame_of(closes: Mapping[str, Mapping[date, float]]) -> pl.DataFrame:
    """Plausible bars with these closes, by symbol and day."""
    rows = [
        (symbol, day, close, close * 1.01, close * 0.99, close, 1000.0)
        for symbol, days in closes.items()
        for day, close in days.items()
    ]
    names = ("symbol", "date", "open", "high", "low", "close", "volume")
    types = (pl.String, pl.Date, *[pl.Float64] * 5)
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")
