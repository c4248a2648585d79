"""A screen and its conditions in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite

from core.screener.conditions import Condition, Group, Match, Other, Screen, Value
from core.screener.fields import FIELDS, OPERATOR_LABELS, Field, Operator, Unit


def spoken(screen: Screen) -> str:
    """A checked screen as one sentence: Symbols where RSI is below 30 and close is above the 200-day average."""
    return f"Symbols where {_joined(screen.root)}."


def spoken_condition(condition: Condition) -> str:
    """A condition as part of a sentence; of an unknown field or operator, its name stands for itself."""
    field = FIELDS.get(condition.field)
    label = condition.field if field is None else field.phrase
    return f"{'the ' if label[:1].isdigit() else ''}{label} {spoken_claim(condition)}"


def spoken_claim(condition: Condition) -> str:
    """What a condition says of its figure: is below 30."""
    field, value = FIELDS.get(condition.field), condition.value
    if isinstance(value, Other):
        verb = "is above" if condition.operator is Operator.ABOVE_FIELD else "is below"
        return f"{verb} {spoken_other(value)}"
    if condition.operator is Operator.BETWEEN and isinstance(value, tuple) and len(value) == 2:
        low, high = (spoken_value(field, each) for each in value)
        return f"is between {low} and {high}"
    is_one = isinstance(value, tuple) and len(value) == 1
    verb = (_OF_ONE if is_one else OPERATOR_LABELS).get(condition.operator, OPERATOR_LABELS[condition.operator])
    return f"{verb} {spoken_value(field, value)}"


def spoken_other(other: Other) -> str:
    """Another figure as a condition names it: the 50-day average, 1.3 × the 52-week low."""
    field = FIELDS.get(other.field)
    label = other.field if field is None else field.phrase
    article = "the " if label[:1].isdigit() or " " in label else ""
    return article + label if other.times == 1 else f"{plain(other.times)} × {article}{label}"


def spoken_value(field: Field | None, value: Value) -> str:
    """A value as a condition names it, with its unit."""
    if isinstance(value, tuple):
        return _listed([spoken_value(field, each) for each in value])
    if isinstance(value, Other):
        return spoken_other(value)
    if isinstance(value, str):
        return (field.choices or {}).get(value, value) if field else value
    return f"{plain(value * 100)} %" if field is not None and field.unit is Unit.FRACTION else plain(value)


def plain(number: float) -> str:
    """A number as people type it: 30, 12.5, 1,000,000."""
    if not isfinite(number):
        return str(number)
    return f"{number:,.10f}".rstrip("0").rstrip(".") if abs(number) < 1e15 else f"{number:g}"


_OF_ONE = dict.fromkeys((Operator.IS_ONE_OF, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL), "is")


def _joined(group: Group) -> str:
    return _JOINED[group.match]([_part(item) for item in group.items])


def _part(item: Condition | Group) -> str:
    if isinstance(item, Condition):
        return spoken_condition(item)
    words = _joined(item)
    return f"({item.name}: {words})" if item.name else f"({words})"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)


def _either(words: Sequence[str]) -> str:
    return f"either {' or '.join(words)}" if len(words) > 1 else "".join(words)


_JOINED: Mapping[Match, Callable[[Sequence[str]], str]] = {Match.ALL: " and ".join, Match.ANY: _either}
