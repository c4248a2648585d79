"""Odd tables of bars: quotes left open, days in other time zones, and columns of what is no price, day or text."""

from __future__ import annotations

import io
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow
import pytest
from pyarrow import parquet

from core.errors import InvalidRequest
from core.market.bar_tables import MORE_FIELDS, OPEN_QUOTE, read_table

HEAD = "symbol,date,close,name\n"
FIRST = "A,2024-01-02,3,x\n"
BARS = pl.DataFrame({"symbol": ["A"], "date": [date(2024, 3, 5)], "close": [10.5]})


def in_parquet(frame: pl.DataFrame) -> bytes:
    """The frame as a file."""
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("rest", "refused", "read"),
    [
        ('A,2024-01-03,4,"Foo\nA,2024-01-04,5,Bar\nA,2024-01-05,6,Baz\n', [3, 4, 5], [2]),
        ('A,2024-01-03,4,"Foo\nA,2024-01-04,5,Bar\nA,2024-01-05,6,Baz', [3, 4, 5], [2]),
        ('A,2024-01-03,4,"Foo\nA,2024-01-04,5,"Bar\nA,2024-01-05,6,Baz\n', [3, 4], [2, 5]),
        ('A,2024-01-03,4,"Foo\nA,2024-01-04,5,Bar"\nA,2024-01-05,6,Baz\n', [3, 4], [2, 5]),
        ('"A,2024-01-03,4,y\nA,2024-01-04,5,Bar\nA,2024-01-05,6,Baz\n', [3, 4, 5], [2]),
        ('A,2024-01-03,4,"Foo\n"\nA,2024-01-05,6,Baz\n', [3, 4], [2, 5]),
        ('A,2024-01-03,4,"\n', [3], [2]),
    ],
)
def test_a_quote_left_open_refuses_every_line_that_it_swallows_and_no_other(
    rest: str, refused: list[int], read: list[int]
) -> None:
    table = read_table((HEAD + FIRST + rest).encode())
    assert table.refused == {OPEN_QUOTE: refused}
    assert table.frame["line"].to_list() == read


def test_lines_after_refused_ones_keep_their_numbers() -> None:
    rest = 'A,2024-01-03,4,"two\nlines",more\nA,2024-01-04,5,x,more\n\nA,2024-01-05,6,5" pipe\n'
    table = read_table((HEAD + FIRST + rest).encode())
    assert table.refused == {OPEN_QUOTE: [3, 4], MORE_FIELDS: [5]}
    assert table.frame["line"].to_list() == [2, 6, 7]
    assert table.refused_count == 3


def test_a_quote_left_open_in_the_heading_or_a_large_file_refuses_the_file() -> None:
    with pytest.raises(InvalidRequest, match="open in the heading"):
        read_table(b'symbol,date,close,"name\nA,2024-01-02,3,x\n')
    with pytest.raises(InvalidRequest, match=r"a quote is open \(line 3\)"):
        read_table((HEAD + FIRST + 'A,2024-01-03,4,"Foo\n' + FIRST * 20_000).encode())


@pytest.mark.parametrize(
    "at",
    [
        datetime(2024, 3, 5),  # noqa: DTZ001
        datetime(2024, 3, 5, tzinfo=ZoneInfo("UTC")),
        datetime(2024, 3, 5, tzinfo=ZoneInfo("Asia/Kolkata")),
        datetime(2024, 3, 5, 21, tzinfo=ZoneInfo("America/New_York")),
    ],
)
def test_a_moment_in_parquet_is_of_the_day_that_its_own_clock_shows(at: datetime) -> None:
    zone = at.tzinfo.key if isinstance(at.tzinfo, ZoneInfo) else None
    moments = pl.Series([at.replace(tzinfo=None)]).dt.replace_time_zone(zone)
    frame = read_table(in_parquet(BARS.with_columns(date=moments))).frame
    assert frame.select("date", "date_text").row(0) == (date(2024, 3, 5), "2024-03-05")


@pytest.mark.parametrize(
    "content",
    [b"line,symbol,date,close\n7,A,2024-03-05,10.5\n", in_parquet(BARS.with_columns(line=pl.lit(7)))],
)
def test_a_column_called_line_is_one_that_is_not_used(content: bytes) -> None:
    table = read_table(content)
    assert "Columns that are not used: line." in table.how
    assert table.frame["line"].to_list() == [1 if content.startswith(b"PAR1") else 2]


def test_a_line_too_long_for_a_table_is_refused_with_a_sentence() -> None:
    for content in (b"x" * 140_000, b"x" * 140_000 + b"\nsymbol,date,close\nA,2024-03-05,1\n"):
        with pytest.raises(InvalidRequest, match="a field is too long"):
            read_table(content)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [
        (BARS.drop("date").with_columns(time=pl.lit(time(9))), "column for date has values of the kind Time"),
        (BARS.with_columns(date=pl.lit(timedelta(1))), "column for date has values of the kind Duration"),
        (BARS.with_columns(date=pl.concat_list("date")), "column for date has values of the kind List"),
        (BARS.with_columns(date=pl.struct("date")), "column for date has values of the kind Struct"),
        (BARS.with_columns(close=pl.struct("close")), "column for close has values of the kind Struct"),
        (BARS.with_columns(close=pl.col("date")), "column for close has values of the kind Date"),
        (BARS.with_columns(close=pl.lit(value=True)), "column for close has values of the kind Boolean"),
        (BARS.with_columns(symbol=pl.concat_list("symbol")), "column for symbol has values of the kind List"),
        (BARS.with_columns(symbol=pl.lit(b"\xff\xfe")), "cannot be read as a table of bars"),
    ],
)
def test_a_typed_column_of_something_else_is_refused_with_a_sentence(frame: pl.DataFrame, sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        read_table(in_parquet(frame))


def test_a_time_zone_without_a_name_is_refused_with_a_sentence() -> None:
    moments = pyarrow.array([datetime(2024, 3, 5)], pyarrow.timestamp("us", tz="+05:30"))  # noqa: DTZ001
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"symbol": ["A"], "date": moments, "close": [10.5]}), file)
    with pytest.raises(InvalidRequest, match="a time zone without a name"):
        read_table(file.getvalue())
