"""Screens: criteria that pick rows of a scan, read from JSON and written to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from core.errors import InvalidRequest
from core.screener.conditions import Condition, Group, Match, Other, Screen, Value, conditions_of, groups_of
from core.screener.consistency import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_TEXT_CHARS,
    MAX_VALUES,
    check_count,
    check_depth,
    checked,
)
from core.screener.fields import Operator
from core.screener.wording import spoken, spoken_condition

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MAX_CONDITIONS",
    "MAX_DEPTH",
    "MAX_TEXT_CHARS",
    "MAX_VALUES",
    "WHY",
    "Condition",
    "Group",
    "Match",
    "Other",
    "Screen",
    "Value",
    "checked",
    "conditions_of",
    "from_json",
    "groups_of",
    "matching",
    "spoken",
    "spoken_condition",
    "to_json",
]

WHY = "why"
"""The column that `matching` adds."""
_FORM = 'A screen is {"match": "all" or "any", "items": […]}'


def matching(frame: pl.DataFrame, screen: Screen) -> pl.DataFrame:
    """The rows that meet the screen, in their order, with a column `why`: the conditions that held, with the figures.

    A figure that is missing (null, NaN, infinite, or a column that this scan does not have) meets no condition.

    Raises:
        InvalidRequest: as `checked`.
    """
    from core.screener.matching import rows_that_meet

    root = checked(screen).root
    found, reasons = rows_that_meet(frame, root)
    return found.with_columns(reasons.alias(WHY))


def to_json(screen: Screen) -> dict[str, Any]:
    """The screen as JSON values; `from_json` reads them back."""
    return _group_json(screen.root)


def from_json(given: object) -> Screen:
    """The screen that JSON values describe, in form only: `checked` says whether it makes sense.

    Raises:
        InvalidRequest: it has another form, or more of something than a screen takes.
    """
    screen = Screen(_group(given, depth=1))
    check_count(sum(1 for _ in conditions_of(screen.root)))
    return screen


def _group_json(group: Group) -> dict[str, Any]:
    items = [_group_json(item) if isinstance(item, Group) else _condition_json(item) for item in group.items]
    named = {"name": group.name} if group.name else {}
    return {"match": group.match.value, **named, "items": items}


def _condition_json(condition: Condition) -> dict[str, Any]:
    value = condition.value
    if isinstance(value, Other):
        given: object = {"field": value.field, "times": value.times}
    else:
        given = list(value) if isinstance(value, tuple) else value
    return {"field": condition.field, "operator": condition.operator.value, "value": given}


def _group(given: object, *, depth: int) -> Group:
    content = _object(given, {"match", "items", "name"}, _FORM)
    items, name = content.get("items"), content.get("name", "")
    check_depth(depth)
    if not isinstance(items, list):
        raise InvalidRequest(f"{_FORM}; items is a list of conditions and groups.")
    check_count(len(items))
    if not isinstance(name, str) or len(name) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"The name of a group is a text of at most {MAX_TEXT_CHARS} characters.")
    made = (_group(item, depth=depth + 1) if _is_group(item) else _condition(item) for item in items)
    return Group(_match(content.get("match")), tuple(made), name.strip())


def _is_group(item: object) -> bool:
    return isinstance(item, dict) and "items" in item


def _match(given: object) -> Match:
    if not isinstance(given, str) or given not in {each.value for each in Match}:
        raise InvalidRequest(f"{_FORM}; match is all or any.")
    return Match(given)


def _condition(given: object) -> Condition:
    form = 'A condition is {"field": …, "operator": …, "value": …}'
    content = _object(given, {"field", "operator", "value"}, form)
    field, operator = content.get("field"), content.get("operator")
    if not isinstance(field, str) or not isinstance(operator, str) or "value" not in content:
        raise InvalidRequest(f"{form}; field and operator are texts.")
    if operator not in {each.value for each in Operator}:
        offered = ", ".join(Operator)
        raise InvalidRequest(f"The condition on {_cut(field)} has an operator that there is not; there are: {offered}.")
    return Condition(_cut(field), Operator(operator), _value(content["value"], _cut(field)))


def _value(given: object, field: str) -> Value:
    if isinstance(given, str):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return _number(given, field)
    if isinstance(given, dict):
        return _other(given, field)
    if isinstance(given, list) and len(given) <= MAX_VALUES:
        if len(given) == 2 and all(isinstance(each, int | float) and not isinstance(each, bool) for each in given):
            return (_number(given[0], field), _number(given[1], field))
        if all(isinstance(each, str) for each in given):
            return tuple(given)
    raise InvalidRequest(
        f"The value of the condition on {field} is a number, a text, two numbers, at most {MAX_VALUES} texts, or "
        'another figure as {"field": …, "times": …}.'
    )


def _other(given: Mapping[object, object], field: str) -> Other:
    content = _object(given, {"field", "times"}, 'Another figure is {"field": …, "times": …}')
    name, times = content.get("field"), content.get("times", 1.0)
    if not isinstance(name, str) or not isinstance(times, int | float) or isinstance(times, bool):
        raise InvalidRequest(f"The condition on {field} names another figure by its field, and times is a number.")
    return Other(_cut(name), _number(times, field))


def _number(given: float, field: str) -> float:
    try:
        return float(given)
    except OverflowError:
        raise InvalidRequest(f"The condition on {field} has a number that is too large.") from None


def _object(given: object, names: set[str], form: str) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise InvalidRequest(f"{form}.")
    for name in given:
        if name not in names:
            raise InvalidRequest(f"{form}; it has no {_cut(str(name))}.")
    return given


def _cut(name: str) -> str:
    """A caller's word as it is kept and repeated: what cannot be seen is left out."""
    return "".join(each for each in name[: 4 * MAX_TEXT_CHARS] if each.isprintable())[:MAX_TEXT_CHARS]
