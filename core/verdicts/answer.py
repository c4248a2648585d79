"""What a model says of a signal: the form it is asked for, and how a text is read as that or refused.

A text that cannot be read for certain is no verdict: it is unusable, never a HOLD.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.ai.outside import plain

Decision = Literal["BUY", "SELL", "HOLD", "AVOID"]

MAX_TOKENS = 512
TEMPERATURE = 0.2
LEAST_PERCENTAGE = 2
"""A number from here on is certainly meant as a percentage."""
MAX_ANSWER_CHARS = 8_000
"""A longer text is not read: 512 tokens are a fraction of it."""

SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": list(get_args(Decision))},
        "confidence": {
            "type": "number",
            "description": "Probability from 0 to 1 that the verdict turns out right over the next 20 sessions.",
        },
        "reasoning": {"type": "string", "description": "Two or three sentences."},
        "risk_factors": {"type": "array", "items": {"type": "string"}, "description": "At most five, each short."},
        "entry_suggestion": {"type": "string", "description": "One sentence; empty where there is none."},
    },
    "required": ["verdict", "confidence", "reasoning", "risk_factors", "entry_suggestion"],
    "additionalProperties": False,
}
"""Its keywords are those that every provider's structured output takes; the bounds are checked by `read_answer`."""


class Mark(StrEnum):
    """How a text had to be read."""

    FENCED = "fenced"
    """It stood in a code fence."""
    PROSE_AROUND = "prose_around"
    """There were other words around the JSON."""
    PERCENTAGE = "percentage"
    """The confidence was written as a percentage: 85 is read as 0.85."""
    CASE = "case"
    """The verdict was written in other case."""


class Validation(BaseModel):
    """A verdict on a signal, as a model gave it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Decision
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    """Probability that the verdict turns out right over 20 sessions."""
    reasoning: str = Field(min_length=1, max_length=1200)
    risk_factors: tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...] = Field(max_length=6)
    entry_suggestion: str = Field(max_length=300)
    marks: tuple[Mark, ...] = ()
    """How the text was read, where that was not by the letter."""


def read_answer(text: str) -> str | None:
    """The validation that a text holds, as canonical JSON; None where the text cannot be used.

    One JSON object with the five fields of `SCHEMA` is read: alone, in a code fence, or among other words; what else is
    in it is left out. A text with two that differ, with a field given twice or with JSON that was cut short is refused.

    A confidence above 0 and at most 1 is taken as it is, and one from 2 to 100, or a text that ends in %, as a
    percentage. What lies between may be either, and 0 contradicts the verdict it is given with: both are refused.
    """
    if len(text) > MAX_ANSWER_CHARS:
        return None
    try:
        read = [(_read(value), start, end) for value, start, end in _objects(text) if "verdict" in value]
    except (ValueError, RecursionError):
        return None
    if not read or any(validation != read[0][0] for validation, _, _ in read):
        return None
    validation, start, end = read[0]
    marks = (*_marks_around(text[:start], text[end:]), *validation.marks)
    kept = validation.model_copy(update={"marks": marks}).model_dump(mode="json")
    return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def validation_of(canonical: str) -> Validation:
    """The validation that `read_answer` gave."""
    return Validation.model_validate_json(canonical)


class _Twice(ValueError):
    """A field stands twice in one object."""


def _objects(text: str) -> list[tuple[dict[str, Any], int, int]]:
    """The JSON objects that stand beside one another in a text, each with where it begins and ends.

    Raises:
        ValueError: a brace is open at the end, as where an answer was cut short; or a field is given twice.
    """
    found = []
    start = text.find("{")
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
            found.append((value, start, end))
        except _Twice:
            raise
        except ValueError:  # braces in a sentence
            end = _closed(text, start)
        start = text.find("{", end)
    return found


def _closed(text: str, start: int) -> int:
    """Where a brace is closed again that is no JSON; raises ValueError where it never is."""
    depth = 0
    for brace in _BRACE.finditer(text, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    raise ValueError("a brace is open")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise _Twice
    return dict(pairs)


def _refuse(_name: str) -> float:
    raise ValueError("NaN and infinity are not JSON")


def _marks_around(before: str, after: str) -> list[Mark]:
    """What stands around the object: a fence, other words, or both."""
    opening, closing = _FENCE_OPENS.search(before), _FENCE_CLOSES.match(after)
    marks = [Mark.FENCED] if opening else []
    before = before[: opening.start()] if opening else before
    after = after[closing.end() :] if closing and opening else after
    return [*marks, Mark.PROSE_AROUND] if (before + after).strip("\ufeff \t\r\n") else marks


def _read(value: Mapping[str, Any]) -> Validation:
    """The validation that an object is; raises ValueError (pydantic's error is one) where it is another thing."""
    if not value.keys() >= _FIELDS:
        raise ValueError("a field is missing")
    marks: list[Mark] = []
    return Validation(
        verdict=_decision(value["verdict"], marks.append),
        confidence=_confidence(value["confidence"], marks.append),
        reasoning=_words(value["reasoning"]),
        risk_factors=tuple(_words(each) for each in _listed(value["risk_factors"])),
        entry_suggestion=_words("" if value["entry_suggestion"] is None else value["entry_suggestion"]),
        marks=tuple(marks),
    )


def _decision(value: object, mark: Callable[[Mark], None]) -> Any:
    name = _words(value)
    if name != name.upper():
        mark(Mark.CASE)
    return name.upper()


def _confidence(value: object, mark: Callable[[Mark], None]) -> float:
    """A probability above 0; of a percentage its hundredth part."""
    percentage = _PERCENTAGE.match(value) if isinstance(value, str) else None
    if percentage is not None:
        number = Decimal(percentage.group(1))
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("no number")
    else:
        number = Decimal(str(value))
        if 1 < number < LEAST_PERCENTAGE:
            raise ValueError("a percentage or too large a fraction")
    if percentage is not None or number > 1:
        mark(Mark.PERCENTAGE)
        number /= 100
    if not (number.is_finite() and 0 < number <= 1):
        raise ValueError("no probability of a verdict that is given")
    return float(number)


def _listed(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("no list")
    return value


def _words(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("no text")
    return plain(value)


_FIELDS = frozenset(Validation.model_fields) - {"marks"}
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
_BRACE = re.compile(r"[{}]")
_FENCE_OPENS = re.compile(r"```[a-zA-Z]*\s*\Z")
_FENCE_CLOSES = re.compile(r"\s*```")
_PERCENTAGE = re.compile(r"\s*([0-9]{1,3}(?:\.[0-9]{1,6})?)\s*%\s*\Z")
