"""Money-weighted return: the yearly rate at which all that went in would have grown to all that came out (XIRR)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from core.portfolio.report import Rate

DAYS_A_YEAR = 365
"""ACT/365, as spreadsheets compute it."""
LEAST_DAYS = 30
"""Of a shorter window no yearly rate is told."""
GRID = 801
"""Places at which the sum of present values is looked at for a change of sign."""
WIDEST = 10.0
"""Natural logarithm of the largest growth that is looked for, over a year or over the window, whichever is longer."""
SHARPNESS = 4.0
"""How much denser those places are near no growth at all."""
MOST_AT_ONCE = 65_536
"""Present values that are computed together."""
NARROW = 1e-13
"""A root is told to within so much of a logarithm."""

NO_FLOWS = "No money went in or out."
ONE_DAY = "All money moved on one day: a rate needs two."
ONE_WAY = "Money went one way only: there is no rate at which it comes to nothing."
NO_ROOT = "No rate solves these flows."
SEVERAL = "Several rates solve these flows; this is the one nearest to zero."

Floats = NDArray[np.float64]
Flow = tuple[date, float]


def money_weighted(flows: Sequence[Flow]) -> Rate:
    """The rate r with Σ amount ÷ (1 + r)^(days ÷ 365) = 0, the days counted from the first flow.

    Args:
        flows: days and money in any order, as the investor sees it: what was paid in below 0, what came out and what
            it is worth at the end above 0. Amounts that are not finite have no rate.

    Returns:
        As `Rate` says: the yearly rate from 30 days on, else what it comes to over the window; None with the reason
        where there is no change of sign, all is of one day, or no rate solves it. Several roots are told in the note.
    """
    by_day: dict[date, float] = {}
    for day, amount in flows:
        by_day[day] = by_day.get(day, 0.0) + amount
    days = sorted(day for day, amount in by_day.items() if amount != 0)
    amounts = np.array([by_day[day] for day in days])
    first, last = (days[0], days[-1]) if days else (None, None)

    def without(why: str) -> Rate:
        return Rate(None, first=first, last=last, n=len(days), note=why)

    if not days:
        return without(NO_FLOWS)
    if not np.isfinite(amounts).all():
        return without("A flow or value is not known.")
    if len({day for day, _ in flows}) < 2:
        return without(ONE_DAY)
    if not (amounts.min() < 0 < amounts.max()):
        return without(ONE_WAY)
    since = np.array([(day - days[0]).days for day in days], dtype=np.float64)
    roots = _roots(amounts, since)
    growth = _solved(days, amounts, since, roots)
    if growth is None:
        return without(NO_ROOT)
    note = SEVERAL if len(roots) > 1 else ""
    length = (days[-1] - days[0]).days
    if length < LEAST_DAYS:
        return Rate(float(np.expm1(growth * length / DAYS_A_YEAR)), None, first, last, len(days), note)
    rate = float(np.expm1(growth))
    return Rate(rate, rate, first, last, len(days), note)


def _solved(days: Sequence[date], amounts: Floats, since: Floats, roots: Sequence[float]) -> float | None:
    """The yearly growth ln(1 + r): pyxirr's where one rate solves the flows, else the root that is nearest to zero."""
    import pyxirr

    if len(roots) != 1:
        return min(roots, key=abs) if roots else None
    if since[-1] >= LEAST_DAYS:
        found = pyxirr.xirr(list(days), amounts.tolist(), guess=float(np.expm1(roots[0])), silent=True)
        if found is not None and found > -1 and abs(np.log1p(found) - roots[0]) <= 1e-6 * max(1.0, abs(roots[0])):
            return float(np.log1p(found))
    return roots[0]


def _roots(amounts: Floats, since: Floats) -> list[float]:
    """Every ln(1 + r) at which the present value changes its sign, lowest first."""
    years = since / DAYS_A_YEAR
    reach = WIDEST * max(1.0, DAYS_A_YEAR / since[-1])
    line = np.linspace(-1.0, 1.0, GRID)
    places = reach * np.sinh(SHARPNESS * line) / np.sinh(SHARPNESS)
    at_once = max(1, MOST_AT_ONCE // len(years))
    parts = [_present(places[begin : begin + at_once], amounts, years) for begin in range(0, GRID, at_once)]
    signs = np.sign(np.concatenate(parts))
    found = [float(place) for place, sign in zip(places, signs, strict=True) if sign == 0]
    changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    found += [_narrowed(float(places[at]), float(places[at + 1]), amounts, years) for at in changes]
    return sorted(found)


def _present(growths: Floats, amounts: Floats, years: Floats) -> Floats:
    """Sums of present values, each divided by its largest factor so that none overflows: their sign is what counts."""
    exponents = -growths[:, None] * years
    found: Floats = np.exp(exponents - exponents.max(axis=1, keepdims=True)) @ amounts
    return found


def _narrowed(low: float, high: float, amounts: Floats, years: Floats) -> float:
    """The root between two places of different sign, by halving."""

    def sign_at(growth: float) -> float:
        return float(np.sign(_present(np.array([growth]), amounts, years)[0]))

    sign = sign_at(low)
    while high - low > NARROW * max(1.0, abs(low)):
        middle = (low + high) / 2
        low, high = (middle, high) if sign_at(middle) == sign else (low, middle)
    return (low + high) / 2
