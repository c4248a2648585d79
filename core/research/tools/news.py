"""The tool `news`: headlines about some symbols, with the tone that a word list reads in them."""

from __future__ import annotations

from pydantic import Field

from core.research.tools.market_material import Arguments, Symbol


class NewsArguments(Arguments):
    """News of which symbols."""

    symbols: tuple[Symbol, ...] = Field(min_length=1, max_length=20, description="Symbols, such as AAPL.")
    days: int = Field(30, ge=1, le=90, description="So many days back.")
    most: int = Field(10, ge=1, le=30, description="The newest so many.")
