"""The tool that computes with figures that other tools returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Literal

from pydantic import BaseModel, Field

from core.ai.evidence import Entity, Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.errors import InvalidRequest
from core.research.tools.arguments import Arguments
from core.research.tools.expression import Literal as Number
from core.research.tools.expression import computed
from core.research.tools.market_material import figure, listed

CONSTANTS = frozenset(Decimal(each) for each in (*range(13), 52, 100, 252, 360, 365, 1_000, 1_000_000))
"""Numbers that anybody may compute with: counts, and days, weeks and months of a year."""
DERIVED = frozenset(
    {"result", "excess_return", "excess_move", "price_return", "growth", "distance", "income_yield", "weight"}
)
"""What a computed figure may measure; of anything else a tool has to tell the figure itself."""
SHOWN_DIGITS = (12, 10, 8)
"""Significant digits with which tools show a model their figures."""
LEAST_DIGITS = 2
"""Significant digits that a rounded number needs."""
MOST_ENTITIES = 5
_MONEY = frozenset({"money", "price"})


class CalculateArguments(Arguments):
    """What is computed, and what it is."""

    expression: str = Field(
        min_length=1,
        max_length=200,
        description="Numbers as tools returned them (0.12 or 12%), + - * / ^ ( ), min max abs round sqrt",
    )
    label: str = Field(min_length=1, max_length=100, description="What it is, in words")
    unit: Literal["number", "fraction", "money", "price"] = Field("number", description="Of the result")
    measure: str | None = Field(
        None, max_length=60, description=f"What the result is, where it is one of {', '.join(sorted(DERIVED))}"
    )
    entity: str | None = Field(None, max_length=120, description="Symbol or 'portfolio' that it is about")


class Calculate:
    """Arithmetic on returned figures."""

    name = "calculate"
    description = (
        "Computes with figures that earlier steps returned; a number that no step returned is refused. Use it for "
        "every figure that you derive."
    )
    arguments: type[BaseModel] = CalculateArguments
    needs_portfolio = False

    def run(self, context: ToolContext, arguments: CalculateArguments) -> ToolResult:
        """The value of the expression, as a figure of what it was computed from.

        Raises:
            InvalidRequest: it cannot be computed, or holds a number that no step returned.
        """
        operands = _Operands(context.figures)
        value = computed(arguments.expression, operands.meaning)
        used = operands.used
        if not used:
            raise InvalidRequest("The expression holds no figure that a step returned: it would prove nothing.")
        currency = _currency(used) if arguments.unit in _MONEY else ""
        entities = _entities(used, arguments.entity)
        measure = arguments.measure if arguments.measure in DERIVED else "result"
        steps = sorted({each.step for each in used if each.step})
        label = cleaned(arguments.label, 100)
        first, day = _window(used)
        source = f"Computed from step{'s' if len(steps) > 1 else ''} {listed([str(each) for each in steps])}"
        rows = [(label, arguments.expression, float(value))]
        return ToolResult(
            words=f"{label}: {arguments.expression}",
            content={"label": label, "value": value, "unit": arguments.unit, "currency": currency or None},
            figures=[
                each
                for entity in entities
                for each in figure(entity, measure, value, arguments.unit, day=day, first=first, currency=currency)
            ],
            entities=[Entity(key=each) for each in entities],
            source=Source(title=source, as_of=day),
            table=Table(columns=("What", "Expression", "Value"), rows=tuple(rows)),
        )


@dataclass(frozen=True, slots=True)
class _Operand:
    """A figure as an expression may hold it."""

    figure: Figure
    value: Decimal


class _Operands:
    """Finds the figures that numbers in an expression are."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._known = [
            _Operand(each, Decimal(f"{each.value:.12g}"))  # without the noise of binary fractions
            for each in figures
            if each.unit != "date" and isfinite(each.value)
        ]
        self.used: list[Figure] = []
        """Figures that were found, in the order of the expression."""

    def meaning(self, number: Number) -> Decimal:
        """What a number stands for: the figure itself where it is one rounded; a plain constant as it is.

        Raises:
            InvalidRequest: no step returned it, or several figures that it may be differ.
        """
        found = self._exact(number)
        if not found and not number.is_percent and number.value in CONSTANTS:
            return number.value
        found = found or self._rounded(number)
        if not found:
            raise InvalidRequest(self._unknown(number))
        self.used += [each.figure for each in found]
        return abs(found[0].value)

    def _exact(self, number: Number) -> list[_Operand]:
        return [each for each in self._candidates(number) if _is_shown(each.value, number.value)]

    def _rounded(self, number: Number) -> list[_Operand]:
        if _significant(number.text) < LEAST_DIGITS:
            return []
        found = [each for each in self._candidates(number) if _is_rounded(each.value, number)]
        if len({f"{each.value:.10g}" for each in found}) > 1:
            names = listed([_name(each.figure) for each in found], 3)
            raise InvalidRequest(f"{_written(number)} may be several figures ({names}): write it with all its digits.")
        return found

    def _candidates(self, number: Number) -> list[_Operand]:
        """Figures of its size, sign and unit; a minus may be the figure's own, or be taken of it."""
        least, most = sorted((number.value * Decimal("0.9"), number.value * Decimal("1.1")))
        return [
            each
            for each in self._known
            if least <= abs(each.value) <= most
            and (each.value >= 0 or number.is_negative)
            and (each.figure.unit == "fraction" or not number.is_percent)
        ]

    def _unknown(self, number: Number) -> str:
        written = _written(number)
        size = number.value
        if not number.is_negative and any(_is_shown(each.value, size) for each in self._known if each.value < 0):
            return f"{written} was returned as -{written}: write (-{written}), or abs(-{written})."
        hundredth = size / 100
        fractions = (each for each in self._known if each.figure.unit == "fraction")
        if not number.is_percent and any(_is_shown(each.value, hundredth) for each in fractions):
            return f"{written} was returned as a fraction: write {written}%, or {hundredth:f}."
        return f"No step returned {written}; have a tool return it first, and write it as it was returned."


def _is_shown(value: Decimal, written: Decimal) -> bool:
    """Whether a number is written as a tool shows it, its sign aside."""
    return any(Decimal(f"{abs(value):.{digits}g}") == written for digits in SHOWN_DIGITS)


def _significant(text: str) -> int:
    """Digits that a number is written with; zeros at the end of a whole number are none."""
    written = Decimal(text)
    return len((written if "." in text else written.normalize()).as_tuple().digits)


def _is_rounded(value: Decimal, number: Number) -> bool:
    size = abs(value) * 100 if number.is_percent else abs(value)
    written = Decimal(number.text)
    exponent = written.as_tuple().exponent
    step = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0)
    return any(size.quantize(step, way) == written for way in (ROUND_HALF_UP, ROUND_HALF_EVEN))


def _written(number: Number) -> str:
    return f"{number.text}%" if number.is_percent else number.text


def _name(each: Figure) -> str:
    return f"{each.entity} {each.measure.replace('_', ' ')} {each.value:.8g}"


def _currency(used: Sequence[Figure]) -> str:
    currencies = sorted({each.currency for each in used if each.unit in _MONEY and each.currency})
    if len(currencies) > 1:
        raise InvalidRequest(f"The expression mixes {listed(currencies)}: an amount is of one currency.")
    return currencies[0] if currencies else ""


def _entities(used: Sequence[Figure], asked: str | None) -> list[str]:
    """Whom the result is about: the one that is named, or all whose figures it came from."""
    own = list(dict.fromkeys(each.entity for each in used))
    if asked is None:
        return own[:MOST_ENTITIES]
    found = next((each for each in (*own, "portfolio") if each.lower() == asked.lower()), None)
    if found is None:
        raise InvalidRequest(f"The expression holds figures of {listed(own)}, none of '{cleaned(asked, 40)}'.")
    return [found]


def _window(used: Sequence[Figure]) -> tuple[date | None, date | None]:
    """The first and last day of what a result came from; no first where all of it is of one day."""
    days = [each.day for each in used if each.day is not None]
    if not days:
        return None, None
    begins = [each.first for each in used if each.first is not None] + days
    first, last = min(begins), max(days)
    return (None if first == last else first), last
