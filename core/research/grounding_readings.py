"""What the words around a number say that it is: its measure, its entity and its time."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from core.ai.numbers import Kind, WrittenNumber
from core.research.grounding_dates import Time
from core.research.grounding_layout import Place, Span
from core.research.grounding_names import PORTFOLIO, Mention
from core.research.grounding_page import Page
from core.research.measures import Measure, Measures, Phrase

GENERIC = frozenset(
    {"value", "figure", "amount", "result", "number", "metric", "measure", "level", "reading", "quantity"}
)
"""Headers of columns that say nothing of what stands in them."""
REACH = 20
"""Characters behind a phrase within which a number of its own stands."""
MOST_SIGN_CHARS = 5
"""Characters that may stand between words and the digits of their number: a blank, a sign, a currency."""
CHANGES = "changed"
"""A phrase of every measure that a change may be."""

_AFTER = re.compile(r"\)?\**[\s-]?(?:(?:a|an|in|annual|annualised|annualized|total|net|daily)\s)?")
_IS_AFTER = re.compile(
    r"\)?\**(?:,\s(?:the|its|their)|\s(?:is|was|are|were|as|represents?|being|marks?|ist|war))\s(?:\w+['’]?s?\s){0,3}"
)
_LINK = re.compile(
    r"[\s:=(*|_~≈-]*(?:(?:of|was|is|are|were|at|by|to|about|around|stood|stands|equals?|reached|roughly|nearly|approximately|"
    r"just\sover|well\sover|just|only|almost|exactly|some|more\sthan|less\sthan|a|an|in|for|has|had|have|been|the|its|their|currently|now|came|comes|on|amounts?|amounted|you|it|lag|bei|war|"
    r"ist|von|um|beträgt|betrug|de|est|était|à)\s*[:=(*]*){0,5}[$€£₹]?"
)
_TO_LEVEL = re.compile(
    r"(?:\b(?:(?<!compared\s)(?<!relative\s)to|from|below|above|under|near|at|towards?|auf|bei|à|than)|→)\s?(?:[A-Z]{3}\s)?[$€£₹]?\Z",
    re.IGNORECASE,
)
_QUALIFIERS = re.compile(
    r"\b(highest|lowest|average|mean|median|maximum|max|minimum|min|previous|prior|target|adjusted|expected|implied|rolling|"
    r"forward|trailing|annualised|annualized|realised|realized|unrealised|unrealized|excess|relative|time-weighted|"
    r"money-weighted|best|worst|largest|smallest|deepest|first|opening|initial|idiosyncratic|downside|upside|stochastic|real|nominal|dividend|tax|after-tax|"
    r"systematic|conditional|active|second|third|second-largest|second-deepest|next|weekly|daily|monthly|quarterly|"
    r"yearly|hourly|intraday|overnight)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;:()\n|–—]|\b(?:and|while|whereas|but|versus|vs|compared|than|against|or|with|und|aber|während|gegenüber|et|mais)\b"
)
_COMPARED = re.compile(
    r"\b(?:not|unlike|rather\sthan|instead\sof|except|excluding|without|to|against|with|versus|vs\.?|relative\sto|than|over|ahead\sof|behind|beat|trailed|outperformed|underperformed|lagged|"
    r"gegenüber|gegen|als|que)\s(?:the\s|its\s|your\s)?\Z",
    re.IGNORECASE,
)
_OWNED = re.compile(r"['’]s?\s(?:\w+\s){0,2}(?:of\s)?[-+−$€£]?\Z|\s?[(:]\s?[-+−$€£]?\Z|\s(?:at|of|with)\s[-+−$€£]?\Z")
_FOR = re.compile(
    r"\)?\**\s?(?:[a-zA-Z-]+\s){0,3}(?:for|in|of|by|from|für|von|bei|pour|de)\s(?:the\s|your\s|der\s|die\s|das\s)?\**",
    re.IGNORECASE,
)
_NOT_FOR = re.compile(
    r"\b(?:ahead|behind|more|less|better|worse|than|against|versus|relative|outside|instead|above|below)\b"
)
_OTHERS = re.compile(
    r"\b(?:competitors?|rivals?|peers?|suppliers?|subsidiary|subsidiaries|analysts?|expects?|expected|forecasts?|predicts?|"
    r"predicted|guidance)\b",
    re.IGNORECASE,
)
"""Words with which a sentence speaks of somebody, or of something, that no step looked at."""
_OTHER_SUBJECTS = re.compile(
    r"\b(?:sector|industry|market|economy|funds?|category|gold|silver|bitcoin|oil|bonds?|treasuries|inflation)\s"
    r"(?:has\s|have\s|had\s)?(?:returned|rose|fell|gained|lost|risen|fallen|closed|traded|climbed|dropped|declined|was\s(?:up|down)|"
    r"is\s(?:up|down|at))\b",
    re.IGNORECASE,
)
_NAMED_AFTER = re.compile(r"\)?\**\s?\(\**")
_TOTAL = re.compile(r"\byour\s(?:total|overall)\s")
_PART_OF = re.compile(r"\s(?:out\s)?of\s(?:the\s|all\s|its\s)?[0-9]")
_WHOLE_OF = re.compile(r"[0-9]\s(?:out\s)?of\s(?:the\s|all\s|its\s)?\Z")
_COUNTS = (
    (
        re.compile(r"\b(?:match|meet|met|pass|fulfil|qualif)", re.IGNORECASE),
        re.compile(r"\b(?:shares|stocks|symbols|members|names|companies)\b", re.IGNORECASE),
        frozenset({"matches"}),
        frozenset({"screened", "members", "members_on_day"}),
    ),
    (
        re.compile(r"\b(?:right|correct|hits?|succe)", re.IGNORECASE),
        re.compile(r"\b(?:signals|cases|times|events|instances|occurrences)\b", re.IGNORECASE),
        frozenset({"hits"}),
        frozenset({"signals"}),
    ),
)
"""Words of a sentence, nouns behind two counts, and what the part and the whole of them are."""
_LIST = re.compile(r"[\s,&*]*(?:and|und|et|or)?[\s,&*]*")
_DATE_LINK = re.compile(
    r"\)?\**[\s,(]*(?:on|as\sof|at\sthe\send\sof|at|in|during|over|for|since|between|from|by|until|through|within|am|im|zum|per|vom|"
    r"seit|en|le|du|depuis|across|ended|ending|dated|the\scourse\sof)?\s?(?:the\s|all\sof\s)?"
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a number is said to measure."""

    keys: frozenset[str] | None
    """None: nothing is said."""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a number is said to be of."""

    keys: frozenset[str] | None
    """None: nobody is named; empty: somebody whom no figure is of."""
    words: str = ""
    is_near: bool = False
    """Whether it is named where the number stands."""


class Reader:
    """Reads what is said of the numbers of a page."""

    def __init__(self, page: Page, measures: Measures) -> None:
        self._page = page
        self._measures = measures
        self._starts = [number.start for number in page.numbers]
        changed = next(iter(measures.phrases_in(CHANGES)), None)
        self._changes = changed.keys if changed is not None else frozenset()

    def kinds_of(self, number: WrittenNumber, place: Place) -> tuple[Kind, ...]:
        """What kinds of number it may be, with what its column says."""
        header = self._page.text[slice(*place.header)] if place.header else ""
        if number.kinds == ("plain",) and re.search(r"%|\bpercent\b|\bpct\b|\bProzent\b", header):
            return ("percent",)
        return number.kinds

    def meaning(self, number: WrittenNumber, place: Place) -> Meaning:
        """The measures that the words near a number name."""
        counted = self._counted(number, place)
        if counted is not None:
            return counted
        phrase = self._phrase(number, place)
        if phrase is not None:
            return Meaning(self._qualified(phrase), phrase.words)
        meant = self._context_meaning(place)
        is_written = meant.keys is None or not self._is_compatible(Phrase(0, 0, meant.keys, meant.words), number)
        return Meaning(self._changes, "change") if is_written and self._is_signed_change(number) else meant

    def subject(self, number: WrittenNumber, place: Place, meaning: Meaning) -> Subject:
        """The entity that a number is said to be of."""
        mentions = self._page.within(self._page.mentions, (place.start, place.end))
        if self._is_yours(number, place, meaning):
            return Subject(frozenset({PORTFOLIO}), PORTFOLIO, is_near=True)
        near = (max(place.start, number.start - 600), min(place.end, number.end + 600))
        other = _OTHERS.search(self._page.text, *near)
        other = other or _OTHER_SUBJECTS.search(self._page.text, max(place.start, number.start - 200), number.start)
        if other is not None:
            return Subject(frozenset(), other.group(), is_near=True)
        beside = self._beside(number, place, mentions)
        if beside is not None:
            return beside
        if mentions:
            if self._is_two_sided(meaning):
                subject = next((each for each in mentions if not self._is_compared(each)), None)
                if subject is not None:
                    is_foreign = any(not each.keys for each in mentions)
                    return Subject(frozenset() if is_foreign else subject.keys, subject.words, is_near=True)
            else:
                return self._of_sentence(number, place, mentions)
        return self._of_context(place)

    def time(self, number: WrittenNumber, place: Place) -> Time | None:
        """The time that is named where a number stands."""
        times = self._page.within(self._page.times, (place.start, place.end))
        after = next((each for each in times if each.start >= number.end), None)
        before = [each for each in times if each.end <= number.start]
        if after is not None and self._follows(number.end, after.start, _DATE_LINK):
            is_next = "," in self._page.text[number.end : after.start] and self._numbers_between(after.end, place.end)
            if not (before and is_next):
                return after
        return before[-1] if before else after

    def is_against_another(self, place: Place) -> bool:
        """Whether a sentence sets something against somebody who is not the benchmark, where one is known."""
        if not self._page.benchmark:
            return False
        mentions = self._page.within(self._page.mentions, (place.start, place.end))
        compared = [each for each in mentions if self._is_compared(each)]
        return bool(compared) and not any(each.keys & self._page.benchmark for each in compared)

    def other_times(self, time: Time, place: Place) -> list[Time]:
        """The other times of the same sentence."""
        return [each for each in self._page.within(self._page.times, (place.start, place.end)) if each != time]

    def lead_time(self, place: Place) -> Time | None:
        """The time of its row, its column, or what it stands under."""
        spans = [*place.row, *([place.header] if place.header else []), *place.leads]
        found = (self._page.within(self._page.times, span) for span in spans)
        return next((times[-1] for times in found if times), None)

    def earlier_time(self, place: Place) -> Time | None:
        """The time that a sentence before it names."""
        found = (self._page.within(self._page.times, span) for span in place.before)
        return next((times[-1] for times in found if times), None)

    def has_words(self, place: Place, words: re.Pattern[str]) -> bool:
        """Whether the sentence, or what it stands under, has such words."""
        spans = [(place.start, place.end), *([place.header] if place.header else []), *place.row, *place.leads]
        return any(words.search(self._page.text[slice(*span)]) for span in spans)

    # Measures

    def _counted(self, number: WrittenNumber, place: Place) -> Meaning | None:
        """What two counts are of: 16 of 24 shares match, right 14 of 24 times."""
        text = self._page.text
        is_part = _PART_OF.match(text, number.end, place.end) is not None
        is_whole = _WHOLE_OF.search(text[max(place.start, number.start - 24) : number.start]) is not None
        if is_part == is_whole:
            return None
        sentence = text[place.start : place.end]
        for words, nouns, part, whole in _COUNTS:
            if words.search(sentence) and nouns.search(text, number.end, min(place.end, number.end + 40)):
                return Meaning(part if is_part else whole, "count")
        return None

    def _phrase(self, number: WrittenNumber, place: Place) -> Phrase | None:
        phrases = self._page.within(self._page.phrases, (place.start, place.end))
        after = next((each for each in phrases if each.start >= number.end), None)
        direct = after is not None and self._follows(number.end, after.start, _AFTER)
        before = self._before(number, [each for each in phrases if each.end <= number.start])
        is_fresh = before is not None and not self._numbers_between(before.end, number.start)
        is_better = direct and after is not None and before is not None and self._is_better(after, before, number)
        if before is not None and is_fresh and not is_better and self._follows(before.end, number.start, _LINK):
            return before
        if direct:
            return after
        if before is not None and is_fresh:
            return before
        if after is not None and self._follows(number.end, after.start, _IS_AFTER):
            return after
        if before is not None and self._is_compatible(before, number):
            return before
        is_free = before is None and after is not None and not self._numbers_between(number.end, after.start)
        return after if is_free and after is not None and self._is_free(after, number) else None

    def _is_better(self, one: Phrase, other: Phrase, number: WrittenNumber) -> bool:
        return self._is_compatible(one, number) and not self._is_compatible(other, number)

    def _is_free(self, after: Phrase, number: WrittenNumber) -> bool:
        """Whether a phrase in the same sentence may be of a number before it: not in "$171.48, RSI 44.4"."""
        is_next = "," in self._page.text[number.end : after.start] and "currency" in number.kinds
        is_of_next = is_next and self._numbers_between(after.end, after.end + REACH)
        return not is_of_next or self._is_compatible(after, number)

    def _before(self, number: WrittenNumber, phrases: Sequence[Phrase]) -> Phrase | None:
        for phrase in reversed(phrases):
            gap = self._page.text[phrase.end : number.start]
            if phrase.words.lower().startswith("of "):
                continue
            if phrase.words.lower() in ("more than", "less than") and len(gap) <= MOST_SIGN_CHARS:
                continue
            is_change = (
                phrase.keys and phrase.keys >= (self._changes & phrase.keys) and bool(phrase.keys & self._changes)
            )
            is_noun = phrase.words.lower() in {"return", "performance", "returns"}
            if is_change and not is_noun and _TO_LEVEL.search(gap):
                continue
            if self._is_other_side(phrase, number):
                continue
            if not self._is_compatible(phrase, number) and self._numbers_between(phrase.end, number.start):
                continue
            return phrase
        return None

    def _is_other_side(self, phrase: Phrase, number: WrittenNumber) -> bool:
        """Whether a number is what something is compared with: ahead of the S&P 500 (2.9 %)."""
        if not self._is_two_sided(Meaning(phrase.keys)):
            return False
        between = self._page.within(self._page.mentions, (phrase.end, number.start))
        if not between or not self._is_compared(between[-1]):
            return False
        return _OWNED.fullmatch(self._page.text, between[-1].end, number.start) is not None

    def _is_compatible(self, phrase: Phrase, number: WrittenNumber) -> bool:
        """Whether anything that a phrase names can be written as the number is."""
        if not phrase.keys:
            return True
        units = {measure.unit for key in phrase.keys if (measure := self._measures.get(key))}
        if "percent" in number.kinds or "basis_points" in number.kinds:
            return "fraction" in units
        return not ("currency" in number.kinds and not units & {"price", "money"})

    def _qualified(self, phrase: Phrase) -> frozenset[str]:
        """What a phrase names, less what a word before it rules out: the highest RSI is not the RSI."""
        before = self._page.text[max(0, phrase.start - 24) : phrase.start]
        words = re.findall(r"[\w-]+", re.split(r"[,;:.|\n0-9]", before)[-1])[-2:]
        found = [each.lower() for each in (word.strip("-") for word in words) if _QUALIFIERS.fullmatch(each)]
        if not found:
            return phrase.keys
        measures = (self._measures.get(key) for key in phrase.keys)
        return frozenset(each.key for each in measures if each is not None and _has_words(each, found))

    def _is_signed_change(self, number: WrittenNumber) -> bool:
        """Whether it is written as a change: (+3.2 %)."""
        written = self._page.text[number.start : number.end]
        return "percent" in number.kinds and written[:1] in "+-−–"

    def _context_meaning(self, place: Place) -> Meaning:
        header = self._last_phrase(place.header) if place.header else None
        label = self._label_phrase(place)
        if header is not None and label is not None:
            both = header.keys & label.keys
            if header.words.lower() in GENERIC or both:
                return Meaning(both or label.keys, label.words)
            return Meaning(frozenset(), f"{label.words}, {header.words}")
        single = header or label
        if single is not None:
            return Meaning(self._qualified(single), single.words)
        if place.header and not place.leads:
            return Meaning(None)
        led = next((phrase for span in place.leads if (phrase := self._last_phrase(span))), None)
        return Meaning(None) if led is None else Meaning(self._qualified(led), led.words)

    def _label_phrase(self, place: Place) -> Phrase | None:
        if not place.row or self._page.within(self._page.mentions, place.row[0]):
            return None
        return self._last_phrase(place.row[0])

    def _last_phrase(self, span: Span | None) -> Phrase | None:
        phrases = self._page.within(self._page.phrases, span) if span else []
        strong = [each for each in phrases if each.words.lower() not in GENERIC]
        found = strong or phrases
        return found[-1] if found else None

    # Entities

    def _is_yours(self, number: WrittenNumber, place: Place, meaning: Meaning) -> bool:
        """Whether it is of the portfolio alone, and yours: your cash."""
        measures = [measure for key in meaning.keys or () if (measure := self._measures.get(key))]
        before = self._page.text[max(place.start, number.start - 60) : number.start].lower()
        if measures and all(measure.of in ("any", PORTFOLIO) for measure in measures) and _TOTAL.search(before):
            return True
        if not measures or any(measure.of == "share" for measure in measures):
            return False
        if not any(measure.of == PORTFOLIO for measure in measures):
            return False
        return f"your {meaning.words.lower()}" in before

    def _beside(self, number: WrittenNumber, place: Place, mentions: Sequence[Mention]) -> Subject | None:
        """Who stands behind a number to say whose it is: 61.25 (MSFT); 171.48, MSFT's price."""
        after = next((each for each in mentions if each.start >= number.end), None)
        if after is None:
            return None
        text = self._page.text
        between = text[number.end : after.start]
        if _NAMED_AFTER.fullmatch(between) and text[after.end : after.end + 3].lstrip("*").startswith(")"):
            return self._as_subject(after)
        is_owner = between == ", " and re.match(r"['’]s?\s", text[after.end : after.end + 3])
        if is_owner and not self._numbers_between(after.end, place.end):
            return self._as_subject(after)
        return None

    def _is_two_sided(self, meaning: Meaning) -> bool:
        if not meaning.keys:
            return False
        return any((measure := self._measures.get(key)) is not None and measure.is_two_sided for key in meaning.keys)

    def _of_sentence(self, number: WrittenNumber, place: Place, mentions: Sequence[Mention]) -> Subject:
        ordered = self._in_order(number, place, mentions)
        if ordered is not None:
            return ordered
        before = [each for each in mentions if each.end <= number.start]
        after = next((each for each in mentions if each.start >= number.end), None)
        begin = self._clause_begin(number.start, place.start)
        near = next((each for each in reversed(before) if each.end > begin and self._is_subject(each, number)), None)
        if near is not None:
            return self._as_subject(near)
        if after is not None and self._is_for(number, after):
            return self._as_subject(after)
        far = next((each for each in reversed(before) if self._is_subject(each, number)), None)
        chosen = far or after or (before[-1] if before else None)
        if chosen is None or (chosen is after and place.row and far is None and before):
            return self._of_context(place)
        return self._as_subject(chosen)

    def _in_order(self, number: WrittenNumber, place: Place, mentions: Sequence[Mention]) -> Subject | None:
        """Of several that are named together: AAPL and MSFT closed at 181.20 and 402.50."""
        before = [each for each in mentions if each.end <= number.start]
        run = before[-1:]
        for each in reversed(before[:-1]):
            if not _LIST.fullmatch(self._page.text, each.end, run[0].start):
                break
            run.insert(0, each)
        if len(run) < 2:
            return None
        until = next((each.start for each in mentions if each.start >= run[-1].end), place.end)
        numbers = self._page.numbers[
            bisect_left(self._starts, run[-1].end) : bisect_left(self._starts, min(until, place.end))
        ]
        if len(numbers) != len(run):
            return Subject(frozenset(), " and ".join(each.words for each in run), is_near=True)
        return self._as_subject(run[numbers.index(number)]) if number in numbers else None

    def _is_subject(self, mention: Mention, number: WrittenNumber) -> bool:
        """Whether a name before a number is whom it is of, and not what it is compared with."""
        if not self._is_compared(mention):
            return True
        return bool(_OWNED.fullmatch(self._page.text, mention.end, number.start))

    def _is_compared(self, mention: Mention) -> bool:
        return bool(_COMPARED.search(self._page.text[max(0, mention.start - 24) : mention.start]))

    def _is_for(self, number: WrittenNumber, mention: Mention) -> bool:
        gap = self._page.text[number.end : mention.start]
        return len(gap) < 60 and bool(_FOR.fullmatch(gap)) and not _NOT_FOR.search(gap)

    def _as_subject(self, mention: Mention) -> Subject:
        return Subject(mention.keys, mention.words, is_near=True)

    def _of_context(self, place: Place) -> Subject:
        """By its row, its column, what it stands under, and the sentences before it."""
        of_row = [each for span in place.row for each in self._page.within(self._page.mentions, span)]
        of_column = self._page.within(self._page.mentions, place.header) if place.header else []
        if of_row and of_column and of_row[0].keys != of_column[0].keys and PORTFOLIO not in of_column[0].keys:
            return Subject(frozenset(), f"{of_row[0].words}, {of_column[0].words}")
        for mentions in (of_row, of_column):
            if mentions:
                return self._as_subject(mentions[0])
        for span in place.leads:
            mentions = self._page.within(self._page.mentions, span)
            if mentions:
                return self._of_lead(mentions)
        for span in place.before:
            mentions = self._page.within(self._page.mentions, span)
            if mentions:
                return self._of_earlier(mentions)
        return Subject(None)

    def _of_lead(self, mentions: Sequence[Mention]) -> Subject:
        keys = {each.keys for each in mentions}
        return Subject(mentions[0].keys if len(keys) == 1 else frozenset(), mentions[0].words, is_near=True)

    def _of_earlier(self, mentions: Sequence[Mention]) -> Subject:
        """Whom the sentence before speaks of: the first that it is not only compared with."""
        subjects = [each for each in mentions if not self._is_compared(each)] or list(mentions)
        keys = {each.keys for each in subjects}
        if len(keys) == 1:
            return Subject(subjects[0].keys, subjects[0].words)
        return Subject(frozenset(), " and ".join(dict.fromkeys(each.words for each in subjects)))

    # Places

    def _follows(self, start: int, end: int, link: re.Pattern[str]) -> bool:
        return end - start < 60 and link.fullmatch(self._page.text, start, end) is not None

    def _numbers_between(self, start: int, end: int) -> bool:
        return bisect_left(self._starts, start) < bisect_left(self._starts, end)

    def _clause_begin(self, start: int, least: int) -> int:
        begin = least
        for found in _CLAUSE.finditer(self._page.text, max(least, start - 300), start):
            begin = found.end()
        return begin


def _has_words(measure: Measure, words: Sequence[str]) -> bool:
    """Whether a measure is named with all of these words."""
    return all(any(word in re.findall(r"[\w-]+", phrase.lower()) for phrase in measure.words) for word in words)
