"""The candlestick patterns of TA-Lib, by its definitions and its signs, over all symbols at once.

Calling 61 functions for each symbol takes far longer than what they compute, so each is called once over all symbols,
one after another. The engine keeps running sums of ranges, which rounding would carry from one symbol into the next:
prices are therefore whole numbers here, so that every sum is exact, and a symbol's patterns are the same to the bit
whoever stands beside it. What the engine says of a symbol's first bars, where it looks back beyond them, is left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from core.market.panel import Floats
from core.screener.series import Series

TICKS = 1e8
"""Ticks of a unit of price: prices of up to eight decimal places are whole numbers of them."""
HIGHEST_TICKS = 2.0**45
"""The dearest price of a symbol in ticks stays below this; sums of them are then exact."""
REACH = 16
"""Bars that every pattern of the last bar is found in: its lookback, at most 14, and the bar."""

Signs = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Candlestick:
    """One pattern: its classic name, and the signs that the engine gives it."""

    label: str
    signs: str
    """`+`, `-` or `+-`."""
    has_side: bool = True
    """Whether the sign is a side; of a doji the engine always says `+`, of a spinning top the colour of its body."""


CANDLESTICKS: Mapping[str, Candlestick] = {
    "2crows": Candlestick("Two crows", "-"),
    "3blackcrows": Candlestick("Three black crows", "-"),
    "3inside": Candlestick("Three inside", "+-"),
    "3linestrike": Candlestick("Three-line strike", "+-"),
    "3outside": Candlestick("Three outside", "+-"),
    "3starsinsouth": Candlestick("Three stars in the south", "+"),
    "3whitesoldiers": Candlestick("Three advancing white soldiers", "+"),
    "abandonedbaby": Candlestick("Abandoned baby", "+-"),
    "advanceblock": Candlestick("Advance block", "-"),
    "belthold": Candlestick("Belt hold", "+-"),
    "breakaway": Candlestick("Breakaway", "+-"),
    "closingmarubozu": Candlestick("Closing marubozu", "+-"),
    "concealbabyswall": Candlestick("Concealing baby swallow", "+"),
    "counterattack": Candlestick("Counterattack", "+-"),
    "darkcloudcover": Candlestick("Dark cloud cover", "-"),
    "doji": Candlestick("Doji", "+", has_side=False),
    "dojistar": Candlestick("Doji star", "+-"),
    "dragonflydoji": Candlestick("Dragonfly doji", "+", has_side=False),
    "engulfing": Candlestick("Engulfing", "+-"),
    "eveningdojistar": Candlestick("Evening doji star", "-"),
    "eveningstar": Candlestick("Evening star", "-"),
    "gapsidesidewhite": Candlestick("Gapping side-by-side white lines", "+-"),
    "gravestonedoji": Candlestick("Gravestone doji", "+", has_side=False),
    "hammer": Candlestick("Hammer", "+"),
    "hangingman": Candlestick("Hanging man", "-"),
    "harami": Candlestick("Harami", "+-"),
    "haramicross": Candlestick("Harami cross", "+-"),
    "highwave": Candlestick("High-wave candle", "+-", has_side=False),
    "hikkake": Candlestick("Hikkake", "+-"),
    "hikkakemod": Candlestick("Modified hikkake", "+-"),
    "homingpigeon": Candlestick("Homing pigeon", "+"),
    "identical3crows": Candlestick("Identical three crows", "-"),
    "inneck": Candlestick("In-neck", "-"),
    "invertedhammer": Candlestick("Inverted hammer", "+"),
    "kicking": Candlestick("Kicking", "+-"),
    "kickingbylength": Candlestick("Kicking by the longer marubozu", "+-"),
    "ladderbottom": Candlestick("Ladder bottom", "+"),
    "longleggeddoji": Candlestick("Long-legged doji", "+", has_side=False),
    "longline": Candlestick("Long line", "+-"),
    "marubozu": Candlestick("Marubozu", "+-"),
    "matchinglow": Candlestick("Matching low", "+"),
    "mathold": Candlestick("Mat hold", "+"),
    "morningdojistar": Candlestick("Morning doji star", "+"),
    "morningstar": Candlestick("Morning star", "+"),
    "onneck": Candlestick("On-neck", "-"),
    "piercing": Candlestick("Piercing line", "+"),
    "rickshawman": Candlestick("Rickshaw man", "+", has_side=False),
    "risefall3methods": Candlestick("Rising or falling three methods", "+-"),
    "separatinglines": Candlestick("Separating lines", "+-"),
    "shootingstar": Candlestick("Shooting star", "-"),
    "shortline": Candlestick("Short line", "+-", has_side=False),
    "spinningtop": Candlestick("Spinning top", "+-", has_side=False),
    "stalledpattern": Candlestick("Stalled pattern", "-"),
    "sticksandwich": Candlestick("Stick sandwich", "+"),
    "takuri": Candlestick("Takuri", "+"),
    "tasukigap": Candlestick("Tasuki gap", "+-"),
    "thrusting": Candlestick("Thrusting line", "-"),
    "tristar": Candlestick("Tri-star", "+-"),
    "unique3river": Candlestick("Unique three-river bottom", "+"),
    "upsidegap2crows": Candlestick("Upside gap two crows", "-"),
    "xsidegap3methods": Candlestick("Gap three methods", "+-"),
}
"""All of the engine's patterns, by the name it gives them after `CDL`."""


class Candles:
    """The patterns of a series; the one that was read last is kept, since one pattern can be two signals."""

    def __init__(self, series: Series) -> None:
        self._series = series
        self._last: tuple[str, Signs] = ("", np.empty(0, np.int32))

    def __getitem__(self, name: str) -> Signs:
        """A pattern's sign on each bar: above 0 bullish, below 0 bearish, 0 where there is none."""
        if self._last[0] != name:
            self._last = name, self._found(name)
        return self._last[1]

    def _found(self, name: str) -> Signs:
        import talib

        signs: Signs = inspect.unwrap(getattr(talib, f"CDL{name.upper()}"))(*self._ticks)
        signs[self._series.age < _lookbacks()[name]] = 0
        return signs

    @cached_property
    def _ticks(self) -> tuple[Floats, ...]:
        """Open, high, low and close in whole ticks, which are finer by a power of two where there is room.

        Powers of two leave every comparison of the engine as it is, so that the number of bars does not matter.
        """
        series = self._series
        if not len(series):
            return (series.open, series.high, series.low, series.close)
        has_bars = series.lengths > 0
        highest = np.maximum.reduceat(series.high, series.firsts[has_bars])
        finer = np.exp2(np.floor(np.log2(HIGHEST_TICKS / (highest * TICKS))))
        scale = np.repeat(finer, series.lengths[has_bars])
        columns = (series.open, series.high, series.low, series.close)
        return tuple(np.rint(column * TICKS * scale) for column in columns)


@cache
def _lookbacks() -> Mapping[str, int]:
    from talib.abstract import Function  # type: ignore[attr-defined]  # the stubs leave it out

    return {name: int(Function(f"CDL{name.upper()}").lookback) for name in CANDLESTICKS}
