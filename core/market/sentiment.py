"""Sentiment of a headline without any model: VADER's rules over its own words and a list of ours for finance.

The answer says so ("lexicon") and names the words that decided it. Hutto and Gilbert (2014) describe the rules; a score
above 0.05 is positive and one below -0.05 negative, as they propose.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentimentIntensityAnalyzer, SentiText

from core.settings import DATA
from core.yaml_lines import load_yaml, validate

WORDS_FILE = DATA / "sentiment" / "words.yaml"
METHOD = "lexicon"
THRESHOLD = 0.05
MAX_CHARS = 2_000
"""A longer text is judged by its beginning."""
_JOINT = "_"


class Tone(StrEnum):
    """What a text says of a company's fortune."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class DecidingWord:
    """A word or phrase that moved the score, and by how much, negations counted in."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Sentiment:
    """The tone of one text."""

    tone: Tone
    score: float
    """-1 to 1."""
    words: tuple[DecidingWord, ...]
    """Heaviest first; empty where no word of the lists occurs."""
    method: str = METHOD


class WordList(BaseModel):
    """Our own list, as `words.yaml` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    phrases: dict[str, float] = Field(min_length=1)
    words: dict[str, float] = Field(min_length=1)
    neutral: list[str]
    """Words of VADER's that mean nothing here."""


class Lexicon:
    """Weighs words; built once a process, since VADER reads a file of 7,500."""

    def __init__(self, path: Path = WORDS_FILE) -> None:
        ours = validate(load_yaml(path), WordList)
        self.version = ours.version
        self._analyzer = SentimentIntensityAnalyzer()
        weights: dict[str, float] = self._analyzer.lexicon
        for word in ours.neutral:
            weights.pop(word, None)
        weights.update({phrase.replace(" ", _JOINT): weight for phrase, weight in ours.phrases.items()})
        weights.update(ours.words)
        self._phrases = _pattern(ours.phrases)

    def judge(self, text: str) -> Sentiment:
        """The tone of a headline or a short text."""
        joined = self._phrases.sub(lambda found: found[0].lower().replace(" ", _JOINT), text[:MAX_CHARS])
        parts = SentiText(joined)
        words: list[str] = parts.words_and_emoticons
        weights: list[float] = []
        for place, word in enumerate(words):
            if word.lower() in BOOSTER_DICT:
                weights.append(0.0)
            else:
                weights = self._analyzer.sentiment_valence(0.0, parts, word, place, weights)
        weights = self._analyzer._but_check(words, weights)
        score = float(self._analyzer.score_valence(weights, joined)["compound"])
        deciding = [
            DecidingWord(word.replace(_JOINT, " ").lower(), round(weight, 2))
            for word, weight in zip(words, weights, strict=True)
            if weight
        ]
        deciding.sort(key=lambda one: -abs(one.weight))
        return Sentiment(_tone(score), score, tuple(deciding))


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon that the program ships with."""
    return Lexicon()


def _tone(score: float) -> Tone:
    if score >= THRESHOLD:
        return Tone.POSITIVE
    return Tone.NEGATIVE if score <= -THRESHOLD else Tone.NEUTRAL


def _pattern(phrases: Iterable[str]) -> re.Pattern[str]:
    """Finds the phrases, the longest first, as whole words."""
    longest_first = sorted((phrase for phrase in phrases if " " in phrase), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest_first))})(?![\w-])", re.IGNORECASE)
