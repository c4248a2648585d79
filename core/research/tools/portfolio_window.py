"""Windows of days as tools take them: two dates, or a word for a period."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from pydantic import Field, model_validator

from core.errors import InvalidRequest
from core.research.tools.arguments import Arguments
from core.research.tools.market_material import months_before

PERIODS = "1w, 1m, 6m, 1y, mtd, qtd, ytd, all, 2024, 2024-Q1, 2024-03"
_SPAN = re.compile(r"(?P<count>[1-9][0-9]?)(?P<unit>[dwmy])")
_MONTH = re.compile(r"(?P<year>(?:19|20)[0-9]{2})-(?P<month>0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(?P<year>(?:19|20)[0-9]{2})-?q(?P<quarter>[1-4])")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


class Windowed(Arguments):
    """Arguments of a tool that looks at a window of days."""

    first: date | None = Field(None, description="First day, YYYY-MM-DD")
    last: date | None = Field(None, description="Last day, YYYY-MM-DD")
    period: str | None = Field(None, max_length=10, description=f"Instead of days, as {PERIODS}")

    @model_validator(mode="after")
    def _one_way(self) -> Windowed:
        if self.period is not None and (self.first is not None or self.last is not None):
            raise ValueError("give either 'period' or 'first' and 'last', not both")
        if self.first is not None and self.last is not None and self.first > self.last:
            raise ValueError("'first' has to be on or before 'last'")
        return self


@dataclass(frozen=True, slots=True)
class Bounds:
    """A window that is asked for; None: as far as there is anything."""

    first: date | None
    last: date | None

    @property
    def words(self) -> str:
        """As a reader is told of it."""
        if self.first is None and self.last is None:
            return "since the first transaction"
        if self.first is None:
            return f"up to {self.last}"
        return f"since {self.first}" if self.last is None else f"{self.first} to {self.last}"


def bounds_of(asked: Windowed, seen: date) -> Bounds:
    """The window that is asked for, of which nothing is after the day that is seen.

    Raises:
        InvalidRequest: a period that is none, or a window that begins after the day that is seen.
    """
    found = Bounds(asked.first, asked.last) if asked.period is None else _period(asked.period.lower(), seen)
    if found.first is not None and found.first > seen:
        raise InvalidRequest(f"The window begins on {found.first}, after {seen}, the day that is seen.")
    return Bounds(found.first, None if found.last is None else min(found.last, seen))


def _period(word: str, seen: date) -> Bounds:
    if word in _WORDS:
        return _WORDS[word](seen)
    for pattern, found in _PATTERNS:
        match = pattern.fullmatch(word)
        if match is not None:
            return found(match, seen)
    raise InvalidRequest(f"'{word}' is no period; write one as {PERIODS}.")


def _span(match: re.Match[str], seen: date) -> Bounds:
    count, unit = int(match["count"]), match["unit"]
    if unit in "dw":
        before = seen - timedelta(days=count * (7 if unit == "w" else 1))
    else:
        before = months_before(seen, count * (12 if unit == "y" else 1))
    return Bounds(before + timedelta(days=1), seen)


def _months(year: int, month: int, count: int) -> Bounds:
    last_month = month + count - 1
    return Bounds(date(year, month, 1), date(year, last_month, calendar.monthrange(year, last_month)[1]))


_WORDS: dict[str, Callable[[date], Bounds]] = {
    "all": lambda _: Bounds(None, None),
    "max": lambda _: Bounds(None, None),
    "mtd": lambda seen: Bounds(seen.replace(day=1), seen),
    "qtd": lambda seen: Bounds(date(seen.year, 3 * ((seen.month - 1) // 3) + 1, 1), seen),
    "ytd": lambda seen: Bounds(date(seen.year, 1, 1), seen),
}
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], date], Bounds]], ...] = (
    (_SPAN, _span),
    (_MONTH, lambda match, _: _months(int(match["year"]), int(match["month"]), 1)),
    (_QUARTER, lambda match, _: _months(int(match["year"]), 3 * int(match["quarter"]) - 2, 3)),
    (_YEAR, lambda match, _: _months(int(match.group()), 1, 12)),
)
