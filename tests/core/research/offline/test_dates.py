"""Dates in words."""

from __future__ import annotations

from datetime import date

import pytest

from core.research.offline.dates import Window, no_such_day, windows_in

AS_OF = date(2010, 8, 20)


def _days(text: str) -> list[tuple[str, str]]:
    return [(str(each.first), str(each.last)) for each in windows_in(text, AS_OF)]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("on 6 may 2010", "2010-05-06", "2010-05-06"),
        ("may 6, 2010", "2010-05-06", "2010-05-06"),
        ("on the 5th of march", "2010-03-05", "2010-03-05"),
        ("close on 2010-05-06", "2010-05-06", "2010-05-06"),
        ("on 5/6/2010", "2010-05-06", "2010-05-06"),
        ("on 23/6/2010", "2010-06-23", "2010-06-23"),
        ("am 6.5.2010", "2010-05-06", "2010-05-06"),
        ("in march 2008", "2008-03-01", "2008-03-31"),
        ("in april", "2010-04-01", "2010-04-30"),
        ("in november", "2009-11-01", "2009-11-30"),
        ("last march", "2010-03-01", "2010-03-31"),
        ("q2 2009", "2009-04-01", "2009-06-30"),
        ("second quarter of 2009", "2009-04-01", "2009-06-30"),
        ("h1 2009", "2009-01-01", "2009-06-30"),
        ("in 2009", "2009-01-01", "2009-12-31"),
        ("last year", "2009-01-01", "2009-12-31"),
        ("this year", "2010-01-01", "2010-08-20"),
        ("ytd", "2010-01-01", "2010-08-20"),
        ("last month", "2010-07-01", "2010-07-31"),
        ("over the last year", "2009-08-20", "2010-08-20"),
        ("past 6 months", "2010-02-20", "2010-08-20"),
        ("over 3 years", "2007-08-20", "2010-08-20"),
        ("last three months", "2010-05-20", "2010-08-20"),
        ("since the start of 2009", "2009-01-01", "2010-08-20"),
        ("since march 2009", "2009-03-01", "2010-08-20"),
        ("since inception", "None", "2010-08-20"),
        ("before 2009", "None", "2008-12-31"),
        ("at the end of 2008", "2008-12-31", "2008-12-31"),
        ("between 1 march 2010 and 5 april 2010", "2010-03-01", "2010-04-05"),
        ("between march and may 2010", "2010-03-01", "2010-05-31"),
        ("from the close of 31 december 2009 to the close of 30 june 2010", "2009-12-31", "2010-06-30"),
        ("1 to 31 march 2008", "2008-03-01", "2008-03-31"),
        ("2008-2009", "2008-01-01", "2009-12-31"),
        ("yesterday", "2010-08-19", "2010-08-19"),
    ],
)
def test_a_span_in_words_is_read_as_of_a_day(text: str, first: str, last: str) -> None:
    assert _days(text) == [(first, last)]


@pytest.mark.parametrize("text", ["what may i do", "", "31 february 2010", "9999999", "from 2010 to 2009", "rsi 14"])
def test_what_names_no_days_has_no_window(text: str) -> None:
    assert windows_in(text, AS_OF) == ()


def test_two_years_are_two_windows() -> None:
    assert _days("in 2008 and in 2009") == [("2008-01-01", "2008-12-31"), ("2009-01-01", "2009-12-31")]


def test_sessions_are_counted() -> None:
    window: Window = windows_in("over the last 20 sessions", AS_OF)[0]
    assert (window.kind, window.sessions) == ("sessions", 20)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("what was my value on 31 february 2010?", "31 february 2010"),
        ("from 31 april 2010 to 30 june 2010", "31 april 2010"),
        ("the close of 2010-02-30", "2010-02-30"),
        ("on feb 29, 2009", "feb 29, 2009"),
        ("on 29 february", None),
        ("on 28 february 2010", None),
        ("in march 50 shares were bought", None),
        ("what may i do", None),
    ],
)
def test_what_is_no_day_is_told(text: str, told: str | None) -> None:
    assert no_such_day(text, AS_OF) == told


def test_a_day_of_leap_years_without_its_year_is_the_last_there_was() -> None:
    assert windows_in("on 29 february", date(2010, 8, 20))[0].last == date(2008, 2, 29)
