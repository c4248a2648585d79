"""What an analysis of a portfolio, or of returns that a caller brought, holds; it is kept as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from core.portfolio.risk import PERIODS, RiskFigures

WINDOWS = (63, 126, 252)
"""Trading days of the rolling windows: a quarter, half a year, a year."""
MOST_POINTS = 600
"""Points that a curve is thinned to."""
MOST_HOLDINGS = 40
"""Largest holdings that correlations and the efficient frontier are of."""
FEWEST_COMMON_DAYS = 20
"""Days that two holdings share, below which their correlation is not told."""


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What of a portfolio is analysed, and how its holdings may be weighted in the frontier."""

    first: date | None = None
    """The first day whose return counts; None: since the first transaction."""
    last: date | None = None
    """The last; None: the date that is seen."""
    benchmark: str | None = None
    """None: the portfolio's own, or the organisation's."""
    min_weight: float = 0.0
    """Of each holding in an efficient portfolio."""
    max_weight: float = 1.0


@dataclass(frozen=True, slots=True)
class RollingCurve:
    """Figures of the last so many days, at some of the days; None where there are too few yet."""

    window: int
    """Returns in each."""
    days: Sequence[date]
    volatility: Sequence[float | None]
    sharpe: Sequence[float | None]
    beta: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class UnderwaterCurve:
    """Drawdown by day, thinned so that the deepest day of each stretch stays."""

    days: Sequence[date]
    drawdown: Sequence[float]


@dataclass(frozen=True, slots=True)
class MonthReturn:
    """The return of a calendar month, of the days that have one."""

    year: int
    month: int
    value: float
    n: int


@dataclass(frozen=True, slots=True)
class Correlations:
    """Of daily returns of the largest holdings in the portfolio's currency, each pair over the days that both have."""

    symbols: Sequence[str]
    values: Sequence[Sequence[float | None]]
    """Row by row; None: fewer than 20 common days, or one of both did not move."""
    counts: Sequence[Sequence[int]]
    """Common days of each pair."""


@dataclass(frozen=True, slots=True)
class HoldingRisk:
    """Risk and return of one holding's price, in the portfolio's currency."""

    symbol: str
    weight: float
    """Of the holdings' value at the last day."""
    annual_return: float | None
    """Mean daily return × 252."""
    volatility: float | None
    """A year."""
    n: int


@dataclass(frozen=True, slots=True)
class Mix:
    """A portfolio of the holdings, long only, whose weights sum to 1."""

    weights: dict[str, float]
    annual_return: float
    """Mean daily return × 252, had it been held so, rebalanced daily."""
    volatility: float
    """A year."""


@dataclass(frozen=True, slots=True)
class Frontier:
    """What could have been held of the same symbols: told of the past, never advised."""

    points: Sequence[Mix]
    """The efficient frontier, from least volatility to highest return."""
    minimum_variance: Mix
    risk_parity: Mix
    """Each holding brings the same share of the variance; of what is 0 in it there was none to share."""
    current: Mix
    """As it is held now, cash left out."""
    first: date
    last: date
    n: int
    """Days on which every holding in it has a return."""
    left_out: Sequence[str]
    """Holdings with too few days."""
    min_weight: float
    max_weight: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """All figures of one analysis. Those of returns that a caller brought have no curves and no holdings."""

    id: UUID
    author: str
    """Whose analysis it was counted for."""
    made_at: datetime
    figures: RiskFigures
    risk_free_rate: float
    """A year."""
    periods: float = PERIODS
    """Returns of a year."""
    benchmark: str | None = None
    first: date | None = None
    """Of the returns that count."""
    last: date | None = None
    missing: int = 0
    """Days of the window without a return, for a price was missing."""
    missing_pairs: int = 0
    """Of the days with a return, those on which the benchmark has none."""
    rolling: Sequence[RollingCurve] = ()
    underwater: UnderwaterCurve | None = None
    months: Sequence[MonthReturn] = ()
    correlations: Correlations | None = None
    holdings: Sequence[HoldingRisk] = ()
    frontier: Frontier | None = None
    notes: Sequence[str] = field(default=())
    """What a reader should know: why there is no frontier, which holdings were left out."""
