"""Frames and screens for tests: rows as a scan gives them, criteria drawn at random, and a second way to match them."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import polars as pl
from hypothesis import strategies as st

from core.screener.conditions import Condition, Group, Match, Other, Screen, Value
from core.screener.fields import FIELDS, Field, Operator, Unit

TEXTS = ["Energy", "energy", "Utilities", "XNYS", "AAA"]
Row = Mapping[str, Any]


def kind_of(field: Field) -> pl.DataType:
    """The type of a field's column."""
    kinds: dict[Unit, pl.DataType] = {Unit.TEXT: pl.String(), Unit.LIST: pl.List(pl.String)}
    return kinds.get(field.unit, pl.Float64())


def frame_of(rows: list[Row]) -> pl.DataFrame:
    """Rows as a frame with every column; what a row does not name is missing."""
    schema = {name: kind_of(field) for name, field in FIELDS.items()}
    return pl.DataFrame([{name: row.get(name) for name in FIELDS} for row in rows], schema=schema)


def number_in(field: Field) -> st.SearchStrategy[float]:
    """A number that the field can be; few different ones, so that boundaries are hit."""
    middle = [each for each in (0.0, 0.05, 1.0, 5.0, 30.0, 70.0) if field.low <= each <= field.high]
    return st.sampled_from([*middle, field.low, field.high]) | st.floats(field.low, field.high, allow_nan=False)


def _texts_of(field: Field) -> st.SearchStrategy[str]:
    return st.sampled_from(list(field.choices) if field.choices is not None else TEXTS)


@st.composite
def conditions(draw: st.DrawFn, names: list[str] | None = None) -> Condition:
    """A condition in the right form; it may make no sense."""
    field = FIELDS[draw(st.sampled_from(names or list(FIELDS)))]
    operator = draw(st.sampled_from(field.operators))
    if operator in (Operator.ABOVE_FIELD, Operator.BELOW_FIELD):
        others = [name for name in names or FIELDS if FIELDS[name].unit is field.unit and name != field.id]
        times = draw(st.sampled_from([1.0, 1.3, 0.5]))
        return Condition(field.id, operator, Other(draw(st.sampled_from(others or [*FIELDS])), times))
    if operator is Operator.BETWEEN:
        low, high = sorted((draw(number_in(field)), draw(number_in(field))))
        return Condition(field.id, operator, (low, high))
    if field.is_number:
        return Condition(field.id, operator, draw(number_in(field)))
    if operator in (Operator.IS, Operator.IS_NOT):
        return Condition(field.id, operator, draw(_texts_of(field)))
    return Condition(field.id, operator, tuple(draw(st.lists(_texts_of(field), min_size=1, max_size=3))))


def groups(depth: int = 3, names: list[str] | None = None) -> st.SearchStrategy[Group]:
    """A group of conditions, and of groups within it."""
    item: st.SearchStrategy[Condition | Group] = conditions(names)
    if depth > 1:
        item = item | groups(depth - 1, names)
    items = st.lists(item, min_size=1, max_size=3).map(tuple)
    return st.builds(Group, st.sampled_from(Match), items, st.sampled_from(["", "Volume"]))


def screens(names: list[str] | None = None) -> st.SearchStrategy[Screen]:
    """A screen in the right form; it may make no sense."""
    return st.builds(Screen, groups(3, names))


@st.composite
def rows(draw: st.DrawFn, names: list[str]) -> Row:
    """A row of a scan with these figures, some of them missing."""
    row: dict[str, Any] = {}
    for name in names:
        field = FIELDS[name]
        if field.is_number:
            row[name] = draw(st.none() | st.sampled_from([float("nan"), float("inf")]) | number_in(field))
        elif field.unit is Unit.TEXT:
            row[name] = draw(st.none() | _texts_of(field))
        else:
            row[name] = draw(st.none() | st.lists(_texts_of(field), max_size=3))
    return row


def meets(row: Row, item: Condition | Group) -> bool:
    """Whether a row meets a condition or group, worked out in plain Python."""
    if isinstance(item, Group):
        held = [meets(row, each) for each in item.items]
        return all(held) if item.match is Match.ALL else any(held)
    figure, value = row.get(item.field), _sought(row, item.value)
    if figure is None or value is None or (isinstance(figure, float) and not isfinite(figure)):
        return False
    return bool(_PLAIN[item.operator](figure, value))


def _sought(row: Row, value: Value) -> object:
    if not isinstance(value, Other):
        return value
    figure = row.get(value.field)
    return None if figure is None or not isfinite(figure) else figure * value.times


_PLAIN: dict[Operator, Any] = {
    Operator.ABOVE: lambda a, b: a > b,
    Operator.BELOW: lambda a, b: a < b,
    Operator.AT_LEAST: lambda a, b: a >= b,
    Operator.AT_MOST: lambda a, b: a <= b,
    Operator.BETWEEN: lambda a, b: b[0] <= a <= b[1],
    Operator.ABOVE_FIELD: lambda a, b: a > b,
    Operator.BELOW_FIELD: lambda a, b: a < b,
    Operator.IS: lambda a, b: a.lower() == b.lower(),
    Operator.IS_NOT: lambda a, b: a.lower() != b.lower(),
    Operator.IS_ONE_OF: lambda a, b: a.lower() in [each.lower() for each in b],
    Operator.CONTAINS_ANY: lambda a, b: bool(set(a) & set(b)),
    Operator.CONTAINS_ALL: lambda a, b: set(b) <= set(a),
}
