"""The tool that tells what a portfolio returned in a window, what brought it, and what drove its deepest fall."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.portfolio_window import Windowed


class PerformanceArguments(Windowed):
    """Which window, and beside what."""

    benchmark: str | None = Field(None, max_length=20, description="Symbol; default: the portfolio's own")
    show: Literal["index", "contributors", "drawdown"] = Field(
        "index", description="What the reader's chart shows; drawdown: what each holding brought from peak to trough"
    )
    most: int = Field(10, ge=1, le=25, description="Contributors at most, each way")


class Performance:
    """Returns of a window."""

    name = "performance"
    description = (
        "The portfolio's returns in a window: time-weighted, money-weighted, value at start and end, the benchmark's, "
        "months, years, what each holding brought, and the max drawdown with peak, trough, recovery and what each "
        "holding lost between them. Fractions of one, money in the portfolio's currency."
    )
    arguments = PerformanceArguments
    needs_portfolio = True
