"""The tool `indicators`: what the screener computes of one symbol's bars, as of a day."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


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
