"""The tool `indicators`: what the screener computes of one symbol's bars, as of a day."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from pydantic import BaseModel, Field

from core.ai.evidence import Cell, Figure, Table
from core.ai.tools import ToolContext, ToolResult
from core.errors import InvalidRequest, NotEnoughData, NotFound
from core.market.bars import MOST_BARS
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.research.tools.arguments import Arguments
from core.research.tools.field_figures import field_figures
from core.research.tools.market_material import (
    Symbol,
    as_of_day,
    bars_source,
    cell,
    day_words,
    entities_of,
    figure,
    shown,
)
from core.screener.fields import FIELDS
from core.screener.indicators import INDICATORS, indicators_of
from core.screener.series import cleaned

USUAL = (
    *("close", "change", "rsi_14", "sma_20", "sma_50", "sma_200", "from_sma_200", "macd", "macd_signal", "atr_14"),
    *("bb_upper", "bb_lower", "week52_high", "week52_low", "from_week52_high", "volatility_20", "volume"),
    "relative_volume",
)
EXTRA_LABELS = {"volume_sma_20": "Mean volume of 20 sessions", "obv": "On-balance volume"}
"""Of indicators that no screen asks for."""
_BARS = ("open", "high", "low", "close", "volume")
OFFERED = (*_BARS, *(name for name in INDICATORS if name in FIELDS or name in EXTRA_LABELS))


class IndicatorsArguments(Arguments):
    """Which indicators of which symbol."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    names: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="Of: rsi_14 sma_20 sma_50 sma_200 ema_21 macd macd_signal macd_hist atr_14 atr_pct bb_upper "
        "bb_middle bb_lower bb_position bb_width week52_high week52_low from_week52_high week52_position "
        "volatility_20 volume volume_sma_20 relative_volume adx_14 stoch_k stoch_d from_sma_20 from_sma_50 "
        "from_sma_200 return_5 return_20 return_60 return_120 return_250; the usual ones where left out.",
    )
    day: date | None = Field(None, description="A past day; the context's date where it is left out.")


class Indicators:
    """Tells indicators of the last bar up to a day."""

    name = "indicators"
    description = "Technical indicators of a symbol at its last bar, as TA-Lib has them; shares are fractions."
    arguments: type[BaseModel] = IndicatorsArguments
    needs_portfolio = False

    def __init__(self, market: Market) -> None:
        self._market = market

    def run(self, context: ToolContext, arguments: IndicatorsArguments) -> ToolResult:
        """The indicators of the last bar, with how each is computed.

        Raises:
            InvalidRequest: what cannot be a symbol, or an indicator that there is not.
            NotFound: there are no bars of the symbol up to that day.
            NotEnoughData: none of its bars is complete.
        """
        principal, symbol = context.principal, checked_symbol(arguments.symbol)
        names = _checked_names(arguments.names)
        as_of = as_of_day(self._market, principal, arguments.day)
        panel = self._market.bars.panel([symbol], as_of, MOST_BARS, principal.org_id)
        if not panel.symbols:
            raise NotFound(f"There are no bars of {symbol} up to {day_words(as_of.day)}.")
        series = cleaned(panel)
        if not len(series):
            raise NotEnoughData(f"None of the bars of {symbol} up to {day_words(as_of.day)} is complete.")
        columns = indicators_of(series)
        values = {name: _last(columns[name]) for name in names}
        day: date = series.dates[-1].astype("datetime64[D]").item()
        currency = panel.about[symbol].currency or ""
        missing = [name for name, value in values.items() if value is None]
        return ToolResult(
            words=f"Indicators of {symbol} on {day_words(day)}",
            content={
                "symbol": symbol,
                "day": day.isoformat(),
                "currency": currency,
                "bars": len(series),
                "indicators": [_told(name, value) for name, value in values.items()],
            },
            figures=_figures(symbol, values, day, currency, len(series)),
            entities=entities_of(self._market, principal, [symbol]),
            source=bars_source(self._market, principal, symbol, as_of),
            table=Table(columns=("Indicator", "Value", "Day"), rows=tuple(_row(n, v, day) for n, v in values.items())),
            notes=_notes(missing, len(series), values),
        )


def _checked_names(given: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in given)) or USUAL
    unknown = next((name for name in names if name not in OFFERED), None)
    if unknown is not None:
        raise InvalidRequest(f"There is no indicator {unknown[:40]!r}; there are: {', '.join(OFFERED)}.")
    return names


def _last(column: Any) -> float | None:
    value = float(column[-1])
    return value if np.isfinite(value) else None


def _label(name: str) -> str:
    field = FIELDS.get(name)
    return field.label if field else EXTRA_LABELS.get(name, name.capitalize())


def _told(name: str, value: float | None) -> dict[str, Any]:
    field = FIELDS.get(name)
    return {"name": name, "label": _label(name), "value": shown(value), **({"unit": field.unit.value} if field else {})}


def _row(name: str, value: float | None, day: date) -> tuple[Cell, ...]:
    return (_label(name), cell(value), day)


def _figures(symbol: str, values: dict[str, float | None], day: date, currency: str, bars: int) -> list[Figure]:
    found = [
        each
        for name, value in values.items()
        for each in field_figures(symbol, name, value, day=day, currency=currency)
    ]
    return [*found, *figure(symbol, "day", day, day=day), *figure(symbol, "sessions", bars, day=day)]


def _notes(missing: list[str], bars: int, values: dict[str, float | None]) -> list[str]:
    notes = ["As TA-Lib computes them, of bars adjusted for splits."]
    if missing:
        notes.append(f"Not defined with {bars:,} bars: {', '.join(map(_label, missing))}.")
    if bars < 252 and any(name.startswith("week52") or name.endswith("week52_high") for name in values):
        notes.append(f"Figures of 52 weeks are of the {bars:,} bars that there are.")
    return notes
