"""Sessions of each exchange: when it is open, which session was last, and how many lie between two days."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from core.errors import NotFound

if TYPE_CHECKING:
    import pandas as pd
    from exchange_calendars import ExchangeCalendar

FIRST_DAY = date(1990, 1, 1)
"""Sessions before it are not known."""
YEARS_AHEAD = 1
"""Sessions are known to the end of the next year, as far as the exchange has announced them."""
MOST_CALENDARS = 16
"""Exchanges whose sessions one process keeps."""
SAME_SESSIONS = {
    **dict.fromkeys(("XNSE", "NSE", "BSE"), "XBOM"),
    **dict.fromkeys(("NYSE", "NASDAQ", "XNAS"), "XNYS"),
    "XSHE": "XSHG",
}
"""Exchanges that keep the sessions of another: India's National Stock Exchange Bombay's, Shenzhen Shanghai's."""

Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class Sessions:
    """The sessions of one exchange within its bounds, oldest first."""

    exchange: str
    zone: str
    """IANA zone of the exchange."""
    days: Days
    """As datetime64[D]."""
    opens: NDArray[np.int64]
    """Seconds since the epoch."""
    closes: NDArray[np.int64]
    is_guessed: bool = False
    """Whether they are weekdays alone, since the exchange is not known."""

    def between(self, first: date, last: date) -> Days:
        """The sessions from a day to another, both included."""
        begin, end = np.searchsorted(self.days, [_day(first), _day(last + timedelta(days=1))])
        return self.days[begin:end]

    @cached_property
    def last_known(self) -> date:
        """The end of what is known."""
        return _date(self.days[-1])


class Calendars:
    """The calendars of all exchanges; each is made when first asked for, and the oldest are forgotten.

    Every method raises `NotFound` for an exchange that is not known, unless weekdays are taken in its place: then its
    sessions are Monday to Friday in UTC, and `is_guessed` says so.
    """

    def __init__(self, *, today: date, takes_weekdays: bool = False) -> None:
        self._last_day = date(today.year + YEARS_AHEAD, 12, 31)
        self._takes_weekdays = takes_weekdays
        self._kept: OrderedDict[str, Sessions] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, exchange: str) -> Sessions:
        """All sessions of an exchange: a MIC such as XNYS, XNAS, XNSE, XLON, XTSE."""
        name = SAME_SESSIONS.get(exchange.upper(), exchange.upper())
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._made(name)
                while len(self._kept) > MOST_CALENDARS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(name)
            return self._kept[name]

    def sessions(self, exchange: str, first: date, last: date) -> list[date]:
        """The sessions from a day to another, both included."""
        return [_date(day) for day in self.of(exchange).between(first, last)]

    def sessions_between(self, exchange: str, older: date, newer: date) -> int:
        """How many sessions came after `older`, up to and with `newer`: by so many is what dates from `older` stale."""
        return len(self.of(exchange).between(older + timedelta(days=1), newer)) if newer > older else 0

    def is_open(self, exchange: str, moment: datetime) -> bool:
        """Whether the exchange trades at that moment (a break at noon counts as trading).

        Raises:
            NotFound: the moment is past what is known.
        """
        sessions, at = self._known_at(exchange, moment), _epoch(moment)
        number = int(np.searchsorted(sessions.opens, at, side="right")) - 1
        return number >= 0 and at < int(sessions.closes[number])

    def day_at(self, exchange: str, moment: datetime) -> date:
        """The date at an exchange at that moment."""
        return moment.astimezone(ZoneInfo(self.of(exchange).zone)).date()

    def last_session(self, exchange: str, moment: datetime) -> date:
        """The last session that had closed by that moment.

        Raises:
            NotFound: none had, as far as is known, or the moment is past what is known: some exchanges announce their
                holidays a year ahead alone.
        """
        sessions = self._known_at(exchange, moment)
        return _latest(sessions, sessions.closes, moment)

    def last_opened(self, exchange: str, moment: datetime) -> date:
        """The last session whose open has passed by that moment; raises as `last_session`."""
        sessions = self._known_at(exchange, moment)
        return _latest(sessions, sessions.opens, moment)

    def next_open(self, exchange: str, moment: datetime) -> datetime | None:
        """When the exchange opens next, in UTC; None past what is known."""
        return _next(self.of(exchange).opens, moment)

    def next_close(self, exchange: str, moment: datetime) -> datetime | None:
        """When the exchange closes next, in UTC; None past what is known."""
        return _next(self.of(exchange).closes, moment)

    def close_of(self, exchange: str, day: date) -> datetime | None:
        """When the session of a day closed, in UTC; None where there was none."""
        sessions = self.of(exchange)
        number = int(np.searchsorted(sessions.days, _day(day)))
        is_session = number < len(sessions.days) and sessions.days[number] == _day(day)
        return datetime.fromtimestamp(int(sessions.closes[number]), UTC) if is_session else None

    def _known_at(self, exchange: str, moment: datetime) -> Sessions:
        sessions = self.of(exchange)
        if self.day_at(exchange, moment) > sessions.last_known:
            raise NotFound(f"The sessions of {exchange} are known up to {sessions.last_known}, and not since.")
        return sessions

    def _made(self, name: str) -> Sessions:
        from exchange_calendars.errors import InvalidCalendarName

        try:
            made = _within_bounds(name, self._last_day)
        except InvalidCalendarName:
            if self._takes_weekdays:
                return _weekdays(name, self._last_day)
            raise NotFound(f"No calendar is known for the exchange {name}.") from None
        return Sessions(
            exchange=name,
            zone=str(made.tz),
            days=made.sessions.to_numpy().astype("datetime64[D]"),
            opens=_seconds(made.opens),
            closes=_seconds(made.closes),
        )


def _within_bounds(name: str, last: date) -> ExchangeCalendar:
    """The calendar for as long as its exchange is known, within our own first and last day."""
    import exchange_calendars

    try:
        return exchange_calendars.get_calendar(name, start=FIRST_DAY, end=last)
    except ValueError:
        known = type(exchange_calendars.get_calendar(name))
        first_known, last_known = known.bound_min(), known.bound_max()
        first = FIRST_DAY if first_known is None else max(FIRST_DAY, first_known.date())
        return exchange_calendars.get_calendar(
            name, start=first, end=last if last_known is None else min(last, last_known.date())
        )


def _seconds(moments: pd.Series[pd.Timestamp]) -> NDArray[np.int64]:
    return moments.dt.tz_convert(None).to_numpy().astype("datetime64[s]").astype(np.int64)


def _weekdays(name: str, last: date) -> Sessions:
    days = np.arange(_day(FIRST_DAY), _day(last + timedelta(days=1)))
    days = days[np.is_busday(days)]
    opens = days.astype("datetime64[s]").astype(np.int64)
    return Sessions(name, "UTC", days, opens, opens + int(timedelta(days=1).total_seconds()), is_guessed=True)


def _next(moments: NDArray[np.int64], moment: datetime) -> datetime | None:
    number = int(np.searchsorted(moments, _epoch(moment), side="right"))
    return datetime.fromtimestamp(int(moments[number]), UTC) if number < len(moments) else None


def _latest(sessions: Sessions, moments: NDArray[np.int64], moment: datetime) -> date:
    number = int(np.searchsorted(moments, _epoch(moment), side="right")) - 1
    if number < 0:
        raise NotFound(f"No session of {sessions.exchange} is known before {moment:%Y-%m-%d}.")
    return _date(sessions.days[number])


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _day(day: date) -> np.datetime64:
    return np.datetime64(day, "D")


def _date(day: np.datetime64) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=int(day.astype(np.int64)))).date()
