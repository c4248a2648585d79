"""What every family of chart patterns finds: a shape with the line that triggers it and the one that breaks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.market.panel import Floats
from core.screener.chart_patterns.pivots import TIE, Pivots
from core.screener.series import Flags, Numbers

FORMING_BARS = 40
"""A shape whose line is not crossed within so many bars of its last pivot's confirmation is gone."""
FLATNESS = 0.25
"""Prices count as equal where they differ by at most this share of the shape's height as well, so that in a quiet
series, in which all prices are within a percent of one another, not everything is equal."""


@dataclass(frozen=True, slots=True)
class Ray:
    """A straight line of prices over bars."""

    bar: int
    price: float
    slope: float = 0.0
    """Change of price a bar."""

    def at(self, bar: int) -> float:
        """The price of the line at a bar."""
        return self.price + self.slope * (bar - self.bar)


def through(first: Point, second: Point) -> Ray:
    """The line through two points."""
    return Ray(first.bar, first.price, (second.price - first.price) / (second.bar - first.bar))


@dataclass(frozen=True, slots=True)
class Point:
    """A bar that forms a shape."""

    bar: int
    price: float
    is_high: bool
    label: str
    known: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern as it stands when its last pivot becomes known; whether it comes to anything, later bars say."""

    type: str
    side: int
    """+1 where a close above the trigger line is its signal, −1 where one below it is."""
    known: int
    points: tuple[Point, ...]
    trigger: Ray
    broken: Ray
    """A close beyond this one, on the other side, ends it."""
    height: float
    lines: tuple[tuple[str, Ray, int], ...]
    """Name, line, and the bar it is drawn from."""
    last: int
    """The last bar at which it can be triggered."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Each run of so many alternating extrema, one a row.

    Where a run begins with a minimum its prices are negated, so that each shape is described once, as one that begins
    with a maximum, and found mirrored as well.
    """

    first: Numbers
    """The place of the run's first pivot."""
    side: Numbers
    """+1 where it begins with a maximum, else −1."""
    price: Floats
    bar: Numbers
    known: Numbers

    def where(self, chosen: Flags) -> Iterator[tuple[int, int]]:
        """Row and side of the chosen runs."""
        rows = np.flatnonzero(chosen)
        return zip(rows.tolist(), self.side[rows].tolist(), strict=True)


def windows(pivots: Pivots, width: int) -> Windows:
    """Each run of `width` pivots within one stretch."""
    first = np.arange(max(len(pivots) - width + 1, 0))
    last = first + width - 1
    first = first[pivots.stretch[first] == pivots.stretch[last]]
    at = first[:, None] + np.arange(width)
    side = np.where(pivots.is_high[first], 1, -1)
    return Windows(first, side, pivots.price[at] * side[:, None], pivots.bar[at], pivots.known[first + width - 1])


def points(pivots: Pivots, first: int, labels: tuple[str, ...]) -> tuple[Point, ...]:
    """The pivots from `first` on, one for each label."""
    part = slice(first, first + len(labels))
    columns = (pivots.bar[part], pivots.price[part], pivots.is_high[part])
    return tuple(
        Point(bar, price, is_high, label, known)
        for (bar, price, is_high, known), label in zip(
            zip(*(column.tolist() for column in (*columns, pivots.known[part])), strict=True), labels, strict=True
        )
    )


def alike(prices: Floats, tolerance: float, height: Floats) -> Flags:
    """Whether the prices of each row lie within a share of their mean, and of the shape's height, of one another."""
    spread = prices.max(axis=1) - prices.min(axis=1)
    return at_most(spread, np.minimum(tolerance * np.abs(prices.mean(axis=1)), FLATNESS * height), prices[:, 0])


def at_most(difference: Floats, bound: Floats, price: Floats) -> Flags:
    """Whether differences of prices keep to a bound, of about this price."""
    is_kept: Flags = difference <= bound + TIE * np.abs(price)
    return is_kept
