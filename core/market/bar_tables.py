"""Tables of bars as people keep them: CSV in any encoding, separator and form of numbers and dates, or Parquet."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from core.errors import InvalidRequest, PayloadTooLarge

if TYPE_CHECKING:
    import polars as pl

MOST_BYTES = 300 * 1024 * 1024
"""Largest file: about five million bars of CSV."""
MOST_ROWS = 5_000_000
MOST_COLUMNS = 100
HEADING_WITHIN = 20
"""Lines in which the heading is looked for: some programs write a title above it."""
MOST_SEEN = 5_000
"""Values by which the form of numbers and dates is told."""
MOST_EXAMPLES = 20
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
ALIASES = {
    "symbol": "symbol ticker code instrument security scrip tradingsymbol",
    "date": "date day datetime time timestamp tradedate tradingdate datum",
    "open": "open o openprice opening eröffnung",
    "high": "high h highprice max hoch",
    "low": "low l lowprice min tief",
    "close": "close c closeprice closing last lastprice schlusskurs schluss",
    "volume": "volume vol v qty quantity totaltradedquantity tottrdqty volumen",
    "currency": "currency ccy währung",
    "exchange": "exchange mic market",
    "name": "name company companyname issuer",
    "sector": "sector industry",
    "adjusted": "adjclose adjustedclose adjclosing closeadj",
}
_NAMES = {alias: name for name, aliases in ALIASES.items() for alias in aliases.split()}
_NUMBERS = ("open", "high", "low", "close", "volume")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_DATE_FORMS = {"year first": "%Y-%m-%d", "without separators": "%Y%m%d", "day first, with dots": "%d.%m.%Y"}
_ORDERS = {"dmy": ("day first", "%d/%m/%Y"), "mdy": ("month first", "%m/%d/%Y")}
_MISSING = ("", "-", "na", "n/a", "nan", "null", "none", "#n/a")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows as columns with our names; text where it is text, numbers and days where it is those."""

    frame: pl.DataFrame
    """line, date, date_text, open, high, low, close, volume, is_unreadable; and symbol, currency, exchange, name and
    sector as far as the file has them."""
    how: tuple[str, ...]
    """How it was read, a sentence each."""
    refused_lines: tuple[int, ...] = ()
    """Lines with more fields than the heading: the first of them."""
    refused_count: int = 0

    def refused_rows(self, fate: object, make: Callable[..., Row]) -> list[Row]:
        """The rows that were not even split into columns, as a report tells them."""
        words = "it has more fields than the heading (a decimal comma between commas needs quotes)"
        return [make(fate, words, self.refused_count, self.refused_lines)] if self.refused_count else []


def read_table(content: bytes, *, decimal: str | None = None, date_order: str | None = None) -> Table:
    """Reads a CSV or Parquet file of bars: which of them it is, it says itself.

    Raises:
        PayloadTooLarge: more bytes or rows than are taken.
        InvalidRequest: no table, columns are missing, or numbers or dates can be read in two ways.
    """
    if len(content) > MOST_BYTES:
        raise PayloadTooLarge(f"The file is larger than {MOST_BYTES // 1024**2} MiB. Divide it, and import the parts.")
    if content.startswith(b"PAR1"):
        raw, how, refused = _parquet(content), ["Parquet."], list[int]()
    else:
        raw, how, refused = _csv(content)
    renamed, ignored = _named(raw)
    if ignored:
        how.append(f"Columns that are not used: {', '.join(ignored)}.")
    frame, dates = _with_dates(renamed, date_order)
    frame, numbers = _with_numbers(frame, decimal)
    return Table(frame, (*how, *dates, *numbers), tuple(refused[:MOST_EXAMPLES]), len(refused))


def _parquet(content: bytes) -> pl.DataFrame:
    import polars as pl
    from polars.exceptions import PolarsError

    try:
        lazy = pl.scan_parquet(io.BytesIO(content))
        rows = lazy.select(pl.len()).collect().item()
        if rows > MOST_ROWS:
            raise PayloadTooLarge(_too_many_rows(rows))
        if len(lazy.collect_schema()) > MOST_COLUMNS:
            raise InvalidRequest(f"The file has more than {MOST_COLUMNS} columns.")
        return lazy.collect().with_row_index("line", offset=1)
    except (PolarsError, OSError) as error:
        raise InvalidRequest("The file begins as Parquet, and cannot be read as such.") from error


def _csv(content: bytes) -> tuple[pl.DataFrame, list[str], list[int]]:
    import polars as pl
    from polars.exceptions import PolarsError

    text, encoding = _decoded(content)
    if "\0" in text[:10_000]:
        raise InvalidRequest("The file is neither text nor Parquet.")
    separator, skipped = _heading(text)
    how = [f"CSV in {encoding}, separated by {SEPARATORS[separator]}."]
    if skipped:
        how.append(f"{skipped} {'line' if skipped == 1 else 'lines'} above the heading left out.")
    lines = text.split("\n", skipped)[skipped]
    refused: list[int] = []
    options = {"separator": separator, "infer_schema": False, "truncate_ragged_lines": False}
    try:
        raw = pl.read_csv(io.BytesIO(lines.encode()), **options)  # type: ignore[arg-type]  # one table for both reads
    except PolarsError:
        lines, refused = _without_ragged_lines(lines, separator, skipped)
        try:
            raw = pl.read_csv(io.BytesIO(lines.encode()), **options)  # type: ignore[arg-type]  # as above
        except PolarsError as error:
            raise InvalidRequest(
                "The file cannot be read as a table: a quote is open, or rows differ in form."
            ) from error
    if raw.height > MOST_ROWS:
        raise PayloadTooLarge(_too_many_rows(raw.height))
    numbered = raw.with_row_index("line", offset=skipped + 2)
    return numbered.filter(~pl.col("line").is_in(refused)), how, refused


def _decoded(content: bytes) -> tuple[str, str]:
    for mark, encoding in _BOMS.items():
        if content.startswith(mark):
            try:
                return _unified(content.decode(encoding)), encoding
            except UnicodeDecodeError:
                raise InvalidRequest("The file's byte-order mark says one encoding, and its text is another.") from None
    try:
        return _unified(content.decode("utf-8")), "utf-8"
    except UnicodeDecodeError:
        # Every byte means something in this one: it is what spreadsheets write where they do not write UTF-8.
        return _unified(content.decode("cp1252", errors="replace")), "windows-1252"


def _unified(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _key(heading: str) -> str:
    return re.sub(r"[^a-zäöüß]", "", heading.lower())


def _heading(text: str) -> tuple[str, int]:
    """The separator, and how many lines stand above the heading."""
    first = text.split("\n", HEADING_WITHIN)[:HEADING_WITHIN]
    for number, line in enumerate(first):
        for separator in SEPARATORS:
            fields = next(csv.reader([line], delimiter=separator), [])
            known = {_NAMES.get(_key(item)) for item in fields}
            if {"date", "close"} <= known or {"date", "adjusted"} <= known:
                if len(fields) > MOST_COLUMNS:
                    raise InvalidRequest(f"The file has more than {MOST_COLUMNS} columns.")
                return separator, number
    seen = next((line for line in first if line.strip()), "")[:200]
    words = (
        "No heading with a date and a close was found; a file needs the columns date, open, high, low, close, volume."
    )
    raise InvalidRequest(f"{words} Its first line is: {seen}" if seen else "The file is empty.")


def _without_ragged_lines(lines: str, separator: str, skipped: int) -> tuple[str, list[int]]:
    """The rows that have no more fields than the heading, and the line numbers of the others."""
    reader = csv.reader(io.StringIO(lines), delimiter=separator)
    kept, refused, width, before = io.StringIO(), [], 0, 0
    writer = csv.writer(kept, delimiter=separator, lineterminator="\n")
    try:
        for row in reader:
            width = width or len(row)
            if len(row) > width:
                refused.append(skipped + before + 1)
            # The place of a row that is left out is kept, so that those after it keep their numbers.
            writer.writerow(row if len(row) <= width else [""] * width)
            before = reader.line_num
    except csv.Error as error:
        raise InvalidRequest("The file cannot be read as a table: a quote is open, or a field is too long.") from error
    return kept.getvalue(), refused


def _named(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    chosen: dict[str, str] = {}
    ignored = []
    for column in raw.columns:
        name = _NAMES.get(_key(column))
        if column == "line" or (name is not None and name != "adjusted" and name not in chosen):
            chosen["line" if column == "line" else str(name)] = column
        else:
            ignored.append(column)
    if "close" not in chosen and any(_NAMES.get(_key(column)) == "adjusted" for column in ignored):
        raise InvalidRequest(
            "The file has adjusted closes alone. Name the column close, and say that bars are adjusted (--adjusted)."
        )
    missing = [name for name in ("date", "close") if name not in chosen]
    if missing:
        raise InvalidRequest(f"The file has no column for {' and '.join(missing)}.")
    frame = raw.select(pl.col(column).alias(name) for name, column in chosen.items())
    absent = [name for name in _NUMBERS if name not in chosen]
    for name in ("symbol", "currency", "exchange", "name", "sector"):
        if name in chosen:
            frame = frame.with_columns(pl.col(name).cast(pl.String))
    return frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent), ignored


def _with_dates(frame: pl.DataFrame, order: str | None) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    if frame["date"].dtype.is_temporal():
        days = frame["date"].cast(pl.Date)
        return frame.with_columns(date=days, date_text=days.cast(pl.String)), []
    text = frame["date"].cast(pl.String).str.strip_chars().str.replace(r"[T ]\d{1,2}:\d{2}.*$", "")
    text = text.set(text.str.to_lowercase().is_in(_MISSING), None)
    forms = {**_DATE_FORMS, **_slashed_form(text, order)}
    read = {words: text.str.to_date(form, strict=False) for words, form in forms.items()}
    words = min(read, key=lambda form: read[form].null_count())
    return frame.with_columns(date=read[words], date_text=text), [f"Dates are {words}."]


def _slashed_form(text: pl.Series, order: str | None) -> dict[str, str]:
    """Which of day and month is first in dates such as 03/04/2024: as was said, or as reads more of them.

    Raises:
        InvalidRequest: both read as many of them, as different days.
    """
    if order is not None:
        return dict([_ORDERS[order]])
    day_first, month_first = (text.str.to_date(form, strict=False) for _, form in _ORDERS.values())
    missing = (day_first.null_count(), month_first.null_count())
    if missing[0] == missing[1] < text.len() and not day_first.equals(month_first):
        raise InvalidRequest("Dates as 03/04/2024 can be read in two ways; say which (--dates dmy or --dates mdy).")
    return dict([_ORDERS["dmy" if missing[0] <= missing[1] else "mdy"]])


def _with_numbers(frame: pl.DataFrame, decimal: str | None) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    texts = [name for name in _NUMBERS if frame[name].dtype == pl.String]
    sign = decimal or _decimal_sign(frame, [name for name in texts if name != "volume"])
    unreadable = pl.repeat(False, frame.height, eager=True)
    numbers = []
    for name in _NUMBERS:
        values = frame[name]
        number = _plain(values, sign) if name in texts else values.cast(pl.Float64)
        number = number.set(number.is_infinite(), None).fill_nan(None)
        left = values.is_not_null() & number.is_null()
        if left.any() and name in texts:
            rest, is_missing = _written_otherwise(values.filter(left), sign)
            number = number.scatter(left.arg_true(), rest)
            left = left.scatter(left.arg_true(), rest.is_null() & ~is_missing)
        elif left.any():
            left = values.cast(pl.Float64).is_infinite().fill_null(False)
        unreadable = unreadable | left
        numbers.append(number.alias(name))
    words = ["Numbers have a decimal comma."] if sign == "," else []
    return frame.with_columns(*numbers, unreadable.alias("is_unreadable")), words


def _plain(text: pl.Series, sign: str) -> pl.Series:
    """Numbers without spaces or groups; null for all others, which are few."""
    import polars as pl

    if sign == ",":
        text = text.set(text.str.contains(".", literal=True), None).str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _written_otherwise(text: pl.Series, sign: str) -> tuple[pl.Series, pl.Series]:
    """Numbers with spaces or groups of thousands, and which of the texts say that there is none."""

    group = "." if sign == "," else ","
    bare = text.str.replace_all(r"[\s'’\u00a0\u202f]", "")
    is_missing = bare.str.to_lowercase().is_in(_MISSING)
    is_grouped = bare.str.contains(rf"^[+-]?\d{{1,3}}(\{group}\d{{3}})+(\{sign}\d*)?$")
    bare = bare.zip_with(~is_grouped, bare.str.replace_all(group, "", literal=True))
    number = _plain(bare, sign)
    return number.set(~number.is_finite().fill_null(False), None), is_missing


def _decimal_sign(frame: pl.DataFrame, columns: list[str]) -> str:
    """Whether prices have a decimal point or comma, by the values themselves.

    Raises:
        InvalidRequest: they could be either, as where every price is like 1,234.
    """
    import polars as pl

    if not columns:
        return "."
    seen = pl.concat([frame[name].drop_nulls().head(MOST_SEEN).alias("seen") for name in columns]).str.strip_chars()
    comma = seen.filter(seen.str.contains(",", literal=True))
    if comma.is_empty():
        return "."
    with_both = comma.filter(comma.str.contains(".", literal=True))
    if not with_both.is_empty():
        last = with_both.str.contains(r",[^.]*$").sum()
        return "," if last * 2 > with_both.len() else "."
    if not comma.str.contains(r"^[+-]?\d{1,3}(,\d{3})+$").all():
        return ","
    has_point = seen.str.contains(".", literal=True).any()
    if has_point:
        return "."
    raise InvalidRequest("Prices such as 1,234 can be read in two ways; say which sign is decimal (--decimal , or .).")


def _too_many_rows(rows: int) -> str:
    return f"The file has {rows:,} rows; {MOST_ROWS:,} are the most. Divide it, and import the parts."
