"""Series for tests: bars that are given, and bars that are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from core.screener.series import Series

Bar = tuple[float, float, float, float]
"""Open, high, low, close."""
FIRST = date(2010, 1, 4)


def series_of(bars: Mapping[str, Sequence[Bar]], days: Mapping[str, Sequence[date]] | None = None) -> Series:
    """The bars of some symbols, on weekdays from `FIRST` on or on given days."""
    symbols = tuple(sorted(bars))
    prices = np.array([bar for symbol in symbols for bar in bars[symbol]], dtype=np.float64).reshape(-1, 4)
    starts = np.concatenate(([0], np.cumsum([len(bars[symbol]) for symbol in symbols]))).astype(np.int64)
    dates = [
        np.array(days[symbol], "datetime64[D]") if days and symbol in days else weekdays(len(bars[symbol]))
        for symbol in symbols
    ]
    volume = np.full(len(prices), 1000.0)
    is_mended = np.zeros(len(prices), dtype=bool)
    opened, high, low, close = (np.ascontiguousarray(column) for column in prices.T)
    return Series(symbols, starts, np.concatenate([weekdays(0), *dates]), opened, high, low, close, volume, is_mended)


def weekdays(number: int, first: date = FIRST) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    """So many weekdays, from a Monday on."""
    days = np.arange(number)
    return np.datetime64(first, "D") + (days // 5 * 7 + days % 5).astype("timedelta64[D]")


def first_bars(series: Series, number: int) -> Series:
    """As much of every symbol as was there after so many bars."""
    kept = np.minimum(series.lengths, number)
    places = np.concatenate([np.arange(first, first + n) for first, n in zip(series.firsts, kept, strict=True)])
    return Series(
        series.symbols,
        np.concatenate(([0], np.cumsum(kept))).astype(np.int64),
        series.dates[places],
        series.open[places],
        series.high[places],
        series.low[places],
        series.close[places],
        series.volume[places],
        series.is_mended[places],
    )


def drawn(symbols: int, bars: int, *, seed: int = 1, volatility: float = 0.02) -> Series:
    """Random walks with plausible ranges and volumes."""
    random = np.random.default_rng(seed)
    size = (symbols, bars)
    close = 50 * np.exp(np.cumsum(random.normal(0, volatility, size), axis=1))
    opened = np.roll(close, 1, axis=1) * np.exp(random.normal(0, volatility / 3, size))
    opened[:, 0] = close[:, 0]
    high = np.maximum(opened, close) * np.exp(np.abs(random.normal(0, volatility / 3, size)))
    low = np.minimum(opened, close) * np.exp(-np.abs(random.normal(0, volatility / 3, size)))
    volume = random.lognormal(12, 0.6, size)
    return Series(
        tuple(f"S{number:04d}" for number in range(symbols)),
        np.arange(symbols + 1, dtype=np.int64) * bars,
        np.tile(weekdays(bars), symbols),
        open=opened.ravel(),
        high=high.ravel(),
        low=low.ravel(),
        close=close.ravel(),
        volume=volume.ravel(),
        is_mended=np.zeros(symbols * bars, dtype=bool),
    )
