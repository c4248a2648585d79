"""Sessions of exchanges: days off, half days, zones, staleness, bounds, and exchanges that nobody knows."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from core.errors import NotFound
from core.market.calendars import MOST_CALENDARS, Calendars

TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def calendars() -> Calendars:
    """Calendars as of a Saturday."""
    return Calendars(today=TODAY)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November 2026, in UTC."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_sessions_leave_out_weekends_and_holidays(calendars: Calendars) -> None:
    assert calendars.sessions("XNYS", date(2026, 11, 25), date(2026, 11, 30)) == [
        date(2026, 11, 25),
        date(2026, 11, 27),
        date(2026, 11, 30),
    ]
    assert calendars.sessions("XNYS", date(2026, 11, 28), date(2026, 11, 29)) == []


def test_nasdaq_keeps_new_yorks_sessions_the_nse_bombays_and_shenzhen_shanghais(calendars: Calendars) -> None:
    assert calendars.of("XNAS") is calendars.of("XNYS")
    assert calendars.of("XNSE") is calendars.of("XBOM")
    assert calendars.of("XSHE") is calendars.of("XSHG")
    assert calendars.of("XNSE").zone == "Asia/Kolkata"


def test_stale_is_counted_in_sessions_not_in_days(calendars: Calendars) -> None:
    friday, monday = date(2026, 11, 20), date(2026, 11, 23)
    assert calendars.sessions_between("XNYS", friday, date(2026, 11, 22)) == 0
    assert calendars.sessions_between("XNYS", friday, monday) == 1
    assert calendars.sessions_between("XNYS", date(2026, 11, 25), date(2026, 11, 27)) == 1
    assert calendars.sessions_between("XNYS", monday, friday) == 0


def test_a_half_day_closes_early(calendars: Calendars) -> None:
    assert calendars.close_of("XNYS", date(2026, 11, 27)) == at(27, 18)
    assert calendars.close_of("XNYS", date(2026, 11, 26)) is None
    assert calendars.is_open("XNYS", at(27, 17, 59))
    assert not calendars.is_open("XNYS", at(27, 18))
    assert calendars.last_session("XNYS", at(27, 17, 59)) == date(2026, 11, 25)
    assert calendars.last_session("XNYS", at(27, 18)) == date(2026, 11, 27)


def test_a_session_has_opened_from_its_first_moment_on(calendars: Calendars) -> None:
    assert calendars.last_opened("XNYS", at(23, 14, 29)) == date(2026, 11, 20)
    assert calendars.last_opened("XNYS", at(23, 14, 30)) == date(2026, 11, 23)
    assert calendars.last_opened("XNYS", at(28, 12)) == date(2026, 11, 27)
    with pytest.raises(NotFound):
        calendars.last_opened("XNYS", datetime(1989, 6, 1, tzinfo=UTC))


def test_next_open_and_close_are_in_utc(calendars: Calendars) -> None:
    assert calendars.next_open("XNYS", at(21, 12)) == at(23, 14, 30)
    assert calendars.next_close("XNYS", at(21, 12)) == at(23, 21)
    assert calendars.next_open("XNSE", at(21, 12)) == at(23, 3, 45)
    assert calendars.next_open("XNYS", datetime(2050, 1, 1, tzinfo=UTC)) is None


def test_before_the_first_session_that_is_known_none_had_closed(calendars: Calendars) -> None:
    with pytest.raises(NotFound):
        calendars.last_session("XNYS", datetime(1980, 1, 1, tzinfo=UTC))


def test_an_exchange_that_nobody_knows_is_an_error_or_weekdays_that_say_so(calendars: Calendars) -> None:
    with pytest.raises(NotFound, match="XABC"):
        calendars.of("XABC")
    guessed = Calendars(today=TODAY, takes_weekdays=True)
    assert guessed.of("XABC").is_guessed
    assert not guessed.of("XNYS").is_guessed
    assert guessed.sessions("XABC", date(2026, 11, 26), date(2026, 11, 30)) == [
        date(2026, 11, 26),
        date(2026, 11, 27),
        date(2026, 11, 30),
    ]


def test_no_more_than_some_exchanges_are_kept() -> None:
    calendars = Calendars(today=TODAY, takes_weekdays=True)
    for number in range(MOST_CALENDARS + 5):
        calendars.of(f"X{number}")
    first = calendars.of("X0")
    assert calendars.of("X0") is first
    assert len(calendars._kept) == MOST_CALENDARS


def test_past_the_sessions_that_an_exchange_has_announced_nothing_is_told_of_it() -> None:
    later = Calendars(today=date(2060, 1, 1))
    known = later.of("XNSE").last_known
    assert known < date(2060, 1, 1), "the exchange announces its holidays a year or two ahead"
    assert later.last_session("XNSE", datetime(known.year, known.month, known.day, 12, tzinfo=UTC)) == known
    for ask in (later.last_session, later.is_open):
        with pytest.raises(NotFound, match=str(known)):
            ask("XNSE", datetime(2060, 1, 1, 12, tzinfo=UTC))
