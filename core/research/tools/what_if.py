"""The tool that tells how a portfolio would stand after trades; nothing is entered."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from core.research.tools.arguments import Arguments


class Trade(Arguments):
    """One trade."""

    side: Literal["buy", "sell"]
    symbol: str = Field(min_length=1, max_length=20)
    quantity: Decimal | None = Field(None, gt=0, le=10**12, description="Shares")
    amount: Decimal | None = Field(None, gt=0, le=10**12, description="Money, in the portfolio's currency")
    price: Decimal | None = Field(None, gt=0, le=10**9, description="Of a share, its own currency; default: the last")

    @model_validator(mode="after")
    def _one_size(self) -> Trade:
        if (self.quantity is None) == (self.amount is None):
            raise ValueError("give either 'quantity' or 'amount'")
        return self


class WhatIfArguments(Arguments):
    """Which trades."""

    trades: tuple[Trade, ...] = Field(min_length=1, max_length=10, description="In this order; quantity or amount")


class WhatIf:
    """A portfolio after trades."""

    name = "what_if"
    description = (
        "How the portfolio would stand after trades at the last prices, without costs: weights, value, cash, "
        "unrealised gain, volatility and beta before and after. Nothing is entered or sent."
    )
    arguments = WhatIfArguments
    needs_portfolio = True
