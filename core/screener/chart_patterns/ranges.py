"""Triangles and rectangles: prices between two lines that draw together, or that are level."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import numpy as np

from core.screener.chart_patterns.pivots import TIE, Chart
from core.screener.chart_patterns.shape import (
    FLATNESS,
    FORMING_BARS,
    Point,
    Ray,
    Shape,
    Windows,
    alike,
    at_most,
    points,
    through,
    windows,
)
from core.screener.series import Flags

LEVEL_WITHIN = 0.0075
"""Of their mean: tops, or bottoms, that make a level line."""
MIDDLE = (0.25, 0.75)
"""Where E3 lies between E1 and E5, as a share of the bars: what is spread otherwise is a trend and a pause after it."""


def ranges(chart: Chart) -> Iterator[Shape]:
    """Triangles and rectangles of five extrema: three on one side (E1, E3, E5), two on the other (E2, E4)."""
    runs = windows(chart.pivots, 5)
    outer, inner = runs.price[:, 0::2], runs.price[:, 1::2]
    height = outer.mean(axis=1) - inner.mean(axis=1)
    is_outer_level, is_inner_level = alike(outer, LEVEL_WITHIN, height), alike(inner, LEVEL_WITHIN, height)
    is_outer_closing = ~is_outer_level & (outer[:, 0] > outer[:, 1]) & (outer[:, 1] > outer[:, 2]) & _is_straight(runs)
    is_inner_closing = ~is_inner_level & (inner[:, 0] < inner[:, 1])
    share = (runs.bar[:, 2] - runs.bar[:, 0]) / (runs.bar[:, 4] - runs.bar[:, 0])
    is_apart = (outer.min(axis=1) > inner.max(axis=1)) & (share >= MIDDLE[0]) & (share <= MIDDLE[1])
    is_level = {True: (is_outer_level, is_inner_level), False: (is_outer_closing, is_inner_closing)}
    for outer_level, inner_level in ((True, True), (True, False), (False, True), (False, False)):
        is_found = is_level[outer_level][0] & is_level[inner_level][1] & is_apart
        for row, side in runs.where(is_found):
            top_level, bottom_level = (outer_level, inner_level) if side > 0 else (inner_level, outer_level)
            yield from _range(chart, runs, row, (top_level, bottom_level))


_TYPES = {
    (True, True): ((1, "rectangle_bullish"), (-1, "rectangle_bearish")),
    (True, False): ((1, "ascending_triangle"),),
    (False, True): ((-1, "descending_triangle"),),
    (False, False): ((1, "symmetrical_triangle_bullish"), (-1, "symmetrical_triangle_bearish")),
}
"""By whether the tops and the bottoms are level: the side on which a close triggers, and the type it then is.

A rectangle and a symmetrical triangle can be left on either side, so each of them is two patterns until it is.
"""


def _is_straight(runs: Windows) -> Flags:
    """Whether E3 lies near the line through E1 and E5."""
    share = (runs.bar[:, 2] - runs.bar[:, 0]) / (runs.bar[:, 4] - runs.bar[:, 0])
    line = runs.price[:, 0] + share * (runs.price[:, 4] - runs.price[:, 0])
    opening = runs.price[:, 0] - runs.price[:, 1]
    return at_most(np.abs(runs.price[:, 2] - line), FLATNESS * opening, line)


def _range(chart: Chart, runs: Windows, row: int, is_level: tuple[bool, bool]) -> Iterator[Shape]:
    side, known = int(runs.side[row]), int(runs.known[row])
    labels = ("top", "bottom", "top", "bottom", "top") if side > 0 else ("bottom", "top", "bottom", "top", "bottom")
    found = points(chart.pivots, int(runs.first[row]), labels)
    tops, bottoms = found[0::2], found[1::2]
    if side < 0:
        tops, bottoms = bottoms, tops
    upper, lower = _line(tops, is_level=is_level[0]), _line(bottoms, is_level=is_level[1])
    narrowing = lower.slope - upper.slope
    last = known + FORMING_BARS
    if narrowing > 0:
        apex = upper.bar + (upper.price - lower.at(upper.bar)) / narrowing
        last = min(last, floor(apex + TIE))
    if last < known:
        return
    opening = found[1].bar
    for direction, name in _TYPES[is_level]:
        yield Shape(
            name,
            side=direction,
            known=known,
            points=found,
            trigger=upper if direction > 0 else lower,
            broken=lower if direction > 0 else upper,
            height=upper.at(opening) - lower.at(opening),
            lines=(("upper line", upper, tops[0].bar), ("lower line", lower, bottoms[0].bar)),
            last=last,
        )


def _line(side: tuple[Point, ...], *, is_level: bool) -> Ray:
    """The line of the tops or of the bottoms: a level one at the outermost, or one through the first and the last."""
    if not is_level:
        return through(side[0], side[-1])
    outermost = max(side, key=lambda point: point.price if point.is_high else -point.price)
    return Ray(outermost.bar, outermost.price)
