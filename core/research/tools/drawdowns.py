"""The deepest fall of a window's time-weighted growth: from which peak, to which trough, and since when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from core.ai.evidence import Figure
from core.portfolio.report import Performance
from core.research.tools.market_material import figure
from core.research.tools.portfolio_material import PORTFOLIO


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall, as a fraction: 0 or below."""

    depth: float
    peak: date
    """The last day at the highest growth before; the day before the window where it fell from its start."""
    trough: date
    recovery: date | None
    """The first day that reached the peak again; None: none in the window."""
    current: float
    """At the window's end."""
    first_day: date
    """The first day of the fall: the session after the peak."""


def deepest(found: Performance) -> Drawdown | None:
    """The deepest fall of a window, its start included; None where a day of it has no growth."""
    index = found.index
    if not len(index) or any(each is None for each in index):
        return None
    wealth = np.array([1.0, *(each for each in index if each is not None)])
    with np.errstate(all="ignore"):
        below = wealth / np.maximum.accumulate(wealth) - 1.0
    if not np.isfinite(below).all():
        return None
    low = int(np.argmin(below))
    high = int(np.flatnonzero(wealth[: low + 1] == wealth[: low + 1].max())[-1])
    back = np.flatnonzero(wealth[low:] >= wealth[high])
    start = found.time_weighted.first or found.days[0]
    days: Sequence[date] = (start, *found.days)
    return Drawdown(
        depth=min(0.0, float(below[low])),
        peak=days[high],
        trough=days[low],
        recovery=days[low + int(back[0])] if len(back) and high < low else None,
        current=min(0.0, float(below[-1])),
        first_day=days[min(high + 1, len(days) - 1)],
    )


def drawdown_content(fall: Drawdown, brought: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As a model is shown it; a window without a fall has no days of one."""
    if fall.depth == 0:
        return {"value": 0.0}
    return {
        "value": fall.depth,
        "peak": fall.peak,
        "trough": fall.trough,
        "recovery": fall.recovery,
        "contributions_peak_to_trough": list(brought),
    }


def drawdown_figures(fall: Drawdown, first: date, last: date) -> list[Figure]:
    """The depth, of its window and of its own days; the fall at the end; and the days."""
    found = figure(PORTFOLIO, "max_drawdown", fall.depth, "fraction", day=last, first=first)
    found += figure(PORTFOLIO, "current_drawdown", fall.current, "fraction", day=last, first=first)
    if fall.depth == 0:
        return found
    found += figure(PORTFOLIO, "max_drawdown", fall.depth, "fraction", day=fall.trough, first=fall.peak)
    found += figure(PORTFOLIO, "peak_day", fall.peak, day=fall.peak)
    found += figure(PORTFOLIO, "trough_day", fall.trough, day=fall.trough)
    found += figure(PORTFOLIO, "recovered_day", fall.recovery, day=fall.recovery)
    return found
