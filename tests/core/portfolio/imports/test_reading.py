"""Files as rows of text: every encoding, separator and preamble, and what is no table."""

from __future__ import annotations

import json
from datetime import date
from itertools import repeat

import pytest

from core.errors import InvalidRequest, PayloadTooLarge
from core.portfolio.imports import reading
from core.portfolio.imports.reading import MORE_FIELDS
from tests.core.portfolio.imports.made import excel, sheet_of

PLAIN = "Date,Kind,Symbol,Quantity,Price\n2024-01-05,Buy,AAPL,10,181.18\n"
HEADINGS = ("Date", "Kind", "Symbol", "Quantity", "Price")
ROW = ["2024-01-05", "Buy", "AAPL", "10", "181.18"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_separator_is_found(separator: str) -> None:
    sheet = sheet_of(PLAIN.replace(",", separator))
    assert (sheet.headings, list(sheet.rows)) == (HEADINGS, [(2, ROW)])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_any_encoding_is_found(encoding: str) -> None:
    text = PLAIN.replace("Symbol", "Währung").replace("AAPL", "Gebühr")
    sheet = sheet_of(text.encode(encoding))
    assert sheet.headings[2] == "Währung"
    assert sheet.rows[0][1][2] == "Gebühr"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_any_end_of_lines_is_read(end: str) -> None:
    assert list(sheet_of(PLAIN.replace("\n", end)).rows) == [(2, ROW)]


def test_what_stands_above_the_heading_is_left_out_and_lines_keep_their_numbers() -> None:
    """ghostfolio#2045: a preamble made the whole file fail."""
    sheet = sheet_of(f"Account,123-456\nPeriod,2024\n\n{PLAIN}\n\n2024-01-08,Sell,AAPL,10,185\n")
    assert sheet.headings == HEADINGS
    assert [line for line, _ in sheet.rows] == [5, 8]
    assert "3 lines above the heading left out." in sheet.how


def test_headings_that_no_preset_knows_are_the_first_wide_line() -> None:
    sheet = sheet_of("My broker\nWann;Wieviel;Was;Zu\n1.2.2024;10;X;5\n")
    assert sheet.headings == ("Wann", "Wieviel", "Was", "Zu")
    assert [line for line, _ in sheet.rows] == [3]


def test_columns_without_a_heading_or_with_the_same_are_named_apart() -> None:
    sheet = sheet_of("Date,Price,,Quantity,Quantity\n2024-01-05,1,USD,2,3\n")
    assert sheet.headings == ("Date", "Price", "Price (2)", "Quantity", "Quantity (2)")


def test_quotes_hold_separators_and_line_breaks() -> None:
    sheet = sheet_of('Date,Kind,Note\n2024-01-05,Buy,"a, ""b""\nand c"\n2024-01-06,Sell,d\n')
    assert [(line, cells[2]) for line, cells in sheet.rows] == [(2, 'a, "b"\nand c'), (4, "d")]


def test_an_open_quote_takes_no_other_row_with_it() -> None:
    sheet = sheet_of('Date,Kind,Note\n2024-01-05,Buy,"open\n2024-01-06,Sell,d\n2024-01-07,Sell,e\n')
    assert [line for line, _ in sheet.rows] == [3, 4]
    assert [(line, reason) for line, reason, _ in sheet.broken] == [
        (2, "A quote is open in it, or a field has a line break.")
    ]


def test_a_quote_within_a_cell_is_a_sign_like_others() -> None:
    sheet = sheet_of('Date,Kind,Note\n2024-01-05,Buy,5" pipes\n2024-01-06,Sell,d\n')
    assert [cells[2] for _, cells in sheet.rows] == ['5" pipes', "d"]


def test_a_row_with_more_fields_than_the_heading_is_refused_and_a_shorter_one_filled_up() -> None:
    sheet = sheet_of("Date,Kind,Price\n2024-01-05,Buy,1,5\n2024-01-06,Sell\n2024-01-07,Buy,2,,\n")
    assert [(line, reason) for line, reason, _ in sheet.broken] == [(2, MORE_FIELDS)]
    assert list(sheet.rows) == [(3, ["2024-01-06", "Sell", ""]), (4, ["2024-01-07", "Buy", "2"])]


def test_a_formula_is_the_text_that_it_is() -> None:
    sheet = sheet_of("Date,Kind,Note\n2024-01-05,Buy,=cmd|' /C calc'!A0\n")
    assert sheet.rows[0][1][2] == "=cmd|' /C calc'!A0"


def test_excel_is_read_with_its_days_numbers_and_row_numbers() -> None:
    content = excel(
        [
            (2, ["My account"]),
            (4, ["Date", "Kind", "Symbol", "Quantity", "Price"]),
            (5, [date(2024, 1, 5), "Buy", "AAPL", 10, 0.1 + 0.2]),
            (7, ["2024-01-08", "Sell", "AAPL", 2.5, 1234.5]),
        ]
    )
    sheet = sheet_of(content)
    assert sheet.headings == HEADINGS
    assert sheet.how == ("Excel, sheet 'Trades'.",)
    assert [line for line, _ in sheet.rows] == [5, 7]
    assert sheet.rows[0][1] == ["2024-01-05 00:00:00", "Buy", "AAPL", "10", "0.3"]
    assert sheet.rows[1][1] == ["2024-01-08", "Sell", "AAPL", "2.5", "1234.5"]


def test_excel_formulas_are_not_computed() -> None:
    sheet = sheet_of(excel([(1, ["Date", "Kind", "Note"]), (2, ["2024-01-05", "Buy", "=1+1"])]))
    assert sheet.rows[0][1][2] == "computed before"


def test_a_ghostfolio_export_is_read() -> None:
    activities = [{"date": "2024-01-05", "type": "BUY", "quantity": 0.1, "comment": None}]
    sheet = sheet_of(json.dumps({"activities": activities}))
    assert sheet.headings == ("date", "type", "quantity", "comment")
    assert list(sheet.rows) == [(1, ["2024-01-05", "BUY", "0.1", ""])]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "empty", id="nothing"),
        pytest.param(b" \n\n", "empty", id="blank lines"),
        pytest.param(b"a line of text\n", "no table", id="text"),
        pytest.param(bytes(range(256)) * 20, "neither text nor Excel", id="bytes"),
        pytest.param(b"PK\x03\x04 broken", "broken", id="a broken archive"),
        pytest.param(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "cannot be read", id="a broken old Excel file"),
        pytest.param(b'{"activities": 3}', "activities", id="other JSON"),
        pytest.param(b'{"activities": [', "cannot be read", id="broken JSON"),
        pytest.param(b"[" * 100_000, "no table", id="deep JSON"),
        pytest.param(b'{"a":' * 100_000, "cannot be read", id="deeper JSON"),
        pytest.param(("a,b\n" + "Date," * 200 + "Kind\n1\n").encode(), "100 columns", id="many columns"),
    ],
)
def test_what_is_no_table_is_refused_in_words(content: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        sheet_of(content)


def test_an_archive_that_is_no_excel_file_is_refused() -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("trades.csv", PLAIN)
    with pytest.raises(InvalidRequest, match="no Excel file"):
        sheet_of(packed.getvalue())


def test_an_excel_file_that_is_huge_once_unpacked_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_UNPACKED", 1_000)
    with pytest.raises(PayloadTooLarge, match="unpacked"):
        sheet_of(excel([(1, ["Date", "Kind"]), (2, ["2024-01-05", "Buy"])]))


def test_a_hundred_megabytes_are_refused_before_they_are_read() -> None:
    with pytest.raises(PayloadTooLarge, match="25 MiB"):
        sheet_of(b"," * (100 * 1024 * 1024))


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="100,000 are the most"):
        sheet_of(PLAIN + "".join(repeat("2024-01-05,Buy,AAPL,10,1\n", 100_100)))


def test_an_empty_first_sheet_is_told() -> None:
    with pytest.raises(InvalidRequest, match="first sheet"):
        sheet_of(excel([]))


def test_an_excel_sheet_of_one_column_is_no_table() -> None:
    """It ended the search with a StopIteration, for which a request waited for ever."""
    sheets: tuple[list[tuple[int, list[object]]], ...] = ([(1, ["x"])], [(1, ["Title"]), (2, ["a"])])
    for rows in sheets:
        with pytest.raises(InvalidRequest, match="no table"):
            sheet_of(excel(rows))


def test_what_no_database_keeps_is_not_in_cells() -> None:
    rows: list[tuple[int, list[object]]] = [
        (1, ["Date", "Kind", "Amount", "Currency", "Note"]),
        (2, ["2010-01-04", "Deposit", 5, "USD", "a_x0000_b"]),
    ]
    activity = {"date": "2010-01-04", "type": "BUY", "symbol": "AAPL\ud800", "comment": "a\0b", "x\ud800": "1"}
    told = sheet_of(json.dumps({"activities": [activity]}))
    texts = [*sheet_of(excel(rows)).rows[0][1], *told.rows[0][1], *told.headings]
    assert "a b" in texts
    for text in texts:
        assert "\0" not in text
        assert text.encode()
