"""Dates in words: which days a question is about, seen from a day."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Kind = Literal["day", "month", "quarter", "year", "span", "sessions"]

MAX_WINDOWS = 6
"""Spans of time that are taken from one question."""
LONGEST_TO_A_LEAP_YEAR = 8
LONGEST_MONTH = 31
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_NUMBERS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
    )
} | {"a": 1, "an": 1, "the": 1, "couple of": 2, "eighteen": 18, "twenty": 20, "thirty": 30, "sixty": 60, "ninety": 90}
_DAYS = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class Window:
    """Days that a text names."""

    first: date | None
    """None: from the beginning on."""
    last: date
    words: str
    """How an answer calls it: 'in March 2008', 'since 1 January 2009'."""
    kind: Kind = "span"
    sessions: int = 0
    """So many sessions up to the last one, where the text counts them."""
    start: int = 0
    end: int = 0
    """Where it stands in the text."""

    @property
    def is_whole(self) -> bool:
        """Whether it reaches back to the beginning."""
        return self.first is None


def windows_in(text: str, as_of: date) -> tuple[Window, ...]:
    """The spans of time that a text in small letters names, in its order, none overlapping another.

    A month or a day without a year is the last one that has begun by `as_of`. What is no day that there is, as 31
    February, names none, nor is a part of it taken for one.
    """
    found: list[Window] = []
    spent: list[tuple[int, int]] = []
    for pattern, read in _READERS:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in spent):
                continue
            window = _guarded(read, match, as_of)
            spent.append(match.span())
            if window is not None:
                found.append(window)
    return tuple(sorted(found, key=lambda each: each.start)[:MAX_WINDOWS])


def no_such_day(text: str, as_of: date) -> str | None:
    """What a text in small letters calls a day and is none, as 31 february; None where there is nothing of the kind."""
    for match in _A_DAY.finditer(text):
        try:
            _point(match[0], as_of)
        except ValueError:
            number = re.search(r"[0-9]+", match[0])
            if re.search(_YEAR, match[0]) or (number is not None and int(number[0]) <= LONGEST_MONTH):
                return match[0]
    return None


def said(day: date) -> str:
    """A day as an answer writes it."""
    return f"{day.day} {day:%B %Y}"


def _guarded(read: _Reader, match: re.Match[str], as_of: date) -> Window | None:
    try:
        window = read(match, as_of)
    except (ValueError, OverflowError):
        return None
    if window is None or (window.first is not None and window.first > window.last):
        return None
    return Window(
        window.first, window.last, window.words, window.kind, window.sessions, start=match.start(), end=match.end()
    )


_Reader = Callable[[re.Match[str], date], Window | None]

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_YEAR = r"(?:19[5-9][0-9]|20[0-9]{2})"
_DAY = (
    rf"(?:[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|[0-9]{{1,2}}(?:st|nd|rd|th|\.)?\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?"
    rf"|{_MONTH}\s[0-9]{{1,2}}(?:st|nd|rd|th)?(?![0-9])(?:,?\s{_YEAR})?|[0-9]{{1,2}}/[0-9]{{1,2}}/{_YEAR}"
    rf"|[0-9]{{1,2}}\.[0-9]{{1,2}}\.{_YEAR})"
)
_A_DAY = re.compile(rf"(?<![\w-]){_DAY}(?![\w-])")
_QUARTER = (
    rf"(?:q[1-4]\s?(?:of\s|/)?{_YEAR}|{_YEAR}\s?q[1-4]|(?:first|second|third|fourth|1st|2nd|"
    rf"3rd|4th)\squarter(?:\s(?:of\s)?{_YEAR})?|q[1-4])"
)
_HALF = rf"(?:h[12]\s?(?:of\s)?{_YEAR}|(?:first|second|1st|2nd)\shalf(?:\sof)?\s{_YEAR})"
_MONTH_OF = rf"(?:{_MONTH}(?:,?\s(?:of\s)?{_YEAR})?|{_YEAR}-[01][0-9])"
_EDGE = r"(?:(?:the\s)?(?P<{0}>start|beginning|end|close)\sof\s(?:the\syear\s|the\s)?)?"
_POINT = rf"(?:{_DAY}|{_QUARTER}|{_HALF}|{_MONTH_OF}|{_YEAR}|(?:this|last)\s(?:year|month|quarter)|today|now|yesterday)"
_PREPOSITION = re.compile(r"(?:\b(?:in|of|for|during|last|since|and|about|or|vs|versus)|,)\s\Z")
_COUNT = r"(?:[0-9]{1,4}|" + "|".join(sorted(_NUMBERS, key=len, reverse=True)) + ")"
_UNIT = r"(?:trading\s)?(?:day|week|month|quarter|year|session|bar)s?"


def _point(text: str, as_of: date) -> tuple[date, date, Kind]:
    """First and last day of a point in time that a text names, and what it is."""
    for pattern, read in _POINTS:
        match = re.fullmatch(pattern, text.strip(), re.IGNORECASE)
        if match:
            return read(match, as_of)
    raise ValueError(text)


def _iso(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    day = date.fromisoformat(match[0])
    return day, day, "day"


def _worded(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    month, number = _month_number(match["m"]), int(match["d"])
    day = date(int(match["y"]), month, number) if match["y"] else _latest(as_of, month, number)
    return day, day, "day"


def _slashed(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    one, two, year = int(match[1]), int(match[2]), int(match[3])
    day = date(year, one, two) if one <= len(MONTHS) else date(year, two, one)
    return day, day, "day"


def _dotted(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    day = date(int(match[3]), int(match[2]), int(match[1]))
    return day, day, "day"


def _quarter(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    text = match[0]
    ordinal = re.search(r"first|second|third|fourth|1st|2nd|3rd|4th", text)
    number = _ORDINALS[ordinal[0]] if ordinal else int(text[text.index("q") + 1])
    year = re.search(_YEAR, text)
    first = date(int(year[0]) if year else as_of.year, 3 * number - 2, 1)
    if year is None and first > as_of:
        first = first.replace(year=first.year - 1)
    return first, _month_end(first.year, first.month + 2), "quarter"


def _half(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    year = int(re.findall(_YEAR, match[0])[0])
    is_first = re.match(r"h1|first|1st", match[0]) is not None
    return (date(year, 1, 1), date(year, 6, 30), "span") if is_first else (date(year, 7, 1), date(year, 12, 31), "span")


def _month(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    number = _month_number(match["m"])
    year = int(match["y"]) if match["y"] else (as_of.year if number <= as_of.month else as_of.year - 1)
    return date(year, number, 1), _month_end(year, number), "month"


def _iso_month(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    year, number = int(match[1]), int(match[2])
    return date(year, number, 1), _month_end(year, number), "month"


def _year(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    return date(int(match[0]), 1, 1), date(int(match[0]), 12, 31), "year"


def _relative(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    back, unit = match[1] == "last", match[2]
    if unit == "year":
        year = as_of.year - back
        return date(year, 1, 1), date(year, 12, 31), "year"
    step = 3 if unit == "quarter" else 1
    month = as_of.month - (as_of.month - 1) % step
    index = as_of.year * 12 + month - 1 - (step if back else 0)
    first = date(index // 12, index % 12 + 1, 1)
    end = index + step - 1
    return first, _month_end(end // 12, end % 12 + 1), "quarter" if unit == "quarter" else "month"


def _near(match: re.Match[str], as_of: date) -> tuple[date, date, Kind]:
    day = as_of - timedelta(days=match[0] == "yesterday")
    return day, day, "day"


_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}
_POINTS: tuple[tuple[str, Callable[[re.Match[str], date], tuple[date, date, Kind]]], ...] = (
    (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", _iso),
    (rf"(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th|\.)?\s(?:of\s)?(?P<m>{_MONTH})(?:,?\s(?P<y>{_YEAR}))?", _worded),
    (rf"(?P<m>{_MONTH})\s(?P<d>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<y>{_YEAR}))?", _worded),
    (rf"([0-9]{{1,2}})/([0-9]{{1,2}})/({_YEAR})", _slashed),
    (rf"([0-9]{{1,2}})\.([0-9]{{1,2}})\.({_YEAR})", _dotted),
    (_QUARTER, _quarter),
    (_HALF, _half),
    (rf"(?P<m>{_MONTH})(?:,?\s(?:of\s)?(?P<y>{_YEAR}))?", _month),
    (rf"({_YEAR})-([01][0-9])", _iso_month),
    (_YEAR, _year),
    (r"(this|last)\s(year|month|quarter)", _relative),
    (r"today|now|yesterday", _near),
)


def _between(match: re.Match[str], as_of: date) -> Window | None:
    one, two = match["a"], match["b"]
    if re.fullmatch(r"[0-9]{1,2}", one):  # 1 to 31 March 2008
        month = _point(two, as_of)[0]
        first_day = month.replace(day=int(one))
        return _of(first_day, _point(two, as_of)[1])
    year = re.search(_YEAR, two)
    first, first_end, kind = _point(one, as_of)
    last_first, last, _ = _point(two, as_of)
    if year and not re.search(_YEAR, one) and first > last:
        first = first.replace(year=last.year)
    if match["edge"] in ("end", "close") and kind != "day":
        first = first_end
    if match["edge_2"] in ("start", "beginning"):
        last = last_first
    return _of(first, last)


def _of(first: date, last: date) -> Window:
    return Window(first, last, f"from {said(first)} to {said(last)}")


def _since(match: re.Match[str], as_of: date) -> Window:
    first, first_end, kind = _point(match["a"], as_of)
    if match["edge"] in ("end", "close") and kind != "day":
        first = first_end
    return Window(first, as_of, f"since {said(first)}")


def _until(match: re.Match[str], as_of: date) -> Window:
    first, last, _ = _point(match["a"], as_of)
    last = first - timedelta(days=1) if match["word"] == "before" else last
    return Window(None, last, f"up to {said(last)}")


def _edge_of(match: re.Match[str], as_of: date) -> Window:
    first, last, _ = _point(match["a"], as_of)
    day = last if match["edge"] in ("end", "close") else first
    day = min(day, as_of)
    return Window(day, day, f"on {said(day)}", "day")


def _this_point(match: re.Match[str], as_of: date) -> Window | None:
    if match["a"] == "may" and not _PREPOSITION.search(match.string, 0, match.start()):
        return None  # a verb
    first, last, kind = _point(match["a"], as_of)
    if match["a"].startswith("this"):
        last = min(last, as_of)
    return Window(first, last, words_of(first, last, kind), kind)


def words_of(first: date, last: date, kind: Kind) -> str:
    """How an answer calls a span of time."""
    if kind == "day":
        return f"on {said(first)}"
    if kind == "month" and last == _month_end(first.year, first.month):
        return f"in {first:%B %Y}"
    if kind == "quarter":
        return f"in Q{(first.month + 2) // 3} {first.year}"
    if kind == "year" and last.month == len(MONTHS) and last.day == 31:
        return f"in {first.year}"
    return f"from {said(first)} to {said(last)}"


def _trailing(match: re.Match[str], as_of: date) -> Window:
    count = match["count"]
    number = 1 if count is None else int(count) if count.isdigit() else _NUMBERS[count]
    unit = match["unit"].removeprefix("trading ").rstrip("s")
    words = f"over the last {number} {unit}s" if number != 1 else f"over the last {unit}"
    if unit in ("session", "bar") or (unit == "day" and (number > 1 or "trading" in match["unit"])):
        first = as_of - timedelta(days=number * 7 // 5 + 4)
        return Window(first, as_of, words, "sessions", number)
    return Window(_before(as_of, number, unit), as_of, words)


def _before(day: date, number: int, unit: str) -> date:
    if unit in _DAYS:
        return day - timedelta(days=number * _DAYS[unit])
    months = number * {"month": 1, "quarter": 3, "year": 12}[unit]
    index = day.year * 12 + day.month - 1 - months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _short(match: re.Match[str], as_of: date) -> Window:
    number, unit = int(match["count"]), {"d": "day", "w": "week", "m": "month", "y": "year"}[match["unit"][0]]
    return Window(_before(as_of, number, unit), as_of, f"over the last {number} {unit}{'s' * (number > 1)}")


def _to_date(match: re.Match[str], as_of: date) -> Window:
    unit = match["unit"] or "year"
    first = as_of.replace(day=1) if unit == "month" else date(as_of.year, 1, 1)
    return Window(first, as_of, f"since {said(first)}")


def _ever(match: re.Match[str], as_of: date) -> Window:
    return Window(None, as_of, "since the first transaction")


_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (
            rf"\b(?:between|from)\s{_EDGE.format('edge')}(?P<a>{_POINT}|[0-9]{{1,2}})\s(?:and|to|"
            r"until|till|through|up\sto|-|–)\s"
            rf"{_EDGE.format('edge_2')}(?P<b>{_POINT})(?![\w-])",
            _between,
        ),
        (
            rf"(?<![\w-]){_EDGE.format('edge')}(?P<a>{_DAY}|{_MONTH_OF}|{_YEAR}|[0-9]{{1,2}})\s?(?:to|"
            r""
            r"until|through|-|–)\s?"
            rf"{_EDGE.format('edge_2')}(?P<b>{_DAY}|{_MONTH_OF}|{_YEAR}|today|now)(?![\w-])",
            _between,
        ),
        (rf"\bsince\s{_EDGE.format('edge')}(?P<a>{_POINT})(?![\w-])", _since),
        (rf"\bsince\s{_EDGE.format('edge')}(?P<a>the\s(?:start|beginning)\sof\s{_POINT})(?![\w-])", _since),
        (rf"\b(?P<word>until|till|up\sto|before)\s(?:the\s)?{_EDGE.format('edge')}(?P<a>{_POINT})(?![\w-])", _until),
        (
            r"\b(?:since\s(?:the\s)?(?:inception|beginning|start|first\s\w+|i\sstarted)|(?:of|"
            r"over)?\s?all[\s-]time|ever\b|"
            r"(?:over|for|in)\s(?:the\s)?(?:whole|entire|full)\s(?:period|time|history|life)|so\sfar\sin\stotal)",
            _ever,
        ),
        (r"\b(?:(?P<unit>year|month)[\s-]to[\s-]date|ytd)\b", _to_date),
        (r"\bso\sfar\sthis\s(?P<unit>year|month)\b", _to_date),
        (r"\bthis\s(?P<unit>year|month)(?:\sso\sfar)?\b", _to_date),
        (
            rf"\b(?:(?:over|in|during|for|within|of)\s(?:the\s)?(?:last|past|previous|trailing)|(?:over|for)(?=\s[0-9])"
            rf"|(?:the\s)?(?:past|trailing)|(?:the\s)?last(?=\s(?:[0-9]|{'|'.join(list(_NUMBERS)[2:16])}|couple)))\s"
            rf"(?:(?P<count>{_COUNT})[\s-])?(?P<unit>{_UNIT})\b",
            _trailing,
        ),
        (r"(?<![\w.-])(?P<count>[0-9]{1,2})\s?(?P<unit>m|mo|y|yr|yrs|w|d)(?![\w%-])", _short),
        (
            r"\b(?:(?:at|by|on|as\sof|for)\s)?(?:the\s)?(?P<edge>start|beginning|end|"
            rf"close)\sof\s(?P<a>{_POINT})(?![\w-])",
            _edge_of,
        ),
        (rf"(?<![\w-])(?:last\s(?={_MONTH}))?(?P<a>{_DAY}|{_QUARTER}|{_HALF})(?![\w-])", _this_point),
        (rf"(?<![\w-])(?P<a>{_MONTH_OF})(?![\w-])", _this_point),
        (r"\b(?P<a>(?:this|last)\s(?:year|month|quarter))\b", _this_point),
        (rf"(?<![\w.,$€£-])(?P<a>{_YEAR})(?![\w%-]|[.,][0-9])", _this_point),
        (r"\b(?P<a>yesterday)\b", _this_point),
    )
)


def _month_number(word: str) -> int:
    return next(number for number, name in enumerate(MONTHS, start=1) if name.startswith(word[:3].lower()))


def _month_end(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


def _latest(as_of: date, month: int, number: int) -> date:
    years = range(as_of.year, as_of.year - LONGEST_TO_A_LEAP_YEAR - 1, -1)
    days = (date(year, month, number) for year in years if number <= monthrange(year, month)[1])
    day = next((each for each in days if each <= as_of), None)
    if day is None:
        raise ValueError(number)
    return day
