"""What symbols were worth on a day: the last bar that may be seen of each, as a quote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import numpy as np

from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.panel import SeriesAbout, SymbolBars
from core.market.quotes import PastQuote
from core.market.sources.contract import SourceQuote

DIGITS = 6
"""After the point: bars are kept as floats."""
BARS = 12
"""The last close is looked for in so many bars; the one before it too."""


class PastQuotes:
    """Quotes of a past day, from bars."""

    def __init__(self, bars: Bars, calendars: Calendars) -> None:
        self._bars = bars
        self._calendars = calendars

    def quotes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Mapping[str, PastQuote]:
        """The last close of each symbol up to the day, with its change; those without bars are left out."""
        panel = self._bars.panel(symbols, as_of, BARS, org_id)
        made = {symbol: self._quote(symbol, panel.of(symbol), panel.about[symbol]) for symbol in panel.symbols}
        return {symbol: quote for symbol, quote in made.items() if quote is not None}

    def _quote(self, symbol: str, bars: SymbolBars, about: SeriesAbout) -> PastQuote | None:
        known = np.flatnonzero(~np.isnan(bars.close))
        if not len(known):
            return None
        last = int(known[-1])
        price = _decimal(bars.close[last])
        previous = _decimal(bars.close[known[-2]]) if len(known) > 1 else None
        volume = None if np.isnan(bars.volume[last]) else _decimal(bars.volume[last])
        day: date = bars.dates[last].astype("datetime64[D]").item()
        quote = SourceQuote(
            symbol=symbol,
            price=price,
            currency=about.currency,
            as_of=self._close_of(about.exchange, day),
            previous_close=previous,
            change_pct=price / previous - 1 if previous else None,
            volume=volume,
        )
        return PastQuote(quote, "sample" if about.dataset.startswith("shipped") else about.source)

    def _close_of(self, exchange: str | None, day: date) -> datetime:
        """When the session of a day closed; the end of the day where no session is known."""
        try:
            close = self._calendars.close_of(exchange, day) if exchange else None
        except NotFound:
            close = None
        return close or datetime.combine(day, time(23, 59, 59), UTC)


def _decimal(number: np.float64) -> Decimal:
    return Decimal(str(round(float(number), DIGITS)))
