"""The last bars of many symbols as columns: what scans, records and charts are computed from, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.market.sources.contract import Adjustment

if TYPE_CHECKING:
    from core.db.bars_dao import ChosenRow

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class SeriesAbout:
    """Where the bars of a symbol come from, as pages show beside them."""

    symbol: str
    source: str
    dataset: str
    """`shipped`, `fetched` or `own`, and its name."""
    is_generated: bool
    currency: str | None
    exchange: str | None
    adjustment: Adjustment
    first_day: date
    last_day: date
    """The last bar that may be seen is of this day or, where it is later than the as-of day, before that."""


@dataclass(frozen=True, slots=True)
class SymbolBars:
    """The bars of one symbol: views of a panel, oldest first; what is missing is NaN."""

    dates: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


@dataclass(frozen=True)
class Panel:
    """The last bars of many symbols as columns: contiguous for each symbol, in order, adjusted for splits."""

    symbols: tuple[str, ...]
    """Those that have bars, in alphabetical order."""
    missing: tuple[str, ...]
    """Those that were asked for and have none."""
    starts: NDArray[np.int64]
    """Where each symbol begins, and, at the end, how many bars there are."""
    dates: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    served_by: Mapping[str, ChosenRow]

    @cached_property
    def about(self) -> Mapping[str, SeriesAbout]:
        """Where the bars of each symbol come from."""
        return {symbol: about_of(found) for symbol, found in self.served_by.items()}

    def bare(self) -> Panel:
        """The bars alone: what another process is given, which knows nothing of the database."""
        return replace(self, served_by={})

    def of(self, symbol: str) -> SymbolBars:
        """The bars of one symbol, without a copy."""
        number = self._numbers[symbol]
        part = slice(int(self.starts[number]), int(self.starts[number + 1]))
        columns = (self.open, self.high, self.low, self.close, self.volume)
        return SymbolBars(self.dates[part], *(column[part] for column in columns))

    def only(self, symbol: str) -> Panel:
        """The bars of one symbol, without a copy; or none, where it has none."""
        number = self._numbers.get(symbol)
        begin, end = (0, 0) if number is None else (int(self.starts[number]), int(self.starts[number + 1]))
        columns = {name: getattr(self, name)[begin:end] for name in ("dates", "open", "high", "low", "close", "volume")}
        return Panel(
            symbols=() if number is None else (symbol,),
            missing=(symbol,) if number is None else (),
            starts=np.array([0] if number is None else [0, end - begin], dtype=np.int64),
            served_by={name: found for name, found in self.served_by.items() if name == symbol},
            **columns,
        )

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}


def about_of(found: ChosenRow) -> SeriesAbout:
    """Where the bars of a symbol come from."""
    series = found.series
    return SeriesAbout(
        symbol=series.symbol,
        source=found.source,
        dataset=f"{found.kind}: {found.name}",
        is_generated=found.is_generated,
        currency=series.currency,
        exchange=series.exchange,
        adjustment=Adjustment(series.adjustment),
        first_day=series.first_day,
        last_day=series.last_day,
    )
