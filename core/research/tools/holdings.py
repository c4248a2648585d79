"""The tool that tells what is held: lines, money, sums, sectors, currencies and checks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.arguments import Arguments

Order = Literal[
    "value", "weight", "cost", "unrealised", "unrealised_share", "realised", "income", "day_change", "symbol"
]


class HoldingsArguments(Arguments):
    """Which lines, and in which order."""

    symbols: tuple[str, ...] = Field((), max_length=20, description="Only these symbols; empty: all")
    sort: Order = Field("value", description="Largest first by this; symbol: A to Z")
    ascending: bool = Field(False, description="Smallest first")
    most: int = Field(20, ge=1, le=50, description="Lines at most")


class Holdings:
    """Lines of a portfolio at the last known prices."""

    name = "holdings"
    description = (
        "The portfolio's holdings at the last known prices: quantity, price, value, weight, cost, gains, income, day's "
        "change, sector; cash, totals, sectors, currencies, checks. Money in the portfolio's currency, shares as "
        "fractions of one."
    )
    arguments = HoldingsArguments
    needs_portfolio = True
