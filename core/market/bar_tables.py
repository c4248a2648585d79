"""Tables of bars as people keep them: CSV in any encoding, separator and form of numbers and dates, or Parquet."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
MORE_FIELDS = "it has more fields than the heading (a decimal comma between commas needs quotes)"
OPEN_QUOTE = "a quote is open in it, or a field has a line break"

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows as columns with our names; text where it is text, numbers and days where it is those."""

    frame: pl.DataFrame
    """line, date, date_text, open, high, low, close, volume, is_unreadable; and symbol, currency, exchange, name and
    sector as far as the file has them."""
    how: tuple[str, ...]
    """How it was read, a sentence each."""
    refused: Mapping[str, list[int]] = field(default_factory=dict)
    """Lines that were not even split into columns, by the reason."""

    @property
    def refused_count(self) -> int:
        """How many those lines are."""
        return sum(len(lines) for lines in self.refused.values())

    def refused_rows(self, fate: object, make: Callable[..., Row]) -> list[Row]:
        """Those lines as a report tells them."""
        return [make(fate, words, len(lines), tuple(lines[:MOST_EXAMPLES])) for words, lines in self.refused.items()]


def read_table(content: bytes, *, decimal: str | None = None, date_order: str | None = None) -> Table:
    """Reads a CSV or Parquet file of bars: which of them it is, it says itself.

    Raises:
        PayloadTooLarge: more bytes or rows than are taken.
        InvalidRequest: no table, columns are missing, or numbers or dates can be read in two ways.
    """
    from polars.exceptions import PanicException, PolarsError

    if len(content) > MOST_BYTES:
        raise PayloadTooLarge(f"The file is larger than {MOST_BYTES // 1024**2} MiB. Divide it, and import the parts.")
    try:
        return _read(content, decimal, date_order)
    except (PolarsError, PanicException, csv.Error) as error:
        raise InvalidRequest(
            "The file cannot be read as a table of bars: a field is too long, or a column is no text."
        ) from error


def _read(content: bytes, decimal: str | None, date_order: str | None) -> Table:
    import polars as pl

    refused: dict[str, list[int]] = {}
    if content.startswith(b"PAR1"):
        raw, how, first_line = _parquet(content), ["Parquet."], 1
    else:
        raw, how, first_line = _csv(content, refused)
    named, ignored = _named(raw)
    # Numbered under our names alone: a file may have any other column, one called line too.
    numbered = named.with_row_index("line", offset=first_line)
    if refused:
        numbered = numbered.filter(~pl.col("line").is_in([line for lines in refused.values() for line in lines]))
    if ignored:
        how.append(f"Columns that are not used: {', '.join(ignored)}.")
    frame, dates = _with_dates(numbered, date_order)
    frame, numbers = _with_numbers(frame, decimal)
    return Table(frame, (*how, *dates, *numbers), refused)


def _parquet(content: bytes) -> pl.DataFrame:
    import polars as pl
    from polars.exceptions import PanicException, PolarsError

    try:
        lazy = pl.scan_parquet(io.BytesIO(content))
        rows = lazy.select(pl.len()).collect().item()
        if rows > MOST_ROWS:
            raise PayloadTooLarge(_too_many_rows(rows))
        if len(lazy.collect_schema()) > MOST_COLUMNS:
            raise InvalidRequest(f"The file has more than {MOST_COLUMNS} columns.")
        return lazy.collect()
    except (PolarsError, PanicException, OSError) as error:
        raise InvalidRequest(
            "The file begins as Parquet, and cannot be read as such: it is broken, or has a time zone without a name "
            "(Asia/Kolkata is one)."
        ) from error


def _csv(content: bytes, refused: dict[str, list[int]]) -> tuple[pl.DataFrame, list[str], int]:
    """The rows, how they were read and the line of the first; lines that are no rows are noted as refused."""
    import polars as pl
    from polars.exceptions import PolarsError

    text, encoding = decoded(content)
    if "\0" in text[:10_000]:
        raise InvalidRequest("The file is neither text nor Parquet.")
    separator, skipped = _heading(text)
    how = [f"CSV in {encoding}, separated by {SEPARATORS[separator]}."]
    if skipped:
        how.append(f"{skipped} {'line' if skipped == 1 else 'lines'} above the heading left out.")
    lines = text.split("\n", skipped)[skipped]
    options = {"separator": separator, "infer_schema": False, "truncate_ragged_lines": False}
    try:
        raw = pl.read_csv(io.BytesIO(lines.encode()), **options)  # type: ignore[arg-type]  # one table for both reads
    except PolarsError:
        raw = None
    # Fewer rows than lines: a field goes on in the next line, and with a quote left open it is the next row.
    if raw is None or raw.height < lines.count("\n") - lines.endswith("\n"):
        lines = _without_refused(lines, separator, skipped, refused)
        try:
            raw = pl.read_csv(io.BytesIO(lines.encode()), **options)  # type: ignore[arg-type]  # as above
        except PolarsError as error:
            raise InvalidRequest(
                "The file cannot be read as a table: a quote is open, or rows differ in form."
            ) from error
    if raw.height > MOST_ROWS:
        raise PayloadTooLarge(_too_many_rows(raw.height))
    return raw, how, skipped + 2


def decoded(content: bytes) -> tuple[str, str]:
    """A file's text, its lines ended by line feeds alone, and the encoding that it was read in.

    Raises:
        InvalidRequest: its mark says one encoding, and its text is another.
    """
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


def _without_refused(lines: str, separator: str, skipped: int, refused: dict[str, list[int]]) -> str:
    """The rows that lie in one line and have no more fields than the heading; the lines of others are noted."""
    reader = csv.reader(io.StringIO(lines), delimiter=separator)
    kept, width, before = io.StringIO(), 0, 0
    writer = csv.writer(kept, delimiter=separator, lineterminator="\n")
    try:
        for row in reader:
            own, before = range(before, reader.line_num), reader.line_num
            is_open = any("\n" in value for value in row)
            if not width and is_open:
                raise InvalidRequest("A quote is open in the heading.")
            width = width or len(row)
            if not is_open and len(row) <= width:
                writer.writerow(row)
                continue
            refused.setdefault(OPEN_QUOTE if is_open else MORE_FIELDS, []).extend(skipped + at + 1 for at in own)
            # The place of lines that are left out is kept, so that those after them keep their numbers.
            writer.writerows([[""] * width] * len(own))
    except csv.Error as error:
        where = f"a quote is open (line {skipped + before + 1}), or a field is too long"
        raise InvalidRequest(f"The file cannot be read as a table: {where}.") from error
    return kept.getvalue()


def _named(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    chosen: dict[str, str] = {}
    ignored = []
    for column in raw.columns:
        name = _NAMES.get(_key(column))
        if name is not None and name != "adjusted" and name not in chosen:
            chosen[name] = column
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
    _refuse_other_kinds(frame)
    absent = [name for name in _NUMBERS if name not in chosen]
    for name in ("symbol", "currency", "exchange", "name", "sector"):
        if name in chosen:
            frame = frame.with_columns(pl.col(name).cast(pl.String))
    return frame.with_columns(pl.lit(None, pl.Float64).alias(name) for name in absent), ignored


def _refuse_other_kinds(frame: pl.DataFrame) -> None:
    """Raises InvalidRequest where a typed column has what no day, number or text can be made of."""
    import polars as pl

    for name, kind in frame.schema.items():
        if name in _NUMBERS:
            fits = kind.is_numeric() or kind in (pl.String, pl.Null)
        elif name == "date":
            fits = not kind.is_nested() and (not kind.is_temporal() or kind in (pl.Date, pl.Datetime))
        else:
            fits = not kind.is_nested()
        if not fits:
            needed = {"date": "days"}.get(name, "numbers" if name in _NUMBERS else "text")
            raise InvalidRequest(f"The column for {name} has values of the kind {kind.base_type()}; it needs {needed}.")


def _with_dates(frame: pl.DataFrame, order: str | None) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    days = frame["date"]
    if days.dtype.is_temporal():
        if days.dtype == pl.Datetime:
            # The day that its zone's clock shows: a cast alone would take the day in UTC.
            days = days.dt.replace_time_zone(None)
        days = days.cast(pl.Date)
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
