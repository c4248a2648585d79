"""What an entry at every bar turned out to be worth: the move, how far prices went both ways, and the benchmark's move.

An entry is one that a signal at the close of bar t could have led to: it is made at the open of the symbol's next bar,
t + 1, and left at the close of bar t + h, so that it is held over h sessions, that of the entry included. Highs and
lows are those of the same h sessions. All are shares of the entry price, before costs, as one who bought sees them; for
a bearish signal their signs are turned by who reads them (`core.screener.records`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from core.market.panel import Days, Floats
from core.screener.series import LONGEST_GAP_DAYS, Numbers, Series

if TYPE_CHECKING:
    import polars as pl

HORIZONS = (1, 5, 20, 60)
"""Sessions that an entry is held."""


@dataclass(frozen=True)
class Benchmark:
    """What an entry is compared with: a dated series that is bought and sold at the same opens and closes."""

    symbol: str
    dates: Days
    """In order."""
    open: Floats
    close: Floats

    @classmethod
    def of(cls, symbol: str, frame: pl.DataFrame) -> Benchmark:
        """From bars as `Bars.history` gives them."""
        import polars as pl

        whole = frame.drop_nulls(["open", "close"]).filter((pl.col("open") > 0) & (pl.col("close") > 0)).sort("date")
        dates = whole["date"].to_numpy().astype("datetime64[D]")
        return cls(symbol, dates, whole["open"].to_numpy(), whole["close"].to_numpy())

    def at(self, days: Days) -> tuple[Floats, Floats]:
        """Opens and closes of days; NaN where there are none."""
        if not len(self.dates):
            return np.full(len(days), np.nan), np.full(len(days), np.nan)
        places = np.minimum(np.searchsorted(self.dates, days), len(self.dates) - 1)
        is_there = self.dates[places] == days
        return np.where(is_there, self.open[places], np.nan), np.where(is_there, self.close[places], np.nan)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of every bar of a series, what an entry after it was worth over one horizon; NaN where that is not known."""

    move: Floats
    highest: Floats
    """How far the price rose above the entry at most; 0 where it never did."""
    lowest: Floats
    """How far it fell below the entry at most, as a share that is at most 0."""
    benchmark: Floats | None
    """The move of the benchmark between the same open and close; NaN where it lacks a price too, None without one."""


class Outcomes:
    """The outcomes of all entries of a series, one horizon at a time."""

    def __init__(self, series: Series, benchmark: Benchmark | None = None) -> None:
        self.series = series
        self.benchmark = benchmark

    def over(self, sessions: int) -> Outcome:
        """What entries were worth that were held so many sessions."""
        import talib

        series, tellable = self.series, max(len(self.series) - sessions, 0)
        is_unknown = self._following[:tellable] < sessions
        entered, left = slice(1, 1 + tellable), slice(sessions, None)

        def told(reached: Floats, entry: Floats) -> Floats:
            column = np.full(len(series), np.nan)
            moves = column[:tellable]
            np.divide(reached[left], entry[entered], out=moves)
            moves -= 1
            moves[is_unknown] = np.nan
            return column

        # The window of `sessions` bars that ends where the entry is left begins where it was made: it holds one symbol.
        highest = talib.MAX(series.high, sessions) if 1 < sessions <= len(series) else series.high
        lowest = talib.MIN(series.low, sessions) if 1 < sessions <= len(series) else series.low
        return Outcome(
            move=told(series.close, series.open),
            highest=told(highest, series.open),
            lowest=told(lowest, series.open),
            benchmark=None if self._benchmark_at is None else told(self._benchmark_at[1], self._benchmark_at[0]),
        )

    @cached_property
    def _following(self) -> Numbers:
        """How many bars of the same symbol follow each bar before its last one or a gap, over which nothing is told."""
        dates, is_first = self.series.dates, np.ones(len(self.series), dtype=bool)
        is_first[1:] = (np.diff(dates).astype(np.int64) > LONGEST_GAP_DAYS) | (self.series.age[1:] == 0)
        firsts = np.flatnonzero(is_first)
        lengths = np.diff(np.append(firsts, len(dates)))
        following: Numbers = np.repeat(firsts + lengths, lengths) - 1 - np.arange(len(dates))
        return following

    @cached_property
    def _benchmark_at(self) -> tuple[Floats, Floats] | None:
        return None if self.benchmark is None else self.benchmark.at(self.series.dates)
