"""Numbers and dates as files write them: which form a file has, and what each cell means in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations

MISSING = frozenset({"", "-", "--", "–", "—", "na", "n/a", "nan", "null", "none", "not available", "#n/a", "."})
"""Cells that say that there is nothing, in small letters."""
MOST_NUMBER_CHARS = 60
ORDERS = {"dmy": "day first", "mdy": "month first", "ymd": "year first"}
_PLAIN = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")
_AROUND = re.compile(r"[\s\u00a0\u202f'’]|[$€£¥₹₽]|^[A-Z]{3}(?=[\s0-9+-])|(?<=[0-9\s])[A-Z]{3}$")
_GROUPS = re.compile(r"[0-9]{1,3}(?:[.,][0-9]{3})+")
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar",
            "feb february februar",
            "mar march märz mär mrz",
            "apr april",
            "may mai",
            "jun june juni",
            "jul july juli",
            "aug august",
            "sep sept september",
            "oct october okt oktober",
            "nov november",
            "dec december dez dezember",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONE = r"(?:Z|UTC|GMT|[A-Z]{3,4}|[+-][0-9]{2}:?[0-9]{2})?$"
_CLOCK = re.compile(r"[T ;,]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?:[.,][0-9]+)?\s*(?:[AaPp][Mm])?\s*" + _ZONE)
_CLOSE_CLOCK = re.compile(r"(?<=[0-9][0-9])[T ;,]\s*[0-9]{6}" + _ZONE)
_DIGITS = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_PARTS = re.compile(r"([0-9]{1,4})([-/. ]{1,2})([0-9]{1,2})\2([0-9]{1,4})\.?")
_WORDY = re.compile(
    r"(?:([0-9]{1,2})[-. ]+([^\W\d_]+)|([^\W\d_]+)[-. ]+([0-9]{1,2}))\.?,?[-. ]+([0-9]{2}|[0-9]{4})", re.IGNORECASE
)
_SERIAL = re.compile(r"([0-9]{5})(?:\.[0-9]+)?")
_SHEET_BEGIN = date(1899, 12, 30)
_AS_OF = re.compile(r"^.*\bas of\s+", re.IGNORECASE)
_YEAR_DIGITS = 4
_SHORT_YEAR_DIGITS = 2
_LAST_MONTH, _LAST_DAY = 12, 31


@dataclass(frozen=True, slots=True)
class Dates:
    """How a file writes dates."""

    order: str
    """Where day and month are digits: `dmy`, `mdy` or `ymd`."""
    latest_year: int
    """Two digits of a year mean one of the hundred years up to this."""
    is_sheet: bool = False
    """Whether a bare number is a day as spreadsheets count them."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the dates of a file tell of their form."""

    orders: frozenset[str]
    """Orders in which all dates of digits can be read; several where the file does not settle it."""
    has_short_years: bool
    example: str
    """A date that means another day in another order; empty where there is none."""


def is_missing(text: str) -> bool:
    """Whether a cell says that there is nothing."""
    return text.lower() in MISSING


def number(text: str, decimal: str) -> Decimal | None:
    """The number of a cell; None where there is none.

    Raises:
        ValueError: it is no number in this form.
    """
    if decimal == "." and _PLAIN.fullmatch(text):
        return Decimal(text)
    if is_missing(text):
        return None
    if len(text) > MOST_NUMBER_CHARS:
        raise ValueError(text)
    bare = text.replace("−", "-")
    is_negative = bare.startswith("(") and bare.endswith(")")
    bare = _AROUND.sub("", _AROUND.sub("", bare.strip("() ").strip()))
    if bare.endswith("-"):
        bare, is_negative = bare[:-1], not is_negative
    bare = _ungrouped(bare, decimal)
    if not _PLAIN.fullmatch(bare):
        raise ValueError(text)
    return -Decimal(bare) if is_negative else Decimal(bare)


def _ungrouped(bare: str, decimal: str) -> str:
    group = "," if decimal == "." else "."
    whole, mark, rest = bare.partition(decimal)
    if group in whole:
        sign, digits = (whole[:1], whole[1:]) if whole[:1] in "+-" else ("", whole)
        first, *others = digits.split(group)
        # India writes 12,34,567: the last group has three digits, those before it two or three.
        fits = 1 <= len(first) <= 3 and all(2 <= len(each) <= 3 for each in others) and len(others[-1]) == 3
        if not fits or group in rest or not all(each.isdecimal() for each in (first, *others)):
            raise ValueError(bare)
        whole = sign + "".join((first, *others))
    if whole in ("", "+", "-"):
        whole += "0"
    return f"{whole}.{rest}" if mark and rest else whole


def ratio(text: str, decimal: str) -> Decimal | None:
    """New shares for one old: `2`, `2:1`, `2/1`, `2-for-1`; None where there is none; raises as `number`."""
    for mark in (":", "/", "-for-", " for ", "→"):
        new, found, old = text.lower().partition(mark)
        if found:
            above, below = number(new.strip(), decimal), number(old.strip(), decimal)
            if above is None or not below:
                raise ValueError(text)
            return round(above / below, 14)
    return number(text, decimal)


def decimal_of(texts: Iterable[str]) -> str | None:
    """The decimal sign of a file by its numbers; None where it could be either, as where every number is like 1,234."""
    votes = {".": 0, ",": 0}
    has_point = has_open_comma = False
    for text in texts:
        point, comma = text.rfind("."), text.rfind(",")
        last, sign, other = (comma, ",", ".") if comma > point else (point, ".", ",")
        if last < 0:
            continue
        has_point = has_point or point >= 0
        if min(point, comma) >= 0 or not _GROUPS.fullmatch(_AROUND.sub("", text).strip("+-()")):
            votes[sign] += 1
        elif text.count(sign) > 1:
            votes[other] += 1
        else:
            has_open_comma = has_open_comma or sign == ","
    if any(votes.values()):
        return "," if votes[","] > votes["."] else "."
    return None if has_open_comma and not has_point else "."


def dates_seen(texts: Iterable[str]) -> Seen:
    """What the dates of a file tell of the order of day, month and year."""
    orders, has_short, has_year_first = set(ORDERS), False, False
    doubtful: dict[frozenset[str], str] = {}
    for text in texts:
        found = _PARTS.fullmatch(_day_text(text))
        if found is None:
            wordy = _WORDY.fullmatch(_day_text(text))
            has_short = has_short or (wordy is not None and len(wordy[5]) != _YEAR_DIGITS)
            continue
        first, mark, second, third = found.groups()
        if len(first) == _YEAR_DIGITS:
            continue
        has_short = has_short or len(third) != _YEAR_DIGITS
        if mark == ".":
            continue
        days = _meanings(first, second, third)
        orders &= days.keys()
        has_year_first = has_year_first or "ymd" in days
        for one, other in combinations(days, 2):
            if days[one] != days[other]:
                doubtful.setdefault(frozenset((one, other)), text)
    if not has_year_first:
        orders.discard("ymd")
    example = next((text for pair, text in doubtful.items() if pair <= orders), next(iter(doubtful.values()), ""))
    return Seen(frozenset(orders), has_short, example)


def _meanings(first: str, second: str, third: str) -> dict[str, tuple[int, int, int]]:
    """Year, month and day of three numbers, by the orders in which they can be a day."""
    one, two, three = int(first), int(second), int(third)
    days = {"dmy": (three, two, one), "mdy": (three, one, two)}
    if len(first) == len(third) == _SHORT_YEAR_DIGITS:
        days["ymd"] = (one, two, three)
    return {order: day for order, day in days.items() if day[1] <= _LAST_MONTH and day[2] <= _LAST_DAY}


def day_of(text: str, form: Dates) -> date:
    """The day of a cell.

    Raises:
        ValueError: it is no date in this form.
    """
    bare = _day_text(text)
    if found := _PARTS.fullmatch(bare):
        return _of_parts(found, form)
    if found := _DIGITS.fullmatch(bare):
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := _WORDY.fullmatch(bare):
        month = _MONTHS.get((found[2] or found[3]).lower())
        if month is None:
            raise ValueError(text)
        return date(_year(found[5], form), month, int(found[1] or found[4]))
    if form.is_sheet and (found := _SERIAL.fullmatch(bare)):
        return _SHEET_BEGIN + timedelta(days=int(found[1]))
    raise ValueError(text)


def short_years(form: Dates) -> str:
    """The sentence on years of two digits."""
    return f"Years of two digits are taken for {form.latest_year - 99} to {form.latest_year}."


def order_words(order: str, example: str, form: Dates) -> str:
    """What a date of the file means in an order."""
    day = day_of(example, Dates(order, form.latest_year, form.is_sheet))
    return f"{ORDERS[order].capitalize()}: {example} is {day.day} {day:%B %Y}"


def possible_orders(example: str, orders: Sequence[str], form: Dates) -> list[str]:
    """Those of the orders in which the example is a day at all."""
    possible = []
    for order in orders:
        try:
            day_of(example, Dates(order, form.latest_year, form.is_sheet))
        except ValueError:
            continue
        possible.append(order)
    return possible


def _day_text(text: str) -> str:
    bare = _AS_OF.sub("", text.strip())
    if len(bare) <= len("01/02/2003"):
        return bare
    return _CLOSE_CLOCK.sub("", _CLOCK.sub("", bare)).strip(" ,;")


def _of_parts(found: re.Match[str], form: Dates) -> date:
    first, mark, second, third = found.groups()
    if len(first) == _YEAR_DIGITS:
        return date(int(first), int(second), int(third))
    order = "dmy" if mark == "." and form.order == "mdy" else form.order
    if order == "ymd":
        return date(_year(first, form), int(second), int(third))
    day, month = (first, second) if order == "dmy" else (second, first)
    return date(_year(third, form), int(month), int(day))


def _year(digits: str, form: Dates) -> int:
    if len(digits) == _YEAR_DIGITS:
        return int(digits)
    if len(digits) != 2:
        raise ValueError(digits)
    year = form.latest_year // 100 * 100 + int(digits)
    return year if year <= form.latest_year else year - 100
