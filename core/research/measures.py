"""What figures measure, and the words by which a text names each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core.ai.evidence import Unit
from core.yaml_lines import Document, load_yaml, validate

Of = Literal["share", "portfolio", "company", "signal", "any"]
Sign = Literal["none", "change", "level"]
"""`change`: up or down, its sign counts and words may say it; `level`: never below zero but where a text writes so;
`none`: a text may leave its sign away, as of a drawdown."""


class Measure(BaseModel):
    """Something that figures may be of, as a row of data/measures.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")
    unit: Unit
    of: Of
    """Whom figures of it are about."""
    words: tuple[str, ...] = Field(max_length=80)
    """Phrases that name it; the longest that fits counts."""
    hints: tuple[str, ...] = Field((), max_length=20)
    """Words that it often stands by, and others do too: they name nothing."""
    sign: Sign = "level"
    is_flow: bool = False
    """Whether it adds up over a window, and one without a first day is of all time; otherwise it is of a day."""
    is_two_sided: bool = False
    """Whether it sets one entity against another, as beta does."""
    is_vague: bool = False
    """Whether it is of several things that no word tells apart."""

    @property
    def label(self) -> str:
        """As a reader is told of it."""
        return self.key.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a text that name measures."""

    start: int
    end: int
    keys: frozenset[str]
    """All that they may name; empty: something that no figure is of."""
    words: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    measures: tuple[Measure, ...] = Field(min_length=1, max_length=1_000)
    others: tuple[str, ...] = Field((), max_length=500)
    """Phrases that name what no figure is of."""


_WORD = re.compile(r"\w+")
_NO_NAMES = {(word,) for word in ("for", "at", "on", "to", "from", "of", "in", "by")}
"""Words that stand by any number, and name none."""


class Measures:
    """All measures of the file, in its order."""

    def __init__(self, measures: Iterable[Measure], others: Iterable[str] = ()) -> None:
        self._measures = {each.key: each for each in measures}
        self._phrases: dict[str, dict[tuple[str, ...], set[str]]] = {}
        for other in others:
            self._note(other, None)
        for each in self._measures.values():
            for words in each.words:
                self._note(words, each.key)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads and checks the file.

        Raises:
            ConfigurationError: a mistake in it; the sentence names the file and the line.
        """
        document = load_yaml(path)
        shape = validate(document, _File)
        _check(document, shape.measures)
        return cls(shape.measures, shape.others)

    def get(self, key: str) -> Measure | None:
        """The measure of this key, if there is one."""
        return self._measures.get(key)

    def all(self) -> tuple[Measure, ...]:
        """Every measure."""
        return tuple(self._measures.values())

    def phrases_in(self, text: str) -> Iterator[Phrase]:
        """The phrases of a text that name measures, from left to right; none overlaps another."""
        words = [(_normal(found.group()), found.start(), found.end()) for found in _WORD.finditer(text)]
        place = 0
        while place < len(words):
            length, keys = self._longest(words, place)
            if length:
                start, end = words[place][1], words[place + length - 1][2]
                yield Phrase(start, end, frozenset(keys), text[start:end])
            place += length or 1

    def _note(self, words: str, key: str | None) -> None:
        parts = tuple(_normal(each) for each in _WORD.findall(words))
        if parts and parts not in _NO_NAMES:
            named = self._phrases.setdefault(parts[0], {}).setdefault(parts, set())
            if key is not None:
                named.add(key)

    def _longest(self, words: Sequence[tuple[str, int, int]], place: int) -> tuple[int, set[str]]:
        best: tuple[int, set[str]] = (0, set())
        for parts, keys in self._phrases.get(words[place][0], {}).items():
            size = len(parts)
            if size > best[0] and all(
                place + at < len(words) and words[place + at][0] == part for at, part in enumerate(parts)
            ):
                best = (size, keys)
        return best


def load_measures(path: Path) -> Measures:
    """As `Measures.load`."""
    return Measures.load(path)


def _normal(word: str) -> str:
    """Small letters, and the singular of a usual plural."""
    small = word.lower()
    return small[:-1] if len(small) > 3 and small.endswith("s") and not small.endswith(("ss", "us", "is")) else small


def _check(document: Document, rows: Sequence[Measure]) -> None:
    keys = [row.key for row in rows]
    for index, row in enumerate(rows):
        if row.key in keys[:index]:
            raise document.error(("measures", index, "key"), f"measures.{row.key}: this key is given twice.")
        for place, words in enumerate(row.words):
            if not _WORD.search(words):
                trail = ("measures", index, "words", place)
                raise document.error(trail, f"measures.{row.key}: a phrase needs a letter or a digit.")
