"""Digits in a text that are no figures: parts of names, spans of time, numbering, times, and dates."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

BLANK = "\0"
"""Stands in place of every character that is no figure's."""

_NO_WORD = r"(?<![\w.])"
_USUAL = r"(?:1|2|3|5|10|14|15|20|21|30|50|60|63|90|100|120|150|200|250|252|365)"
_PERIOD = r"(?:session|day|week|month|quarter|year|bar|candle|hour|minute)s?\b"
_SORT = r"(?:(?:trading|calendar|business|consecutive|straight|separate|full|daily|weekly)\s)?"
_INDICATOR = (
    r"(?:RSI|ADX|ATR|MACD|SMA|EMA|WMA|DMA|MA|CCI|MFI|ROC|Stochastics?|Bollinger(?:\sBands?)?|Donchian|Keltner|"
    r"Supertrend|Ichimoku)"
)
_INDEX = (
    r"(?:S&P|Nasdaq|Russell|Dow(?:\sJones)?|Nifty|FTSE|STOXX|Nikkei|CAC|DAX|CSI|ASX|Fortune|Wilshire|Euro\sStoxx|MSCI)"
)
_ALWAYS = [
    rf"\b{_INDICATOR}(?:\((?!0)[0-9]{{1,3}}|\s\({_USUAL}|\s?\([0-9.]{{1,4}}(?=\s?[,;]))(?:\s?[,;]\s?[0-9.]{{1,4}}){{0,5}}\s?\)",
    r"\b[A-Za-z]\w+\([0-9]+(?:\s?[,;]\s?[0-9.]+)*\)",
    r"\b(?:SMA|EMA|WMA|DMA|MA)\s[0-9]{1,3}(?![\w.%]|\s?%)",
    rf"{_NO_WORD}{_USUAL}\s(?:SMA|EMA|WMA|DMA|MA)\b",
    r"\b(?:RSI|ADX|ATR|CCI|MFI|ROC)\s[0-9]{1,2}(?=\s(?:is|was|at|of|near|reads|stands)\b|\s?[=:])",
    rf"\b{_INDEX}\s?[0-9]{{2,4}}\b(?!\.[0-9]|\s?%)",
    r"(?<![\w-])[A-Za-z]\w*[-\u2010\u2011][0-9]+(?:\.[0-9]+)?(?!\w|\.[0-9]|\s?%)",
    rf"(?<![\w./]){_USUAL}/{_USUAL}(?![\w/]|\.[0-9])",
    rf"(?<![\w.,$€£₹]){_USUAL}(?:\s?(?:,\s?and|,|and|or|&)\s?{_USUAL}){{0,5}}\s{_SORT}{_PERIOD}",
    rf"(?<![\w.,$€£₹])[0-9]{{1,4}}(?:\s?(?:-|–|to)\s?[0-9]{{1,4}})?\s{_SORT}{_PERIOD}",
    r"\b(?:No\.|[Ss]tep|[Ff]igure|[Tt]able|[Pp]hase|[Ss]tage|[Ww]ave)\s[0-9]+\b(?!\.[0-9]|\s?%)",
    r"^[ \t]*[0-9]{1,2}[.)](?=\s)",
    r"(?<![\w)])\([1-9]\)(?=\s[A-Za-z])",
    r"#[0-9]+",
    r"(?<![\w.:])[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?(?:\s?[AaPp]\.?[Mm]\b\.?)?(?![\w:]|\.[0-9])",
]
_NAMES = re.compile("|".join(_ALWAYS), re.MULTILINE)

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|"
    r"Nov(?:ember)?|Dec(?:ember)?)\.?"
)
_NTH = r"(?:st|nd|rd|th)?"
_DATES = re.compile(
    rf"{_NO_WORD}(?P<year>[0-9]{{4}})-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})(?:T[0-9:.]+Z?)?(?![\w-])"
    rf"|{_NO_WORD}(?P<day_2>[0-9]{{1,2}}){_NTH}\s(?:of\s)?(?P<month_2>{_MONTH})(?:,?\s(?P<year_2>[0-9]{{4}}))?(?!\w)"
    rf"|\b(?P<month_3>{_MONTH})\s(?P<day_3>[0-9]{{1,2}}){_NTH}(?:,?\s(?P<year_3>[0-9]{{4}}))?(?![\w%]|\.[0-9])"
    rf"|{_NO_WORD}(?P<first>[0-9]{{1,2}})/(?P<second>[0-9]{{1,2}})/(?P<year_4>[0-9]{{4}})(?![\w/])"
    rf"|\b{_MONTH}\s[0-9]{{4}}\b(?!\.[0-9])"
)


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """A date in a text."""

    start: int
    end: int
    month_days: tuple[tuple[int, int], ...]
    """Which it may be: where only numbers are written, the month or the day may come first."""
    year: int | None

    def is_of(self, day: date) -> bool:
        """Whether it may be that day."""
        return (day.month, day.day) in self.month_days and self.year in (None, day.year)


def dates_in(text: str) -> Iterator[WrittenDate]:
    """The dates in a text, from left to right."""
    for found in _DATES.finditer(text):
        part = found.groupdict()
        year = part["year"] or part["year_2"] or part["year_3"] or part["year_4"]
        word = part["month_2"] or part["month_3"]
        pairs: tuple[tuple[int, int], ...] = ()
        if part["first"]:
            first, second = int(part["first"]), int(part["second"])
            pairs = ((first, second), (second, first))
        elif word:
            pairs = ((_MONTHS.index(word[:3].lower()) + 1, int(part["day_2"] or part["day_3"])),)
        elif part["month"]:
            pairs = ((int(part["month"]), int(part["day"])),)
        yield WrittenDate(found.start(), found.end(), pairs, int(year) if year else None)


def without_names(text: str, terms: Collection[str]) -> str:
    """The text with blanks of the same length in place of names, dates, spans of time, numbering and times."""
    for pattern in (_terms(terms), _DATES, _NAMES):
        if pattern is not None:
            text = pattern.sub(_blank, text)
    return text


def _blank(found: re.Match[str]) -> str:
    return BLANK * len(found.group())


def _terms(terms: Collection[str]) -> re.Pattern[str] | None:
    """Names that hold digits; one of nothing but two or three digits would hide figures."""
    named = {term for term in terms if re.search("[0-9]", term) and (len(term) > 3 or re.search("[A-Za-z]", term))}
    if not named:
        return None
    longest_first = sorted(named, key=lambda term: (-len(term), term))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)
