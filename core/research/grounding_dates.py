"""Days, months, quarters, years and windows that a text names, and whether a figure is of them."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Kind = Literal[
    "day", "month", "year", "window", "since", "last", "fiscal", "ytd", "qtd", "mtd", "now", "all", "unknown"
]
"""`last`: a number of days up to now; `ytd`: of the year to date;
`unknown`: a time that is told in a way that no figure is known to be of."""
Part = Literal["", "begin", "end", "last_day", "other"]
"""`begin`: at the start of March; `end`: at its end; `last_day`: on its last day; `other`: in its first week."""
EARLY_DAYS, LATE_DAYS = 5, 5
"""A window that sessions bound may begin or end so many days off the month, quarter or year that names it."""
MAX_DATES = 2_000

_MONTHS = (
    ("january", "jan", "januar", "janvier"),
    ("february", "feb", "februar", "février"),
    ("march", "mar", "märz", "mars"),
    ("april", "apr", "avril"),
    ("may", "mai"),
    ("june", "jun", "juni", "juin"),
    ("july", "jul", "juli", "juillet"),
    ("august", "aug", "août"),
    ("september", "sep", "sept", "septembre"),
    ("october", "oct", "oktober", "okt", "octobre"),
    ("november", "nov", "novembre"),
    ("december", "dec", "dezember", "dez", "décembre"),
)
_MONTH_OF = {name: place for place, names in enumerate(_MONTHS, 1) for name in names}
_NAME = (
    "|".join(sorted((name.capitalize() for name in _MONTH_OF), key=len, reverse=True))
    + "|"
    + "|".join(
        ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre")
    )
)
_YEAR = r"(?:19|20)[0-9]{2}"
_ATOMS = re.compile(
    rf"""(?<![\w.,$€£₹/-])(?:
    (?P<iso>{_YEAR}-[0-9]{{2}}-[0-9]{{2}})(?:T[0-9:.]+Z?)?(?![\w-])
    |(?P<dotted>[0-9]{{1,2}}\.[0-9]{{1,2}}\.{_YEAR})(?!\w)
    |(?P<slashed>[0-9]{{1,2}}/[0-9]{{1,2}}/{_YEAR})(?![\w/])
    |(?P<dmy>(?:(?P<d0>[0-9]{{1,2}})(?:st|nd|rd|th|\.)?\s?(?:[-–—]|to|and|until|bis|et|au)\s?)?(?P<d1>[0-9]{{1,2}})(?:st|nd|rd|th|er|\.)?\s(?:of\s)?(?P<m1>{_NAME})\b\.?(?:,?\s(?P<y1>{_YEAR})(?!\w))?)
    |(?P<mdy>(?P<m2>{_NAME})\.?\s(?P<d2>[0-9]{{1,2}})(?:st|nd|rd|th)?(?:\s?[-–—]\s?(?P<d3>[0-9]{{1,2}}))?(?:,?\s(?P<y2>{_YEAR})(?!\w))?(?![\w%]|\s?%|[.,][0-9]))
    |(?P<my>(?P<m3>{_NAME})\.?,?\s(?:of\s)?(?P<y3>{_YEAR})(?!\w))
    |(?P<ym>(?P<y4>{_YEAR})-(?P<m4>0[1-9]|1[0-2]))(?![\w-])
    |(?P<quarter>(?:Q(?P<q1>[1-4])|(?P<q2>first|second|third|fourth)\squarter(?:\sof)?|(?P<q4>[1-4])\.\sQuartal)
        (?:[\s,-]{{1,2}}(?P<y5>{_YEAR})(?!\w))?|(?P<y6>{_YEAR})[\s-]?Q(?P<q3>[1-4]))(?!\w)
    |(?P<half>H(?P<h1>[12])(?:\s(?P<y7>{_YEAR}))?)(?!\w)
    |(?P<fiscal>(?:FY\s?|[Ff]iscal\s(?:year\s)?)(?P<y8>{_YEAR}))(?!\w)
    |(?P<year>{_YEAR})(?![\w%]|\s?%|[.,][0-9]|\s(?:shares|dollars?|euros?|USD|EUR|days|sessions))
    |(?P<month>(?P<m5>{_NAME}))\b(?!\w)
    )""",
    re.VERBOSE,
)
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4}
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_PERIOD_DAYS = {"day": 1.0, "session": 1.46, "week": 7.0, "month": 30.44, "quarter": 91.3, "year": 365.25}
_RELATIVE = re.compile(
    rf"""\b(?:
    (?P<last>(?:last|past|previous|trailing|recent|most\srecent|prior|latest|letzten?|vergangenen?|derni[eè]re?s?)\s
        (?P<count>[0-9]{{1,4}}|{"|".join(_COUNTS)})[\s-](?:trading\s|calendar\s)?
        (?P<unit>day|session|week|month|quarter|year|Tage|Wochen|Monate|Jahre|bar)n?s?)
    |(?P<over>(?:over|within|during|in|for)\s(?:the\s)?(?P<count_3>a|an|one|two|three|four|five|six|nine|ten|twelve)\s
        (?:full\s)?(?P<unit_3>day|week|month|quarter|year)s?(?!\sof))
    |(?P<one>(?:last|past|trailing|letzten|vergangenen)\s(?P<unit_1>week|month|quarter|year|Monat|Jahr))
    |(?P<span>(?P<count_2>[0-9]{{1,3}}|{"|".join(_COUNTS)})[\s-](?P<unit_2>day|session|week|month|quarter|year)
        (?=\s(?:return|performance|change|gain|loss|window|period|drawdown|volatility)))
    |(?P<ytd>year[\s-]to[\s-]date|YTD|ytd|so\sfar\sthis\syear|this\syear)
    |(?P<mtd>month[\s-]to[\s-]date|MTD|so\sfar\sthis\smonth|this\smonth)
    |(?P<qtd>quarter[\s-]to[\s-]date|QTD|this\squarter)
    |(?P<all>since\s(?:inception|the\s(?:start|beginning|first\s\w+))|all[\s-]time|over\sits\swhole\shistory)
    |(?P<now>today|currently|right\snow|at\spresent|as\sof\snow|heute|derzeit|aktuell|aujourd'hui|actuellement)
    |(?P<unknown>yesterday|gestern|tomorrow|(?:a|one|two|three|[0-9]+)\s(?:day|week|month|quarter|year)s?\s(?:ago|before|earlier|later)
        |the\s(?:day|week|month|quarter|year)\s(?:before|after|earlier)
        |(?:previous|prior|preceding|following|next)\s(?:day|session|week|month|quarter|year))
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_LINK = re.compile(r"\s?(?:-|–|—|to|and|through|until|till|bis|und|au|à|et|\.\.)\s?(?:the\s)?")
_SINCE = re.compile(
    r"\b(?:since|seit|depuis|from|ab|starting(?:\s(?:in|on))?)\s(?:the\s)?(?:start\sof\s|end\sof\s|early\s)?\Z",
    re.IGNORECASE,
)
_UNTIL = re.compile(r"\b(?:before|after|vor|nach|avant|après)\s(?:the\s)?(?:start\sof\s|end\sof\s)?\Z", re.IGNORECASE)
_PART = re.compile(
    r"(?:\b(?P<begin>(?:start|beginning)\sof)|\b(?P<end>end\sof)|\b(?P<last_day>(?:last|final)\s(?:trading\s)?(?:day|session)\sof)"
    r"|\b(?:first|second|third|fourth|last|final|opening|early|late|mid|middle|worst|best|one)[\s-]"
    r"(?:(?:trading\s)?(?:day|session|week|half|third|days|weeks)\s)?(?:of|in)?|\bmiddle\sof)\s?(?:the\s)?\Z",
    re.IGNORECASE,
)
_PARTS: tuple[Part, ...] = ("begin", "end", "last_day")
_MONTH_BEFORE = re.compile(
    r"(?:\b(?:in|of|since|during|through|until|by|for|from|to|and|late|early|mid|im|seit|bis|en|depuis|month|last|this)"
    r"|[|*_(:-])\s?\Z|^\s*\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Atom:
    """One date as it is written."""

    start: int
    end: int
    kind: Literal["day", "window", "month", "year"]
    """How exact it is; a quarter and a half are of kind month, and days of one month a window: 1 to 28 March."""
    first: date
    last: date
    has_year: bool
    other: date | None = None
    """The day that it may be as well, where only numbers are written."""

    def is_of(self, day: date) -> bool:
        """Whether it may be that day."""
        if not self.has_year:
            return (day.month, day.day) == (self.first.month, self.first.day)
        return day in (self.first, self.other)


@dataclass(frozen=True, slots=True)
class Time:
    """A day or window that a text names."""

    start: int
    end: int
    kind: Kind
    first: date = date.min
    last: date = date.max
    has_year: bool = True
    days: float = 0.0
    """Length of a window up to now."""
    other: date | None = None
    part: Part = ""
    """Of which part of it is spoken."""


@dataclass(frozen=True, slots=True)
class Dated:
    """What of a figure decides whether it is of a time."""

    day: date
    first: date | None
    is_flow: bool
    newest: date
    """The newest day that anything is known of."""


def atoms_in(text: str) -> list[Atom]:
    """The dates of a text, from left to right."""
    found = []
    for match in _ATOMS.finditer(text):
        atom = _atom(match, text)
        if atom is not None:
            found.append(atom)
        if len(found) == MAX_DATES:
            break
    return found


def times_in(text: str, atoms: Sequence[Atom]) -> list[Time]:
    """The days and windows of a text, from left to right, with those that are made of two dates."""
    found: list[Time] = []
    place = 0
    while place < len(atoms):
        atom = atoms[place]
        following = atoms[place + 1] if place + 1 < len(atoms) else None
        if following is not None and _LINK.fullmatch(text, atom.end, following.start):
            joined = _joined(text, atom, following)
            if joined is not None:
                found.append(joined)
                place += 2
                continue
        found.append(_single(text, atom))
        place += 1
    taken = [(each.start, each.end) for each in found]
    found += [each for each in _relative(text) if not any(a < each.end and each.start < b for a, b in taken)]
    return sorted(found, key=lambda each: each.start)


def agrees(time: Time, figure: Dated) -> bool:
    """Whether a figure is of that time."""
    if time.kind == "unknown" or not _is_of_part(time, figure):
        return False
    if not time.has_year:
        return any(agrees(each, figure) for each in _years(time, figure))
    if time.kind == "now":
        return figure.day == figure.newest
    if time.kind == "all":
        return figure.first is None or figure.day == figure.newest
    if time.kind in _BEGINS:
        return figure.day == figure.newest and figure.first is not None and _near(figure.first, _begin(time, figure))
    if time.kind == "last":
        return _is_up_to_now(time.days, figure)
    if time.kind == "day":
        return figure.day in (time.first, time.other)
    return _is_in_window(time, figure)


def _is_of_part(time: Time, figure: Dated) -> bool:
    """Whether a figure is of the part of a month or year that is spoken of."""
    if not time.part or time.kind == "day":
        return True
    if time.part == "other" or not time.has_year:
        return time.part == "end" and figure.first is not None
    if figure.first is not None:
        return time.part == "end"
    return _near(figure.day, time.first if time.part == "begin" else time.last)


def _is_in_window(time: Time, figure: Dated) -> bool:
    """A month, a year, a window of two dates, or one up to now."""
    if time.kind == "fiscal":
        days = (figure.day - figure.first).days if figure.first is not None else 365
        return 350 <= days <= 380 and (figure.day - timedelta(days=EARLY_DAYS)).year == time.first.year
    last = figure.newest if time.kind == "since" else time.last
    if figure.first is None:
        return not figure.is_flow and time.first <= figure.day <= last
    if time.kind == "since":
        is_near = _same if time.first == time.last else _near
        return is_near(figure.first, time.first) and figure.day == figure.newest
    if time.kind == "window":
        return _same(figure.first, time.first) and _same(figure.day, last)
    ends = _near(figure.day, last) or (figure.day == figure.newest and time.first <= figure.day <= last)
    return _near(figure.first, time.first) and ends


def _is_up_to_now(days: float, figure: Dated) -> bool:
    if figure.day != figure.newest:
        return False
    if figure.first is None:
        return not figure.is_flow
    length = (figure.day - figure.first).days + 1
    return abs(length - days) <= 4 + 0.03 * days


def _near(day: date, bound: date) -> bool:
    return -EARLY_DAYS <= (day - bound).days <= LATE_DAYS


def _same(day: date, bound: date) -> bool:
    """Whether two days are the same, or only a weekend lies between them."""
    if day == bound:
        return True
    low, high = min(day, bound), max(day, bound)
    if (high - low).days > 3:
        return False
    between = [low + timedelta(days=each) for each in range((high - low).days + 1)]
    return sum(each.weekday() < 5 for each in between) <= 1


def _years(time: Time, figure: Dated) -> list[Time]:
    """A time without a year as it may be meant: in the year of the figure, and only where that is the latest such."""
    year = figure.day.year
    first, last = _moved(time.first, year), _moved(time.last, year)
    if last < first:
        first = _moved(time.first, year - 1)
    latest = _moved(time.first, figure.newest.year)
    if latest > figure.newest:
        latest = _moved(time.first, figure.newest.year - 1)
    if time.kind != "day" and first.year != latest.year:
        return []
    return [Time(time.start, time.end, time.kind, first, last)]


def _moved(day: date, year: int) -> date:
    return date(year, day.month, min(day.day, calendar.monthrange(year, day.month)[1]))


def _joined(text: str, one: Atom, two: Atom) -> Time | None:
    """A window from one date to another; None where it cannot be one."""
    if "window" in (one.kind, two.kind):
        return None
    link = text[one.end : two.start].strip().lower()
    before = text[max(0, one.start - 12) : one.start].lower()
    if link in {"and", "und", "et"} and not re.search(r"\b(?:between|zwischen|entre)\s(?:the\s)?\Z", before):
        return None
    first, has_year = one.first, one.has_year
    if not one.has_year and two.has_year:
        first, has_year = _moved(one.first, two.first.year), True
        if first > two.last:
            first = _moved(one.first, two.first.year - 1)
    if has_year != two.has_year or (has_year and first > two.last):
        return None
    kind: Kind = "window" if "day" in (one.kind, two.kind) else one.kind
    return Time(one.start, two.end, kind, first, two.last, has_year)


def _single(text: str, atom: Atom) -> Time:
    before = text[max(0, atom.start - 24) : atom.start]
    kind: Kind = atom.kind
    if _SINCE.search(before) and kind != "window":
        kind = "since"
    elif _UNTIL.search(before):
        kind = "unknown"
    elif text[atom.start : atom.start + 1] in "Ff" and kind == "year":
        kind = "fiscal"
    return Time(
        atom.start, atom.end, kind, atom.first, atom.last, atom.has_year, other=atom.other, part=_part(before, atom)
    )


def _part(before: str, atom: Atom) -> Part:
    """Of which part of a month, a quarter or a year the words before it speak."""
    found = _PART.search(before) if atom.kind in ("month", "year") else None
    if found is None:
        return ""
    return next((name for name in _PARTS if found[name]), "other")


def _relative(text: str) -> list[Time]:
    found = []
    for match in _RELATIVE.finditer(text):
        part = match.groupdict()
        unit = part["unit"] or part["unit_1"] or part["unit_2"] or part["unit_3"]
        kind: Kind = "last" if unit else next((name for name in _NAMED if part[name]), "unknown")
        days = _count(part["count"] or part["count_2"] or part["count_3"]) * _length(unit) if unit else 0.0
        found.append(Time(match.start(), match.end(), kind, days=days))
        if len(found) == MAX_DATES:
            break
    return found


_NAMED: tuple[Kind, ...] = ("ytd", "qtd", "mtd", "now", "all")
_BEGINS: dict[Kind, int] = {"ytd": 12, "qtd": 3, "mtd": 1}
"""Months of what is to date."""


def _begin(time: Time, figure: Dated) -> date:
    months = _BEGINS[time.kind]
    return date(figure.newest.year, (figure.newest.month - 1) // months * months + 1, 1)


def _count(word: str | None) -> int:
    if word is None or word.lower() in ("a", "an"):
        return 1
    return int(word) if word.isdigit() else _COUNTS.index(word.lower())


_UNITS = {
    "Tage": "day",
    "Wochen": "week",
    "Monate": "month",
    "Monat": "month",
    "Jahre": "year",
    "Jahr": "year",
    "Bar": "session",
}


def _length(unit: str) -> float:
    return _PERIOD_DAYS[_UNITS.get(unit.capitalize(), unit.lower())]


def _atom(match: re.Match[str], text: str) -> Atom | None:
    part = match.groupdict()
    try:
        return _parsed(match, part, text)
    except ValueError:  # no such day
        return None


def _parsed(match: re.Match[str], part: dict[str, str | None], text: str) -> Atom | None:
    start, end = match.span()
    if part["iso"]:
        day = date.fromisoformat(part["iso"])
        return Atom(start, end, "day", day, day, has_year=True)
    if part["dotted"] or part["slashed"]:
        return _numeric(start, end, re.split(r"[./]", part["dotted"] or part["slashed"] or ""), part["slashed"])
    if part["dmy"] or part["mdy"]:
        year = part["y1"] or part["y2"]
        of, month = int(year) if year else 2000, _month(part["m1"] or part["m2"])
        first = date(of, month, int(part["d0"] or part["d2"] or part["d1"] or 0))
        last = date(of, month, int(part["d3"] or part["d1"] or part["d2"] or 0))
        if last < first:
            return None
        return Atom(start, end, "day" if first == last else "window", first, last, has_year=year is not None)
    if part["month"]:
        if not _MONTH_BEFORE.search(text[max(0, start - 12) : start]) and text[end : end + 1] not in ("'", "’"):
            return None
        return _months(start, end, (None, _month(part["m5"]), 1))
    return _period(start, end, part)


def _period(start: int, end: int, part: dict[str, str | None]) -> Atom:
    """A month, a quarter, a half or a year."""
    if part["my"] or part["ym"]:
        month = _month(part["m3"]) if part["my"] else int(part["m4"] or 0)
        return _months(start, end, (part["y3"] or part["y4"], month, 1))
    if part["quarter"]:
        named = part["q1"] or part["q3"] or part["q4"]
        number = int(named) if named else _ORDINALS[part["q2"] or ""]
        return _months(start, end, (part["y5"] or part["y6"], 3 * number - 2, 3))
    if part["half"]:
        return _months(start, end, (part["y7"], 6 * int(part["h1"] or 0) - 5, 6))
    return _months(start, end, (part["y8"] or part["year"], 1, 12))


def _months(start: int, end: int, span: tuple[str | None, int, int]) -> Atom:
    year, month, count = span
    of = int(year) if year else 2000
    last_month = month + count - 1
    last = date(of, last_month, calendar.monthrange(of, last_month)[1])
    kind: Literal["month", "year"] = "year" if count == 12 else "month"
    return Atom(start, end, kind, date(of, month, 1), last, has_year=year is not None)


def _numeric(start: int, end: int, parts: list[str], slashed: str | None) -> Atom:
    one, two, year = (int(each) for each in parts)
    if slashed is None or two > 12 or one > 12:
        day = date(year, two, one) if slashed is None or one > 12 else date(year, one, two)
        return Atom(start, end, "day", day, day, has_year=True)
    return Atom(
        start, end, "day", date(year, one, two), date(year, one, two), has_year=True, other=date(year, two, one)
    )


def _month(name: str | None) -> int:
    return _MONTH_OF[(name or "").lower()]
