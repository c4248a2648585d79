"""Whether the marks on an answer's numbers are true: looked at again by a reader that knows nothing of the marking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from core.ai.evidence import Evidence, Figure, Mark
from tests.eval.figures import Number, dates, numbers

HALF = 0.5 + 1e-6
"""A number may differ by half of its last digit, and by what floats do."""
SCALES = (1.0, 1e3, 1e6, 1e9)


@dataclass(frozen=True, slots=True)
class MarksSeen:
    """What was found on one answer."""

    marks: int = 0
    verified: int = 0
    wrong: tuple[str, ...] = ()
    """Numbers marked verified that no figure of a tool equals."""
    equal: int = 0
    """Numbers with a mark that equal a tool's figure."""
    alarms: tuple[str, ...] = ()
    """Those of them that are marked unverified."""
    unmarked: tuple[str, ...] = ()
    """Numbers in digits that have no mark."""


def seen(text: str, evidence: Evidence | None) -> MarksSeen:
    """The marks of an answer, and what is wrong about them."""
    if evidence is None:
        return MarksSeen(unmarked=tuple(_in_digits(text)))
    wrong, alarms, equal = [], [], 0
    for mark in evidence.marks:
        told = text[mark.start : mark.end]
        is_figure = any(_equals(told, text, mark, figure) for figure in evidence.figures)
        equal += is_figure
        if mark.is_verified and not is_figure and not _is_argument(told, evidence):
            wrong.append(told)
        if is_figure and not mark.is_verified:
            alarms.append(told)
    ranges = [(mark.start, mark.end) for mark in evidence.marks]
    return MarksSeen(
        marks=len(evidence.marks),
        verified=sum(mark.is_verified for mark in evidence.marks),
        wrong=tuple(wrong),
        equal=equal,
        alarms=tuple(alarms),
        unmarked=tuple(_in_digits(text, ranges)),
    )


def _in_digits(text: str, marked: Sequence[tuple[int, int]] = ()) -> Iterator[str]:
    """The numbers of a text that are written in digits and touch no mark."""
    for each in numbers(text):
        is_marked = any(start < each.end and each.start < end for start, end in marked)
        if text[each.start].isdigit() and not is_marked:
            yield text[each.start : each.end].strip()


def _equals(told: str, text: str, mark: Mark, figure: Figure) -> bool:
    days = {day for day in (figure.day, figure.first) if day is not None}
    if figure.unit == "date":
        days.add(date.fromordinal(int(figure.value)))
    if any(_tells_day(told, day) for day in days):
        return True
    return figure.unit != "date" and any(_tells(number, figure) for number in _read(told, text, mark))


def _tells_day(told: str, day: date) -> bool:
    """Whether a marked text is a day, or a month or year of it."""
    if day in dates(told):
        return True
    names = {
        *(f"{day:%Y}", f"{day:%Y-%m}", f"{day:%B}", f"{day:%b}", f"{day:%B %Y}", f"{day:%b %Y}"),
        *(f"{day.day} {day:%B}", f"{day:%B} {day.day}", f"{day.day} {day:%b}", f"{day.day}"),
    }
    return told.strip(" .,") in names


def _read(told: str, text: str, mark: Mark) -> list[Number]:
    """The numbers of a marked text, with the unit that may stand behind the mark."""
    behind = text[mark.end : mark.end + 12]
    found = numbers(told)
    within = numbers(told + behind)
    return [*found, *(number for number in within if number.start < len(told))]


def _tells(number: Number, figure: Figure) -> bool:
    """Whether a number is a figure, after rounding to its own digits and scaling."""
    if number.is_percent != (figure.unit == "fraction") and number.is_percent:
        return False
    value = abs(figure.value) * (100 if number.is_percent else 1)
    told = abs(number.value)
    return any(abs(told * scale - value) <= HALF * number.last_digit * scale for scale in _scales(number))


def _scales(number: Number) -> Iterator[float]:
    yield 1.0
    if not number.is_percent and number.scale == 1:  # as in a column that is headed "in millions"
        yield from SCALES[1:]


def _is_argument(told: str, evidence: Evidence) -> bool:
    """Whether it is what a step was asked with: the days of a window, a number of shares."""
    return any(_is_in(told.strip(" .,"), value) for step in evidence.steps for value in _leaves(step.arguments))


def _is_in(told: str, value: object) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return any(abs(number.value) in (abs(value), abs(100 * value)) for number in numbers(told))
    try:
        return _tells_day(told, date.fromisoformat(str(value)[:10]))
    except ValueError:
        return told != "" and told in str(value)


def _leaves(value: Any) -> Iterator[object]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    elif value is not None:
        yield value
