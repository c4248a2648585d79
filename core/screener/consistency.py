"""What is wrong with a screen, in the sentence that says which condition: unknown, empty, absurd, contradictory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite

from core.errors import InvalidRequest
from core.screener.conditions import Condition, Group, Match, Other, Screen, Value, conditions_of, groups_of
from core.screener.fields import FIELDS, OPERATOR_LABELS, Field, Operator, Unit
from core.screener.wording import spoken_condition, spoken_value

MAX_DEPTH = 3
"""Groups within groups, the outermost counted."""
MAX_CONDITIONS = 50
MAX_VALUES = 100
"""Texts in one list."""
MAX_TEXT_CHARS = 80
MAX_TIMES = 1_000.0


def checked(screen: Screen) -> Screen:
    """The screen itself where nothing is wrong with it.

    Raises:
        InvalidRequest: a condition that is unknown, empty, absurd or contradictory; the sentence says which.
    """
    _check_shape(screen.root)
    for condition in conditions_of(screen.root):
        _check_condition(condition)
    for group in groups_of(screen.root):
        problem = _contradiction(group, ()) if group.match is Match.ALL else None
        if problem:
            raise InvalidRequest(problem)
    return screen


def check_count(conditions: int) -> None:
    """Refuses more conditions than a screen takes."""
    if conditions > MAX_CONDITIONS:
        raise InvalidRequest(f"A screen takes at most {MAX_CONDITIONS} conditions; this one has {conditions}.")


def check_depth(depth: int) -> None:
    """Refuses groups that stand deeper within one another than a screen takes."""
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"Groups stand at most {MAX_DEPTH} deep within one another.")


def _check_shape(root: Group) -> None:
    check_count(sum(1 for _ in conditions_of(root)))
    if not root.items:
        raise InvalidRequest("This screen has no condition yet; add one.")
    check_depth(_depth(root))
    for group in groups_of(root):
        if not group.items:
            raise InvalidRequest(f"The group {_quoted(group.name)}has no condition; add one, or take the group away.")
        if group.name:
            _check_text(group.name, "The name of a group")


def _depth(group: Group) -> int:
    return 1 + max((_depth(item) for item in group.items if isinstance(item, Group)), default=0)


def _check_condition(condition: Condition) -> None:
    field = FIELDS.get(condition.field)
    if field is None:
        raise InvalidRequest(f"There is no figure {_quoted(condition.field)}to screen by.")
    if condition.operator not in field.operators:
        offered = ", ".join(field.operators)
        raise InvalidRequest(
            f"{field.label} cannot be asked with {_quoted(condition.operator).rstrip()}; it can with: {offered}."
        )
    if condition.operator in _OF_FIELDS:
        _check_other(field, condition)
    elif field.is_number:
        _check_numbers(field, condition)
    else:
        _check_texts(field, condition)


def _check_other(field: Field, condition: Condition) -> None:
    value = condition.value
    if not isinstance(value, Other):
        raise InvalidRequest(f"{field.label} is compared with another figure here; name one.")
    other = FIELDS.get(value.field)
    if other is None:
        raise InvalidRequest(f"There is no figure {_quoted(value.field)}to compare {field.phrase} with.")
    if other.unit is not field.unit:
        units = f"one is a {field.unit}, the other a {other.unit}"
        raise InvalidRequest(f"{field.label} cannot be compared with {other.phrase}: {units}.")
    if not _is_number(value.times) or not 0 < value.times <= MAX_TIMES:
        raise InvalidRequest(
            f"In “{spoken_condition(condition)}” the other figure is multiplied by more than 0 and at most "
            f"{MAX_TIMES:,.0f}."
        )
    if other is field:
        raise InvalidRequest(f"{field.label} is compared with itself; choose another figure.")
    asks_above = condition.operator is Operator.ABOVE_FIELD
    pair = (field.id, other.id) if asks_above else (other.id, field.id)
    if pair in _NEVER_ABOVE and (value.times >= 1 if asks_above else value.times <= 1):
        raise InvalidRequest(f"“{spoken_condition(condition)}” never holds{_NEVER_ABOVE[pair]}.")


_RANGE = ": the range of 52 weeks takes the last bar in; ask for a 52-week breakout or breakdown among the signals"
_BANDS = ": the bands stand in this order"
_NEVER_ABOVE = {
    ("close", "week52_high"): _RANGE,
    ("week52_low", "close"): _RANGE,
    ("week52_low", "week52_high"): _RANGE,
    ("bb_lower", "bb_middle"): _BANDS,
    ("bb_middle", "bb_upper"): _BANDS,
    ("bb_lower", "bb_upper"): _BANDS,
}
"""Figures of which the first is never above the second, and why; whoever asks for it would find nothing for ever."""


def _check_numbers(field: Field, condition: Condition) -> None:
    is_pair = condition.operator is Operator.BETWEEN
    numbers = _numbers(condition.value)
    if len(numbers) != (2 if is_pair else 1):
        what = "two numbers, the lower first" if is_pair else "a number"
        raise InvalidRequest(f"{field.label} {OPERATOR_LABELS[condition.operator]} … needs {what}.")
    if numbers[0] > numbers[-1]:
        raise InvalidRequest(f"“{spoken_condition(condition)}” never holds: the lower number comes first.")
    is_outside = any(not field.low <= each <= field.high for each in numbers)
    if is_outside or not interval_of(condition).meets(Interval(field.low, field.high)):
        raise InvalidRequest(f"“{spoken_condition(condition)}” makes no sense: {field.phrase} {_bounds(field)}.")


def _numbers(value: Value) -> list[float]:
    """The numbers of a value; none where one of them is no number."""
    given = value if isinstance(value, tuple) else (value,)
    numbers = [each for each in given if isinstance(each, int | float) and _is_number(each)]
    return numbers if len(numbers) == len(given) else []


def _bounds(field: Field) -> str:
    low, high = spoken_value(field, field.low), spoken_value(field, field.high)
    return f"lies between {low} and {high}"


def _check_texts(field: Field, condition: Condition) -> None:
    value = condition.value
    takes_several = condition.operator in _OF_SEVERAL
    texts = value if takes_several and isinstance(value, tuple) else (value,)
    if takes_several and not isinstance(value, tuple):
        raise InvalidRequest(f"{field.label} {OPERATOR_LABELS[condition.operator]} … needs a list.")
    if not texts:
        raise InvalidRequest(f"{field.label} {OPERATOR_LABELS[condition.operator]} … needs at least one value.")
    if len(texts) > MAX_VALUES:
        raise InvalidRequest(f"{field.label} takes at most {MAX_VALUES} values; these are {len(texts)}.")
    for text in texts:
        if not isinstance(text, str):
            raise InvalidRequest(f"{field.label} {OPERATOR_LABELS[condition.operator]} … needs text.")
        _check_text(text, field.label)
        if field.choices is not None and text not in field.choices:
            raise InvalidRequest(
                f"{field.label} is never {_quoted(text).rstrip()}; choose one of those that are offered."
            )


def _check_text(text: str, what: str) -> None:
    if not text.strip():
        raise InvalidRequest(f"{what} must not be empty.")
    if len(text) > MAX_TEXT_CHARS:
        raise InvalidRequest(f"{what} takes at most {MAX_TEXT_CHARS} characters; this one has more.")
    if not text.isprintable():
        raise InvalidRequest(f"{what} cannot hold characters that are not shown; type it anew.")


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers that a condition lets through."""

    low: float = -inf
    high: float = inf
    is_open: bool = False
    """Whether its ends are not part of it; both are alike, or one is infinite."""

    def meets(self, other: Interval) -> bool:
        """Whether a number lies in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low < high or (low == high and not self._leaves_out(low) and not other._leaves_out(low))

    def _leaves_out(self, number: float) -> bool:
        return self.is_open and number in (self.low, self.high)


def interval_of(condition: Condition) -> Interval:
    """The numbers that a condition with numbers lets through."""
    value = condition.value
    if isinstance(value, tuple):
        low, high = value
        return Interval(float(low), float(high))
    assert isinstance(value, int | float)
    is_open = condition.operator in (Operator.ABOVE, Operator.BELOW)
    if condition.operator in (Operator.ABOVE, Operator.AT_LEAST):
        return Interval(low=value, is_open=is_open)
    return Interval(high=value, is_open=is_open)


_OF_FIELDS = frozenset({Operator.ABOVE_FIELD, Operator.BELOW_FIELD})
_OF_SEVERAL = frozenset({Operator.IS_ONE_OF, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL})


def _contradiction(item: Condition | Group, given: tuple[Condition, ...]) -> str | None:
    """Why `item` can never hold where `given` holds too; None where it can, as far as that is easily seen."""
    if isinstance(item, Condition):
        return _against(item, given)
    if item.match is Match.ANY:
        problems = [_contradiction(each, given) for each in item.items]
        return problems[0] if all(problems) else None
    together = given
    for condition in _always(item):
        problem = _against(condition, together)
        if problem:
            return problem
        together = (*together, condition)
    choices = (each for each in groups_of(item) if each.match is Match.ANY)
    return next(filter(None, (_contradiction(each, together) for each in choices)), None)


def _always(group: Group) -> Iterator[Condition]:
    """The conditions that hold wherever the group does, and that are not one choice of several."""
    for item in group.items:
        if isinstance(item, Condition):
            yield item
        elif item.match is Match.ALL:
            yield from _always(item)


def _against(condition: Condition, given: tuple[Condition, ...]) -> str | None:
    """The sentence that says with which of `given` the condition can never hold."""
    field = FIELDS[condition.field]
    if field.unit is Unit.LIST:
        return None
    if isinstance(condition.value, Other):
        other = next((each for each in given if _opposes(condition, each)), None)
    elif field.is_number:
        interval = interval_of(condition)
        numbers = (each for each in given if each.field == field.id and not isinstance(each.value, Other))
        other = next((each for each in numbers if not interval.meets(interval_of(each))), None)
    else:
        same = [each for each in given if each.field == field.id]
        other = None if _texts_left(field, [*same, condition]) else same[-1] if same else condition
    if other is None:
        return None
    return (
        f"“{spoken_condition(other)}” and “{spoken_condition(condition)}” can never hold together; "
        "change one of them, or put them into a group of which any may hold."
    )


def _opposes(one: Condition, two: Condition) -> bool:
    """Whether two comparisons of the same two figures leave no room."""
    if not isinstance(one.value, Other) or not isinstance(two.value, Other):
        return False
    if (one.field, one.value) == (two.field, two.value):
        return one.operator is not two.operator
    is_turned = (one.field, one.value.field) == (two.value.field, two.field)
    return is_turned and one.value.times == two.value.times == 1 and one.operator is two.operator


def _texts_left(field: Field, conditions: list[Condition]) -> bool:
    """Whether any text meets all of these."""
    allowed = None if field.choices is None else {each.casefold() for each in field.choices}
    for condition in conditions:
        value = condition.value
        texts = {str(each).casefold() for each in (value if isinstance(value, tuple) else (value,))}
        if condition.operator is not Operator.IS_NOT:
            allowed = texts if allowed is None else allowed & texts
    refused = {str(each.value).casefold() for each in conditions if each.operator is Operator.IS_NOT}
    return allowed is None or bool(allowed - refused)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _quoted(name: object) -> str:
    """A caller's word as a sentence repeats it, with a space after it; cut, and without what cannot be seen."""
    shown = "".join(each for each in str(name) if each.isprintable())[:MAX_TEXT_CHARS]
    return f"“{shown}” " if shown else ""
