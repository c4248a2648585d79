"""Series for tests: drawn by hand from corner to corner, walked at random, or read from the shipped history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl

from core.market.panel import Days, Floats
from core.screener.chart_patterns.patterns import ChartPattern, chart_patterns_of
from core.screener.series import Series
from core.settings import DATA
from tests.core.screener.made_series import weekdays

STEPS_A_BAR = 16

Prices = tuple[Floats, Floats, Floats, Floats]
Corners = Sequence[tuple[int, float]]


def drawn(*corners: tuple[int, float], symbol: str = "DRAWN") -> Series:
    """Straight from corner to corner, each of them a bar and its close; a bar opens at the close before it."""
    places, prices = zip(*corners, strict=True)
    return of_closes({symbol: np.interp(np.arange(places[-1] + 1), places, prices)})


def of_closes(closes: Mapping[str, Floats]) -> Series:
    """Bars that reach from the close before to their own."""
    parts = []
    for close in closes.values():
        opened = np.concatenate((close[:1], close[:-1]))
        parts.append((opened, np.maximum(opened, close), np.minimum(opened, close), close))
    return _series(list(closes), parts)


def mirrored(corners: Corners, around: float = 100.0) -> Corners:
    """The same, turned over."""
    return [(bar, 2 * around - price) for bar, price in corners]


def walked(symbols: int, bars: int, *, seed: int, daily: float = 0.02, decimals: int | None = None) -> Series:
    """Random walks without a trend; each bar is made of steps, so that its range is a walk's as well."""
    random = np.random.Generator(np.random.PCG64(seed))
    steps = random.normal(0, daily / np.sqrt(STEPS_A_BAR), (symbols, bars, STEPS_A_BAR))
    prices = 100 * np.exp(np.cumsum(steps.reshape(symbols, -1), axis=1)).reshape(steps.shape)
    if decimals is not None:
        prices = np.maximum(prices.round(decimals), 10.0**-decimals)
    parts = []
    for path in prices:
        opened = np.concatenate(([100.0], path[:-1, -1]))
        parts.append((opened, np.maximum(path.max(axis=1), opened), np.minimum(path.min(axis=1), opened), path[:, -1]))
    return _series([f"W{number:04d}" for number in range(symbols)], parts)


def shipped(dataset: str, symbols: Iterable[str]) -> Series:
    """Real bars that come with the workbench."""
    frame = pl.read_parquet(DATA / "sample" / f"{dataset}.parquet").sort("symbol", "date")
    parts, days = [], []
    for symbol in (names := sorted(symbols)):
        bars = frame.filter(pl.col("symbol") == symbol)
        opened, high, low, close = (bars[name].to_numpy() for name in ("open", "high", "low", "close"))
        body = np.maximum(opened, close), np.minimum(opened, close)
        parts.append((opened, np.maximum(high, body[0]), np.minimum(low, body[1]), close))
        days.append(bars["date"].to_numpy().astype("datetime64[D]"))
    return _series(names, parts, days)


def scaled(series: Series, factor: float) -> Series:
    """The same at other prices."""
    return replace(
        series,
        open=series.open * factor,
        high=series.high * factor,
        low=series.low * factor,
        close=series.close * factor,
    )


def delayed(series: Series, bar: int, days: int) -> Series:
    """The same with so many days more before a bar, in a series of one symbol."""
    dates = series.dates.copy()
    dates[bar:] += days
    return replace(series, dates=dates)


def the(series: Series, type_id: str) -> ChartPattern:
    """The one pattern of a type that a series has."""
    (found,) = [pattern for pattern in chart_patterns_of(series) if pattern.type == type_id]
    return found


def types_of(series: Series) -> set[str]:
    """Which patterns a series has."""
    return {pattern.type for pattern in chart_patterns_of(series)}


def bars_of(series: Series, pattern: ChartPattern) -> list[tuple[int, float]]:
    """The pivots of a pattern, by bar of its symbol and price."""
    days = series.of(pattern.symbol).dates
    return [(int(np.searchsorted(days, np.datetime64(pivot.day))), pivot.price) for pivot in pattern.pivots]


def bar_of(series: Series, day: date | None) -> int:
    """The bar of a day, in a series of one symbol."""
    assert day is not None
    return int(np.searchsorted(series.dates, np.datetime64(day)))


def _series(symbols: Sequence[str], parts: Sequence[Prices], days: Sequence[Days] = ()) -> Series:
    lengths = [len(part[0]) for part in parts]
    opened, high, low, close = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Series(
        tuple(symbols),
        np.concatenate(([0], np.cumsum(lengths))),
        np.concatenate(days or [weekdays(length) for length in lengths]),
        opened,
        high,
        low,
        close,
        np.full(len(close), 1e6),
        np.zeros(len(close), bool),
    )
