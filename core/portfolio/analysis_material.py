"""What an analysis of a portfolio is made from: read as of a day, with the hash that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

import numpy as np

from core.errors import NotEnoughData, NotFound
from core.market.as_of import AsOf
from core.market.market import Market
from core.portfolio import analysis_parts as parts
from core.portfolio.analysis import MOST_HOLDINGS, AnalysisRequest
from core.portfolio.book import Split
from core.portfolio.optimise import check_bounds
from core.portfolio.risk import PERIODS
from core.portfolio.series import Days, Floats, Series

HISTORY_BARS = 1_260
"""Bars of each holding that correlations and the frontier are of: five years."""


@dataclass(frozen=True, slots=True)
class Material:
    """What an analysis of a portfolio is made from."""

    portfolio_id: UUID
    request: AnalysisRequest
    benchmark: str
    risk_free_rate: float
    window: parts.Window
    held: parts.Held
    notes: tuple[str, ...]
    key: bytes


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads closes as of a day, in the portfolio's currency."""

    market: Market
    as_of: AsOf
    org_id: UUID
    currency: str
    request: AnalysisRequest
    """With the benchmark that it comes to."""
    splits: Mapping[str, Sequence[Split]] = field(default_factory=dict)
    """By symbol, those that are applied to what is held."""

    @property
    def benchmark(self) -> str:
        """The benchmark's symbol."""
        assert self.request.benchmark is not None
        return self.request.benchmark

    @property
    def last(self) -> date:
        """The last day that is looked at."""
        return min(self.request.last or self.as_of.day, self.as_of.day)

    def benchmark_closes(self, first: date) -> tuple[Days, Floats]:
        """Days and closes from a day on.

        Raises:
            NotFound: there are none.
        """
        history = self.market.bars.history(self.benchmark, self.as_of, first=first, org_id=self.org_id)
        days = history.frame["date"].to_numpy().astype("datetime64[D]")
        return days, self._converted(history.frame["close"].to_numpy(), history.currency, days)

    def held(self, series: Series) -> parts.Held:
        """The largest holdings on the last day, with the returns of up to five years."""
        weights = _weights(series, self.last)
        panel = self.market.bars.panel(weights, self.as_of, HISTORY_BARS, self.org_id)
        symbols = tuple(symbol for symbol in weights if symbol in panel.symbols)
        days = np.unique(panel.dates)
        days = days[days <= np.datetime64(self.last, "D")]
        if self.request.first is not None:
            days = days[days >= np.datetime64(self.request.first, "D")]
        closes = np.full((len(days), len(symbols)), np.nan)
        for place, symbol in enumerate(symbols):
            bars = panel.of(symbol)
            currency = panel.about[symbol].currency
            close = self._converted(bars.close, currency, bars.dates) * self._shares(symbol, bars.dates)
            closes[:, place] = parts.on_days(days, bars.dates, close)
        shares = np.array([weights[symbol] for symbol in symbols], dtype=np.float64)
        return parts.Held(symbols, shares, days, parts.simple_returns(closes))

    def _shares(self, symbol: str, days: Days) -> Floats:
        """Shares of each day for one of the first, by splits that bars know nothing of: no split is a return."""
        found = np.ones(len(days))
        for split in self.splits.get(symbol, ()):
            if not split.is_of_market and not split.is_in_prices:
                found[days >= np.datetime64(split.day, "D")] *= float(split.ratio)
        return found

    def _converted(self, closes: Floats, currency: str | None, days: Days) -> Floats:
        if currency is None or currency == self.currency:
            return closes
        return closes * self.market.fx.series(currency, self.currency, days)


def prepared_of(
    reader: Reader, portfolio_id: UUID, series: Series, risk_free_rate: float, *, must_have_benchmark: bool
) -> Material:
    """What an analysis comes from.

    Args:
        reader: of closes, with what is asked for.
        portfolio_id: whose series it is.
        series: its values by day.
        risk_free_rate: a year.
        must_have_benchmark: whether the benchmark was asked for, and not only set.

    Raises:
        NotEnoughData: no return in the window.
        NotFound: no bars of the benchmark that was asked for.
        InvalidRequest: bounds that so many holdings cannot keep.
    """
    request, notes = reader.request, []
    if not len(series.days):
        raise NotEnoughData("The portfolio has no day with a value yet: enter transactions first.")
    closes = None
    try:
        closes = reader.benchmark_closes(parts.dates(series.days[:1])[0])
    except NotFound:
        if must_have_benchmark:
            raise
        notes.append(f"There are no prices of the benchmark {reader.benchmark}: alpha, beta and R² are not defined.")
    window = parts.window_of(series, closes, first=request.first, last=reader.last)
    if not len(window.returns):
        raise NotEnoughData("The portfolio has no day with a return in this window.")
    held = reader.held(series)
    places = parts.eligible(held)
    check_bounds(len(places) if len(places) > 1 else 0, request.min_weight, request.max_weight)
    count = len(_weights(series, reader.last, most=len(series.symbols)))
    if count > len(held.symbols):
        notes.append(f"Correlations and the efficient frontier are of {len(held.symbols)} of {count} holdings.")
    terms = (reader.benchmark, request.min_weight, request.max_weight, risk_free_rate, PERIODS)
    key = parts.key_of(portfolio_id, window, held, terms)
    return Material(portfolio_id, request, reader.benchmark, risk_free_rate, window, held, tuple(notes), key)


def _weights(series: Series, last: date, most: int = MOST_HOLDINGS) -> dict[str, float]:
    """The largest holdings on the last day on which each has a value, and their shares of all holdings' value."""
    until = int(np.searchsorted(series.days, np.datetime64(last, "D"), side="right"))
    values: dict[str, float] = {}
    for symbol, row in zip(series.symbols, series.holdings[:, :until], strict=True):
        known = row[np.isfinite(row)]
        is_held = len(row) and row[-1] != 0
        if is_held and len(known) and known[-1] > 0:
            values[symbol] = float(known[-1])
    total = sum(values.values())
    largest = sorted(values, key=lambda symbol: (-values[symbol], symbol))[:most]
    return {symbol: values[symbol] / total for symbol in largest}
