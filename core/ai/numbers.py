"""Whether the numbers in a text are figures that its writer was given.

Every number is looked up but those that are part of a name: the 14 of RSI(14), the 20 of a 20-day average or of 20
sessions, the digits of a product, a list's own numbering, a time. Dates are shown as verified where they are known
and are otherwise left alone, as years are.

A number is verified by a known figure of its kind: a percentage by a fraction, one with a currency by a price, a ratio
(2x, 1.5:1) by a plain number, one without any mark by whatever is not a date. It has to be equal, or what the figure is
when it is rounded, half up or half to even, to the decimals that are written. A rounded number needs two significant
digits, so that "0" or "100 %" is nobody's by accident; zeros at the end of a whole number are not significant.

Signs count. A number that is written with one, or as a change ("fell 3.2 %", "3.2 % below", "a gain of 3.2 %"), is
verified by a figure of that sign alone, or by one that has none of its own (`Known.is_magnitude`); one without either
is taken as positive, save where a sentence goes on with what it began ("fell 3.2 % over 5 sessions, 8.1 % over 20").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from math import isfinite
from typing import Literal

from core.ai.number_names import dates_in, without_names
from core.ai.number_signs import claimed_sign

Unit = Literal["price", "fraction", "number", "date"]

MAX_TEXT_CHARS = 100_000
"""In a longer text the rest is not looked at."""
LEAST_DIGITS = 2
"""Significant digits that a rounded number needs."""
MOST_DECIMALS = 12
LARGEST = Decimal(10) ** 15
"""A figure that is rounded is smaller."""


@dataclass(frozen=True, slots=True)
class Known:
    """A figure that the writer was given."""

    name: str
    value: float
    """A fraction is a share of one; a date is its ordinal."""
    unit: Unit = "number"
    is_magnitude: bool = False
    """Whether it has no sign of its own: the distance to a stop is as large below the entry as above it."""

    @classmethod
    def of_day(cls, name: str, day: date) -> Known:
        """A date."""
        return cls(name, float(day.toordinal()), "date")


@dataclass(frozen=True, slots=True)
class CheckedNumber:
    """A number in a text."""

    text: str
    """As it is written, with its sign, its currency or its percent sign."""
    start: int
    end: int
    known: str | None
    """Name of the figure that it is; None: unverified."""


def checked_numbers(text: str, known: Sequence[Known], terms: Collection[str] = ()) -> list[CheckedNumber]:
    """The numbers in a text, from left to right, each with the figure that it is.

    Args:
        text: what was written.
        known: the figures that its writer was given; of several that a number may be, the one that is equal comes
            before one that is when it is rounded, and an earlier one before a later.
        terms: names with digits in them, which are no figures: of a company, of a column.
    """
    seen = text[:MAX_TEXT_CHARS]
    checked = []
    days = {each: date.fromordinal(int(each.value)) for each in known if each.unit == "date" and each.value >= 1}
    for written in dates_in(seen):
        name = next((each.name for each, day in days.items() if written.is_of(day)), None)
        if name is not None:
            checked.append(CheckedNumber(text[written.start : written.end], written.start, written.end, name))
    figures = [each for each in known if each.unit != "date" and isfinite(each.value)]
    for number in numbers_in(without_names(seen, terms)):
        name = _name_of(number, figures)
        if name is not None or not number.may_be_year:
            checked.append(CheckedNumber(text[number.start : number.end], number.start, number.end, name))
    return sorted(checked, key=lambda each: each.start)


Kind = Literal["plain", "percent", "basis_points", "currency", "ratio"]

_UNITS: dict[Kind, dict[Unit, int]] = {
    "plain": {"price": 1, "number": 1, "fraction": 1},
    "percent": {"fraction": 100},
    "basis_points": {"fraction": 10_000},
    "currency": {"price": 1},
    "ratio": {"number": 1},
}
"""Which figures a kind of number may be, and how many times they are taken for it."""


@dataclass(frozen=True, slots=True)
class WrittenNumber:
    """A number as it is written."""

    start: int
    end: int
    digits: str
    """Without sign and separators."""
    scale: Decimal
    """A million where it says so; 0 where nothing is said."""
    kinds: tuple[Kind, ...]
    signs: tuple[int, ...]
    """Those that it may have: -1, 1."""
    may_be_year: bool

    @property
    def value(self) -> Decimal:
        """Without its sign and its scale."""
        return Decimal(self.digits)

    @property
    def decimals(self) -> int:
        """Digits after the point."""
        return len(self.digits.partition(".")[2])

    @property
    def significant(self) -> int:
        """Significant digits; zeros at the end of a whole number are none."""
        whole = self.digits.replace(".", "").lstrip("0")
        return len(whole if "." in self.digits else whole.rstrip("0"))


def _name_of(number: WrittenNumber, figures: Sequence[Known]) -> str | None:
    rounded: str | None = None
    size, scale = float(number.digits), number.scale or Decimal(1)
    margin = 10.0**-number.decimals + 1e-9 * size
    for kind in number.kinds:
        for figure in figures:
            times = _UNITS[kind].get(figure.unit)
            if times is None or abs(abs(figure.value) * times / float(scale) - size) > margin:  # most are far from it
                continue
            value = Decimal(f"{figure.value:.12g}") * times / scale  # without the noise of binary fractions
            signs: tuple[int, ...] = (1,) if figure.is_magnitude else number.signs
            value = abs(value) if figure.is_magnitude else value
            if any(value == sign * number.value for sign in signs):
                return figure.name
            if rounded is None and any(_is_rounded(value, sign, number) for sign in signs):
                rounded = figure.name
    return rounded


def _is_rounded(value: Decimal, sign: int, number: WrittenNumber) -> bool:
    if number.significant < LEAST_DIGITS or number.decimals > MOST_DECIMALS or abs(value) >= LARGEST:
        return False
    step = Decimal(1).scaleb(-number.decimals)
    return any(value.quantize(step, way) == sign * number.value for way in (ROUND_HALF_UP, ROUND_HALF_EVEN))


_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]%.])[-+\u2212\u2013](?=[0-9.$€£¥₹]|(?:USD|EUR|GBP|INR|JPY|CHF|CAD|AUD)\s[0-9]))?
    (?P<currency>(?:\b(?:US|A|C|HK|S|NZ))?\$\s?|[€£¥₹]\s?|\b(?:USD|EUR|GBP|INR|JPY|CHF|CAD|AUD)\s|\bRs\.?\s?)?
    (?(currency)(?P<inner_sign>[-\u2212])?)
    (?:(?<![\w.])|(?<=\bRs)|(?<=\bRs\.))
    (?P<digits>(?:[0-9]{1,3}(?:,[0-9]{2,3}){0,6},[0-9]{3}(?![0-9])
        |[0-9]{1,3}(?:[\u00a0\u2009\u202f][0-9]{3}){1,6}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)
    (?P<scale>\s?(?:thousand|million|billion|trillion|Tausend|Millionen?|Milliarden?|millions|milliards?)\b
        |\s?(?:Tsd|Mio|Mrd)\b\.?|\s?(?:mn|bn|mln)\b|[kKMBT]\b|(?(currency)[mb]\b|(?!)))?
    (?P<unit>
        (?P<percent>\s?(?:%-points?\b|%|percentage\spoints?\b|percent\b|per\scent\b|pct\b|pp\b
            |Prozent(?:punkte?)?\b|pour\scent\b)|-percent(?:age)?\b)
        |(?P<basis_points>\s?(?:bps?|basis\spoints?)\b)
        |(?P<ratio>\s?[x×](?!\w)|-fold\b|\stimes\b|\s?:\s?1(?![\w:%]|\.[0-9])|-to-1(?!\w))
        |(?P<money>\s?(?:USD|EUR|GBP|INR|JPY|CHF)\b|\s(?:dollars?|euros?|rupees?|pounds?)\b
            |\s?[€£](?!\s?[0-9]))
    )?
    (?(unit)|(?!-[A-Za-z,]|-\s(?:and|or|to)\b))
    (?!\w|\.[0-9])
    """,
    re.VERBOSE,
)
_ONE_TO = re.compile(r"(?<![\w.:])1\s?:\s?(?=[0-9])")
_LINK = re.compile(r"\s?(?:-|\u2013|\u2014|to)\s?\Z")
_SENTENCE_END = re.compile(r"[.!?;](?=\s|\Z)|\n")
_SCALES = {
    "k": Decimal(1_000),
    "thousand": Decimal(1_000),
    "tausend": Decimal(1_000),
    "tsd": Decimal(1_000),
    "m": Decimal(1_000_000),
    "mn": Decimal(1_000_000),
    "mln": Decimal(1_000_000),
    "mio": Decimal(1_000_000),
    "million": Decimal(1_000_000),
    "millions": Decimal(1_000_000),
    "millionen": Decimal(1_000_000),
    "b": Decimal(1_000_000_000),
    "bn": Decimal(1_000_000_000),
    "mrd": Decimal(1_000_000_000),
    "billion": Decimal(1_000_000_000),
    "milliarde": Decimal(1_000_000_000),
    "milliarden": Decimal(1_000_000_000),
    "milliard": Decimal(1_000_000_000),
    "milliards": Decimal(1_000_000_000),
    "t": Decimal(1_000_000_000_000),
    "trillion": Decimal(1_000_000_000_000),
}
_CHANGES: frozenset[Kind] = frozenset({"percent", "basis_points"})
"""What a sentence says of a change in it is said of these."""


def numbers_in(text: str) -> Iterator[WrittenNumber]:
    """The numbers of a text in which names and dates are blank."""
    found = _joined([_written(match, text) for match in _NUMBER.finditer(_ONE_TO.sub(_one_to, text))], text)
    begun, last = 0, 0
    for number in found:
        if _SENTENCE_END.search(text, last, number.start):
            begun = 0
        last = number.end
        claimed = 0 if number.signs else claimed_sign(text, number.start, number.end)
        if number.signs:
            yield number
        elif not _CHANGES.intersection(number.kinds):
            yield replace(number, signs=(1, -1) if claimed < 0 else (1,))
        else:
            yield replace(number, signs=(claimed,) if claimed else (1, begun) if begun else (1,))
            begun = claimed or begun


def _written(match: re.Match[str], text: str) -> WrittenNumber:
    part = match.groupdict()
    sign = part["sign"] or part["inner_sign"]
    is_linked = bool(re.search(r"[0-9%]\s\Z", text[max(0, match.start() - 2) : match.start()]))
    kind: Kind = "plain"
    if part["unit"] or part["currency"]:
        kind = next((name for name in _BY_GROUP if part[name]), "currency")
    digits = re.sub(r"[^0-9.]", "", part["digits"])
    return WrittenNumber(
        start=match.start() + (1 if sign and is_linked else 0),
        end=match.end(),
        digits=f"0{digits}" if digits.startswith(".") else digits,
        scale=_SCALES[part["scale"].strip().rstrip(".").lower()] if part["scale"] else Decimal(0),
        kinds=(kind,),
        signs=() if sign is None or is_linked else (1,) if sign == "+" else (-1,),
        may_be_year=bool(_YEAR.fullmatch(match.group())),
    )


def _joined(numbers: Sequence[WrittenNumber], text: str) -> list[WrittenNumber]:
    """What one end of a range says by its marks holds for the other end too: "10–12 %", "$10 to 12"."""
    joined = list(numbers)
    for place in range(len(joined) - 1, 0, -1):
        first, second = joined[place - 1], joined[place]
        if not _LINK.fullmatch(text, first.end, second.start):
            continue
        if first.kinds == ("plain",) and second.kinds != ("plain",):
            first = replace(first, kinds=("plain", *second.kinds))
        joined[place - 1] = replace(first, scale=first.scale or second.scale)
        if second.kinds == ("plain",) and "currency" in first.kinds:
            joined[place] = replace(second, kinds=("plain", "currency"))
    return joined


def _one_to(match: re.Match[str]) -> str:
    """Blank, so that the 2 of 1:2 stands alone."""
    return " " * len(match.group())


_BY_GROUP: tuple[Kind, ...] = ("percent", "basis_points", "ratio")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
