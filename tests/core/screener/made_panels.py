"""Panels for tests: made from series, drawn in whole cents, and the shipped histories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl

from core.market.panel import Floats, Panel
from core.screener.series import Numbers, Series, cleaned
from core.settings import ROOT
from tests.core.screener.made_series import drawn


def panel_of(series: Series, missing: tuple[str, ...] = ()) -> Panel:
    """A panel of the same bars, as copies."""
    return Panel(
        series.symbols,
        missing,
        series.starts.copy(),
        series.dates.copy(),
        series.open.copy(),
        series.high.copy(),
        series.low.copy(),
        series.close.copy(),
        series.volume.copy(),
        served_by={},
    )


def in_cents(series: Series, scale: float = 1.0) -> Series:
    """The same bars with prices rounded to two decimal places, as exchanges quote them, and then scaled."""
    return with_prices(series, lambda prices: np.maximum(prices.round(2), 0.01) * scale)


def with_prices(series: Series, changed: Callable[[Floats], Floats]) -> Series:
    """The same bars with other prices."""
    return replace(
        series,
        open=changed(series.open),
        high=changed(series.high),
        low=changed(series.low),
        close=changed(series.close),
    )


def drawn_in_cents(symbols: int, bars: int, *, seed: int = 1) -> Series:
    """Random walks in whole cents."""
    return in_cents(drawn(symbols, bars, seed=seed))


@cache
def shipped_panel(name: str = "sp500_2010") -> Panel:
    """All bars of a shipped dataset, as they are."""
    frame = pl.read_parquet(ROOT / "data" / "sample" / f"{name}.parquet").sort("symbol", "date")
    runs = frame["symbol"].rle().struct.unnest()
    starts = np.concatenate(([0], np.cumsum(runs["len"].to_numpy()))).astype(np.int64)
    dates = frame["date"].to_numpy().astype("datetime64[D]")
    opened, high, low, close, volume = (
        frame[column].to_numpy().astype(np.float64) for column in ("open", "high", "low", "close", "volume")
    )
    return Panel(tuple(runs["value"]), (), starts, dates, opened, high, low, close, volume, served_by={})


@cache
def shipped_series(name: str = "sp500_2010") -> Series:
    """The same, cleaned."""
    return cleaned(shipped_panel(name))


def part_of(series: Series, first: int, end: int) -> Series:
    """Some bars of a series of one symbol."""
    return _of_bars(series, series.symbols, np.array([0, end - first]), np.arange(first, end))


def windows_of(series: Series, ends: list[int], bars: int) -> Series:
    """The bars before each of these places of a series of one symbol, as symbols of their own."""
    places = np.concatenate([np.arange(end - bars, end) for end in ends])
    symbols = tuple(f"to {end}" for end in ends)
    return _of_bars(series, symbols, np.arange(len(ends) + 1) * bars, places)


def picked(series: Series, numbers: list[int]) -> Series:
    """Some symbols of a series, in this order."""
    places = [np.arange(series.starts[number], series.starts[number + 1]) for number in numbers]
    starts = np.concatenate(([0], np.cumsum([len(each) for each in places]))).astype(np.int64)
    symbols = tuple(series.symbols[number] for number in numbers)
    return _of_bars(series, symbols, starts, np.concatenate(places))


def _of_bars(series: Series, symbols: tuple[str, ...], starts: Numbers, places: Numbers) -> Series:
    return Series(
        symbols,
        starts,
        series.dates[places],
        series.open[places],
        series.high[places],
        series.low[places],
        series.close[places],
        series.volume[places],
        series.is_mended[places],
    )
