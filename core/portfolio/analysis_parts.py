"""What an analysis is computed from, and its parts: pure, from arrays of days and returns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.errors import NotEnoughData
from core.portfolio.analysis import (
    FEWEST_COMMON_DAYS,
    MOST_POINTS,
    WINDOWS,
    Correlations,
    Frontier,
    HoldingRisk,
    MonthReturn,
    RollingCurve,
    UnderwaterCurve,
)
from core.portfolio.optimise import FEWEST_DAYS, mix, optima
from core.portfolio.risk import PERIODS, finite, growth, is_constant, rolling, underwater
from core.portfolio.series import Days, Floats, Series

FORMULAS = "1"
"""Version of the formulas: another one makes every kept analysis another."""


@dataclass(frozen=True, slots=True)
class Window:
    """A portfolio's returns in a window, beside a benchmark's."""

    days: Days
    """datetime64[D], those that have a return; shape (n,)."""
    returns: Floats
    """Finite, shape (n,)."""
    benchmark: Floats
    """Shape (n,); NaN where it has none that day."""
    missing: int
    """Days without a return though something was held."""


@dataclass(frozen=True, slots=True)
class Held:
    """Prices of the largest holdings as returns, in the portfolio's currency."""

    symbols: tuple[str, ...]
    weights: Floats
    """Of the value of all holdings; shape (symbols,)."""
    days: Days
    returns: Floats
    """Shape (days, symbols); NaN where the close of the day or of the day before is missing."""


def window_of(
    series: Series, benchmark: tuple[Days, Floats] | None, *, first: date | None = None, last: date | None = None
) -> Window:
    """The returns of a window, joined with a benchmark's closes by date.

    A benchmark's return of a day is its close ÷ its close of the portfolio's day before, both on those very days.

    Args:
        series: of the portfolio.
        benchmark: days in order, and closes in the portfolio's currency.
        first: the first day whose return counts.
        last: the last.
    """
    inside = np.ones(len(series.days), dtype=bool)
    if first is not None:
        inside &= series.days >= np.datetime64(first, "D")
    if last is not None:
        inside &= series.days <= np.datetime64(last, "D")
    factors, value = series.factors, series.value
    is_known = np.isfinite(factors)
    before = np.concatenate(([0.0], value[:-1]))
    is_missing = ~is_known & ~np.isfinite(value + before + series.inflow + series.outflow)
    closes = np.full(len(series.days), np.nan) if benchmark is None else on_days(series.days, *benchmark)
    counted = inside & is_known
    return Window(
        days=series.days[counted],
        returns=factors[counted] - 1.0,
        benchmark=simple_returns(closes)[counted],
        missing=int((inside & is_missing).sum()),
    )


def on_days(days: Days, known: Days, closes: Floats) -> Floats:
    """The closes of these very days; NaN where there is none.

    Args:
        days: that are asked for.
        known: of the closes, in order, each once.
        closes: as many.
    """
    found = np.full(len(days), np.nan)
    if len(known):
        at = np.minimum(np.searchsorted(known, days), len(known) - 1)
        same = known[at] == days
        found[same] = closes[at[same]]
    return found


def simple_returns(closes: Floats) -> Floats:
    """Close ÷ close before − 1 along the first axis; NaN where one of both is missing, and on the first day."""
    found = np.full(closes.shape, np.nan)
    with np.errstate(all="ignore"):
        found[1:] = closes[1:] / closes[:-1] - 1.0
    found[~np.isfinite(found)] = np.nan
    return found


def digest(parts: Sequence[object]) -> bytes:
    """SHA-256 of what an analysis comes from: arrays by their bytes, the rest by their words."""
    found = hashlib.sha256(f"analysis {FORMULAS}".encode())
    for part in parts:
        content = np.ascontiguousarray(part).tobytes() if isinstance(part, np.ndarray) else repr(part).encode()
        found.update(len(content).to_bytes(8, "big"))
        found.update(content)
    return found.digest()


def key_of(portfolio_id: UUID, window: Window, held: Held, terms: Sequence[object]) -> bytes:
    """What names an analysis of a portfolio: the same data, rates and bounds have the same key."""
    days = (window.days.astype(np.int64), held.days.astype(np.int64))
    arrays = (window.returns, window.benchmark, held.weights, held.returns)
    return digest([portfolio_id, window.missing, held.symbols, *days, *arrays, *terms])


def thinned(n: int) -> NDArray[np.int64]:
    """Places of at most 600 of so many points, evenly, the last one among them."""
    if n <= MOST_POINTS:
        return np.arange(n, dtype=np.int64)
    return np.unique(np.linspace(0, n - 1, MOST_POINTS).round().astype(np.int64))


def rolling_curves(window: Window, risk_free_rate: float) -> tuple[RollingCurve, ...]:
    """A quarter, half a year and a year, as far as the returns reach."""
    ends = thinned(len(window.returns))
    days = dates(window.days[ends])
    return tuple(
        RollingCurve(width, days, **rolling(window.returns, window.benchmark, ends, width, risk_free_rate))
        for width in WINDOWS
        if len(window.returns) >= width
    )


def underwater_curve(window: Window) -> UnderwaterCurve:
    """Drawdown by day: of each stretch of days its deepest, and the last day."""
    below = underwater(window.returns)
    n = len(below)
    stretches = np.array_split(np.arange(n), min(n, MOST_POINTS - 1))
    places = np.unique([*(int(part[np.argmin(below[part])]) for part in stretches), n - 1])
    return UnderwaterCurve(dates(window.days[places]), [min(0.0, finite(each) or 0.0) for each in below[places]])


def months_of(window: Window) -> tuple[MonthReturn, ...]:
    """The return of each month that has one."""
    months = window.days.astype("datetime64[M]")
    found = []
    for month in np.unique(months):
        part = window.returns[months == month]
        value = finite(growth(part)[-1] - 1.0)
        if value is not None:
            first = month.astype(date)
            found.append(MonthReturn(first.year, first.month, value, len(part)))
    return tuple(found)


def correlations_of(held: Held) -> Correlations:
    """Of each pair, over the days on which both have a return."""
    there = np.isfinite(held.returns)
    counts = there.T.astype(np.int64) @ there.astype(np.int64)
    size = len(held.symbols)
    values: list[list[float | None]] = [[None] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            if counts[row, column] >= FEWEST_COMMON_DAYS:
                common = there[:, row] & there[:, column]
                found = _correlation(held.returns[common, row], held.returns[common, column])
                values[row][column] = values[column][row] = found
    return Correlations(held.symbols, values, counts.tolist())


def _correlation(one: Floats, other: Floats) -> float | None:
    if is_constant(one) or is_constant(other):
        return None
    with np.errstate(all="ignore"):
        found = finite(np.corrcoef(one, other)[0, 1])
    return None if found is None else max(-1.0, min(1.0, found))


def holding_risks(held: Held) -> tuple[HoldingRisk, ...]:
    """Risk and return of each, from 20 days on."""
    found = []
    for place, symbol in enumerate(held.symbols):
        part = held.returns[:, place]
        part = part[np.isfinite(part)]
        has_enough = len(part) >= FEWEST_COMMON_DAYS
        spread = 0.0 if has_enough and is_constant(part) else float(part.std(ddof=1)) if has_enough else 0.0
        found.append(
            HoldingRisk(
                symbol=symbol,
                weight=float(held.weights[place]),
                annual_return=finite(part.mean() * PERIODS) if has_enough else None,
                volatility=finite(spread * np.sqrt(PERIODS)) if has_enough else None,
                n=len(part),
            )
        )
    return tuple(found)


def eligible(held: Held) -> NDArray[np.int64]:
    """Places of the holdings that an efficient portfolio is sought of: those that moved on 60 days or more, without
    the shortest histories where all together would have fewer days in common."""
    there = np.isfinite(held.returns)
    counts = there.sum(axis=0)
    kept = [
        place
        for place in range(len(held.symbols))
        if counts[place] >= FEWEST_DAYS and not is_constant(held.returns[there[:, place], place])
    ]
    while len(kept) > 1 and there[:, kept].all(axis=1).sum() < FEWEST_DAYS:
        kept.remove(min(kept, key=lambda place: (counts[place], held.weights[place])))
    return np.array(kept, dtype=np.int64)


def frontier_of(held: Held, *, min_weight: float, max_weight: float) -> Frontier:
    """The efficient frontier of the holdings, with what they are now.

    Raises:
        NotEnoughData: fewer than two with enough days in common; the sentence says so.
        InvalidRequest: bounds that so many holdings cannot keep.
    """
    places = eligible(held)
    if len(places) < 2:
        raise NotEnoughData(f"The efficient frontier takes two holdings with {FEWEST_DAYS} days of prices in common.")
    symbols = [held.symbols[place] for place in places]
    common = np.isfinite(held.returns[:, places]).all(axis=1)
    returns, days = held.returns[np.ix_(common, places)], held.days[common]
    found = optima(symbols, returns, min_weight=min_weight, max_weight=max_weight)
    weights = held.weights[places]
    return Frontier(
        points=found.frontier,
        minimum_variance=found.minimum_variance,
        risk_parity=found.risk_parity,
        current=mix(symbols, weights / weights.sum(), returns),
        first=days[0].astype(date),
        last=days[-1].astype(date),
        n=len(days),
        left_out=[symbol for symbol in held.symbols if symbol not in set(symbols)],
        min_weight=min_weight,
        max_weight=max_weight,
    )


def dates(days: Days) -> list[date]:
    """Days as Python's dates."""
    found: list[date] = days.astype("datetime64[D]").tolist()
    return found
