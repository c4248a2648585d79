"""What could have been held of the same symbols: the efficient frontier, minimum variance and risk parity, by skfolio.

Long only, weights between two bounds, in all 1; means and covariances are the sample's. They are figures of the past.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest, NotEnoughData
from core.portfolio.analysis import Mix
from core.portfolio.risk import PERIODS

Floats = NDArray[np.float64]

FEWEST_DAYS = 60
"""Common days below which a covariance is not worth an optimum."""
FRONTIER_POINTS = 20
SMALLEST_WEIGHT = 1e-6
"""What a solver leaves below it is 0."""
TOLERANCE = 1e-9

_solving = threading.Lock()
"""One at a time: the filters of warnings are the process's."""


@dataclass(frozen=True, slots=True)
class Optima:
    """Portfolios of some symbols."""

    frontier: tuple[Mix, ...]
    """From least volatility to highest return."""
    minimum_variance: Mix
    risk_parity: Mix


def check_bounds(holdings: int, min_weight: float, max_weight: float) -> None:
    """Does nothing where so many holdings can be weighted within these bounds.

    Raises:
        InvalidRequest: the bounds contradict one another, or cannot come to 1.
    """
    if not 0 <= min_weight <= max_weight <= 1 or max_weight <= 0:
        raise InvalidRequest("The least and the largest weight are fractions from 0 to 1, in that order.")
    if holdings and holdings * max_weight < 1 - TOLERANCE:
        raise InvalidRequest(f"{holdings} holdings of at most {100 * max_weight:.2f} % each do not come to 100 %.")
    if holdings * min_weight > 1 + TOLERANCE:
        raise InvalidRequest(f"{holdings} holdings of at least {100 * min_weight:.2f} % each are more than 100 %.")


def mix(symbols: Sequence[str], weights: Floats, returns: Floats) -> Mix:
    """A portfolio with what it would have returned.

    Args:
        symbols: of the columns.
        weights: shape (symbols,), in all 1.
        returns: simple returns, shape (days, symbols).
    """
    covariance = np.atleast_2d(np.cov(returns, rowvar=False))
    return Mix(
        weights={symbol: float(weight) for symbol, weight in zip(symbols, weights, strict=True)},
        annual_return=float(weights @ returns.mean(axis=0)) * PERIODS,
        volatility=math.sqrt(max(0.0, float(weights @ covariance @ weights)) * PERIODS),
    )


def optima(symbols: Sequence[str], returns: Floats, *, min_weight: float = 0.0, max_weight: float = 1.0) -> Optima:
    """The efficient portfolios of some symbols.

    Args:
        symbols: two or more.
        returns: simple daily returns, finite, none of them constant, shape (days, symbols).
        min_weight: of each, 0 to 1.
        max_weight: of each.

    Raises:
        NotEnoughData: fewer than two symbols or 60 days, or the solver finds no optimum.
        InvalidRequest: bounds that cannot be.
    """
    check_bounds(len(symbols), min_weight, max_weight)
    if len(symbols) < 2:
        raise NotEnoughData("The efficient frontier takes two holdings that have a history of prices.")
    if len(returns) < FEWEST_DAYS:
        raise NotEnoughData(
            f"The holdings have {len(returns)} days in common; the efficient frontier takes {FEWEST_DAYS}."
        )
    # Weights do not change with the scale of the returns, and the solver's tolerance is absolute.
    scale = float(returns.std(axis=0).mean())
    if not np.isfinite(scale) or (returns.max(axis=0) == returns.min(axis=0)).any():
        raise NotEnoughData("The efficient frontier takes holdings whose prices moved.")
    task = _Task(tuple(symbols), returns, scale, min_weight, max_weight)
    with _solving:
        least = task.mixes("MeanRisk")[0]
        parity = task.mixes("RiskBudgeting")[0]
        return Optima((least, *_efficient(task, least)), least, parity)


@dataclass(frozen=True, slots=True)
class _Task:
    symbols: tuple[str, ...]
    returns: Floats
    scale: float
    min_weight: float
    max_weight: float

    def mixes(self, estimator: str, **options: Any) -> list[Mix]:
        """What an estimator of skfolio finds.

        Raises:
            NotEnoughData: nothing; the data admit no optimum.
        """
        from skfolio import RiskMeasure, optimization
        from skfolio.exceptions import SkfolioError

        model = getattr(optimization, estimator)(
            risk_measure=RiskMeasure.VARIANCE, min_weights=self.min_weight, max_weights=self.max_weight, **options
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of covariances that are nearly singular, which it mends
                model.fit(self.returns / self.scale)
        except (SkfolioError, ValueError, ArithmeticError) as error:
            raise NotEnoughData("The holdings' returns admit no efficient portfolio within these bounds.") from error
        found = np.atleast_2d(model.weights_)
        if not np.isfinite(found).all():
            raise NotEnoughData("The holdings' returns admit no efficient portfolio within these bounds.")
        return [mix(self.symbols, _cleaned(weights), self.returns) for weights in found]

    @property
    def highest(self) -> float:
        """The highest mean daily return within the bounds: as much as may be of the best, then of the next."""
        left = 1.0 - self.min_weight * len(self.symbols)
        means = self.returns.mean(axis=0)
        found = float(means.sum() * self.min_weight)
        for mean in sorted(means, reverse=True):
            part = min(left, self.max_weight - self.min_weight)
            found, left = found + part * float(mean), left - part
        return found


def _efficient(task: _Task, least: Mix) -> list[Mix]:
    """The portfolios of least variance at returns from that of the least one on, up to the highest."""
    begin, end = least.annual_return / PERIODS, task.highest
    if end - begin <= TOLERANCE * task.scale:
        return []
    # The highest return itself leaves the solver no room.
    targets = np.linspace(begin, end, FRONTIER_POINTS)[1:] - np.r_[np.zeros(FRONTIER_POINTS - 2), 1e-6 * (end - begin)]
    return task.mixes("MeanRisk", min_return=targets / task.scale)


def _cleaned(weights: Floats) -> Floats:
    """Without what a solver leaves of nothing, in all exactly 1."""
    kept: Floats = np.where(weights < SMALLEST_WEIGHT, 0.0, weights)
    kept /= kept.sum()
    return kept
