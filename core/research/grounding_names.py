"""Whom a text speaks of: the entities of an answer's steps, and names that none of them has."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.ai.evidence import Entity
from core.research.grounding_words import ACRONYMS, COMMON, SUFFIXES, VERBS
from core.research.measures import Phrase

PORTFOLIO = "portfolio"
LEAST_NAME_CHARS = 3
MAX_MENTIONS = 5_000

_PORTFOLIO_NAMES = (
    "portfolio",
    "your portfolio",
    "the portfolio",
    "Depot",
    "Portfolio",
    "portefeuille",
    "Portefeuille",
)
_OTHER_PORTFOLIO = re.compile(
    r"\b(?:other|another|typical|average|model|second|different|sample|his|her|their|equal-weight\w*|balanced|60/40)\s"
    r"(?:portfolio|depot)\Z",
    re.IGNORECASE,
)
_WORD = re.compile(r"\w+")
_BEGIN = re.compile(r"(?:^|[.!?:|\n][\s*_|\"'(\d.)-]*|^[\s*_#>-]*)\Z")


@dataclass(frozen=True, slots=True)
class Mention:
    """A name in a text."""

    start: int
    end: int
    keys: frozenset[str]
    """The entities that it may name; empty: somebody whom no figure is of."""
    words: str


@dataclass(frozen=True, slots=True)
class _Name:
    key: str
    parts: tuple[str, ...]
    is_symbol: bool


class Names:
    """The names of an answer's entities."""

    def __init__(self, entities: Iterable[Entity], keys: Iterable[str]) -> None:
        self._names: dict[str, list[_Name]] = {}
        named = {entity.key: entity.names for entity in entities}
        for key in dict.fromkeys([*named, *keys]):
            self._note(key, key, is_symbol=key.upper() == key)
            is_benchmark = any("benchmark" in name.lower() for name in named.get(key, ()))
            extra = _PORTFOLIO_NAMES if key == PORTFOLIO else ("the index",) if is_benchmark else ()
            for name in (*named.get(key, ()), *extra):
                self._note(key, name, is_symbol=False)
                self._note(key, _short(name), is_symbol=False)
        for names in self._names.values():
            names.sort(key=lambda name: -len(name.parts))

    def terms(self) -> set[str]:
        """Names with digits in them."""
        return {part for names in self._names.values() for name in names for part in [" ".join(name.parts)]}

    def mentions_in(self, text: str, phrases: Sequence[Phrase], taken: Sequence[tuple[int, int]]) -> list[Mention]:
        """Names from left to right, and what looks like the name of somebody else.

        Args:
            text: of the answer.
            phrases: what names measures in it, which names nobody where it is no entity.
            taken: dates and the like, in order, which name nobody.
        """
        words = list(_WORD.finditer(text))
        busy = _Spans([(phrase.start, phrase.end) for phrase in phrases])
        dates = _Spans(taken)
        found: list[Mention] = []
        place = 0
        while place < len(words) and len(found) < MAX_MENTIONS:
            length, keys = self._longest(text, words, place)
            if length:
                start, end = words[place].start(), words[place + length - 1].end()
                found.append(_mention(text, start, end, keys))
                place += length
                continue
            word = words[place]
            if not dates.covers(word.start()) and not busy.covers(word.start()) and _is_foreign(text, word):
                found.append(Mention(word.start(), word.end(), frozenset(), word.group()))
            place += 1
        return found

    def _note(self, key: str, name: str, *, is_symbol: bool) -> None:
        parts = tuple(_WORD.findall(name))
        if not parts or (not is_symbol and len(name) < LEAST_NAME_CHARS):
            return
        noted = self._names.setdefault(parts[0].casefold(), [])
        if not any(each.key == key and each.parts == parts for each in noted):
            noted.append(_Name(key, parts, is_symbol))

    def _longest(self, text: str, words: Sequence[re.Match[str]], place: int) -> tuple[int, frozenset[str]]:
        best = 0
        keys: set[str] = set()
        for name in self._names.get(words[place].group().casefold(), ()):
            size = len(name.parts)
            if size < best or place + size > len(words):
                continue
            if _fits(text, words, place, name):
                if size > best:
                    best, keys = size, set()
                keys.add(name.key)
        return best, frozenset(keys)


class _Spans:
    """Spans of a text, in order."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [span[0] for span in self._spans]

    def covers(self, place: int) -> bool:
        """Whether a place lies within one."""
        at = bisect_left(self._starts, place + 1) - 1
        return at >= 0 and self._spans[at][0] <= place < self._spans[at][1]


def _fits(text: str, words: Sequence[re.Match[str]], place: int, name: _Name) -> bool:
    for at, part in enumerate(name.parts):
        word = words[place + at]
        if name.is_symbol and word.group() != part:
            return False
        if word.group().casefold() != part.casefold():
            return False
        if at and word.start() - words[place + at - 1].end() > 3:
            return False
    first = words[place].group()
    if name.is_symbol:
        return len(first) > 1 or len(name.parts) > 1 or not re.match(r"\s[a-z]", text[words[place].end() :][:2])
    is_plain = name.parts[0][:1].islower()
    return is_plain or first[:1].isupper() or not first[:1].isalpha()


def _mention(text: str, start: int, end: int, keys: frozenset[str]) -> Mention:
    """Of somebody else where the name goes on: Apple Hospitality is not Apple."""
    following = re.match(r"\s([A-Z][a-z]+)", text[end : end + 40])
    if following and PORTFOLIO not in keys and text[start:end].upper() != text[start:end]:
        word = following.group(1).casefold()
        if word not in COMMON and word not in SUFFIXES and word not in VERBS:
            return Mention(start, end, frozenset(), text[start : end + following.end()])
    if PORTFOLIO in keys and _OTHER_PORTFOLIO.search(text[max(0, start - 24) : end]):
        return Mention(start, end, frozenset(), text[start:end])
    return Mention(start, end, keys, text[start:end])


def _is_foreign(text: str, word: re.Match[str]) -> bool:
    """Whether a word that is no entity's looks like a name."""
    said = word.group()
    if said[:1].islower():
        return _is_small_name(text, word)
    if not said[:1].isupper() or said.casefold() in COMMON or said.casefold() in SUFFIXES:
        return False
    if said.isupper():
        return 2 <= len(said) <= 5 and said not in ACRONYMS and not (said[:1] in "QH" and said[1:].isdigit())
    if len(said) < 3 or not said.isalpha() or said.endswith("ly"):
        return False
    before = text[max(0, word.start() - 40) : word.start()]
    if not _BEGIN.search(before):
        return True
    return _is_subject(text[word.end() : word.end() + 30])


def _is_small_name(text: str, word: re.Match[str]) -> bool:
    """Whether a sentence begins with a name in small letters: tesla closed at 171.48."""
    following = re.match(r"\s(\w+)", text[word.end() : word.end() + 30])
    if following is None or following.group(1).casefold() not in VERBS or word.group().casefold() in COMMON:
        return False
    return bool(_BEGIN.search(text[max(0, word.start() - 40) : word.start()]))


def _is_subject(after: str) -> bool:
    """Whether what a sentence begins with is what it speaks of."""
    if re.match(r"['’]s\b|\s?[|(:,]|\s?\*\*|\s*(?:\n|$)|\s[–—-]\s", after):
        return True
    following = re.match(r"\s(\w+)", after)
    if following is None:
        return False
    return following.group(1).casefold() in VERBS or following.group(1)[:1].isupper()


def _short(name: str) -> str:
    """A company's name without what tells its legal form."""
    parts = name.replace(",", " ").split()
    while len(parts) > 1 and parts[-1].strip(".&()").casefold() in SUFFIXES:
        parts.pop()
    short = " ".join(parts).rstrip(" .&")
    return short if len(short) > LEAST_NAME_CHARS else name
