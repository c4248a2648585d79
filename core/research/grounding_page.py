"""An answer's text as it is read for its figures: its numbers, dates, names, and words that name measures."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from core.ai.evidence import Evidence
from core.ai.number_names import BLANK, without_names
from core.ai.numbers import WrittenNumber, numbers_in
from core.research.grounding_dates import Atom, Time, atoms_in, times_in
from core.research.grounding_layout import Span, places_of
from core.research.grounding_names import Mention, Names
from core.research.measures import Measures, Phrase

MAX_NUMBERS = 2_000
"""Numbers of one text that are looked at."""

_COMMA_DECIMAL = re.compile(
    r"(?<![\w.,])(?:[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,6}|[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+,[0-9]{1,6}"
    r"|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,6}))(?![\w,.]{0,3}[0-9])"
)
_POINT_DECIMAL = re.compile(r"(?<![\w.,])[0-9][0-9,]*\.(?:[0-9]{1,2}|[0-9]{4,12})(?![0-9.])")
_GROUPED = re.compile(r"(?<![\w.,])[0-9]{1,3}(?:\.[0-9]{3})+(?![\w,.]{0,3}[0-9])")
_PLAIN_SPACE = re.compile(r"(?<=[0-9]) (?=[0-9]{3}(?:[ ,]|\b))")
_DAYS = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}")
_SWAP = str.maketrans(".,", ",.")
_NO_FIGURES = re.compile(
    r"\[[0-9]{1,2}(?:\s?[,;–-]\s?[0-9]{1,2}){0,11}\](?!\()"
    r"|\]\([^)\s]{1,500}\)|https?://[^\s)\]]{1,500}"
    r"|(?<![\w.,])(?:10-[KQD](?:/A)?|8-K(?:/A)?|20-F|40-F|6-K|11-K|13[FDG](?:-HR)?|S-[0-9]+|DEF\s14A|[0-9]{10}-[0-9]{2}-[0-9]{6})(?!\w)"
    r"|(?<![\w.,])9[059](?:\.[0-9])?\s?%\s(?:confidence|interval|Wilson|VaR|CVaR|value\sat\srisk|level|certainty|Konfidenz)"
    r"|\b(?:VaR|CVaR|value\sat\srisk|shortfall|interval|confidence)\s?[(,]?\s?(?:at\s)?9[059]\s?%"
    r"|`[^`\n]{1,200}`(?=\()"
)
_SPAN = re.compile(
    r"(?<![\w.,$€£₹+-])(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,6})\s(?:trading\s|calendar\s|business\s|daily\s|consecutive\s|full\s|more\s)?"
    r"(?:sessions?|days?|weeks?|months?|years?|bars?|Tage?n?|Handelstagen?)\b(?![-\s](?:average|high|low|moving|mean|SMA|EMA|RSI|range|return))"
)
_CONTEXT = re.compile(
    r"\b(?:last|past|previous|prior|next|every|trailing|over|within|in|for|during|of|about|around|least|most|than|after|letzten"
    r"|vergangenen|derni[eè]rs|über|in\sden|n)\s(?:the\s|a\s)?\Z",
    re.IGNORECASE,
)
_NO_YEAR = re.compile(r"(?:\b(?:at|was|is|worth|hold|holds|held|own|owns|reached|bought|sold)|[=$€£])\s?\Z")

_PORTFOLIO_WEIGHT = re.compile(r"\s(?:weight|allocation|share)\b")
Spanned = TypeVar("Spanned", Phrase, Mention, Time, Atom, WrittenNumber)


class Page:
    """A text that is read once."""

    def __init__(self, text: str, evidence: Evidence, measures: Measures) -> None:
        self.text = with_points(text)
        self.places = places_of(self.text)
        phrases = list(measures.phrases_in(self.text))
        self.atoms = [each for each in atoms_in(self.text) if not self._is_number(each)]
        self.times = times_in(self.text, self.atoms)
        dates = [(each.start, each.end) for each in self.times]
        names = Names(evidence.entities, (figure.entity for figure in evidence.figures))
        covered = [
            each
            for each in phrases
            if not _overlaps(dates, each.start, each.end) or any(character.isdigit() for character in each.words)
        ]
        self.benchmark = frozenset(
            each.key for each in evidence.entities if any("benchmark" in name.lower() for name in each.names)
        )
        self.mentions = names.mentions_in(self.text, covered, dates)
        self.phrases = _without_names(covered, self.mentions, self.text)
        self.mentions = _without_weights(self.mentions, self.phrases, self.text)
        self.blank = self._blanked(dates)
        self.spans = self._spans_of_time()
        self._span_starts = {each.start for each in self.spans}
        others = islice(numbers_in(without_names(self.blank, ())), MAX_NUMBERS)
        self.numbers = sorted([*others, *self.spans], key=lambda each: each.start)[:MAX_NUMBERS]
        self._starts: dict[int, list[int]] = {}

    def within(self, of: Sequence[Spanned], span: Span) -> list[Spanned]:
        """Those that lie in a span of the text, from left to right."""
        starts = self._starts.setdefault(id(of), [])
        if len(starts) != len(of):
            starts[:] = [each.start for each in of]
        found = of[bisect_left(starts, span[0]) : bisect_left(starts, span[1])]
        return [each for each in found if each.end <= span[1]]

    def _is_number(self, atom: Atom) -> bool:
        """Whether what looks like a year stands where a figure does."""
        return atom.kind == "year" and bool(_NO_YEAR.search(self.text[max(0, atom.start - 8) : atom.start]))

    def _blanked(self, dates: Iterable[Span]) -> str:
        """The text with blanks for what is no figure."""
        held = list(self.text)
        named = [(each.start, each.end) for each in self.mentions]
        named += [(each.start, each.end) for each in self.phrases]
        digits = [span for span in named if any(each.isdigit() for each in self.text[slice(*span)])]
        hidden = [found.span() for found in _NO_FIGURES.finditer(self.text)]
        for start, end in (*dates, *digits, *hidden):
            held[start:end] = BLANK * (end - start)
        return "".join(held)

    def _spans_of_time(self) -> list[WrittenNumber]:
        """Numbers of days and the like, which are names where they only say how long something is looked at."""
        found = []
        for match in islice(_SPAN.finditer(self.blank), MAX_NUMBERS):
            digits = match["digits"].replace(",", "")
            one = next(numbers_in(match["digits"]), None)
            if one is not None and len(digits) <= 6:
                found.append(replace(one, start=match.start("digits"), end=match.end("digits"), may_be_year=False))
        return found

    def is_context(self, number: WrittenNumber) -> bool:
        """Whether a span of time only says how long something is looked at."""
        return number.start in self._span_starts and bool(
            _CONTEXT.search(self.text[max(0, number.start - 24) : number.start])
        )


def with_points(text: str) -> str:
    """A text of the same length in which decimals stand after a point, as English writes them.

    Commas are taken for that only where they can be nothing else, and all over the text only where no number
    has decimals after a point.
    """
    commas = len(_COMMA_DECIMAL.findall(text))
    if not commas:
        return text
    swapped = _COMMA_DECIMAL.sub(lambda found: _swapped(found.group()), text)
    if len(_POINT_DECIMAL.findall(_DAYS.sub("", text))) >= commas:
        return swapped
    return _GROUPED.sub(lambda found: found.group().replace(".", ","), swapped)


def _swapped(number: str) -> str:
    return _PLAIN_SPACE.sub("\u202f", number.translate(_SWAP))


def _overlaps(spans: Sequence[Span], start: int, end: int) -> bool:
    at = bisect_left(spans, (end, 0))
    return any(one < end and start < two for one, two in spans[max(0, at - 2) : at])


def _without_names(phrases: Sequence[Phrase], mentions: Sequence[Mention], text: str) -> list[Phrase]:
    """Phrases that are no part of a name; 'of your portfolio' stays where it follows a number."""
    spans = [(each.start, each.end) for each in mentions]
    return [each for each in phrases if not _overlaps(spans, each.start, each.end) or _is_weight(each, text)]


def _is_weight(phrase: Phrase, text: str) -> bool:
    begins = phrase.words.lower().startswith("of ")
    return begins and bool(
        re.search(r"(?:[0-9]|%|percent|Prozent)\s?\Z", text[max(0, phrase.start - 8) : phrase.start])
    )


def _without_weights(mentions: Sequence[Mention], phrases: Sequence[Phrase], text: str) -> list[Mention]:
    spans = [(each.start, each.end) for each in phrases if each.words.lower().startswith("of ")]
    return [
        each
        for each in mentions
        if not _overlaps(spans, each.start, each.end)
        and not (
            each.words == "portfolio"
            and _PORTFOLIO_WEIGHT.match(text, each.end)
            and text[each.start - 3 : each.start] in ("'s ", "’s ")
        )
    ]
