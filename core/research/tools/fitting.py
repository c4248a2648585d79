"""How a tool's result is brought to its limits: finite numbers, rows that fit, and the text that a model is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from enum import Enum
from math import isfinite
from typing import Any
from uuid import UUID

from core.ai.evidence import MAX_ROWS, Cell, Figure, Table
from core.ai.outside import as_json, cleaned
from core.ai.tools import MAX_RESULT_CHARS, ToolResult

DIGITS = 10
"""Significant digits of a number that a model is shown."""
MAX_FIGURES = 2_000
"""Figures of one step that are kept."""
MAX_NOTES = 10
MAX_CELL_CHARS = 300
MAX_DEPTH = 8
"""Levels of a result; what lies deeper is left out."""
MAX_TEXT_CHARS = 1_000
"""Characters of one text where even a result without rows is too long."""
MAX_WORD_CHARS = 200


def fitted(result: ToolResult, number: int) -> ToolResult:
    """The result as step `number` has it: numbers that are finite, figures that name the step, rows within limits."""
    figures = [each.model_copy(update={"step": number}) for each in result.figures if isfinite(each.value)]
    return replace(
        result,
        content=shown(result.content),
        figures=tuple(figures[:MAX_FIGURES]),
        entities=tuple(result.entities),
        table=None if result.table is None else _fitted_table(result.table, figures),
        notes=tuple(cleaned(note) for note in result.notes[:MAX_NOTES]),
    )


def shown(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it: numbers finite and of ten digits, dates as texts; None for what is neither."""
    if isinstance(value, Mapping):
        return {str(name): shown(of, depth + 1) for name, of in value.items()} if depth < MAX_DEPTH else None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [shown(each, depth + 1) for each in value] if depth < MAX_DEPTH else None
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return shown(value.value, depth)
    if value is None or isinstance(value, str | bool | int):
        return value
    return str(value) if isinstance(value, UUID) else _number(value)


def result_text(number: int, tool: str, result: ToolResult) -> str:
    """What a model is shown of a step: JSON on one line, of at most `MAX_RESULT_CHARS` characters.

    Rows are left out from the end of the longest lists until it fits; `cut` says how many.
    """
    told: dict[str, Any] = {"step": number, "tool": tool, "result": result.content}
    if result.source is not None:
        told["source"] = cleaned(result.source.title)
        if result.source.as_of is not None:
            told["as_of"] = result.source.as_of.isoformat()
    if result.notes:
        told["notes"] = list(result.notes)
    text = as_json(told)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    return _cut(told)


def failure_text(number: int, tool: str, detail: str) -> str:
    """What a model is shown of a step that failed."""
    return as_json({"step": number, "tool": tool, "error": cleaned(detail)})


def _number(value: Any) -> float | None:
    if not isinstance(value, float | Decimal):
        item = getattr(value, "item", None)
        value = item() if callable(item) else None
    if value is None or not isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def _cut(told: dict[str, Any]) -> str:
    told = {**told, "result": json.loads(json.dumps(told["result"])), "cut": 0}
    while (excess := len(as_json(told)) + _room(told) - MAX_RESULT_CHARS) > 0:
        longest = max(_lists(told["result"]), key=_size, default=None)
        if longest is None:
            return _without_rows(told)
        told["cut"] += _shortened(longest, excess)
    return as_json(told)


def _room(told: Mapping[str, Any]) -> int:
    """Of the digits that `cut` may still grow by."""
    return 6 - len(str(told["cut"]))


def _lists(value: Any) -> list[list[Any]]:
    """The lists of a result that still have rows; not those within rows."""
    if isinstance(value, list):
        return [value] if value else []
    return [each for of in value.values() for each in _lists(of)] if isinstance(value, dict) else []


def _size(value: Any) -> int:
    return len(as_json({"": value}))


def _shortened(rows: list[Any], excess: int) -> int:
    """Leaves rows out from the end, at least one, until so many characters are gone; gives how many rows."""
    left_out, gone = 0, 0
    while rows and gone < excess:
        gone += _size(rows.pop())
        left_out += 1
    return left_out


def _without_rows(told: dict[str, Any]) -> str:
    told["result"] = _shortened_texts(told["result"], MAX_TEXT_CHARS)
    text = as_json(told)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    told["result"] = _shortened_texts(told["result"], MAX_WORD_CHARS)
    text = as_json(told)
    return text if len(text) <= MAX_RESULT_CHARS else as_json({**told, "result": None})


def _shortened_texts(value: Any, most: int) -> Any:
    if isinstance(value, dict):
        return {name: _shortened_texts(of, most) for name, of in value.items()}
    return cleaned(value, most) if isinstance(value, str) else value


def _fitted_table(table: Table, figures: Iterable[Figure]) -> Table:
    rows = tuple(tuple(_cell(each) for each in row) for row in table.rows[:MAX_ROWS])
    more, shares = table.more + len(table.rows) - len(rows), table.shares or _shares(table.columns, rows, figures)
    return table.model_copy(update={"rows": rows, "more": more, "shares": shares})


def _shares(columns: Sequence[str], rows: Sequence[Sequence[Cell]], figures: Iterable[Figure]) -> tuple[str, ...]:
    """The columns all of whose numbers are figures that are shares of one."""
    known = list(figures)
    fractions = {_same(each.value) for each in known if each.unit == "fraction"}
    others = {_same(each.value) for each in known if each.unit != "fraction"}
    found = []
    for place, column in enumerate(columns):
        numbers = {_same(cell) for row in rows if isinstance(cell := row[place], float) and cell}
        if numbers and numbers <= fractions and not numbers <= others:
            found.append(column)
    return tuple(found)


def _same(value: float) -> str:
    return f"{value:.6g}"


def _cell(value: Cell) -> Cell:
    if isinstance(value, float) and not isfinite(value):
        return None
    return value[:MAX_CELL_CHARS] if isinstance(value, str) else value
