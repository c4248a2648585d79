"""Bars that are fit for the engine: no missing price inside a history, each bar's range holding its open and close.

One row without a price silences the engine's candlestick patterns long after it, so histories are cleaned first. What
was mended is marked: nothing is invented, an incomplete bar is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.market.panel import Days, Floats, Panel

Flags: TypeAlias = NDArray[np.bool_]
Numbers: TypeAlias = NDArray[np.int64]

LONGEST_GAP_DAYS = 15
"""Where two bars of a symbol are further apart, it was not traded: what happened between them is of no one day."""


@dataclass(frozen=True)
class Series:
    """The bars of some symbols as flat columns: each symbol's bars stand together, oldest first, and none is missing.

    Prices are above 0, `low` ≤ `open`, `close` ≤ `high`, and `volume` is at least 0.
    """

    symbols: tuple[str, ...]
    starts: Numbers
    """Where each symbol begins, and, at the end, how many bars there are."""
    dates: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    is_mended: Flags
    """Whether the bar was mended, or a bar before it was left out."""

    def __len__(self) -> int:
        return len(self.close)

    @property
    def firsts(self) -> Numbers:
        """The place of each symbol's first bar; of a symbol without bars, that of the next one's."""
        return self.starts[:-1]

    @property
    def lengths(self) -> Numbers:
        """How many bars each symbol has."""
        return np.diff(self.starts)

    @cached_property
    def age(self) -> NDArray[np.int32]:
        """How many bars of its own symbol stand before each bar."""
        return _counted(self.lengths).astype(np.int32)

    def of(self, symbol: str) -> Series:
        """The bars of one symbol, without a copy."""
        number = self._numbers[symbol]
        return self._part(self.symbols[number : number + 1], int(self.starts[number]), int(self.starts[number + 1]))

    def only(self, is_chosen: Flags) -> Series:
        """The bars of the chosen symbols."""
        if is_chosen.all():
            return self
        symbols = tuple(self.symbols[number] for number in np.flatnonzero(is_chosen))
        starts = np.concatenate(([0], np.cumsum(self.lengths[is_chosen])))
        return self._picked(symbols, starts, np.flatnonzero(np.repeat(is_chosen, self.lengths)))

    def split(self, parts: int) -> list[Series]:
        """The same symbols in so many series of about as many symbols each, without a copy."""
        at = np.linspace(0, len(self.symbols), parts + 1).astype(int).tolist()
        return [
            self._part(self.symbols[first:end], int(self.starts[first]), int(self.starts[end]), self.starts[first:end])
            for first, end in pairwise(at)
        ]

    def tail_places(self, bars: int) -> tuple[Numbers, Numbers]:
        """The places of the last bars of each symbol, and where each symbol begins among them."""
        kept = np.minimum(self.lengths, bars)
        starts = np.concatenate(([0], np.cumsum(kept)))
        return np.repeat(self.starts[1:] - kept - starts[:-1], kept) + np.arange(starts[-1]), starts

    def tail(self, bars: int) -> Series:
        """The last bars of each symbol, as a copy."""
        if not len(self) or bars >= int(self.lengths.max()):
            return self
        places, starts = self.tail_places(bars)
        return self._picked(self.symbols, starts, places)

    def _part(self, symbols: tuple[str, ...], begin: int, end: int, firsts: Numbers | None = None) -> Series:
        starts = np.append(np.array([begin]) if firsts is None else firsts, end) - begin
        return self._picked(symbols, starts, slice(begin, end))

    def _picked(self, symbols: tuple[str, ...], starts: Numbers, bars: slice | Numbers) -> Series:
        return Series(
            symbols,
            starts,
            self.dates[bars],
            self.open[bars],
            self.high[bars],
            self.low[bars],
            self.close[bars],
            self.volume[bars],
            self.is_mended[bars],
        )

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}


def cleaned(panel: Panel) -> Series:
    """The bars of a panel made fit for the engine.

    A bar that lacks one of its prices, or has one that is not above 0, is left out, and the next bar of the symbol is
    marked; high and low are widened to hold open and close; a missing or negative volume is 0. All symbols of the panel
    stay, if without bars.
    """
    prices = (panel.open, panel.high, panel.low, panel.close)
    is_whole = np.logical_and.reduce([(price > 0) & (price < np.inf) for price in prices])
    has_volume = (panel.volume >= 0) & (panel.volume < np.inf)
    low = np.minimum(panel.low, np.minimum(panel.open, panel.close))
    high = np.maximum(panel.high, np.maximum(panel.open, panel.close))
    is_widened = (low != panel.low) | (high != panel.high)
    volume = panel.volume if has_volume.all() else np.where(has_volume, panel.volume, 0.0)
    is_mended = is_widened | ~has_volume
    starts = panel.starts
    every = Series(panel.symbols, starts, panel.dates, panel.open, high, low, panel.close, volume, is_mended)
    if is_whole.all():
        return every
    kept = np.flatnonzero(is_whole)
    lengths = np.diff(starts) - _per_symbol(~is_whole, starts)
    new_starts = np.concatenate(([0], np.cumsum(lengths)))
    skipped = np.diff(kept, prepend=-1) > 1
    """Bars stand before these ones that are not kept; at a symbol's first bar they may be another symbol's."""
    first = new_starts[:-1][lengths > 0]
    skipped[first] = kept[first] > starts[:-1][lengths > 0]
    is_mended[kept] |= skipped
    return every._picked(panel.symbols, new_starts, kept)


def _counted(lengths: Numbers) -> Numbers:
    """0, 1, 2 … for each length, one after another."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _per_symbol(flags: Flags, starts: Numbers) -> Numbers:
    sums = np.concatenate(([0], np.cumsum(flags)))
    return sums[starts[1:]] - sums[starts[:-1]]
