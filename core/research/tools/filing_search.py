"""The tool `filing_search`: where words occur in a company's filing."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


class FilingSearchArguments(Arguments):
    """What is looked for, in which filing."""

    symbol: Symbol = Field(description="A symbol, such as AAPL.")
    query: str = Field(min_length=2, max_length=200, description="Words as they stand one behind the other.")
    form: str | None = Field(None, max_length=20, description="Form, such as 10-K; any where left out.")
    filed: date | None = Field(None, description="Day of filing; the newest where left out.")
    most: int = Field(5, ge=1, le=10, description="Passages.")
