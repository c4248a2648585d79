"""Matches of a screen as a CSV file that spreadsheets and programs read alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from core.screener.criteria import WHY
from core.screener.fields import FIELDS, Field, Unit

if TYPE_CHECKING:
    import polars as pl

MEDIA_TYPE = "text/csv; charset=utf-8"
UNIT_WORDS: Mapping[Unit, str] = {
    Unit.PRICE: " (in its currency)",
    Unit.FRACTION: " (%)",
    Unit.RATIO: " (times)",
    Unit.POINTS: " (points)",
}
"""What a column's heading says of its unit."""
FORMULA = r"^[\s\x00-\x1f]*[=+\-@＝＋－＠]|^[\t\r\n]"
"""Text at whose beginning a spreadsheet may compute; an apostrophe before it keeps it text."""
_UNSEEN = r"[\x00-\x1f\x7f]"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the matches were found in; it stands in the first columns of every row."""

    as_of: date
    universe: str
    source: str
    formula_version: int


def csv_of(matches: pl.DataFrame, origin: Origin) -> bytes:
    """The matches in UTF-8 with a mark at its beginning, lines ended as RFC 4180 has it.

    Figures are rounded as pages show them and stay numbers; what is missing is an empty cell. A note above the headings
    would be read as data by most programs, so where the figures come from stands in columns.
    """
    import polars as pl

    columns = [
        pl.lit(origin.as_of).alias("As of"),
        _text(pl.lit(origin.universe)).alias("Universe"),
        _text(pl.lit(origin.source)).alias("Source"),
        pl.lit(origin.formula_version).alias("Formula version"),
        *(_text(pl.col(name)).alias(label) for name, label in _NAMES.items() if name in matches.columns),
        *(_column(field).alias(heading(field)) for field in FIELDS.values() if _is_shown(field, matches)),
        *([_text(pl.col(WHY).list.join("; ")).alias("Why")] if WHY in matches.columns else []),
    ]
    text = matches.select(columns).write_csv(line_terminator="\r\n")
    return text.encode("utf-8-sig")


def heading(field: Field) -> str:
    """What stands above the column of a field."""
    return field.label + UNIT_WORDS.get(field.unit, "")


_NAMES = {"symbol": "Symbol", "name": "Name"}


def _is_shown(field: Field, matches: pl.DataFrame) -> bool:
    return field.id in matches.columns and field.id not in _NAMES


def _column(field: Field) -> pl.Expr:
    import polars as pl

    column = pl.col(field.id)
    if field.unit is Unit.TEXT:
        return _text(column)
    if field.unit is Unit.LIST:
        return _text(column.list.eval(pl.element().replace(dict(field.choices or {}))).list.join(", "))
    number = column.cast(pl.Float64)
    number = pl.when(number.is_finite()).then(number)
    if field.unit is Unit.FRACTION:
        return (number * 100).round(field.decimals)
    if field.unit is Unit.PRICE:
        return pl.when(number.abs() < 1).then(number.round_sig_figs(4)).otherwise(number.round(field.decimals))
    rounded = number.round(field.decimals)
    return rounded.cast(pl.Int64, strict=False) if field.decimals == 0 else rounded


def _text(column: pl.Expr) -> pl.Expr:
    """Text in one line that no spreadsheet takes for a formula."""
    import polars as pl

    line = column.cast(pl.String).str.replace_all(_UNSEEN, " ")
    return pl.when(column.cast(pl.String).str.contains(FORMULA)).then(pl.lit("'") + line).otherwise(line)
