"""The tool `price_history`: closes of one symbol over a window, with its return, extremes and deepest fall."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from core.ai.tools import ToolContext, ToolResult
from core.market.market import Market
from core.research.tools.market_material import Arguments, Symbol


class PriceHistoryArguments(Arguments):
    """Which window of which symbol."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    period: str | None = Field(
        None,
        max_length=10,
        pattern=r"^(1w|1m|3m|6m|ytd|1y|3y|5y|max|\d{4}|\d{4}-\d{2})$",
        description="1w 1m 3m 6m ytd 1y 3y 5y max, a year (2010) or a month (2010-03); or give first and last.",
    )
    first: date | None = Field(None, description="First day; the return is from the last close up to it.")
    last: date | None = Field(None, description="Last day; the context's date where it is left out.")
    interval: Literal["day", "week", "month"] = Field("day", description="Of the closes that are listed.")
