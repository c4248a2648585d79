"""What became of a shape: triggered by a close beyond its line, broken by one the wrong way, or gone with time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter

from core.screener.chart_patterns.pivots import TIE, Chart
from core.screener.chart_patterns.shape import Shape

NEVER = sys.maxsize


class End(StrEnum):
    """How a shape stopped being one that forms."""

    TRIGGERED = "triggered"
    BROKEN = "broken"
    """A close went beyond it on the other side."""
    EXPIRED = "expired"
    """No close crossed its lines in time."""
    REPLACED = "replaced"
    """A newer one of the same type took its place."""


@dataclass(frozen=True, slots=True)
class Life:
    """A shape and its end; without one it still forms at the last bar."""

    shape: Shape
    end: End | None = None
    at: int = NEVER
    """The bar of its end. A shape that expires at a gap ends with the first bar after it."""


def lives(chart: Chart, shapes: Iterable[Shape]) -> Iterator[Life]:
    """The life of each shape, by stretch, type and confirmation.

    A shape takes the place of one of its type that still forms. One that has been triggered after the last pivot of the
    next was made of the same prices, and stands for both.
    """
    stretch = chart.stretch
    placed = sorted(
        ((int(stretch[shape.known]), shape.type, shape.known, shape.points[0].bar, number, shape))
        for number, shape in enumerate(shapes)
    )
    for (number, _), group in groupby(placed, key=itemgetter(0, 1)):
        begin, end = int(chart.starts[number]), int(chart.starts[number + 1])
        closes: list[float] = chart.close[begin:end].tolist()
        is_cut = number + 1 < len(chart.symbol) and chart.symbol[number] == chart.symbol[number + 1]
        before: Life | None = None
        for *_, shape in group:
            if _is_left(shape, closes, begin):
                continue
            life = _life(shape, closes, begin) or (Life(shape, End.EXPIRED, end) if is_cut else Life(shape))
            if before is not None:
                if before.end is End.TRIGGERED and shape.points[-1].bar <= before.at <= shape.known:
                    continue
                yield before if before.at <= shape.known else Life(before.shape, End.REPLACED, shape.known)
            before = life
        if before is not None:
            yield before


def _is_left(shape: Shape, closes: Sequence[float], begin: int) -> bool:
    """Whether closes crossed its lines after the last pivot, before it was known: then it never was one to wait for.

    A close beyond the trigger line on the very bar that makes it known is its signal.
    """
    for bar in range(shape.points[-1].bar + 1, shape.known + 1):
        crossed = _crossed(shape, bar, closes[bar - begin])
        if crossed is End.BROKEN or (crossed is End.TRIGGERED and bar < shape.known):
            return True
    return False


def _life(shape: Shape, closes: Sequence[float], begin: int) -> Life | None:
    """The end of a shape within its stretch, if it has one there; `begin` is the bar of the first close."""
    for bar in range(shape.known, min(shape.last + 1, begin + len(closes))):
        if crossed := _crossed(shape, bar, closes[bar - begin]):
            return Life(shape, crossed, bar)
    return Life(shape, End.EXPIRED, shape.last + 1) if shape.last + 1 < begin + len(closes) else None


def _crossed(shape: Shape, bar: int, close: float) -> End | None:
    """What a close beyond one of its lines makes of a shape."""
    tie = TIE * close
    if shape.side * (close - shape.trigger.at(bar)) > tie:
        return End.TRIGGERED
    if shape.side * (close - shape.broken.at(bar)) < -tie:
        return End.BROKEN
    return None
