"""The tool `filings`: what a company filed with the SEC. It counts no list of filings."""

from __future__ import annotations

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


class FilingsArguments(Arguments):
    """Whose filings, and which."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    forms: tuple[str, ...] = Field((), max_length=8, description="Forms, such as 10-K; all where left out.")
    year: int | None = Field(None, ge=1990, le=2200, description="Of this year of filing alone.")
    most: int = Field(10, ge=1, le=20, description="The newest so many.")
