"""The tool that tells what was entered: transactions by kind, symbol and day, counted and summed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.portfolio.transactions import Kind
from core.research.tools.portfolio_window import Windowed


class TransactionsArguments(Windowed):
    """Which transactions."""

    kinds: tuple[Kind, ...] = Field((), max_length=14, description="Only these kinds; empty: all")
    symbol: str | None = Field(None, max_length=20, description="Only of this symbol")
    order: Literal["newest", "oldest"] = Field("newest", description="Which rows come first")
    most: int = Field(20, ge=1, le=50, description="Rows at most; counts and sums are of all that match")


class Transactions:
    """Transactions of a portfolio."""

    name = "transactions"
    description = (
        "The portfolio's transactions, with count and sums by kind (trades, dividends, fees, deposits …) over all that "
        "match, and the first and last of them. Amounts in their own and the portfolio's currency."
    )
    arguments = TransactionsArguments
    needs_portfolio = True
