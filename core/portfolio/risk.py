"""Risk figures of simple returns, by one set of definitions; what is not defined is None, never 0, NaN or infinity.

Sharpe, Sortino, alpha, beta, VaR and CVaR are empyrical-reloaded's, with the risk-free rate of one period, behind
checks for what it answers with infinity or rounding noise. Standard deviation of constant returns, R², drawdowns and
CAGR are our own: by logarithms a CAGR neither overflows nor runs dry on the way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERIODS = 252
"""Trading days of a year."""
TAIL = 0.05
"""Share of the worst returns that VaR and CVaR speak of."""
FEWEST = 2
"""Returns that a spread takes."""
FEWEST_FOR_RATIOS = 20
"""Returns below which pages show no ratio."""
FEWEST_FOR_TAIL = 100


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """What a series of returns comes to; fractions, None where a figure is not defined."""

    n: int
    """Returns."""
    n_pairs: int
    """Returns that have one of the benchmark beside them; 0 without a benchmark."""
    std_dev: float | None
    """Of one period."""
    volatility: float | None
    """A year."""
    sharpe: float | None
    sortino: float | None
    alpha: float | None
    """A year."""
    beta: float | None
    r_squared: float | None
    max_drawdown: float | None
    """0 or below; None, as all that wealth decides, where a return is below −1."""
    current_drawdown: float | None
    cagr: float | None
    calmar: float | None
    var_95: float | None
    """A loss of one period: above 0 where money was lost."""
    cvar_95: float | None

    def as_shown(self) -> RiskFigures:
        """The figures as pages show them: None also where there are too few returns for one to mean anything."""
        hidden: dict[str, Any] = {
            name: None
            for name, convention in CONVENTIONS.items()
            if (self.n_pairs if convention.is_relative else self.n) < convention.fewest
        }
        return replace(self, **hidden)


@dataclass(frozen=True, slots=True)
class Convention:
    """What a figure is, for the note beside it."""

    label: str
    definition: str
    """A sentence."""
    fewest: int = 1
    """Returns below which pages do not show it."""
    is_relative: bool = False
    """Whether it needs a benchmark: its n are the pairs."""


CONVENTIONS: Mapping[str, Convention] = {
    "sharpe": Convention(
        "Sharpe ratio",
        "Mean return above the risk-free rate ÷ its standard deviation (n − 1) × √252.",
        FEWEST_FOR_RATIOS,
    ),
    "sortino": Convention(
        "Sortino ratio",
        "Mean return above the risk-free rate × 252 ÷ the annual downside deviation below that rate, over all days.",
        FEWEST_FOR_RATIOS,
    ),
    "alpha": Convention(
        "Alpha",
        "What the mean return above the risk-free rate exceeds beta × the benchmark's by, compounded over a year.",
        FEWEST_FOR_RATIOS,
        is_relative=True,
    ),
    "beta": Convention(
        "Beta",
        "Covariance with the benchmark ÷ the benchmark's variance.",
        FEWEST_FOR_RATIOS,
        is_relative=True,
    ),
    "r_squared": Convention(
        "R²",
        "Squared correlation with the benchmark's returns.",
        FEWEST_FOR_RATIOS,
        is_relative=True,
    ),
    "calmar": Convention("Calmar ratio", "CAGR ÷ the maximum drawdown's size.", FEWEST_FOR_RATIOS),
    "cagr": Convention("CAGR", "Growth of the whole window, as a rate a year of 252 days.", FEWEST_FOR_RATIOS),
    "volatility": Convention("Volatility", "Standard deviation (n − 1) of daily returns × √252.", FEWEST_FOR_RATIOS),
    "std_dev": Convention("Standard deviation", "Of daily returns, n − 1.", FEWEST_FOR_RATIOS),
    "max_drawdown": Convention(
        "Maximum drawdown", "Deepest fall of the wealth below its highest point before, the start included."
    ),
    "current_drawdown": Convention(
        "Current drawdown", "How far the wealth stands below its highest point at the window's end."
    ),
    "var_95": Convention(
        "VaR 95 %", "Historical: the loss that 5 % of the days exceeded, of daily returns.", FEWEST_FOR_TAIL
    ),
    "cvar_95": Convention(
        "CVaR 95 %", "Historical: the mean loss of the worst 5 % of the days, of daily returns.", FEWEST_FOR_TAIL
    ),
}


def rate_of_period(annual: float, periods: float = PERIODS) -> float:
    """The rate that compounds to an annual one in so many periods; negative rates work.

    Args:
        annual: above −1.
        periods: a year, above 0.

    Returns:
        Infinity where it is too large for a float, of a period of many years.
    """
    try:
        return math.expm1(math.log1p(annual) / periods)
    except OverflowError:
        return math.inf


def figures(
    returns: Floats, benchmark: Floats | None, risk_free_rate: float = 0.0, periods: float = PERIODS
) -> RiskFigures:
    """All figures of a series.

    Args:
        returns: simple returns, finite, shape (n,).
        benchmark: those of the same periods, shape (n,), NaN where one is missing; None: no benchmark.
        risk_free_rate: a year, above −1.
        periods: a year, above 0.
    """
    rate = rate_of_period(risk_free_rate, periods)
    with np.errstate(all="ignore"):
        found = {**_of_spread(returns, rate, periods), **_of_wealth(returns, periods), **_of_tail(returns)}
        if benchmark is None:
            n_pairs, related = 0, _of_benchmark(returns[:0], returns[:0], rate, periods)
        else:
            paired = np.isfinite(benchmark)
            n_pairs = int(paired.sum())
            related = _of_benchmark(returns[paired], benchmark[paired], rate, periods)
    return RiskFigures(n=len(returns), n_pairs=n_pairs, **found, **related)


def is_constant(series: Floats) -> bool:
    """Whether all values are the same. A standard deviation in floats is seldom 0, so the ends are compared."""
    return bool(series.max() == series.min())


def growth(returns: Floats) -> Floats:
    """What 1 grew to at the end of each period, the start in front: shape (n + 1,)."""
    return np.concatenate(([1.0], np.cumprod(1.0 + returns)))


def underwater(returns: Floats) -> Floats:
    """Drawdown after each period: wealth ÷ its highest so far − 1, the starting value 1 included; shape (n,)."""
    wealth = growth(returns)
    drawdowns: Floats = wealth[1:] / np.maximum.accumulate(wealth)[1:] - 1.0
    return drawdowns


def finite(value: float) -> float | None:
    """The value, or None where it is NaN, infinite or no real number."""
    return float(value) if np.isfinite(value) else None


def rolling(
    returns: Floats, benchmark: Floats, ends: NDArray[np.int64], window: int, risk_free_rate: float
) -> dict[str, list[float | None]]:
    """Volatility, Sharpe ratio and beta of windows of daily returns.

    Args:
        returns: shape (n,), finite.
        benchmark: shape (n,), NaN where one is missing; beta is of the pairs, of which a window needs 20.
        ends: the last place of each window, rising; None stands for those that too few returns lead up to.
        window: returns in each.
        risk_free_rate: a year.
    """
    names = ("volatility", "sharpe", "beta")
    none: list[float | None] = [None] * len(ends)
    long = ends >= window - 1
    if not long.any():
        return dict.fromkeys(names, none[:])
    places = ends[long][:, None] + np.arange(1 - window, 1)[None, :]
    mine, other = returns[places], benchmark[places]
    is_flat = mine.max(axis=1) == mine.min(axis=1)
    with np.errstate(all="ignore"):
        spread = np.where(is_flat, 0.0, mine.std(axis=1, ddof=1))
        excess = mine.mean(axis=1) - rate_of_period(risk_free_rate)
        sharpe = np.where(is_flat, np.nan, excess / spread * math.sqrt(PERIODS))
    found = (spread * math.sqrt(PERIODS), sharpe, _betas(mine, other))
    before = none[: int((~long).sum())]
    return {name: before + [finite(each) for each in values] for name, values in zip(names, found, strict=True)}


def _betas(returns: Floats, benchmark: Floats) -> Floats:
    """Of each row, over its pairs; NaN where there are fewer than 20, or the benchmark did not move."""
    paired = np.isfinite(benchmark)
    counts = paired.sum(axis=1)
    with np.errstate(all="ignore"):
        means = np.where(paired, benchmark, 0.0).sum(axis=1) / counts
        deviation = np.where(paired, benchmark - means[:, None], 0.0)
        least = np.where(paired, benchmark, np.inf).min(axis=1)
        most = np.where(paired, benchmark, -np.inf).max(axis=1)
        betas: Floats = (deviation * returns).sum(axis=1) / (deviation**2).sum(axis=1)
    return np.where((counts >= FEWEST_FOR_RATIOS) & (most > least), betas, np.nan)


def _of_spread(returns: Floats, rate: float, periods: float) -> dict[str, float | None]:
    from empyrical import sharpe_ratio, sortino_ratio

    if len(returns) < FEWEST:
        return dict.fromkeys(("std_dev", "volatility", "sharpe", "sortino"))
    sortino = finite(sortino_ratio(returns, rate, annualization=periods)) if (returns < rate).any() else None
    if is_constant(returns):
        return {"std_dev": 0.0, "volatility": 0.0, "sharpe": None, "sortino": sortino}
    std_dev = finite(returns.std(ddof=1))
    return {
        "std_dev": std_dev,
        "volatility": None if std_dev is None else finite(std_dev * math.sqrt(periods)),
        "sharpe": finite(sharpe_ratio(returns, rate, annualization=periods)),
        "sortino": sortino,
    }


def _of_wealth(returns: Floats, periods: float) -> dict[str, float | None]:
    names = ("max_drawdown", "current_drawdown", "cagr", "calmar")
    if not len(returns) or (returns < -1.0).any():  # after a loss of more than everything no wealth is left to grow
        return dict.fromkeys(names)
    below = underwater(returns)
    has_all = bool(np.isfinite(below).all())
    deepest = float(below.min()) if has_all else None
    if deepest is not None:
        deepest = min(0.0, deepest)
    cagr = _cagr(returns, periods)
    return {
        "max_drawdown": deepest,
        "current_drawdown": min(0.0, float(below[-1])) if has_all else None,
        "cagr": cagr,
        "calmar": finite(cagr / abs(deepest)) if cagr is not None and deepest else None,
    }


def _cagr(returns: Floats, periods: float) -> float | None:
    """(Π(1 + r))^(P/n) − 1 of returns that are all −1 or above."""
    if (1.0 + returns == 0).any():
        return -1.0
    return finite(np.expm1(np.log1p(returns).sum() * periods / len(returns)))


def _of_tail(returns: Floats) -> dict[str, float | None]:
    from empyrical import conditional_value_at_risk, value_at_risk

    if not len(returns):
        return {"var_95": None, "cvar_95": None}
    return {
        "var_95": finite(0.0 - value_at_risk(returns, TAIL)),
        "cvar_95": finite(0.0 - conditional_value_at_risk(returns, TAIL)),
    }


def _of_benchmark(returns: Floats, benchmark: Floats, rate: float, periods: float) -> dict[str, float | None]:
    from empyrical import alpha_aligned, beta_aligned

    none = dict.fromkeys(("alpha", "beta", "r_squared"))
    if len(returns) < FEWEST or is_constant(benchmark):
        return none
    # empyrical takes a variance below 1e-30 for none: the spread is brought to 1, which leaves the ratio as it is.
    scale = float(np.ptp(benchmark))
    beta = finite(beta_aligned(returns / scale, benchmark / scale))
    if beta is None:
        return none
    return {
        "alpha": finite(alpha_aligned(returns, benchmark, rate, annualization=periods, _beta=beta)),
        "beta": beta,
        "r_squared": _r_squared(returns, benchmark),
    }


def _r_squared(returns: Floats, benchmark: Floats) -> float | None:
    if is_constant(returns):
        return None
    mine, other = (_centred(series) for series in (returns, benchmark))
    together, alone = float(mine @ other), float(mine @ mine) * float(other @ other)
    correlation = finite(together / math.sqrt(alone)) if alone > 0 else None
    return None if correlation is None else min(1.0, correlation**2)


def _centred(series: Floats) -> Floats:
    """About its mean, and no larger than 1, so that no square overflows or vanishes."""
    deviation: Floats = series - series.mean()
    largest = float(np.abs(deviation).max())
    return deviation / largest if largest > 0 else deviation


assert CONVENTIONS.keys() <= {field.name for field in fields(RiskFigures)}
