"""Exported matches: numbers stay numbers, text never becomes a formula, and the origin stands in every row."""

from __future__ import annotations

import csv
import io
from datetime import date

import polars as pl
import pytest

from core.screener.criteria import Condition, Group, Match, Screen, matching
from core.screener.export import Origin, csv_of, heading
from core.screener.fields import FIELDS, Operator
from tests.core.screener.screens_made import Row, frame_of

ORIGIN = Origin(date(2010, 8, 20), "S&P 500, 2009", "Shipped history", 3)
CHEAP = Screen(Group(Match.ALL, (Condition("close", Operator.BELOW, 1_000.0),)))


def _read(rows: list[Row], **origin: str) -> list[dict[str, str]]:
    frame = frame_of(rows).with_columns(name=pl.Series([row.get("name") for row in rows], dtype=pl.String))
    written = csv_of(matching(frame, CHEAP), Origin(**{**{n: getattr(ORIGIN, n) for n in Origin.__slots__}, **origin}))
    assert written.startswith(b"\xef\xbb\xbf")
    text = written.decode("utf-8-sig")
    assert text.count("\r\n") == len(rows) + 1
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_figures_are_as_shown_with_their_units_and_their_origin() -> None:
    row: Row = {
        "symbol": "ACME",
        "name": 'Acme, "Inc."',
        "close": 105.239,
        "change": -0.03127,
        "relative_volume": 1.987,
        "volume": 12_345_678.0,
        "rsi_14": 28.44,
        "rs_rating": 80,
        "signals": ["golden_cross", "breakout_20"],
        "sma_50": float("nan"),
        "macd": -0.012345,
        "sector": "Énergie",
    }
    (read,) = _read([row])
    wanted = {
        "As of": "2010-08-20",
        "Universe": "S&P 500, 2009",
        "Source": "Shipped history",
        "Formula version": "3",
        "Symbol": "ACME",
        "Name": 'Acme, "Inc."',
        "Close (in its currency)": "105.24",
        "Change (%)": "-3.1",
        "Relative volume (times)": "1.99",
        "Volume": "12345678",
        "RSI (points)": "28.4",
        "RS rating (points)": "80",
        "MACD (in its currency)": "-0.01235",
        "50-day average (in its currency)": "",
        "Signal": "Golden cross, 20-day breakout",
        "Sector": "Énergie",
        "Why": "Close 105.24 is below 1,000",
    }
    assert {name: read[name] for name in wanted} == wanted
    assert list(read)[:6] == ["As of", "Universe", "Source", "Formula version", "Symbol", "Name"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "=HYPERLINK(\"http://x\",\"y\")"],
)  # fmt: skip
def test_text_is_never_a_formula(text: str) -> None:
    row: Row = {"symbol": text, "name": text, "sector": text, "close": 1.0, "change": -0.5}
    (read,) = _read([row], universe=text, source=text)
    for name in ("Symbol", "Name", "Sector", "Universe", "Source"):
        assert read[name].startswith("'"), name
        assert read[name].isprintable()
    assert float(read["Change (%)"]) == -50.0, "a negative number stays a number"


def test_other_programs_read_numbers_as_numbers() -> None:
    rows: list[Row] = [{"symbol": "A", "close": 0.0001, "change": -0.5}, {"symbol": "B", "close": 600.0}]
    frame = frame_of(rows)
    read = pl.read_csv(csv_of(matching(frame, CHEAP), ORIGIN), infer_schema_length=None)
    assert read["Close (in its currency)"].to_list() == [0.0001, 600.0]
    assert read["Change (%)"].to_list() == [-50.0, None]
    assert read["As of"].to_list() == ["2010-08-20"] * 2


def test_no_match_is_a_file_of_headings() -> None:
    assert _read([]) == []


def test_headings_are_all_different_and_no_formulas() -> None:
    headings = [heading(field) for field in FIELDS.values()]
    assert len(set(headings)) == len(headings)
    assert not [each for each in headings if each[0] in "=+-@"]
