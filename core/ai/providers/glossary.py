"""The glossary of the field that is shipped as data: entries, and how a question finds its own.

A question is put into words: lower case, without punctuation, plural endings dropped. Then, in this order:

1. A name (a term or an alias) that stands in the question word for word is found; where names overlap the
   longer one counts, otherwise the earlier one comes first.
2. Where none does, the name whose letters are most like the question's own words (trigrams, Dice) is taken,
   from a likeness of 0.75 on: a misspelt term.
3. Otherwise there is no entry, and the three most alike are named as the nearest.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from core.errors import ConfigurationError
from core.yaml_lines import Document, load_yaml, validate

MISSPELT_FROM = 0.75
MAX_COMPARED = 3
NEAREST = 3
MAX_WORDS = 400
"""Words of a question that are looked at."""

# Words as `_words` leaves them: without a plural s.
_COMPARING = frozenset(
    """
    and or versu vs compare compared comparison difference differ between against both
    """.split()
)
_ASKING = frozenset(
    """
    a about an any are as at be by calculate calculated can could define definition describe do doe
    example explain explanation finance financial for from give glossary help how i in interpret
    invest investing investment is it ist kind know like market mean meaning me measure my of on one
    please purpose say should show simple stock talk tell term that the them there these thi this to
    trading understand use used using wa was we what when where which why with word work would you
    your s u formula computed
    """.split()
)


class Entry(BaseModel):
    """One term of the field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    term: str = Field(min_length=1, max_length=60)
    aliases: tuple[str, ...] = ()
    definition: str = Field(min_length=40, max_length=1200)
    formula: str | None = Field(None, max_length=300)
    related: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The term and its aliases."""
        return (self.term, *self.aliases)


@dataclass(frozen=True, slots=True)
class Match:
    """What the glossary has for a question."""

    entries: tuple[Entry, ...]
    """One; several where the question compares; none where there is no entry."""
    nearest: tuple[str, ...]
    """Terms that come nearest, where there is no entry."""
    is_whole: bool
    """Whether the question asks for nothing but these terms."""


class Glossary:
    """All entries, found by name."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        self._names = {_words(name): entry for entry in entries for name in entry.names}
        self._longest = max((len(name) for name in self._names), default=0)
        self._shapes = [(_trigrams(" ".join(name)), entry) for name, entry in self._names.items()]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads every `*.yaml` of a folder.

        Raises:
            ConfigurationError: a mistake in an entry; the sentence names the file and the line.
        """
        documents = [load_yaml(path) for path in sorted(folder.glob("*.yaml"))]
        files = [(document, validate(document, _File).entries) for document in documents]
        _check(files)
        return cls(tuple(entry for _, entries in files for entry in entries))

    def match(self, question: str) -> Match:
        """The entries for a question, by the three rules above."""
        words = _words(question)[:MAX_WORDS]
        spans = self._spans(words)
        if not spans:
            return self._alike(words)
        covered = {place for start, length, _ in spans for place in range(start, start + length)}
        rest = {word for place, word in enumerate(words) if place not in covered}
        found = tuple(dict.fromkeys(entry for _, _, entry in spans))
        shown = found[:MAX_COMPARED] if rest & _COMPARING else _longest_first(spans)
        is_whole = rest <= _ASKING | _COMPARING and len(shown) == len(found)
        return Match(shown, (), is_whole)

    def _spans(self, words: tuple[str, ...]) -> list[tuple[int, int, Entry]]:
        """Start, length and entry of each name in the question: longer ones win, in order of place."""
        taken: list[tuple[int, int, Entry]] = []
        free = [True] * len(words)
        for length in range(min(self._longest, len(words)), 0, -1):
            for start in range(len(words) - length + 1):
                entry = self._names.get(words[start : start + length])
                if entry is not None and all(free[start : start + length]):
                    free[start : start + length] = [False] * length
                    taken.append((start, length, entry))
        return sorted(taken, key=lambda span: span[0])

    def _alike(self, words: tuple[str, ...]) -> Match:
        asked = _trigrams(" ".join(word for word in words if word not in _ASKING))
        likeness: dict[str, tuple[float, Entry]] = {}
        for shape, entry in self._shapes:
            alike = _dice(asked, shape)
            if alike >= likeness.get(entry.term, (0.0, entry))[0]:
                likeness[entry.term] = (alike, entry)
        ranked = sorted(likeness.values(), key=lambda pair: (-pair[0], pair[1].term))
        if ranked and ranked[0][0] >= MISSPELT_FROM:
            return Match((ranked[0][1],), (), is_whole=True)
        return Match((), tuple(entry.term for _, entry in ranked[:NEAREST]), is_whole=False)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    entries: tuple[Entry, ...] = Field(min_length=1)


def _check(files: list[tuple[Document, tuple[Entry, ...]]]) -> None:
    terms = {entry.term for _, entries in files for entry in entries}
    seen: set[tuple[str, ...]] = set()
    for document, entries in files:
        for index, entry in enumerate(entries):
            flaw = _flaw(entry, terms, seen)
            if flaw:
                raise _error(document, index, flaw)
            seen.update(map(_words, entry.names))


def _flaw(entry: Entry, terms: set[str], seen: set[tuple[str, ...]]) -> str | None:
    names = [_words(name) for name in entry.names]
    for place, name in enumerate(names):
        if not name or name in seen or name in names[:place]:
            return f"{entry.term}: the name {entry.names[place]} is empty, or given twice."
    unknown = [term for term in entry.related if term not in terms]
    return f"{entry.term}: related names {unknown[0]}, which has no entry." if unknown else None


def _error(document: Document, index: int, flaw: str) -> ConfigurationError:
    return document.error(("entries", index), flaw)


def _longest_first(spans: list[tuple[int, int, Entry]]) -> tuple[Entry, ...]:
    return (min(spans, key=lambda span: (-span[1], span[0]))[2],)


def _words(text: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("'s", "")
    return tuple(map(_singular, re.findall(r"[^\W_]+", plain)))


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _trigrams(text: str) -> frozenset[str]:
    padded = f"  {text} " if text else ""
    return frozenset(padded[place : place + 3] for place in range(len(padded) - 2))


def _dice(left: frozenset[str], right: frozenset[str]) -> float:
    return 2 * len(left & right) / (len(left) + len(right)) if left and right else 0.0
