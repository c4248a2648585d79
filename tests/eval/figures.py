"""Reads numbers and dates out of an answer's text; a reader of its own, which shares nothing with the marking code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan", "januar", "enero", "janvier"),
            ("february", "feb", "februar", "febrero", "février"),
            ("march", "mar", "märz", "marzo", "mars"),
            ("april", "apr", "abril", "avril"),
            ("may", "mai", "mayo"),
            ("june", "jun", "juni", "junio", "juin"),
            ("july", "jul", "juli", "julio", "juillet"),
            ("august", "aug", "agosto", "août"),
            ("september", "sep", "sept", "septiembre", "septembre"),
            ("october", "oct", "oktober", "okt", "octubre", "octobre"),
            ("november", "nov", "noviembre", "novembre"),
            ("december", "dec", "dezember", "dez", "diciembre", "décembre"),
        ),
        start=1,
    )
    for name in names
}
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DATES = (
    re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?:T[\d:.]+Z?)?"),
    re.compile(r"(?P<d>\d{2})\.(?P<m>\d{2})\.(?P<y>\d{4})"),
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?(?: of| de)? (?P<m>{_MONTH})\b\.?,?(?: de)? (?P<y>\d{{4}})",
        re.IGNORECASE,
    ),
    re.compile(rf"\b(?P<m>{_MONTH})\b\.? (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})", re.IGNORECASE),
)
_MASKED = re.compile(
    r"\[\d+\]|^\s*\d+[.)]\s|S&P ?500|SP500|\b(?:RSI|SMA|EMA|ATR|ADX)[ _-]?\(?\d+\)?"
    r"|\b\d+[- ](?:day|week|month|session|year)s?\b"
    rf"|\b10-?[KQ]\b|\b\d{{4}}-\d{{2}}\b|\bQ[1-4]\b|\b(?:{_MONTH})\b\.? \d{{4}}\b|\b\d{{1,2}}\.? (?:{_MONTH})\b"
    rf"|\bVaR \d+ ?%|\b(?:in|of|im|en|during|for|year) (?:19|20)\d{{2}}\b",
    re.IGNORECASE | re.MULTILINE,
)
_CURRENCIES = {"$": "USD", "US$": "USD", "€": "EUR", "₹": "INR", "Rs": "INR", "USD": "USD", "EUR": "EUR", "INR": "INR"}
_CURRENCY = "|".join(re.escape(each) for each in sorted(_CURRENCIES, key=len, reverse=True))
_WORDS = "dollars?|euros?|rupees?"
_SCALES = {
    "k": 1e3,
    "thousand": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "millions": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "billion": 1e9,
}
_NUMBER = re.compile(
    rf"(?P<sign>[-+−–])?(?P<before>{_CURRENCY})?\s?(?P<late>[-+−–])?"
    r"(?P<digits>\d{1,3}(?: \d{3})+,\d{1,2}(?!\d)"
    r"|\d{1,3}(?:[,.'’\u00a0\u202f\u2009]\d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
    r"(?:[ \u00a0\u202f]?(?P<percent>%|per ?cent\b|percent\b|pct\b))?"
    r"(?:[ \u00a0\u202f]?(?P<scale>thousand|millions?|billion|bn|mn|[kmb])\b)?"
    rf"(?:[ \u00a0\u202f]?(?P<after>(?:{_CURRENCY})(?!\w)|(?:{_WORDS})\b))?",
    re.IGNORECASE,
)
_COUNTS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNT = re.compile(r"\b(" + "|".join(_COUNTS) + r")\b", re.IGNORECASE)
_FALLING = (
    r"fell|fall(?:en|ing)?|los[st]|losses|loss|losing|down|declin\w+|dropp?\w*|drawdown|below|negative|minus"
    r"|decreas\w+|lower"
)
_BEFORE = re.compile(rf"\b(?:{_FALLING})\b[^.;|\n]{{0,60}}$", re.IGNORECASE)
_JUST_BEFORE = re.compile(
    r"\b(?:fell|lost|loss of|down|declined|dropped|minus|a loss)(?: by| of| about| some)?\s*$", re.IGNORECASE
)
_AFTER = re.compile(rf"^[^.;|\n\d]{{0,30}}\b(?:{_FALLING}|under)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as a text tells it."""

    start: int
    end: int
    value: float
    """With its scale, and below 0 where a minus stands before it; per cent as it is written."""
    is_percent: bool
    is_whole: bool
    """Whether it is written without decimals."""
    currency: str
    is_falling: bool
    """Whether a word around it says that it is a loss or fall."""
    is_surely_falling: bool
    """Whether such a word stands right before it."""
    scale: float = 1.0
    """By what its digits were multiplied, for `million` and the like."""
    last_digit: float = 1.0
    """What its last digit stands for: 0.01 of 1.27, 1e7 of 12.51 billion."""


def dates(text: str) -> list[date]:
    """Every full date of a text."""
    return [day for _, _, day in _dates(text)]


def numbers(text: str) -> list[Number]:
    """Every number of a text that is no part of a date, a citation or a name such as `200-day` or `S&P 500`."""
    masked = list(text)
    for start, end, _ in _dates(text):
        masked[start:end] = " " * (end - start)
    plain = _MASKED.sub(lambda found: " " * len(found.group()), "".join(masked))
    found = [_number(plain, match) for match in _NUMBER.finditer(plain) if _stands_alone(plain, match)]
    for match in _COUNT.finditer(plain):
        value = float(_COUNTS.index(match.group().lower()))
        found.append(Number(match.start(), match.end(), value, False, True, "", False, False))
    return sorted(found, key=lambda each: each.start)


def _dates(text: str) -> Iterator[tuple[int, int, date]]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            month = match["m"].lower()
            try:
                day = date(int(match["y"]), MONTHS.get(month) or int(month), int(match["d"]))
            except ValueError:
                continue
            yield match.start(), match.end(), day


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether it is no part of a word such as `Q1` or `1A`; `1.5x` is a number."""
    begin, end = match.start("digits"), match.end()
    is_begun = begin > 0 and text[begin - 1].isalpha() and match["before"] is None
    is_going_on = end == match.end("digits") and text[end : end + 1].isalpha() and text[end] not in "xX"
    return not (is_begun or is_going_on)


def _number(text: str, match: re.Match[str]) -> Number:
    digits = match["digits"]
    scale = _SCALES.get((match["scale"] or "").lower(), 1.0)
    plain_digits = _plain(digits)
    value = float(plain_digits) * scale
    is_minus = (match["sign"] or match["late"] or "+") in "-−–" and not _is_range(text, match)
    before, after = text[: match.start()], text[match.end() :]
    return Number(
        start=match.start("digits"),
        end=match.end(),
        value=-value if is_minus else value,
        is_percent=match["percent"] is not None,
        is_whole=value == int(value) and "." not in plain_digits,
        currency=_currency(match["before"] or match["after"] or ""),
        is_falling=bool(_BEFORE.search(before[-100:]) or _AFTER.match(after[:60])),
        is_surely_falling=bool(_JUST_BEFORE.search(before[-40:])),
        scale=scale,
        last_digit=scale * 10.0 ** -len(plain_digits.partition(".")[2]),
    )


def _is_range(text: str, match: re.Match[str]) -> bool:
    """Whether its minus stands between two numbers, as in `10–20`."""
    return match.start() > 0 and text[match.start() - 1].isdigit()


def _plain(digits: str) -> str:
    """The digits with a point for decimals, and nothing between thousands."""
    bare = re.sub(r"['’\u00a0\u202f\u2009 ]", "", digits)
    if re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,}|\d+,\d{1,2}|\d+,\d{4,}", bare):
        bare = bare.replace(".", "").replace(",", ".")
    return bare.replace(",", "")


def _currency(told: str) -> str:
    if told.lower().startswith(("dollar", "euro", "rupee")):
        return {"d": "USD", "e": "EUR", "r": "INR"}[told[0].lower()]
    return next((code for name, code in _CURRENCIES.items() if name.lower() == told.lower()), "")
