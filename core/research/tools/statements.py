"""The tool `statements`: what a company reported, by line and period, and its key statistics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


class StatementsArguments(Arguments):
    """Which statement of which company."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    which: Literal["income", "balance", "cash_flow"] = "income"
    frequency: Literal["annual", "quarterly"] = "annual"
    periods: int = Field(4, ge=1, le=8, description="The newest so many.")
    statistics: bool = Field(default=False, description="Key statistics too: P/E, margins, growth, debt.")
