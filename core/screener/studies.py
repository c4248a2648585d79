"""Studies: one symbol as a chart shows it: indicators, patterns, signals, and what such signals were worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.db.scans_dao import SignalRow, SignalsWanted
from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bars import Bars
from core.market.market_time import MarketTime, spoken
from core.market.panel import Floats, SeriesAbout
from core.principal import Principal
from core.screener.chart_patterns.patterns import ChartPattern, latest_chart_patterns_of
from core.screener.indicators import history_of
from core.screener.record_store import FiguresByHorizon, Records
from core.screener.scans import Scan, Scans
from core.screener.series import Series, cleaned

BARS = 260
"""Bars that a chart shows: as many as a scan reads."""


@dataclass(frozen=True)
class Study:
    """One symbol, up to a day."""

    symbol: str
    about: SeriesAbout
    bars: Series
    indicators: Mapping[str, Floats]
    """By name, as `core.screener.indicators` has them, as long as the bars."""
    signals: Sequence[SignalRow]
    """Of the newest scan of the universe; none where it has not been scanned."""
    patterns: Sequence[ChartPattern]
    """Those that form on the last bar, or are triggered on it."""


@dataclass(frozen=True)
class SignalRecord:
    """What signals of one type were worth, by horizon in sessions."""

    here: FiguresByHorizon
    """On this symbol, beside all its other entries."""
    universe: FiguresByHorizon | None
    """On the universe; None until its records are computed."""


class Studies:
    """Reads what a chart shows of one symbol."""

    def __init__(self, bars: Bars, scans: Scans, records: Records, time: MarketTime) -> None:
        self._bars = bars
        self._scans = scans
        self._records = records
        self._time = time

    def of(self, principal: Principal, symbol: str, scan: Scan | None = None) -> Study:
        """The last year of a symbol, as of the caller's day, with the signals that a scan found.

        Raises:
            NotFound: there are no bars of it.
        """
        as_of = self._time.of(principal)
        panel = self._bars.panel([symbol], as_of, BARS, principal.org_id)
        series = cleaned(panel)
        if not len(series):
            raise NotFound(f"There are no bars of {symbol} up to {spoken(as_of.day)}.")
        signals = self._scans.signals(principal, scan.about.id, SignalsWanted(symbol=symbol)) if scan else ()
        return Study(
            symbol=symbol,
            about=panel.about[symbol],
            bars=series,
            indicators=history_of(series),
            signals=signals,
            patterns=latest_chart_patterns_of(series),
        )

    def record(self, principal: Principal, symbol: str, type_id: str, scan: Scan | None = None) -> SignalRecord:
        """What signals of a type were worth on a symbol, and on the universe of a scan.

        Raises:
            NotFound: there is no such type.
            NotEnoughData: there are no bars of the symbol.
        """
        as_of = self._time.of(principal)
        here = self._records.of_symbol(type_id, symbol, as_of, principal.org_id)
        return SignalRecord(here, self._of_universe(type_id, scan, as_of) if scan else None)

    def _of_universe(self, type_id: str, scan: Scan, as_of: AsOf) -> FiguresByHorizon | None:
        day = min(scan.about.as_of, as_of.day)
        record = self._records.of(scan.about.universe_id, day, scan.about.org_id)
        return record.figures.get(type_id) if record is not None else None
