"""A benchmark that gets the same flows: what the portfolio's money would have come to in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.portfolio.series import Days, Floats

MOST_CARRIED_DAYS = 14
"""So many calendar days a last close stands in on days without a session: a longer gap is no holiday."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The benchmark over a window of days."""

    value: Floats
    """What the same flows in it are worth at each day's end; NaN from the first that could not be bought."""
    factors: Floats
    """Of each day its close ÷ the close before; NaN where either is missing."""
    start: float
    """What the value at the window's beginning stood for; 0 where there was none."""


def carried(days: Days, closes: Floats, on: Days) -> Floats:
    """The last close on each of some days, at most `MOST_CARRIED_DAYS` old; NaN where there is none.

    Args:
        days: of the closes, in order.
        closes: NaN where a day has none.
        on: in order.
    """
    is_there = np.isfinite(closes)
    days, closes = days[is_there], closes[is_there]
    if not len(days):
        return np.full(len(on), np.nan)
    at = np.searchsorted(days, on, side="right") - 1
    age = (on - days[at]).astype(np.int64)
    found: Floats = np.where((at >= 0) & (age <= MOST_CARRIED_DAYS), closes[at], np.nan)
    return found


def compared(start: float, before: float | None, closes: Floats, net: Floats) -> Compared:
    """The same money in the benchmark.

    Units are bought at the close of a flow's day, those of the window's start at the close of the day before it.

    Args:
        start: the portfolio's value at the end of the day before the window.
        before: the benchmark's close of that day; None where the window begins with the portfolio: then its first day
            has no return, since the money of that day is put in at its close.
        closes: of the window's days, in the portfolio's currency; NaN where there is none.
        net: what came in less what went out on each of these days; NaN where it is not known.
    """
    first = closes[:1] if before is None else np.array([before])
    previous = np.concatenate((first, closes[:-1]))
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = closes / previous
        bought = np.where(net == 0, 0.0, net / closes)
        held = 0.0 if start == 0 else start / (np.nan if before is None else before)
        units = held + np.cumsum(bought)
    value = np.where(units == 0, 0.0, units * closes)
    return Compared(value, factors, start)


def growth(factors: Floats) -> Floats:
    """Growth of 1 by factors; NaN from the first missing one on."""
    return np.cumprod(factors).astype(np.float64, copy=False)
