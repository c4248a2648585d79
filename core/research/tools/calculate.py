"""The tool that computes with figures that other tools returned."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.research.tools.arguments import Arguments


class CalculateArguments(Arguments):
    """What is computed, and what it is."""

    expression: str = Field(
        min_length=1,
        max_length=200,
        description="Numbers as tools returned them (0.12 or 12%), + - * / ^ ( ), min max abs round sqrt",
    )
    label: str = Field(min_length=1, max_length=100, description="What it is, in words")
    unit: Literal["number", "fraction", "money", "price"] = Field("number", description="Of the result")
    measure: str | None = Field(None, max_length=60, description="What the result is: excess_return, growth …")
    entity: str | None = Field(None, max_length=120, description="Symbol or 'portfolio' that it is about")


class Calculate:
    """Arithmetic on returned figures."""

    name = "calculate"
    description = (
        "Computes with figures that earlier steps returned; a number that no step returned is refused. Use it for every "
        "figure that you derive."
    )
    arguments = CalculateArguments
    needs_portfolio = False
