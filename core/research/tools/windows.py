"""Windows of days: what a period word means as of a day, and the bars that are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InvalidRequest
from core.research.tools.market_material import day_words, months_before
from core.screener.indicators import SESSIONS_A_YEAR

Floats = NDArray[np.float64]
PERIOD_PATTERN = r"^(1w|1m|3m|6m|ytd|1y|3y|5y|max|\d{4}|\d{4}-\d{2})$"
MONTHS = {"1m": 1, "3m": 3, "6m": 6, "1y": 12, "3y": 36, "5y": 60}
DEFAULT_PERIOD = "3m"
LEAST_RETURNS = 20
"""Daily returns from which on a volatility is told."""


@dataclass(frozen=True, slots=True)
class Window:
    """From one day to another, both included."""

    first: date
    last: date
    is_whole: bool = False
    """Whether its return counts the first day too: of a month or a year, from the last close before it."""


def window_of(period: str | None, first: date | None, last: date | None, as_of: date) -> Window:
    """The window that arguments name, up to the as-of day.

    Raises:
        InvalidRequest: a period beside days, no such month, or a window that ends before it begins or lies ahead.
    """
    if period is not None and (first is not None or last is not None):
        raise InvalidRequest("Give either period or first and last.")
    if first is None and last is not None:
        first = months_before(last, MONTHS[DEFAULT_PERIOD])
    found = _of_period(period or DEFAULT_PERIOD, as_of) if first is None else Window(first, last or as_of)
    if found.first > as_of:
        raise InvalidRequest(f"The market is seen as of {day_words(as_of)}: nothing after that day is known.")
    if found.first > found.last:
        raise InvalidRequest("The last day is before the first.")
    return Window(found.first, min(found.last, as_of), found.is_whole)


def _of_period(period: str, as_of: date) -> Window:
    words: dict[str, Callable[[], Window]] = {
        "1w": lambda: Window(as_of - timedelta(days=7), as_of),
        "ytd": lambda: Window(date(as_of.year, 1, 1), as_of, is_whole=True),
        "max": lambda: Window(date.min, as_of),
    }
    if period in words:
        return words[period]()
    if period in MONTHS:
        return Window(months_before(as_of, MONTHS[period]), as_of)
    year, _, month = period.partition("-")
    try:
        if not month:
            return Window(date(int(year), 1, 1), date(int(year), 12, 31), is_whole=True)
        begin = date(int(year), int(month), 1)
    except ValueError:
        raise InvalidRequest(f"There is no period {period}; 2010 is a year and 2010-03 a month.") from None
    following = date(begin.year + begin.month // 12, begin.month % 12 + 1, 1)
    return Window(begin, following - timedelta(days=1), is_whole=True)


@dataclass(frozen=True)
class WindowBars:
    """The bars of one symbol up to the end of a window, oldest first; those without a close are left out."""

    days: tuple[date, ...]
    columns: dict[str, Floats]
    """open, high, low, close and volume; what is missing is NaN."""
    begin: int
    """Place of the window's first bar."""
    window: Window

    @classmethod
    def of(cls, frame: Any, window: Window) -> WindowBars:
        """From bars as `Bars.history` gives them."""
        import polars as pl

        known = frame.filter((pl.col("date") <= window.last) & (pl.col("close") > 0))
        days = tuple(known["date"].to_list())
        names = ("open", "high", "low", "close", "volume")
        columns = {name: known[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in names}
        begin = int(np.searchsorted(np.array(days, dtype="datetime64[D]"), np.datetime64(window.first, "D")))
        return cls(days, columns, begin, window)

    def __len__(self) -> int:
        return len(self.days) - self.begin

    @property
    def close(self) -> Floats:
        """Closes of the window."""
        return self.columns["close"][self.begin :]

    @property
    def base(self) -> int | None:
        """Place of the close that the window's return is from; None where it has no bar."""
        if not self.days:
            return None
        at = self.begin
        is_first = at < len(self.days) and self.days[at] == self.window.first and not self.window.is_whole
        if is_first or at == 0:
            return at if at < len(self.days) else None
        return at - 1

    @property
    def price_return(self) -> float | None:
        """The last close against that of `base`; None where they are the same one."""
        base, close = self.base, self.columns["close"]
        if base is None or base == len(close) - 1:
            return None
        return float(close[-1] / close[base] - 1)

    @cached_property
    def returns(self) -> Floats:
        """Simple daily returns, the first being that of the window's first session."""
        since = self.columns["close"][max(self.begin - 1, 0) :]
        changes: Floats = since[1:] / since[:-1] - 1
        return changes

    @property
    def volatility(self) -> float | None:
        """Sample deviation of daily returns × √252; None of fewer than 20."""
        if len(self.returns) < LEAST_RETURNS:
            return None
        return float(np.std(self.returns, ddof=1) * sqrt(SESSIONS_A_YEAR))

    def deepest(self) -> tuple[float, date, date] | None:
        """The maximum drawdown of closes, the one before the window included, with the days of its peak and trough."""
        begin = max(self.begin - 1, 0)
        since = self.columns["close"][begin:]
        if len(since) < 2:
            return None
        fallen = since / np.maximum.accumulate(since) - 1
        trough = int(np.argmin(fallen))
        if fallen[trough] >= 0:
            return 0.0, self.days[begin], self.days[begin]
        peak = int(np.argmax(since[: trough + 1]))
        return float(fallen[trough]), self.days[begin + peak], self.days[begin + trough]

    def extreme(self, column: str, *, lowest: bool = False) -> tuple[float, date] | None:
        """The highest or lowest of a column within the window, and its first day."""
        values = self.columns[column][self.begin :]
        if not len(values) or np.isnan(values).all():
            return None
        at = int(np.nanargmin(values) if lowest else np.nanargmax(values))
        return float(values[at]), self.days[self.begin + at]

    def mean(self, column: str) -> float | None:
        """The mean of a column within the window."""
        values = self.columns[column][self.begin :]
        return float(np.nanmean(values)) if len(values) and not np.isnan(values).all() else None

    def places(self, interval: str) -> list[int]:
        """Places of the last bar of each day, week or month of the window."""
        return [*self._lasts(_KEYS[interval])]

    def _lasts(self, key: Callable[[date], tuple[int, ...]]) -> Iterator[int]:
        for at in range(self.begin, len(self.days)):
            if at + 1 == len(self.days) or key(self.days[at + 1]) != key(self.days[at]):
                yield at


_KEYS: dict[str, Callable[[date], tuple[int, ...]]] = {
    "day": lambda day: (day.toordinal(),),
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
}
"""What the days of one interval have in common."""
