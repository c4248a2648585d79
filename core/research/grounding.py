"""Which numbers of an answer are figures that its steps returned.

A number is verified by a figure that it equals, after rounding or scaling, if what the text says of it fits: the
entity that is named, the measure, the day or window, the currency and the sign. What a sentence leaves out is taken
from its table, its heading, or the sentences before it; where nothing is said, only a figure that can be nothing else
verifies a number. In doubt it is unverified.

A date in full is verified where a figure beside it is of that day, or where a step looked at that day. Names with
digits, citations, numbering and spans of time are no figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from math import isclose
from typing import TypeVar

from core.ai.evidence import Evidence, Figure, Mark, Step
from core.ai.numbers import MAX_TEXT_CHARS, Kind, WrittenNumber
from core.research.grounding_dates import Atom, Dated, Time, agrees
from core.research.grounding_doubts import FAR, Told, course, doubt
from core.research.grounding_layout import Place, Span
from core.research.grounding_page import Page
from core.research.grounding_readings import Meaning, Reader, Subject
from core.research.grounding_values import FigureIndex, Match, currencies_of, other_currency, sign_fits
from core.research.measures import Measures

ALONE_DIGITS = 3
"""Significant digits that a number needs of which nothing is said."""
NAMED_DIGITS = 2
"""Significant digits that a rounded number needs whose entity or measure is not named beside it."""
RECENT_DAYS = 4
"""So many days before the newest a window may end that is said to go on until now."""
RESULT = "result"
"""Measure of what was computed."""

_LEVELS = frozenset({"last_price", "close", "open", "high", "low", "highest_close", "lowest_close"})
"""Prices that are one and the same where they are equal."""
_PERIODS = frozenset({"month_return", "year_return"})
"""Measures of which there are many windows: a text has to say which."""
_AGAINST_BENCHMARK = frozenset({"excess_return", "beta", "alpha", "r_squared"})
_UNREALISED = frozenset({"unrealised", "unrealised_share"})
_WHOLE = frozenset({"performance", "risk", "transactions", "holdings"})
"""Tools that look at everything where no window is asked for."""
_MOVES = frozenset({"lost", "gained", "up", "down", "gain", "loss", "verlor", "gewann"})
_FALL = re.compile(r"\b(?:drawdown|peak|trough|slump|R[üu]ckgang)", re.IGNORECASE)
_START = re.compile(r"\b(?:from|start(?:ed|ing)?|began|beginning|initial|opened)\b[^.;\n]{0,30}\Z", re.IGNORECASE)
_AS_OF = re.compile(
    r"\b(?:as\sof|at|by|through|up\sto|until|to|per|ending|ended|on\sthe\sclose\sof|zum|stand|au|close\sof|end\sof)\s(?:the\s)?\Z",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"\b(?:as\sof|from|since|between|and|to|until|through|by|up\sto|of|till|per|dated|window|von|bis|seit|zum|du|au|depuis|on|at|is)"
    r"\s(?:the\s)?\Z|[(:–—-]\s?\Z",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r"\b(?:as\sof|from|since|between|and|to|until|through|up\sto|till|von|bis|seit|zum|au|depuis)\s(?:the\s)?\Z|[–—-]\s?\Z",
    re.IGNORECASE,
)
_BEHIND = re.compile(
    r"\b(?:behind|trail\w*|lag\w*|underperform\w*|worse|less|below|fell\sshort|hinter|unter)\b", re.IGNORECASE
)
_EVENT = re.compile(
    r"\b(?:peak|trough|bottom|top|recover|high|low|best|worst|highest|lowest|filed|published|filing|announc|earnings|dividend|split|held|founded|"
    r"launched|resign|appoint|upgrade|downgrade|in\syour\sportfolio|next|bought|sold|paid|started|began|ended|"
    r"hit|reached|crossed)",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\b(?:sessions?|data|bars?|prices?|clos(?:e|es|ed|ing)|window|traded|trading|figures?|values?|quotes?|valued|worth)\b",
    re.IGNORECASE,
)
"""Words of a sentence that says of what day its figures are."""
_NEGATED = re.compile(r"(?:\bnot|n['’]t|\bnever|\bnicht|\bkein\w*|\bpas)\s[-+−$€£]?\Z", re.IGNORECASE)
_EVENTS = ("peak_day", "trough_day", "recovered_day", "filed_day", "period_end")

_Judged = tuple[Place, WrittenNumber, Mark | None, Figure | None]
"""A number, its mark, and the figure that it is."""
Placed = TypeVar("Placed", WrittenNumber, Atom)


def marks(text: str, evidence: Evidence, measures: Measures) -> tuple[Mark, ...]:
    """The numbers in an answer's text, from left to right, each verified by a figure or not.

    Args:
        text: the answer, of which `MAX_TEXT_CHARS` characters are looked at.
        evidence: what its steps returned; its own marks are not looked at.
        measures: what figures may be of.
    """
    return _Judge(text[:MAX_TEXT_CHARS], evidence, measures).marks()


@dataclass(frozen=True, slots=True)
class _When:
    """What is said of the time of a number."""

    place: Place
    time: Time | None
    """Of its sentence, its row, its column, or what it stands under."""
    earlier: Time | None
    """Of a sentence before it."""
    is_of_fall: bool
    """Whether a fall is spoken of, which has a window of its own."""


class _Judge:
    """Judges the numbers of one text."""

    def __init__(self, text: str, evidence: Evidence, measures: Measures) -> None:
        self._page = Page(text, evidence, measures)
        self._reader = Reader(self._page, measures)
        self._measures = measures
        self._evidence = evidence
        self._index = FigureIndex(figure for figure in evidence.figures if figure.unit != "date")
        self._steps = {step.number: step for step in evidence.steps}
        self._latest: dict[tuple[str, str], date] = {}
        self._widest: dict[tuple[str, str], date] = {}
        self._earliest: dict[tuple[str, str, int], date] = {}
        self._currencies: dict[str, set[str]] = {}
        self._peaks = {each.day for each in evidence.figures if each.measure == "peak_day"}
        self._troughs = {each.day for each in evidence.figures if each.measure == "trough_day"}
        self._falls = {
            (each.first, each.day) for each in evidence.figures if each.measure == "max_drawdown" and each.first
        }
        for figure in evidence.figures:
            self._note(figure)
        self._newest = max([*self._latest.values(), *_as_of(evidence.steps)], default=date.min)

    def marks(self) -> tuple[Mark, ...]:
        """All marks, from left to right."""
        found: list[Mark] = []
        beside: dict[Span, list[Figure]] = {}
        judged = [
            (place, number, *self._judged(number, place))
            for place, number in _placed(self._page.places, self._page.numbers)
        ]
        wrong = {each for pair in pairwise(judged) if self._is_course_wrong(*pair) for each in (pair[0][1], pair[1][1])}
        for place, number, mark, figure in judged:
            if number in wrong:
                words = "The sentence tells another course."
                found.append(Mark(start=number.start, end=number.end, is_verified=False, words=words))
                continue
            if mark is not None:
                found.append(mark)
            if figure is None:
                continue
            spans = [(place.start, place.end), *place.row, *([place.header] if place.header else []), *place.leads]
            for span in spans:
                beside.setdefault(span, []).append(figure)
        days = [atom for atom in self._page.atoms if atom.kind in ("day", "window")]
        for place, atom in _placed(self._page.places, days):
            found.append(self._date_mark(atom, place, beside.get((place.start, place.end), [])))
        return tuple(sorted(found, key=lambda mark: mark.start))

    def _is_course_wrong(self, one: _Judged, two: _Judged) -> bool:
        """Whether two numbers tell from where to where something went, and it did not."""
        place, number, _, figure = one
        other, other_figure = two[1], two[3]
        if place is not two[0] or self._is_levelless(figure) or self._is_levelless(other_figure):
            return False
        text = self._page.text
        told = course(text[max(place.start, number.start - FAR) : number.start], text[number.end : other.start])
        if not told.is_one:
            return False
        if figure is None or other_figure is None or figure.day is None or other_figure.day is None:
            return True
        if (figure.entity, figure.measure) != (other_figure.entity, other_figure.measure):
            return False
        begun, ended = (other_figure, figure) if told.is_reversed else (figure, other_figure)
        days = (begun.day or date.min) > (ended.day or date.min)
        return days or (ended.value - begun.value) * told.way < 0

    def _is_levelless(self, figure: Figure | None) -> bool:
        """Whether it is of a window, so that it goes from nowhere to nowhere."""
        return figure is not None and (figure.first is not None or figure.unit in ("date", "fraction"))

    def _note(self, figure: Figure) -> None:
        """Takes down the newest day of its measure, the widest window up to it, and the earliest day of its step."""
        if figure.currency:
            self._currencies.setdefault(figure.entity, set()).add(figure.currency)
        if figure.day is None:
            return
        key = (figure.entity, figure.measure)
        if figure.day > self._latest.get(key, date.min):
            self._latest[key] = figure.day
            self._widest.pop(key, None)
        if figure.day == self._latest[key] and figure.first is not None:
            self._widest[key] = min(figure.first, self._widest.get(key, date.max))
        begun = (*key, figure.step)
        self._earliest[begun] = min(figure.day, self._earliest.get(begun, date.max))

    # Numbers

    def _judged(self, number: WrittenNumber, place: Place) -> tuple[Mark | None, Figure | None]:
        """The mark of a number, and the figure that it is; no mark where it is only part of a name."""
        kinds = self._reader.kinds_of(number, place)
        found = self._found(number, kinds, place)
        if isinstance(found, Figure):
            return Mark(
                start=number.start, end=number.end, is_verified=True, step=found.step or None, words=self._told(found)
            ), found
        if self._page.is_context(number) or (number.may_be_year and kinds == ("plain",)):
            return None, None
        return Mark(start=number.start, end=number.end, is_verified=False, words=found), None

    def _found(self, number: WrittenNumber, kinds: tuple[Kind, ...], place: Place) -> Figure | str:
        """The figure that a number is, or why it is none."""
        if _NEGATED.search(self._page.text[max(0, number.start - 20) : number.start]):
            return "The sentence says that it is not this."
        named = currencies_of(self._page.text[number.start : number.end]) or (
            currencies_of(self._page.text[slice(*place.header)]) if place.header else frozenset()
        )
        if other_currency(self._page.text, number):
            return "Returned in another currency."
        matches = self._index.matches(number, kinds)
        if not matches:
            return "No step returned this."
        matches = [each for each in matches if not named or each.figure.currency in ("", *named)]
        if not matches:
            return "Returned in another currency."
        meaning = self._reader.meaning(number, place)
        subject = self._reader.subject(number, place, meaning)
        return self._narrowed(number, place, matches, meaning, subject)

    def _narrowed(
        self, number: WrittenNumber, place: Place, matches: list[Match], meaning: Meaning, subject: Subject
    ) -> Figure | str:
        """The figure that fits in all that is said, or the first thing in which none does."""
        of_subject = [each for each in matches if self._is_of(each.figure, subject)]
        if not of_subject:
            others = ", ".join(sorted({each.figure.entity for each in matches})[:3])
            return f"Returned for {others}, not for {subject.words or 'another'}."
        if subject.keys is None and len({each.figure.entity for each in of_subject}) > 1:
            return "Returned for several, and nobody is named."
        measured = [each for each in of_subject if self._is_measured(each.figure, meaning)]
        if not measured:
            others = ", ".join(sorted({self._label(each.figure) for each in of_subject})[:3])
            return f"Returned as {others}, not as {meaning.words}."
        signed = [each for each in measured if self._has_sign(each.figure, number, place)]
        if not signed:
            return "Returned with the other sign."
        when = self._when(number, place)
        dated = [each for each in signed if self._is_of_time(each.figure, number, when)]
        if not dated:
            return f"Returned of another day or window: {self._told(signed[0].figure)}."
        doubts = [self._doubt(each.figure, number, place, meaning) for each in dated]
        if all(doubts):
            return doubts[0]
        dated = [each for each, doubted in zip(dated, doubts, strict=True) if not doubted]
        sure = [each for each in dated if self._is_sure(each, number, meaning, subject)]
        if meaning.keys is None and len({self._family(each.figure) for each in sure}) > 1:
            return "Returned as several things, and none is named."
        return sure[0].figure if sure else "Too few digits to tell which figure it is."

    def _is_of(self, figure: Figure, subject: Subject) -> bool:
        if subject.keys is None:
            return True
        if figure.measure == RESULT and subject.keys:
            return True
        return figure.entity in subject.keys

    def _is_measured(self, figure: Figure, meaning: Meaning) -> bool:
        if meaning.keys is None:
            return not self._is_vague(figure)
        if figure.measure not in meaning.keys:
            return False
        return not self._is_vague(figure) or self._is_labelled(figure, meaning)

    def _is_vague(self, figure: Figure) -> bool:
        measure = self._measures.get(figure.measure)
        return measure is None or measure.is_vague

    def _is_labelled(self, figure: Figure, meaning: Meaning) -> bool:
        """Whether the table of its step has the figure in a row, or a column, that is called by the text's words."""
        step = self._steps.get(figure.step)
        if step is None or step.table is None:
            return False
        words = meaning.words.casefold()
        for row in step.table.rows:
            for name, cell in zip(step.table.columns, row, strict=False):
                if isinstance(cell, int | float) and isclose(cell, figure.value, rel_tol=1e-6):
                    labels = (str(row[0]).casefold(), name.casefold())
                    if any(words in label or label in words for label in labels):
                        return True
        return False

    def _has_sign(self, figure: Figure, number: WrittenNumber, place: Place) -> bool:
        measure = self._measures.get(figure.measure)
        is_gap = measure is not None and measure.is_two_sided and measure.sign == "change" and figure.measure != RESULT
        if is_gap and _BEHIND.search(self._page.text, place.start, place.end):
            return figure.value <= 0
        return sign_fits(figure, measure.sign if measure else "change", number, self._page.blank)

    def _is_sure(self, match: Match, number: WrittenNumber, meaning: Meaning, subject: Subject) -> bool:
        """Whether so much is said, or written, that it can be no other figure by accident."""
        if meaning.keys is None:
            return number.significant >= ALONE_DIGITS
        if match.is_exact and number.significant >= 1:
            return True
        return number.significant >= (1 if subject.is_near else NAMED_DIGITS) or (match.is_exact and subject.is_near)

    def _doubt(self, figure: Figure, number: WrittenNumber, place: Place, meaning: Meaning) -> str:
        """Why the sentence does not say that the number is this figure; empty where it may."""
        measure = self._measures.get(figure.measure)
        if figure.measure in _AGAINST_BENCHMARK and self._reader.is_against_another(place):
            return "It is against the benchmark."
        if figure.measure in _UNREALISED and meaning.words.lower() in _MOVES and self._is_of_period(number, place):
            return "It is since the purchase."
        latest = self._latest.get((figure.entity, figure.measure))
        return doubt(
            Told(self._page.text, number, place),
            figure,
            measure,
            frozenset(self._currencies.get(figure.entity, ())),
            is_fall=figure.first in self._peaks and figure.day in self._troughs,
            is_newest=figure.day == latest and self._earliest_of(figure) != latest,
        )

    def _earliest_of(self, figure: Figure) -> date | None:
        return self._earliest.get((figure.entity, figure.measure, figure.step))

    def _is_of_period(self, number: WrittenNumber, place: Place) -> bool:
        time = self._reader.time(number, place) or self._reader.lead_time(place)
        return time is not None and time.kind not in ("day", "now", "all")

    def _family(self, figure: Figure) -> str:
        return "price" if figure.measure in _LEVELS else figure.measure

    # Days and windows

    def _when(self, number: WrittenNumber, place: Place) -> _When:
        time = self._reader.time(number, place) or self._reader.lead_time(place)
        earlier = None if time is not None else self._reader.earlier_time(place)
        return _When(place, time, earlier, bool(self._falls) and self._reader.has_words(place, _FALL))

    def _is_of_time(self, figure: Figure, number: WrittenNumber, when: _When) -> bool:
        if figure.day is None:
            return True
        dated = self._dated(figure, figure.day)
        if when.time is not None:
            return self._agrees(when.time, dated, figure, when.place)
        return (when.earlier is not None and agrees(when.earlier, dated)) or self._is_newest(figure, number, when)

    def _dated(self, figure: Figure, day: date) -> Dated:
        measure = self._measures.get(figure.measure)
        latest = self._latest.get((figure.entity, figure.measure), day)
        is_recent = (self._newest - latest).days <= RECENT_DAYS
        return Dated(day, figure.first, measure is None or measure.is_flow, latest if is_recent else self._newest)

    def _agrees(self, time: Time, dated: Dated, figure: Figure, place: Place) -> bool:
        """Whether a figure is of the time that is named; "as of" a day says where a window ends, and no more."""
        if time.kind == "all" and figure.first is not None:
            return agrees(time, dated) and self._is_whole(figure)
        if time.kind != "day" or figure.first is None or figure.first == figure.day:
            return agrees(time, dated)
        before = self._page.text[max(0, time.start - 24) : time.start]
        if not agrees(time, dated) or not _AS_OF.search(before):
            return False
        others = [each for each in self._reader.other_times(time, place) if each.kind != "day"]
        if others:
            return any(agrees(each, dated) for each in others)
        return self._is_widest(figure)

    def _is_newest(self, figure: Figure, number: WrittenNumber, when: _When) -> bool:
        """Whether it is what is meant where no time is named: the newest, of the whole window."""
        if when.is_of_fall and (figure.first, figure.day) in self._falls:
            return True
        if figure.measure in _PERIODS:
            return False
        if figure.day != self._latest.get((figure.entity, figure.measure)):
            begun = figure.day == self._earliest.get((figure.entity, figure.measure, figure.step))
            before = self._page.text[max(when.place.start, number.start - 40) : number.start]
            return begun and bool(_START.search(before))
        return self._is_widest(figure)

    def _is_whole(self, figure: Figure) -> bool:
        """Whether its step looked at all that there is."""
        step = self._steps.get(figure.step)
        if step is None or step.tool not in _WHOLE:
            return False
        return step.arguments.get("first") is None and step.arguments.get("period") in (None, "all", "max")

    def _is_widest(self, figure: Figure) -> bool:
        widest = self._widest.get((figure.entity, figure.measure))
        return figure.first is None or widest is None or figure.first == widest

    # Dates

    def _date_mark(self, atom: Atom, place: Place, beside: Sequence[Figure]) -> Mark:
        figure = next((each for each in beside if _is_bound(atom, each)), None)
        if figure is not None:
            return self._date(atom, figure.step, f"The day of {self._told(figure)}")
        step = self._looked_at(atom, place)
        if step is None:
            return Mark(start=atom.start, end=atom.end, is_verified=False, words="No step returned this day for it.")
        return self._date(atom, step, f"A day that step {step} looked at")

    def _looked_at(self, atom: Atom, place: Place) -> int | None:
        """The step that returned a day, where the text says no more than that."""
        before = self._page.text[max(0, atom.start - 20) : atom.start]
        said = self._page.text[place.start : place.end]
        if any(not mention.keys for mention in self._page.within(self._page.mentions, (place.start, place.end))):
            return None
        if self._page.within(self._page.numbers, (place.start, place.end)) and not _WINDOW.search(before):
            return None
        if self._is_event(said, before, atom, place):
            return self._event(atom, place)
        if not _BOUND.search(before) and said.strip(" *_-\t") != self._page.text[atom.start : atom.end]:
            return None
        for figure in self._evidence.figures:
            if _is_bound(atom, figure) and figure.step:
                return figure.step
        for step in self._evidence.steps:
            if atom.kind == "day" and any(atom.is_of(day) for day in _as_of([step])):
                return step.number
        return None

    def _is_of_fall(self, atom: Atom, place: Place) -> bool:
        """Whether the window that a day bounds is that of a fall, where a fall is spoken of."""
        times = self._page.within(self._page.times, (place.start, place.end))
        window = next((each for each in times if each.start <= atom.start and atom.end <= each.end), None)
        if window is None or window.kind != "window" or not self._falls:
            return True
        return any((window.first, window.last) == fall or not window.has_year for fall in self._falls)

    def _is_event(self, said: str, before: str, atom: Atom, place: Place) -> bool:
        """Whether a sentence tells that something happened on a day, and not what its figures are of."""
        if _EVENT.search(said) or (_FALL.search(said) and not self._is_of_fall(atom, place)):
            return True
        is_on = before.lower().endswith((" on ", "on the "))
        return is_on and not said.rstrip(" *_").endswith(":") and not _DATA.search(said)

    def _event(self, atom: Atom, place: Place) -> int | None:
        """The step that returned a day as that of what the text tells."""
        phrases = self._page.within(self._page.phrases, (place.start, place.end))
        keys = {key for phrase in phrases for key in phrase.keys} & set(_EVENTS)
        mentions = self._page.within(self._page.mentions, (place.start, place.end))
        entities = {key for mention in mentions for key in mention.keys}
        for figure in self._evidence.figures:
            fits = figure.unit == "date" and figure.measure in keys and (not mentions or figure.entity in entities)
            if fits and atom.kind == "day" and atom.is_of(date.fromordinal(int(figure.value))):
                return figure.step or None
        return None

    def _date(self, atom: Atom, step: int, words: str) -> Mark:
        return Mark(start=atom.start, end=atom.end, is_verified=True, step=step or None, words=words)

    # Words

    def _label(self, figure: Figure) -> str:
        measure = self._measures.get(figure.measure)
        return measure.label if measure is not None else figure.measure.replace("_", " ")

    def _told(self, figure: Figure) -> str:
        """A figure in words: AAPL close on 2024-03-01: 179.66, step 2."""
        if figure.first is not None and figure.day is not None:
            when = f" from {figure.first} to {figure.day}"
        else:
            when = "" if figure.day is None else f" on {figure.day}"
        value = f"{figure.value * 100:.6g} %" if figure.unit == "fraction" else f"{figure.value:,.10g}"
        currency = f" {figure.currency}" if figure.currency else ""
        step = f", step {figure.step}" if figure.step else ""
        return f"{figure.entity} {self._label(figure)}{when}: {value}{currency}{step}"


def _placed(places: Sequence[Place], of: Sequence[Placed]) -> Iterator[tuple[Place, Placed]]:
    """What stands in each place, from left to right."""
    at = 0
    for place in places:
        while at < len(of) and of[at].start < place.end:
            if of[at].start >= place.start:
                yield place, of[at]
            at += 1


def _is_bound(atom: Atom, figure: Figure) -> bool:
    if atom.kind == "window":
        bounds = (figure.first, figure.day)
        return None not in bounds and all(
            day is not None and (day.month, day.day) == (end.month, end.day) and (day == end or not atom.has_year)
            for day, end in zip(bounds, (atom.first, atom.last), strict=True)
        )
    return any(day is not None and atom.is_of(day) for day in (figure.day, figure.first))


def _as_of(steps: Sequence[Step]) -> list[date]:
    """The days that steps' sources are of."""
    moments = (step.source.as_of for step in steps if step.source is not None and step.source.as_of is not None)
    return [moment.date() if isinstance(moment, datetime) else moment for moment in moments]
