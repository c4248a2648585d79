"""Channels: price climbs or falls between two parallel lines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.market.panel import Floats
from core.screener.chart_patterns.pivots import Chart
from core.screener.chart_patterns.shape import FORMING_BARS, Ray, Shape, at_most, points, windows

TOUCHES = 3
"""On each line."""
PARALLEL_WITHIN = 0.1
"""Of the slopes' mean."""
TOUCH_WITHIN = 0.15
"""Of the channel's width: how far a pivot that touches a line may lie from it."""
DRIFT = 1.0
"""Channel's widths that it climbs or falls from its first pivot to its last, at least: less is a rectangle."""


def channels(chart: Chart) -> Iterator[Shape]:
    """Channels of three maxima and three minima; a close beyond the line against the channel's way ends the move."""
    runs = windows(chart.pivots, 2 * TOUCHES)
    # From the run's own first bar: how a line is rounded must not depend on where in a universe the run stands.
    times = (runs.bar - runs.bar[:, :1]).astype(np.float64)
    fits = [_fitted(times[:, at::2], runs.price[:, at::2]) for at in (0, 1)]
    (outer, outer_slope, outer_miss), (inner, inner_slope, inner_miss) = fits
    width = outer - inner + (outer_slope - inner_slope) * times.mean(axis=1)
    slope = (outer_slope + inner_slope) / 2
    is_found = (
        at_most(np.abs(outer_slope - inner_slope), PARALLEL_WITHIN * np.abs(slope), outer)
        & at_most(np.maximum(outer_miss, inner_miss), TOUCH_WITHIN * width, outer)
        & at_most(DRIFT * width, np.abs(slope) * times[:, -1], outer)
    )
    for row, side in runs.where(is_found):
        found = points(chart.pivots, int(runs.first[row]), _LABELS[side])
        begin, known = found[0].bar, int(runs.known[row])
        rays = [Ray(begin, side * float(price[row]), side * float(tilt[row])) for price, tilt, _ in fits]
        upper, lower = rays if side > 0 else reversed(rays)
        is_rising = upper.slope > 0
        yield Shape(
            "rising_channel" if is_rising else "falling_channel",
            side=-1 if is_rising else 1,
            known=known,
            points=found,
            trigger=lower if is_rising else upper,
            broken=upper if is_rising else lower,
            height=float(width[row]),
            lines=(("upper line", upper, begin), ("lower line", lower, begin)),
            last=known + FORMING_BARS,
        )


_LABELS = {1: ("top", "bottom") * TOUCHES, -1: ("bottom", "top") * TOUCHES}


def _fitted(times: Floats, prices: Floats) -> tuple[Floats, Floats, Floats]:
    """The least-squares line of each row: its price at time 0, its slope, and how far the farthest price is off it."""
    centred = times - times.mean(axis=1, keepdims=True)
    slope = (centred * prices).sum(axis=1) / (centred**2).sum(axis=1)
    price = prices.mean(axis=1) - slope * times.mean(axis=1)
    miss = np.abs(prices - price[:, None] - slope[:, None] * times).max(axis=1, initial=0.0)
    return price, slope, miss
