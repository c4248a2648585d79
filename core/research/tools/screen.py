"""The tool `screen`: which members of a universe, or holdings, meet some conditions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.market_material import Arguments


class ScreenCondition(Arguments):
    """One condition of a screen."""

    field: str = Field(max_length=40)
    operator: Literal[
        "above", "below", "at_least", "at_most", "between", "above_field", "below_field", "is", "is_one_of",
        "contains_any",
    ]
    value: float | str | tuple[float, float] | tuple[str, ...] = Field(description="Of above_field: a field.")


class ScreenArguments(Arguments):
    """What is screened, by what."""

    universe: str = Field(
        "", max_length=100, description="Id or title of a universe, or holdings; the default one where left out."
    )
    conditions: tuple[ScreenCondition, ...] = Field((), max_length=10)
    match: Literal["all", "any"] = "all"
    sort: str = Field("symbol", max_length=40, description="A field; - before it for falling order.")
    fields: tuple[str, ...] = Field((), max_length=8, description="Further fields to tell of each match.")
    limit: int = Field(20, ge=1, le=50)
