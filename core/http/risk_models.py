"""What the API takes and tells of risk figures."""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from core.errors import InvalidRequest
from core.http.models import Body, CamelAnswer

MAX_SYMBOL_CHARS = 40

Returns = Annotated[list[Any], WithJsonSchema({"type": "array", "items": {"type": "number"}, "minItems": 1})]
"""Simple returns as fractions; looked through by hand, so that the first that is none is named by its place."""
OfReturns = Annotated[float, Field(allow_inf_nan=False)]


class RiskMetricsWanted(Body):
    """Returns of the caller's own, or a portfolio; either, never both."""

    portfolioReturns: Returns | None = None  # noqa: N815 (the contract's name)
    """Simple returns, one of each period: 0.01 is 1 %."""
    marketReturns: Returns | None = None  # noqa: N815 (the contract's name)
    """Those of the market in the same periods, as many."""
    riskFreeRate: OfReturns | None = Field(None, gt=-1)  # noqa: N815 (the contract's name)
    """A year, as a fraction: 0.04 is 4 %."""
    periodsPerYear: OfReturns | None = Field(None, gt=0)  # noqa: N815 (the contract's name)
    """Returns of a year; 252 where it is not said."""
    portfolio_id: str | None = None
    benchmark: str | None = Field(None, min_length=1, max_length=MAX_SYMBOL_CHARS)
    """A symbol; the portfolio's own, or the organisation's, where none is given."""
    first: str | None = Field(None, alias="from")
    """The first day whose return counts, such as 2026-01-31."""
    last: str | None = Field(None, alias="to")
    """The last day."""

    @property
    def is_of_portfolio(self) -> bool:
        """Whether a portfolio is asked about.

        Raises:
            InvalidRequest: both kinds are mixed, or the fields of neither are all there.
        """
        raw = {name for name in RAW if getattr(self, name) is not None}
        other = {name for name in ("benchmark", "first", "last") if getattr(self, name) is not None}
        if self.portfolio_id is not None:
            if raw:
                raise InvalidRequest(f"Send portfolio_id or returns, not both: {min(raw)} is of returns.")
            return True
        if other:
            names = {"first": "from", "last": "to"}
            raise InvalidRequest(f"The field {names.get(min(other), min(other))} goes with portfolio_id alone.")
        missing = [name for name in RAW[:3] if getattr(self, name) is None]
        if len(missing) == len(RAW[:3]):
            raise InvalidRequest(f"Send the field portfolio_id, or returns of your own: {', '.join(RAW[:3])}.")
        if missing:
            raise InvalidRequest(f"The field {missing[0]} is missing.")
        return False

    def returns(self) -> tuple[list[float], list[float]]:
        """The returns of the caller, and of the market.

        Raises:
            InvalidRequest: an empty list, lists of unequal length, or what is no number; the sentence says where.
        """
        mine = _numbers(self.portfolioReturns or [], "portfolioReturns")
        market = _numbers(self.marketReturns or [], "marketReturns")
        if len(mine) != len(market):
            longer = "portfolioReturns" if len(mine) > len(market) else "marketReturns"
            raise InvalidRequest(
                f"The field portfolioReturns has {len(mine):,} returns and marketReturns {len(market):,}: "
                f"from position {min(len(mine), len(market))} on {longer} has no counterpart."
            )
        return mine, market

    def days(self) -> tuple[date | None, date | None]:
        """The first and the last day.

        Raises:
            InvalidRequest: what is no date, or the last before the first.
        """
        first, last = _day(self.first, "from"), _day(self.last, "to")
        if first is not None and last is not None and last < first:
            raise InvalidRequest("The field to is before the field from.")
        return first, last


RAW = ("portfolioReturns", "marketReturns", "riskFreeRate", "periodsPerYear")


class RiskMetricsAnswer(CamelAnswer):
    """Risk figures as fractions; null where one is not defined for the input."""

    sharpe: float | None
    sortino: float | None
    alpha: float | None
    """A year."""
    beta: float | None
    calmar: float | None
    std_dev: float | None
    """Of one period."""
    max_drawdown: float | None
    """0 or below."""
    current_drawdown: float | None
    r_squared: float | None
    volatility: float | None
    """A year."""
    cagr: float | None
    n: int
    """Returns that the figures are of."""
    cached: bool
    """Whether it was there already, and counted nothing."""


def _numbers(given: list[Any], field: str) -> list[float]:
    if not given:
        raise InvalidRequest(f"The field {field} is empty; give at least one return.")
    for place, each in enumerate(given):
        if type(each) not in (float, int):
            what = "null" if each is None else "not a number"
            raise InvalidRequest(f"The field {field}[{place}] is {what}; every return is a number such as 0.01.")
        if not _is_finite(each):
            raise InvalidRequest(f"The field {field}[{place}] is not finite; every return is a number such as 0.01.")
    return [float(each) for each in given]


def _is_finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # a whole number that no float is as large as
        return False


def _day(given: str | None, field: str) -> date | None:
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidRequest(f"The field {field} must be a date such as 2026-01-31.") from None
