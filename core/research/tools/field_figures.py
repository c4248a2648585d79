"""What the figures of screens and indicators measure: their keys in data/measures.yaml, by the id of the field."""

from __future__ import annotations

from datetime import date

from core.ai.evidence import Figure, Unit
from core.research.tools.market_material import figure
from core.screener.fields import FIELDS
from core.screener.fields import Unit as FieldUnit

UNITS: dict[FieldUnit, Unit] = {FieldUnit.PRICE: "price", FieldUnit.FRACTION: "fraction"}
"""All others are plain numbers."""
OWN_UNITS: dict[str, Unit] = {
    **dict.fromkeys(("open", "high", "low"), "price"),
    **dict.fromkeys(("macd", "macd_signal", "macd_hist"), "number"),
    "dollar_volume": "money",
}
"""Of fields that no screen asks for, and of those that a text gives without a currency."""
SAME = tuple(
    "open high low close volume rsi_14 sma_20 sma_50 sma_200 macd macd_signal macd_hist atr_14 relative_volume adx_14 "
    "confidence rs_rating return_5 return_20 return_60 return_120 return_250".split()
)
"""Fields whose measure has the field's own id."""
MEASURES: dict[str, str] = {
    **{name: name for name in SAME},
    "change": "change_share",
    "ema_21": "ema",
    "atr_pct": "atr_share",
    "volatility_20": "volatility",
    "bb_upper": "bollinger_upper",
    "bb_middle": "bollinger_middle",
    "bb_lower": "bollinger_lower",
    "bb_position": "bollinger_place",
    "bb_width": "bollinger_width",
    "week52_high": "high_52w",
    "week52_low": "low_52w",
    "week52_position": "place_52w",
    "from_week52_high": "distance_52w_high",
    "week52_bars": "sessions",
    "bars": "sessions",
    "from_sma_20": "distance_sma_20",
    "from_sma_50": "distance_sma_50",
    "from_sma_200": "distance_sma_200",
    "volume_sma_20": "mean_volume_20",
    "dollar_volume": "traded_value",
    "stoch_k": "stochastic",
    "stoch_d": "stochastic",
    "confidence_n": "signals",
}
"""Those that are not here are of the measure `indicator`."""


def field_figures(
    symbol: str, name: str, value: float | None, *, day: date | None, currency: str | None
) -> list[Figure]:
    """The figure of a symbol's field, in a list that is empty where it is missing."""
    unit = _unit(name)
    measure = MEASURES.get(name, "indicator")
    has_currency = unit in ("price", "money")
    first = day if name == "change" else None
    return figure(symbol, measure, value, unit, day=day, first=first, currency=currency if has_currency else "")


def _unit(name: str) -> Unit:
    if name in OWN_UNITS:
        return OWN_UNITS[name]
    field = FIELDS.get(name)
    return UNITS.get(field.unit, "number") if field else "number"
