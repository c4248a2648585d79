"""Cup and handle: a rounded base between two rims of one height, and a small pullback after the second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.market.panel import Floats
from core.screener.chart_patterns.pivots import TIE, Chart
from core.screener.chart_patterns.shape import FORMING_BARS, Point, Ray, Shape, alike
from core.screener.series import Flags, Numbers

BASE_BARS = (20, 230)
"""From rim to rim."""
MOST_BARS = 240
"""From the left rim to a close that may still trigger it: with those before the rim that averages and the first turn
take, they are the bars that a scan reads. What is found in a longer history is found by a scan."""
RIMS_WITHIN = 0.03
"""Of their mean."""
ROUND_R2 = 0.7
"""How much of the base's closes a parabola explains, at least."""
BOTTOM = (0.3, 0.7)
"""Where the parabola's lowest point lies between the rims."""
GIVES_BACK = 0.5
"""Of the cup's depth: the handle's part, at most."""
MOST_TOPS_BETWEEN = 8
"""Lower maxima inside of a cup."""


def cups(chart: Chart) -> Iterator[Shape]:
    """Cups whose handle has begun: the right rim is known as a pivot by the pullback from it."""
    pivots = chart.pivots
    right = np.flatnonzero(pivots.is_high)
    inside = np.full(len(right), -np.inf)
    base = np.zeros(len(right), int)
    depth = np.full(len(right), -np.inf)
    for tops in range(MOST_TOPS_BETWEEN + 1):
        left = right - 2 * (tops + 1)
        is_there = (left >= 0) & (pivots.stretch[np.maximum(left, 0)] == pivots.stretch[right])
        right, left, inside, base, depth = (column[is_there] for column in (right, left, inside, base, depth))
        is_deeper = -pivots.price[left + 1] > depth
        base, depth = np.where(is_deeper, left + 1, base), np.where(is_deeper, -pivots.price[left + 1], depth)
        is_found = _has_rims(chart, _Rims(left, right, inside), depth)
        is_cup = np.zeros(len(right), bool)
        for at in np.flatnonzero(is_found).tolist():
            cup = _cup(chart, int(left[at]), int(base[at]), int(right[at]))
            if cup is not None:
                is_cup[at] = True
                yield cup
        inside = np.maximum(inside, pivots.price[left])
        right, inside, base, depth = (column[~is_cup] for column in (right, inside, base, depth))


@dataclass(frozen=True, slots=True)
class _Rims:
    """Places of the pivots that may be rims, and the highest maximum between each pair."""

    left: Numbers
    right: Numbers
    inside: Floats


def _has_rims(chart: Chart, rims: _Rims, depth: Floats) -> Flags:
    pivots = chart.pivots
    prices = np.column_stack((pivots.price[rims.left], pivots.price[rims.right]))
    bars = pivots.bar[rims.right] - pivots.bar[rims.left]
    has_rims: Flags = (
        (bars >= BASE_BARS[0])
        & (bars <= BASE_BARS[1])
        & (rims.inside < prices.min(axis=1))
        & alike(prices, RIMS_WITHIN, prices.mean(axis=1) + depth)
    )
    return has_rims


def _cup(chart: Chart, left: int, base: int, right: int) -> Shape | None:
    """The shape, where the base is round and the handle high; None otherwise."""
    pivots = chart.pivots
    begin, tip, end = (int(pivots.bar[at]) for at in (left, base, right))
    known = int(pivots.known[right])
    rim, bottom = float(pivots.price[right]), float(pivots.price[base])
    half = rim - GIVES_BACK * (rim - bottom)
    if known > begin + MOST_BARS:
        return None
    if chart.low[end + 1 : known + 1].min() < half - TIE * rim or not is_round(
        chart.close[begin : end + 1], tip - begin
    ):
        return None
    places = ((left, "left rim"), (base, "base"), (right, "right rim"))
    edge = Ray(end, rim)
    return Shape(
        "cup_and_handle",
        side=1,
        known=known,
        points=tuple(
            Point(
                int(pivots.bar[at]),
                float(pivots.price[at]),
                bool(pivots.is_high[at]),
                label,
                int(pivots.known[at]),
            )
            for at, label in places
        ),
        trigger=edge,
        broken=Ray(end, half),
        height=rim - bottom,
        lines=(("rim", edge, begin),),
        last=min(known + FORMING_BARS, begin + MOST_BARS),
    )


def is_round(closes: Floats, base: int) -> bool:
    """Whether a parabola, lowest near the middle, explains enough of the closes, and more than a V with its tip there.

    A straight fall and rise is explained by a parabola to 94 %, so that R² alone does not tell a cup from a V.
    """
    times = np.arange(len(closes)) - (len(closes) - 1) / 2
    squares = times**2 - (times @ times) / len(times)
    centred = closes - closes.mean()
    slope = (centred @ times) / (times @ times)
    bend = (centred @ squares) / (squares @ squares)
    explained = slope**2 * (times @ times) + bend**2 * (squares @ squares)
    spread = centred @ centred
    if bend <= 0 or explained < (ROUND_R2 - TIE) * spread:
        return False
    lowest = 0.5 - slope / (2 * bend) / (len(closes) - 1)
    return bool(BOTTOM[0] <= lowest <= BOTTOM[1]) and bool(spread - explained < _left_by_v(centred, base))


def _left_by_v(closes: Floats, base: int) -> float:
    """The squares that the best V with its tip at a bar leaves unexplained."""
    after = np.arange(len(closes)) - base
    sides = np.column_stack((np.ones(len(closes)), np.maximum(-after, 0), np.maximum(after, 0)))
    left: Floats = closes - sides @ np.linalg.lstsq(sides, closes)[0]
    return float(left @ left)
