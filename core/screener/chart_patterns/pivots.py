"""The turning points of prices: a zigzag that turns once price has moved some ATRs away from its extreme.

A pivot lies some bars back when it becomes known, and `known` says when that was; nothing reads it before. Histories
are cut where a long time lies between two bars, so that no pattern is made of prices from before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from core.market.panel import Days, Floats
from core.screener.series import Flags, Numbers, Series

ATR_BARS = 14
PIVOT_ATR = 2.5
"""How many ATRs price moves away from an extreme before it is a pivot."""
TIE = 1e-9
"""Of a price: what differs by less is equal. Prices move in ticks and often meet lines and bounds exactly; rounding
must not decide then, or a pattern would come and go with the scale of prices."""
LONGEST_SHADOW_ATR = 5.0
"""ATRs of the bar before."""
LONGEST_GAP_DAYS = 30
"""Calendar days between two bars past which the history is taken as two."""


@dataclass(frozen=True)
class Chart:
    """The bars of some symbols, cut into stretches without a long gap."""

    dates: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    starts: Numbers
    """Where each stretch begins, and, at the end, how many bars there are."""
    symbol: Numbers
    """The number of the symbol that each stretch belongs to."""

    @cached_property
    def atr(self) -> Floats:
        """The average true range of each bar, of its own stretch alone; NaN where there is none yet."""
        import talib

        atr = np.full(len(self.close), np.nan)
        for begin, end in self.stretches():
            if end - begin > ATR_BARS:
                part = slice(begin, end)
                atr[part] = talib.ATR(self.high[part], self.low[part], self.close[part], ATR_BARS)
        return atr

    @cached_property
    def is_doubtful(self) -> Flags:
        """Bars with a shadow so long that it is rather a wrong price than a turn; no shape is formed on them."""
        is_doubtful = np.zeros(len(self.close), bool)
        body = np.maximum(self.open, self.close), np.minimum(self.open, self.close)
        shadow = np.maximum(self.high - body[0], body[1] - self.low)
        is_doubtful[1:] = shadow[1:] > LONGEST_SHADOW_ATR * self.atr[:-1]
        return is_doubtful

    @cached_property
    def stretch(self) -> Numbers:
        """The number of the stretch that each bar belongs to."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    @cached_property
    def pivots(self) -> Pivots:
        """The pivots of all stretches, one after another."""
        return pivots_of(self)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """The first bar of each stretch, and the one after its last."""
        return pairwise(self.starts.tolist())


def chart_of(series: Series) -> Chart:
    """The chart of a series: each symbol's history, cut at long gaps."""
    is_first = np.zeros(len(series), bool)
    is_first[1:] = np.diff(series.dates) > np.timedelta64(LONGEST_GAP_DAYS, "D")
    lengths = np.diff(series.starts)
    is_first[series.starts[:-1][lengths > 0]] = True
    firsts = np.flatnonzero(is_first)
    symbol = np.repeat(np.arange(len(lengths)), lengths)[firsts]
    columns = (series.dates, series.open, series.high, series.low, series.close)
    return Chart(*columns, np.append(firsts, len(series)), symbol)


@dataclass(frozen=True, slots=True)
class Pivots:
    """Extremes of price as columns, in order; in a stretch, maxima and minima alternate."""

    bar: Numbers
    price: Floats
    is_high: Flags
    known: Numbers
    """The bar at whose end it is known that this was a pivot."""
    stretch: Numbers

    def __len__(self) -> int:
        return len(self.bar)


def pivots_of(chart: Chart, reach_atr: float = PIVOT_ATR) -> Pivots:
    """The pivots of each stretch.

    A maximum is the highest high of a rise; it is known at the first bar whose low is more than `reach_atr` ATRs (those
    of the maximum's bar) below it, so a price that stands still has none. A minimum mirrors it. What came before the
    first bars is not known, so the extreme at which the first move began is no pivot.
    """
    bar, price, is_high, known, stretch = [], [], [], [], []
    for number, (begin, end) in enumerate(chart.stretches()):
        first = begin + ATR_BARS
        if end <= first:
            continue
        part = slice(first, end)
        reach = (chart.atr[part] * reach_atr + TIE * chart.close[part]).tolist()
        for turn in _turns(chart.high[part].tolist(), chart.low[part].tolist(), reach):
            bar.append(first + turn[0])
            price.append(turn[1])
            is_high.append(turn[2])
            known.append(first + turn[3])
            stretch.append(number)
    return Pivots(
        np.array(bar, np.int64),
        np.array(price, np.float64),
        np.array(is_high, np.bool_),
        np.array(known, np.int64),
        np.array(stretch, np.int64),
    )


def _turns(highs: list[float], lows: list[float], reaches: list[float]) -> Iterator[tuple[int, float, bool, int]]:
    """Bar, price, whether it is a maximum, and the bar that made it known, for each pivot of one stretch."""
    at, is_rising = _first_move(highs, lows, reaches)
    extreme, reach = (highs if is_rising else lows)[at], reaches[at]
    for now in range(at + 1, len(highs)):
        high, low = highs[now], lows[now]
        if is_rising:
            if high > extreme:
                at, extreme, reach = now, high, reaches[now]
            elif extreme - low > reach:
                yield at, extreme, True, now
                at, extreme, reach, is_rising = now, low, reaches[now], False
        elif low < extreme:
            at, extreme, reach = now, low, reaches[now]
        elif high - extreme > reach:
            yield at, extreme, False, now
            at, extreme, reach, is_rising = now, high, reaches[now], True


def _first_move(highs: list[float], lows: list[float], reaches: list[float]) -> tuple[int, bool]:
    """The bar at which it shows that price rises or falls, and whether it rises; the last one where it never shows."""
    top = bottom = 0
    for now, (high, low) in enumerate(zip(highs, lows, strict=True)):
        if high > highs[top]:
            top = now
            if high - lows[bottom] > reaches[bottom]:
                return now, True
        if low < lows[bottom]:
            bottom = now
            if highs[top] - low > reaches[top]:
                return now, False
    return len(highs) - 1, True
