"""Head and shoulders, double top, and the same turned over."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core.screener.chart_patterns.pivots import Chart
from core.screener.chart_patterns.shape import (
    FORMING_BARS,
    Ray,
    Shape,
    Windows,
    alike,
    at_most,
    points,
    through,
    windows,
)

SHOULDERS_WITHIN = 0.015
"""Of their mean; so are the two troughs beside the head."""
HEAD_ABOVE = 0.15
"""Of its height over the neckline: how far the head stands out above the higher shoulder; less is three tops."""
TOPS_WITHIN = 0.015
TOPS_APART_BARS = 22

_HEAD = {1: "head_and_shoulders", -1: "inverse_head_and_shoulders"}
_DOUBLE = {1: "double_top", -1: "double_bottom"}
_TROUGH = {1: "trough", -1: "peak"}
_TOP = {1: "top", -1: "bottom"}


def reversals(chart: Chart) -> Iterator[Shape]:
    """The shapes after which a rise becomes a fall, and mirrored."""
    runs = windows(chart.pivots, 5)
    yield from _head_and_shoulders(chart, runs)
    yield from _double_tops(chart, runs)


def _head_and_shoulders(chart: Chart, runs: Windows) -> Iterator[Shape]:
    """E3 above E1 and E5; E1 and E5 alike, E2 and E4 alike. The neckline runs through E2 and E4."""
    left, trough, head, second_trough, right = runs.price.T
    height = head - (trough + second_trough) / 2
    is_found = (
        at_most(HEAD_ABOVE * height, head - np.maximum(left, right), head)
        & alike(runs.price[:, [0, 4]], SHOULDERS_WITHIN, height)
        & alike(runs.price[:, [1, 3]], SHOULDERS_WITHIN, height)
    )
    for row, side in runs.where(is_found):
        labels = ("left shoulder", _TROUGH[side], "head", _TROUGH[side], "right shoulder")
        found = points(chart.pivots, int(runs.first[row]), labels)
        neckline = through(found[1], found[3])
        known = int(runs.known[row])
        yield Shape(
            _HEAD[side],
            side=-side,
            known=known,
            points=found,
            trigger=neckline,
            broken=Ray(found[4].bar, found[4].price),
            height=abs(found[2].price - neckline.at(found[2].bar)),
            lines=(("neckline", neckline, found[1].bar),),
            last=known + FORMING_BARS,
        )


def _double_tops(chart: Chart, runs: Windows) -> Iterator[Shape]:
    """The two highest of E1, E3 and E5 alike and far enough apart. The neckline lies at the lowest low between them.

    E5 is one of the two: where it is not, the pair was there when it was E3 and E5.
    """
    first, low, second, second_low, _ = runs.price.T
    for tops, other, neck in (
        ([2, 4], first, second_low),
        ([0, 4], second, np.minimum(low, second_low)),
    ):
        pair = runs.price[:, tops]
        is_found = (
            (other < pair.min(axis=1))
            & (runs.bar[:, 4] - runs.bar[:, tops[0]] > TOPS_APART_BARS)
            & alike(pair, TOPS_WITHIN, pair.mean(axis=1) - neck)
        )
        for row, _ in runs.where(is_found):
            yield _double_top(chart, runs, row, tops[0])


def _double_top(chart: Chart, runs: Windows, row: int, first: int) -> Shape:
    side, known = int(runs.side[row]), int(runs.known[row])
    labels = tuple(_TOP[side] if at % 2 == 0 else _TROUGH[side] for at in range(first, 5))
    found = points(chart.pivots, int(runs.first[row]) + first, labels)
    tops = [side * point.price for point in (found[0], found[-1])]
    neck = min(found[1::2], key=lambda point: side * point.price)
    neckline = Ray(neck.bar, neck.price)
    return Shape(
        _DOUBLE[side],
        side=-side,
        known=known,
        points=(found[0], neck, found[-1]),
        trigger=neckline,
        broken=Ray(known, side * max(tops)),
        height=sum(tops) / 2 - side * neck.price,
        lines=(("neckline", neckline, found[0].bar),),
        last=known + FORMING_BARS,
    )
