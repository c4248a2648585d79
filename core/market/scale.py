"""Figures out of scale: a value a thousand or a million times its neighbours was reported in the wrong unit."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import log10
from statistics import median

NEIGHBOURS = 8
FEWEST = 3
"""With fewer neighbours nothing can be said."""
STEPS = (3, 6)
"""Powers of ten by which units are mistaken: thousands, millions."""
TOLERANCE = 0.35
"""A company may have doubled beside it."""
AGREEING_SHARE = 0.75
"""So many of the neighbours must be within a power of ten of their median, or the series is too wild to judge."""


def suspects(values: Sequence[Decimal]) -> list[bool]:
    """Which values of a series in order of time are out of scale. A zero is none, and tells nothing of the others."""
    sizes = [log10(abs(value)) if value else None for value in values]
    return [size is not None and _is_apart(size, _near(sizes, place)) for place, size in enumerate(sizes)]


def _near(sizes: Sequence[float | None], place: int) -> list[float]:
    """The sizes nearest in time, without its own."""
    others = [(abs(other - place), size) for other, size in enumerate(sizes) if other != place and size is not None]
    return [size for _, size in sorted(others)[:NEIGHBOURS]]


def _is_apart(size: float, near: Sequence[float]) -> bool:
    if len(near) < FEWEST:
        return False
    middle = median(near)
    agreeing = sum(abs(other - middle) <= 1 for other in near)
    is_off = any(abs(abs(size - middle) - step) <= TOLERANCE for step in STEPS)
    return is_off and agreeing >= AGREEING_SHARE * len(near)
