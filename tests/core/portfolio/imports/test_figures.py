"""Numbers and dates as files write them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from core.portfolio.imports.figures import Dates, dates_seen, day_of, decimal_of, number, ratio, short_years
from core.portfolio.imports.outcomes import Choice
from tests.core.portfolio.imports.made import read

DAY_FIRST = Dates("dmy", 2026)


@pytest.mark.parametrize(
    ("text", "decimal", "expected"),
    [
        ("1234.5", ".", "1234.5"),
        ("1,234.56", ".", "1234.56"),
        ("12,34,567.5", ".", "1234567.5"),
        ("1.234,56", ",", "1234.56"),
        ("1.234.567", ",", "1234567"),
        ("1 234,56 €", ",", "1234.56"),
        ("1\u202f234,56", ",", "1234.56"),
        ("1'234.56", ".", "1234.56"),
        ("$1,821.60", ".", "1821.60"),
        ("-$5.00", ".", "-5"),
        ("($5.00)", ".", "-5"),
        ("5.00-", ".", "-5"),
        ("−5", ".", "-5"),
        ("+3", ".", "3"),
        (".5", ".", "0.5"),
        ("5.", ".", "5"),
        ("USD 12.5", ".", "12.5"),
        ("12,5 EUR", ",", "12.5"),
        ("1e-05", ".", "0.00001"),
        ("0.1", ".", "0.1"),
    ],
)
def test_a_number_is_read_in_the_form_of_its_file(text: str, decimal: str, expected: str) -> None:
    assert number(text, decimal) == Decimal(expected)


@pytest.mark.parametrize("text", ["", "-", "--", "n/a", "Not available", "null"])
def test_a_cell_that_says_that_there_is_nothing_is_no_number(text: str) -> None:
    assert number(text, ".") is None


@pytest.mark.parametrize(
    ("text", "decimal"),
    [
        ("1,23", "."),
        ("1.23", ","),
        ("12,3456", "."),
        ("1,2,3", "."),
        ("inf", "."),
        ("NaN1", "."),
        ("=1+1", "."),
        ("1e999", "."),
        ("0x10", "."),
        ("1,5e3", "."),
        ("1.5e3", ","),
        ("1_0", "."),
        ("٣", "."),
        ("ten", "."),
        ("9" * 70, "."),
    ],
)
def test_what_is_no_number_in_that_form_is_refused(text: str, decimal: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        number(text, decimal)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1.5", "2"], "."),
        (["1,5", "2"], ","),
        (["1,234.5"], "."),
        (["1.234,5"], ","),
        (["1,234", "1.5"], "."),
        (["1,234,567"], "."),
        (["1.234.567"], ","),
        (["1,234"], None),
        (["$1,234", "-2,500"], None),
        ([], "."),
    ],
)
def test_the_decimal_sign_is_told_by_the_numbers_or_not_at_all(texts: list[str], expected: str | None) -> None:
    assert decimal_of(texts) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", "2"),
        ("2:1", "2"),
        ("3/2", "1.5"),
        ("1:10", "0.1"),
        ("2 for 1", "2"),
        ("4-for-1", "4"),
        ("1:3", "0.33333333333333"),
    ],
)
def test_a_ratio_is_new_shares_for_one_old(text: str, expected: str) -> None:
    assert ratio(text, ".") == Decimal(expected)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-05",
        "2024-01-05T10:22:33Z",
        "2024-01-05 10:22:33.123",
        "2024-01-05, 10:22:33",
        "20240105",
        "20240105;102233",
        "05.01.2024",
        "5/1/2024",
        "5/1/24",
        "05-01-2024",
        "05 Jan 2024",
        "5. Januar 2024",
        "Jan 5, 2024",
        "Jan-05-2024",
        "2024/01/05",
        "05/01/2024 10:22 AM",
        "06/01/2024 as of 05/01/2024",
    ],
)
def test_a_date_is_read_in_whatever_form(text: str) -> None:
    assert day_of(text, DAY_FIRST) == date(2024, 1, 5)


@pytest.mark.parametrize("text", ["", "31/02/2024", "2024-13-01", "yesterday", "5/1/202", "1/2", "45296", "=TODAY()"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        day_of(text, DAY_FIRST)


def test_a_bare_number_is_a_day_in_a_spreadsheet_alone() -> None:
    assert day_of("45296", Dates("dmy", 2026, is_sheet=True)) == date(2024, 1, 5)


def test_years_of_two_digits_end_with_this_year() -> None:
    assert day_of("05.01.26", DAY_FIRST) == date(2026, 1, 5)
    assert day_of("05.01.27", DAY_FIRST) == date(1927, 1, 5)
    assert day_of("99-01-05", Dates("ymd", 2026)) == date(1999, 1, 5)
    assert short_years(DAY_FIRST) == "Years of two digits are taken for 1927 to 2026."
    assert dates_seen(["5/1/24"]).has_short_years
    assert not dates_seen(["5/1/2024"]).has_short_years


@pytest.mark.parametrize(
    ("texts", "orders", "example"),
    [
        (["13/01/2024", "01/02/2024"], {"dmy"}, "01/02/2024"),
        (["01/13/2024", "01/02/2024"], {"mdy"}, "01/02/2024"),
        (["01/02/2024", "03/04/2024"], {"dmy", "mdy"}, "01/02/2024"),
        (["05/05/2024"], {"dmy", "mdy"}, ""),
        (["01.02.2024", "2024-02-01"], {"dmy", "mdy"}, ""),
        (["15-01-05", "16-03-02"], {"dmy", "ymd"}, "15-01-05"),
        (["99-12-31", "15-01-05"], {"ymd"}, "15-01-05"),
        (["01/25/15", "01/02/03"], {"mdy"}, "01/02/03"),
        (["01/02/2003", "04/05/06"], {"dmy", "mdy"}, "01/02/2003"),
        (["31/12/2024", "12/31/2024"], set(), ""),
    ],
)
def test_the_order_of_day_and_month_is_told_by_the_file_or_not_at_all(
    texts: list[str], orders: set[str], example: str
) -> None:
    seen = dates_seen(texts)
    assert (seen.orders, seen.example) == (orders, example)


def test_two_digits_of_a_year_that_may_stand_first_are_asked_about() -> None:
    """They were read with the day first: 15-01-05 was the 15th of January 2005."""
    heading = "Date,Kind,Symbol,Quantity,Price,Currency\n"
    content = heading + "15-01-05,Buy,AAPL,1,100,USD\n16-03-02,Buy,AAPL,1,100,USD\n"
    question = read(content).planned.question
    assert question is not None
    assert question.options == {
        "dmy": "Day first: 15-01-05 is 15 January 2005",
        "ymd": "Year first: 15-01-05 is 5 January 2015",
    }
    days = [draft.day for draft in read(content, Choice(date_order="ymd")).drafts]
    assert days == [date(2015, 1, 5), date(2016, 3, 2)]
    settled = read(content + "99-12-31,Buy,AAPL,1,100,USD\n")
    assert settled.planned.question is None
    assert [draft.day for draft in settled.drafts] == [*days, date(1999, 12, 31)]
