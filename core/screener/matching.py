"""Which rows of a scan a screen picks, and why: one polars query, never a loop over symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from math import isfinite

import polars as pl

from core.screener.conditions import Condition, Group, Match, Other, conditions_of
from core.screener.consistency import interval_of
from core.screener.fields import FIELDS, Field, Operator, Unit
from core.screener.wording import spoken_claim

_CUT = "\x1f"
"""Between reasons: no figure, label or checked text holds it."""
_THOUSAND, _MILLION, _BILLION = 1e3, 1e6, 1e9


def rows_that_meet(frame: pl.DataFrame, root: Group) -> tuple[pl.DataFrame, pl.Expr]:
    """The rows that meet a checked group, and the list of the reasons of each as an expression over them."""
    figures = {name: _figure(frame, FIELDS[name]) for name in _names(root)}
    reasons = [
        pl.when(held).then(_reason(condition, figures)) for held, condition in _held(root, figures, pl.lit(value=True))
    ]
    # One text that is cut again takes a tenth of the time of a list from which the missing are dropped.
    joined = pl.concat_str(reasons, separator=_CUT, ignore_nulls=True)
    return frame.filter(_holds(root, figures)), joined.str.split(_CUT)


def _names(root: Group) -> set[str]:
    names = {condition.field for condition in conditions_of(root)}
    return names | {each.value.field for each in conditions_of(root) if isinstance(each.value, Other)}


def _figure(frame: pl.DataFrame, field: Field) -> pl.Expr:
    """The column of a figure, null where it is missing; an empty text is missing too."""
    kind = _KINDS.get(field.unit, pl.Float64())
    if field.id not in frame.columns:
        return pl.lit(None, dtype=kind)
    column = pl.col(field.id).cast(kind)
    if field.unit is Unit.LIST:
        return column
    return pl.when(column.is_finite() if field.is_number else column != "").then(column)


_KINDS: Mapping[Unit, pl.DataType] = {Unit.TEXT: pl.String(), Unit.LIST: pl.List(pl.String)}

_Figures = Mapping[str, pl.Expr]


def _holds(item: Condition | Group, figures: _Figures) -> pl.Expr:
    if isinstance(item, Condition):
        return _CLAIMS[item.operator](figures[item.field], item, figures).fill_null(value=False)
    parts = [_holds(each, figures) for each in item.items]
    return reduce(lambda a, b: a & b, parts) if item.match is Match.ALL else reduce(lambda a, b: a | b, parts)


def _held(group: Group, figures: _Figures, around: pl.Expr) -> Iterator[tuple[pl.Expr, Condition]]:
    """Every condition, and where it is a reason: it holds, and so does every group around it."""
    for item in group.items:
        held = around & _holds(item, figures)
        if isinstance(item, Condition):
            yield held, item
        else:
            yield from _held(item, figures, held)


def _in_interval(figure: pl.Expr, condition: Condition, _figures: _Figures) -> pl.Expr:
    interval = interval_of(condition)
    return figure.is_between(interval.low, interval.high, closed="none" if interval.is_open else "both")


def _beside_other(figure: pl.Expr, condition: Condition, figures: _Figures) -> pl.Expr:
    other = _other(condition, figures)
    return figure > other if condition.operator is Operator.ABOVE_FIELD else figure < other


def _other(condition: Condition, figures: _Figures) -> pl.Expr:
    assert isinstance(condition.value, Other)
    return figures[condition.value.field] * condition.value.times


def _is_text(figure: pl.Expr, condition: Condition, _figures: _Figures) -> pl.Expr:
    texts = [each.lower() for each in _texts(condition)]
    return figure.str.to_lowercase().is_in(texts) ^ pl.lit(condition.operator is Operator.IS_NOT)


def _contains(figure: pl.Expr, condition: Condition, _figures: _Figures) -> pl.Expr:
    texts = set(_texts(condition))
    least = len(texts) if condition.operator is Operator.CONTAINS_ALL else 1
    return _shared(figure, condition).list.len() >= least


def _shared(figure: pl.Expr, condition: Condition) -> pl.Expr:
    """What of the list the condition names, each once."""
    return figure.list.set_intersection(pl.lit(pl.Series([list(dict.fromkeys(_texts(condition)))])).first())


def _texts(condition: Condition) -> list[str]:
    value = condition.value
    return [str(each) for each in value] if isinstance(value, tuple) else [str(value)]


_Claim = Callable[[pl.Expr, Condition, _Figures], pl.Expr]
_CLAIMS: Mapping[Operator, _Claim] = {
    Operator.ABOVE: _in_interval,
    Operator.BELOW: _in_interval,
    Operator.AT_LEAST: _in_interval,
    Operator.AT_MOST: _in_interval,
    Operator.BETWEEN: _in_interval,
    Operator.ABOVE_FIELD: _beside_other,
    Operator.BELOW_FIELD: _beside_other,
    Operator.IS: _is_text,
    Operator.IS_NOT: _is_text,
    Operator.IS_ONE_OF: _is_text,
    Operator.CONTAINS_ANY: _contains,
    Operator.CONTAINS_ALL: _contains,
}


def _reason(condition: Condition, figures: _Figures) -> pl.Expr:
    """Why a row meets a condition, with its figures: RSI 28.4 is below 30."""
    field = FIELDS[condition.field]
    figure = figures[field.id]
    if field.unit is Unit.LIST:
        labels = dict(field.choices or {})
        shown = _shared(figure, condition).list.eval(pl.element().replace(labels)).list.join(", ")
        return pl.format("{}: {}", pl.lit(field.label), shown)
    if field.unit is Unit.TEXT:
        return pl.format(f"{_escaped(field.label)} is {{}}", figure)
    claim = pl.lit(spoken_claim(condition))
    if not isinstance(condition.value, Other):
        interval = interval_of(condition)
        bounds = [pl.lit(bound) for bound in (interval.low, interval.high) if isfinite(bound)]
        return pl.format(f"{_escaped(field.label)} {{}} {{}}", _told(field, figure, bounds), claim)
    other = FIELDS[condition.value.field]
    shown = _told(field, figure, [_other(condition, figures)])
    than = _told(other, figures[other.id], [figure / condition.value.times])
    return pl.format(f"{_escaped(field.label)} {{}} {{}} ({{}})", shown, claim, than)


def _told(field: Field, figure: pl.Expr, beside: Sequence[pl.Expr]) -> pl.Expr:
    """A figure as text, with more digits where rounding would hide on which side of another it lies."""
    shown = shown_figure(field, figure)
    if field.unit is Unit.COUNT:
        return shown
    scale, ending = (100, " %") if field.unit is Unit.FRACTION else (1, "")
    step = 10.0**-field.decimals / scale
    apart = [(figure - each).abs() for each in beside]
    is_near = reduce(lambda a, b: a | b, [each.is_between(0, step, closed="none") for each in apart])
    if field.unit is Unit.PRICE:  # small prices have their significant digits already
        is_near = is_near & (figure.abs() >= 1)
    return pl.when(is_near).then(_rounded(figure * scale, field.decimals + 2) + ending).otherwise(shown)


def shown_figure(field: Field, figure: pl.Expr) -> pl.Expr:
    """A figure as text, rounded and with its unit as pages show it."""
    return _SHOWN[field.unit](figure, field.decimals)


def _rounded(figure: pl.Expr, decimals: int) -> pl.Expr:
    # A float that is cast to text would lose its zeros at the end; one beyond a decimal's reach is shown as it is.
    exact = figure.cast(pl.Decimal(38, decimals), strict=False).cast(pl.String)
    return pl.coalesce(exact, figure.cast(pl.String))


def _price(figure: pl.Expr, decimals: int) -> pl.Expr:
    is_small = figure.abs().is_between(0, 1, closed="none")
    return pl.when(is_small).then(figure.round_sig_figs(4).cast(pl.String)).otherwise(_rounded(figure, decimals))


def _percentage(figure: pl.Expr, decimals: int) -> pl.Expr:
    return _rounded(figure * 100, decimals) + " %"


def _many(figure: pl.Expr, decimals: int) -> pl.Expr:
    size = figure.abs()
    return (
        pl.when(size >= _BILLION)
        .then(_rounded(figure / _BILLION, 2) + " bn")
        .when(size >= _MILLION)
        .then(_rounded(figure / _MILLION, 2) + " m")
        .when(size >= 10 * _THOUSAND)
        .then(_rounded(figure / _THOUSAND, 1) + " k")
        .otherwise(_rounded(figure, decimals))
    )


_SHOWN: Mapping[Unit, Callable[[pl.Expr, int], pl.Expr]] = {
    Unit.PRICE: _price,
    Unit.FRACTION: _percentage,
    Unit.RATIO: _rounded,
    Unit.POINTS: _rounded,
    Unit.COUNT: _many,
}


def _escaped(label: str) -> str:
    return label.replace("{", "{{").replace("}", "}}")
