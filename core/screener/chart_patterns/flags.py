"""Flags: a steep move, the pole, and then a channel against it that gives little of it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from core.market.panel import Floats
from core.screener.chart_patterns.pivots import TIE, Chart
from core.screener.chart_patterns.shape import Point, Ray, Shape, at_most
from core.screener.series import Flags, Numbers

POLE_BARS = 10
POLE_ATR = 3.0
"""ATRs of the bar at which the pole begins."""
HELD = 0.5
"""Of the pole lies beyond the close at its base, at least: a single long shadow is no pole."""
GIVES_BACK = 0.5
"""Of the pole, at most."""
FLAG_BARS = (5, 15)
"""The flag is known once it has a channel, after so many bars at the earliest and at the latest."""
WIDTH = 1 / 3
"""Of the pole: the channel is no wider."""
DRIFT_R2 = 0.6
"""How much of the flag's bars their drift against the pole explains, at least."""
FORMING_FLAG_BARS = 15


def flags(chart: Chart) -> Iterator[Shape]:
    """Bull flags and bear flags."""
    for side, name in ((1, "bull_flag"), (-1, "bear_flag")):
        high, low = (chart.high, chart.low) if side > 0 else (-chart.low, -chart.high)
        bars = _Bars(side, high, low, side * chart.close)
        poles = _poles(chart, bars)
        for length in range(FLAG_BARS[0], FLAG_BARS[1] + 1):
            if not len(poles.top):
                break
            poles = poles.standing(chart, bars, length)
            is_flag, slope = _is_flag(bars, poles, length)
            for at in np.flatnonzero(is_flag).tolist():
                yield _flag(bars, poles, at, _Channel(name, length, side * float(slope[at])))
            poles = poles.where(~is_flag)


@dataclass(frozen=True)
class _Bars:
    """Prices, negated for bear flags, so that each pole rises."""

    side: int
    high: Floats
    low: Floats
    close: Floats

    @cached_property
    def middle(self) -> Floats:
        """Half way between high and low."""
        return (self.high + self.low) / 2


@dataclass(frozen=True, slots=True)
class _Poles:
    """Rises whose flag is still to come: the bars at which they begin and end, and their height."""

    base: Numbers
    top: Numbers
    height: Floats

    def where(self, chosen: Flags) -> _Poles:
        return _Poles(self.base[chosen], self.top[chosen], self.height[chosen])

    def standing(self, chart: Chart, bars: _Bars, length: int) -> _Poles:
        """Those whose flag has so many bars, none above the pole, none below half of it."""
        poles = self.where(self.top + length < len(chart.close))
        now, top = poles.top + length, bars.high[poles.top]
        return poles.where(
            (chart.stretch[now] == chart.stretch[poles.top])
            & (_extreme(bars.high, poles.top, length) <= top)
            & at_most(top + _extreme(-bars.low, poles.top, length), GIVES_BACK * poles.height, top)
        )


def _extreme(prices: Floats, top: Numbers, length: int) -> Floats:
    """The highest price of a flag's newest bars: at first of all of them, then of the one that came to those known."""
    first = 1 if length == FLAG_BARS[0] else length
    highest: Floats = prices[top[:, None] + np.arange(first, length + 1)].max(axis=1, initial=-np.inf)
    return highest


def _poles(chart: Chart, bars: _Bars) -> _Poles:
    """Bars whose high is above the ten before, with a rise of enough ATRs within these."""
    if len(bars.high) <= POLE_BARS:
        return _Poles(np.array([], int), np.array([], int), np.array([]))
    top = np.arange(POLE_BARS, len(bars.high))
    first = top - POLE_BARS
    lows = sliding_window_view(bars.low, POLE_BARS + 1)
    highest = sliding_window_view(bars.high, POLE_BARS)[:-1].max(axis=1)
    chosen = (chart.stretch[first] == chart.stretch[top]) & (bars.high[top] > highest)
    top, first = top[chosen], first[chosen]
    base = first + lows[first].argmin(axis=1)
    height = bars.high[top] - bars.low[base]
    atr = chart.atr[base]
    held = bars.high[top] - bars.close[base]
    is_pole = at_most(POLE_ATR * atr, height, height) & (atr > 0) & at_most(HELD * height, held, held)
    return _Poles(base, top, height).where(is_pole)


def _is_flag(bars: _Bars, poles: _Poles, length: int) -> tuple[Flags, Floats]:
    """Whether the bars after each pole drift against it in a narrow channel, and their slope."""
    times = np.arange(1, length + 1)
    at = poles.top[:, None] + times
    centred = times - times.mean()
    middle = bars.middle[at]
    middle = middle - middle.mean(axis=1, keepdims=True)
    slope = (middle * centred).sum(axis=1) / (centred @ centred)
    spread = (middle**2).sum(axis=1)
    explained = slope**2 * (centred @ centred)
    drift = slope[:, None] * times
    width = (bars.high[at] - drift).max(axis=1) - (bars.low[at] - drift).min(axis=1)
    top = bars.high[poles.top]
    is_against = slope < -TIE * np.abs(top)
    is_drift = explained >= (DRIFT_R2 - TIE) * spread
    return is_against & is_drift & at_most(width, WIDTH * poles.height, top), slope


@dataclass(frozen=True, slots=True)
class _Channel:
    type: str
    length: int
    slope: float


def _flag(bars: _Bars, poles: _Poles, at: int, channel: _Channel) -> Shape:
    base, top, height = int(poles.base[at]), int(poles.top[at]), float(poles.height[at])
    side, known = bars.side, top + channel.length
    inside = np.arange(top + 1, known + 1)
    drift = side * channel.slope * (inside - top)
    highest = int((bars.high[inside] - drift).argmax())
    lowest = int((bars.low[inside] - drift).argmin())
    deepest = int(inside[bars.low[inside].argmin()])
    near = Ray(int(inside[highest]), side * float(bars.high[inside][highest]), channel.slope)
    far = Ray(int(inside[lowest]), side * float(bars.low[inside][lowest]), channel.slope)
    half = side * float(bars.high[top]) - side * GIVES_BACK * height
    is_bull = side > 0
    return Shape(
        channel.type,
        side=side,
        known=known,
        points=(
            Point(base, side * float(bars.low[base]), not is_bull, "pole begins", top),
            Point(top, side * float(bars.high[top]), is_bull, "pole ends", known),
            Point(deepest, side * float(bars.low[deepest]), not is_bull, "end of the flag", known),
        ),
        trigger=near,
        broken=Ray(known, half),
        height=height,
        lines=(("upper line", near if is_bull else far, top + 1), ("lower line", far if is_bull else near, top + 1)),
        last=known + FORMING_FLAG_BARS,
    )
