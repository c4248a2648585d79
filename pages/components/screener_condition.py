"""One condition of a screen: the figure, what is asked of it, and the value, with widgets that fit its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from core.screener.criteria import MAX_TEXT_CHARS, Condition, Other, Value
from core.screener.fields import FIELDS, GROUPS, OPERATOR_LABELS, Field, Operator, Unit

if TYPE_CHECKING:
    import polars as pl

FIELD_WIDTH, OPERATOR_WIDTH, VALUE_WIDTH = 240, 150, 140
LIST_WIDTH = 290
SMALLEST_DOUBLE, LARGEST_DOUBLE = -1e15, 1e15
_START: Mapping[Unit, float] = {
    Unit.PRICE: 10.0,
    Unit.FRACTION: 0.0,
    Unit.RATIO: 1.5,
    Unit.POINTS: 50.0,
    Unit.COUNT: 0.0,
}
"""The number that a new condition begins with."""
_FEW = ("sector", "exchange", "currency")
"""Texts that have few values."""
_SUFFIX = {Unit.FRACTION: "%", Unit.RATIO: "×"}
_SEVERAL = frozenset({Operator.IS_ONE_OF, Operator.CONTAINS_ANY, Operator.CONTAINS_ALL})
_OTHERS = frozenset({Operator.ABOVE_FIELD, Operator.BELOW_FIELD})
_ORDERED = [field.id for group in GROUPS for field in FIELDS.values() if field.group == group]
_NUMBERED = [name for name in _ORDERED if FIELDS[name].is_number]

Known = Mapping[str, Sequence[str]]
"""Values that a scan's texts really have, by field."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is asked for."""

    key: str
    field: Field
    operator: Operator
    given: Value | None
    """What it begins with, where it fits."""
    known: Known


def show(key: str, condition: Condition, known: Known) -> Condition:
    """Draws the condition, which begins as it is given; gives it as it is now."""
    begins = condition.field if condition.field in FIELDS else _ORDERED[0]
    name = st.selectbox(
        "Figure",
        _ORDERED,
        _ORDERED.index(begins),
        format_func=_titled,
        key=f"{key}_field",
        label_visibility="collapsed",
        width=FIELD_WIDTH,
    )
    field = FIELDS[name or begins]
    operator = _show_operator(key, field, condition)
    is_same = field.id == condition.field and operator is condition.operator
    place = _Place(f"{key}_{field.id}_{operator}", field, operator, condition.value if is_same else None, known)
    value = next(show for applies, show in _WIDGETS if applies(place))(place)
    st.caption(_SUFFIX.get(field.unit, "") if operator not in _OTHERS else "", width="content", help=field.help)
    return Condition(field.id, operator, value)


def known_in(results: pl.DataFrame) -> Known:
    """The few values that the texts of a scan's rows have."""
    return {name: sorted(results[name].drop_nulls().unique()) for name in _FEW if name in results.columns}


def new() -> Condition:
    """A condition to begin with."""
    return Condition("rsi_14", Operator.BELOW, 30.0)


def _titled(name: str) -> str:
    return f"{FIELDS[name].group} · {FIELDS[name].label}"


def _show_operator(key: str, field: Field, condition: Condition) -> Operator:
    offered = list(field.operators)
    begins = offered.index(condition.operator) if condition.operator in offered else 0
    chosen = st.selectbox(
        "What is asked",
        offered,
        begins,
        format_func=lambda each: OPERATOR_LABELS[each],
        key=f"{key}_{field.unit}_operator",
        label_visibility="collapsed",
        width=OPERATOR_WIDTH,
    )
    return chosen or offered[begins]


def _show_number(place: _Place) -> Value:
    given = place.given if isinstance(place.given, int | float) else None
    return _number(place, place.key, "Value", given)


def _show_numbers(place: _Place) -> Value:
    given = place.given if isinstance(place.given, tuple) and len(place.given) == 2 else (None, None)
    low, high = (each if isinstance(each, int | float) else None for each in given)
    return (
        _number(place, f"{place.key}_low", "From", low),
        _number(place, f"{place.key}_high", "To", high),
    )


def _number(place: _Place, key: str, label: str, given: float | None) -> float:
    """Fractions are typed as percentages."""
    field, times = place.field, 100.0 if place.field.unit is Unit.FRACTION else 1.0
    low, high = max(field.low * times, SMALLEST_DOUBLE), min(field.high * times, LARGEST_DOUBLE)
    begins = (given if given is not None else _START[field.unit]) * times
    typed = st.number_input(
        label,
        low,
        high,
        float(min(max(round(begins, 10), low), high)),
        step=field.step * times,
        format=f"%.{field.decimals}f" if round(begins, field.decimals) == round(begins, 10) else "%f",
        key=key,
        label_visibility="collapsed",
        width=VALUE_WIDTH,
    )
    return round(typed / times, 12)


def _show_other(place: _Place) -> Value:
    given = place.given if isinstance(place.given, Other) else Other(_other_of(place.field))
    offered = [name for name in _NUMBERED if FIELDS[name].unit is place.field.unit and name != place.field.id]
    times = st.number_input(
        "Times",
        0.0001,
        10_000.0,
        float(min(max(given.times, 0.0001), 10_000.0)),
        step=0.05,
        key=f"{place.key}_times",
        label_visibility="collapsed",
        width=110,
    )
    st.caption("×", width="content")
    name = st.selectbox(
        "Other figure",
        offered,
        offered.index(given.field) if given.field in offered else 0,
        format_func=_titled,
        key=f"{place.key}_other",
        label_visibility="collapsed",
        width=FIELD_WIDTH,
    )
    return Other(name or given.field, times)


def _other_of(field: Field) -> str:
    return "sma_50" if field.unit is Unit.PRICE and field.id != "sma_50" else field.id


def _show_several(place: _Place) -> Value:
    given = [each for each in place.given if isinstance(each, str)] if isinstance(place.given, tuple) else []
    choices = place.field.choices
    offered = list(choices or place.known.get(place.field.id, ()))
    chosen = st.multiselect(
        "Values",
        [*offered, *(each for each in given if each not in offered)],
        given,
        format_func=lambda each: (choices or {}).get(each, each),
        accept_new_options=choices is None,
        placeholder="Choose one or more",
        key=place.key,
        label_visibility="collapsed",
        width=LIST_WIDTH,
    )
    return tuple(chosen)


def _show_choice(place: _Place) -> Value:
    choices = place.field.choices
    offered = list(choices or place.known.get(place.field.id, ()))
    given = place.given if isinstance(place.given, str) else None
    if given is not None and given not in offered:
        offered.append(given)
    chosen = st.selectbox(
        "Value",
        offered,
        offered.index(given) if given is not None else (0 if offered else None),
        format_func=lambda each: (choices or {}).get(each, each),
        accept_new_options=choices is None,
        key=place.key,
        label_visibility="collapsed",
        width=FIELD_WIDTH,
    )
    return chosen or ""


def _show_text(place: _Place) -> Value:
    return st.text_input(
        "Value",
        place.given if isinstance(place.given, str) else "",
        max_chars=MAX_TEXT_CHARS,
        key=place.key,
        label_visibility="collapsed",
        width=FIELD_WIDTH,
    ).strip()


def _has_choices(place: _Place) -> bool:
    return place.field.choices is not None or bool(place.known.get(place.field.id))


_WIDGETS: Sequence[tuple[Callable[[_Place], bool], Callable[[_Place], Value]]] = (
    (lambda place: place.operator in _OTHERS, _show_other),
    (lambda place: place.operator is Operator.BETWEEN, _show_numbers),
    (lambda place: place.field.is_number, _show_number),
    (lambda place: place.operator in _SEVERAL, _show_several),
    (_has_choices, _show_choice),
    (lambda place: True, _show_text),
)
"""The first that applies draws the value."""
