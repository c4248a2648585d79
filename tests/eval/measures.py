"""Figures of prices, returns and risk by their definitions, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from statistics import fmean, stdev

from tests.eval.ledger import BENCHMARK, base_of, curve
from tests.eval.shipped import Bars, bars, rate

SESSIONS_A_YEAR = 252
RISK_FREE = 0.04
"""A year: what the demo's organisation is set to."""


def average(history: Bars, sessions: int, column: str = "close", *, back: int = 0) -> float:
    """Of the last bars of a column, or of those that ended so many bars before."""
    values = history.columns[column]
    end = len(values) - back
    return fmean(values[end - sessions : end])


def rsi(closes: Sequence[float], sessions: int = 14) -> float:
    """Relative strength index by Wilder: the first averages are simple means, then smoothed over the whole history."""
    changes = [after - before for before, after in pairwise(closes)]
    ups, downs = [max(each, 0.0) for each in changes], [max(-each, 0.0) for each in changes]
    up, down = fmean(ups[:sessions]), fmean(downs[:sessions])
    for rise, fall in zip(ups[sessions:], downs[sessions:], strict=True):
        up = (up * (sessions - 1) + rise) / sessions
        down = (down * (sessions - 1) + fall) / sessions
    return 100 * up / (up + down)


def returns_of(values: Sequence[float]) -> list[float]:
    """Simple returns."""
    return [after / before - 1 for before, after in pairwise(values)]


def deepest(returns: Sequence[float]) -> tuple[float, int, int]:
    """The maximum drawdown, and how many returns had been made at its peak and at its trough; the start counts."""
    wealth = highest = 1.0
    peak = at_peak = trough = 0
    worst = 0.0
    for at, each in enumerate(returns, start=1):
        wealth *= 1 + each
        if wealth > highest:
            highest, peak = wealth, at
        if wealth / highest - 1 < worst:
            worst, at_peak, trough = wealth / highest - 1, peak, at
    return worst, at_peak, trough


@dataclass(frozen=True)
class Returns:
    """Daily returns of a window, and the benchmark's of the same days where it has both closes."""

    days: tuple[date, ...]
    mine: tuple[float, ...]
    pairs: tuple[tuple[float, float], ...]

    def figure(self, name: str) -> float:
        """One of the risk figures.

        Raises:
            KeyError: none of that name.
        """
        r = self.mine
        free = math.pow(1 + RISK_FREE, 1 / SESSIONS_A_YEAR) - 1
        excess = [each - free for each in r]
        if name == "volatility":
            return stdev(r) * math.sqrt(SESSIONS_A_YEAR)
        if name == "sharpe":
            return fmean(excess) / stdev(excess) * math.sqrt(SESSIONS_A_YEAR)
        if name == "sortino":
            below = math.sqrt(fmean([min(each, 0.0) ** 2 for each in excess])) * math.sqrt(SESSIONS_A_YEAR)
            return fmean(excess) * SESSIONS_A_YEAR / below
        if name == "beta":
            return self._beta()
        raise KeyError(f"No risk figure is called {name}.")

    def _beta(self) -> float:
        mine, other = [a for a, _ in self.pairs], [b for _, b in self.pairs]
        means = fmean(mine), fmean(other)
        covariance = fmean([(a - means[0]) * (b - means[1]) for a, b in self.pairs])
        return covariance / fmean([(b - means[1]) ** 2 for b in other])


def portfolio_returns(portfolio: str, first: date | None = None, last: date | None = None) -> Returns:
    """Of a portfolio beside the benchmark in its currency."""
    found = curve(portfolio)
    begin, end = found.places(first, last)
    history, base = bars(BENCHMARK), base_of(portfolio)
    closes = dict(zip(history.days, history.close, strict=True))
    mine, pairs = [], []
    for at in range(begin, end):
        own = found.factors[at] - 1
        mine.append(own)
        day = found.days[at]
        before = found.days[at - 1] if at else None
        if before in closes and day in closes:
            other = closes[day] * rate("USD", base, day) / (closes[before] * rate("USD", base, before))
            pairs.append((own, other - 1))
    return Returns(found.days[begin:end], tuple(mine), tuple(pairs))
