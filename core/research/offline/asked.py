"""A question as it is read: its words, the companies and days that it names, and what it is about."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from core.ai.providers.contract import Message
from core.research.offline import words
from core.research.offline.dates import Window, windows_in
from core.research.offline.entities import Named, Names, Unclear

CONTEXT_MARK = "Context, as JSON:"
"""The line of the system message that tells what a question is about begins with it."""
MAX_SENTENCES = 8
"""Sentences of one question that are answered."""
MAX_ROWS = 50
"""Rows of a pasted table that are read."""
MAX_TURNS_BACK = 4
"""Earlier questions that a question may lean on."""
_OWN = re.compile(
    r"\b(?:my|our|mine|portfolio|portfolios|holdings?|positions?|i (?:own|hold|have|paid|bought|sold|got|received|made|"
    r"gained|lost|earned|invested)|(?:do|did|have|had|am) i|account|we (?:own|hold))\b"
)
_LEANS = re.compile(
    r"^(?:and\b|what about|how about|same for|same\b|also\b|but\b|then\b|or in\b|for\b|in\b|now for|now\b)"
)
_PRONOUN = re.compile(
    r"\b(?:it|its|they|their|them|that (?:stock|share|company|one)|this (?:stock|share|company|one)|there)\b"
)
_SENTENCE = re.compile(r"(?<=[?!;])\s+|(?:(?<=[a-z)%])|(?<=[0-9]{3}))\.\s+(?=[A-ZÄÖÜ¿])|\n+")


@dataclass(frozen=True, slots=True)
class Context:
    """What the system message tells of the question."""

    as_of: date
    portfolio: str | None = None
    """Its name; None: the question has none."""
    currency: str = ""
    holdings: tuple[str, ...] = ()
    benchmark: str = ""
    portfolios: tuple[str, ...] = ()
    """Names of those that the user may choose from, where they are told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One sentence of a question."""

    text: str
    """In small letters and English words, with @ in place of each name that was found."""
    said: str
    """As it was written."""
    context: Context
    named: tuple[Named, ...] = ()
    unclear: tuple[Unclear, ...] = ()
    windows: tuple[Window, ...] = ()
    language: words.Language = "english"
    pasted: tuple[str, ...] = ()
    """Rows of a table that stands in the question."""
    pasted_named: tuple[Named, ...] = ()
    """The companies that these rows name."""

    @property
    def is_own(self) -> bool:
        """Whether it speaks of what the user has."""
        return _OWN.search(self.text) is not None

    @property
    def symbols(self) -> tuple[str, ...]:
        """Of the companies that it names, without indices."""
        return tuple(each.symbol for each in self.named if not each.is_index)

    @property
    def shares(self) -> tuple[Named, ...]:
        """The companies that it names; the indices where it names nothing else."""
        return tuple(each for each in self.named if not each.is_index) or self.named

    @property
    def window(self) -> Window | None:
        """The first span of time that it names."""
        return self.windows[0] if self.windows else None

    @property
    def leans(self) -> bool:
        """Whether it goes on with an earlier question."""
        return _LEANS.match(self.text) is not None

    @property
    def has_pronoun(self) -> bool:
        """Whether it speaks of something that was named before."""
        return _PRONOUN.search(self.text) is not None

    def has(self, pattern: str) -> bool:
        """Whether a pattern occurs in its text."""
        return re.search(pattern, self.text) is not None


def context_of(messages: Sequence[Message]) -> Context | None:
    """What the system message says; None where it says nothing that can be read."""
    for message in messages:
        if message.role != "system":
            continue
        for line in message.text.splitlines():
            if line.startswith(CONTEXT_MARK):
                return _context(line.removeprefix(CONTEXT_MARK))
    return None


def read(text: str, context: Context, names: Names) -> list[Asked]:
    """The sentences of a question, each with what it names; a later one has the names of one before it.

    Raises nothing, whatever is written.
    """
    rows = tuple(line for line in text[: words.MAX_LOOKED_AT_CHARS].splitlines() if words.is_row(line))
    own = words.without_pasted(text)
    language = words.language_of(words.simple(own))
    found = [_sentence(part, context, names, language) for part in _SENTENCE.split(own) if re.search(r"\w", part)]
    listed = names.find("\n".join(rows[:MAX_ROWS]), context.holdings)[0] if rows else ()
    kept = [replace(each, pasted=rows, pasted_named=listed) for each in found]
    return kept if len(kept) <= MAX_SENTENCES else [*kept[: MAX_SENTENCES - 2], *kept[-2:]]


def part(asked: Asked, begin: int, end: int) -> Asked:
    """A part of a sentence, between two places of its text, with the names and days of all of it where it has none."""
    text = asked.text[begin:end].strip(" ,")
    before = asked.text[:begin].count("@")
    named = asked.named[before : before + text.count("@")]
    windows = windows_in(text, asked.context.as_of)
    return replace(asked, text=text, named=named or asked.named, windows=windows or asked.windows)


def _sentence(written: str, context: Context, names: Names, language: words.Language) -> Asked:
    written = written.replace("@", "¤")  # @ stands for a name that was found
    named, unclear = names.find(written, context.holdings)
    text = _masked(written, sorted(named, key=lambda each: each.start))
    plain = words.mended(words.translated(words.simple(text), language))
    return Asked(plain, written, context, named, unclear, windows_in(plain, context.as_of), language)


def _masked(written: str, named: Sequence[Named]) -> str:
    pieces, at = [], 0
    for each in named:
        if each.start < at:
            continue
        pieces += [written[at : each.start], "@"]
        at = max(each.end, each.start)
    return "".join([*pieces, written[at:]])


def _context(text: str) -> Context | None:
    try:
        told = json.loads(text)
        as_of = date.fromisoformat(str(told["as_of"])[:10])
    except (ValueError, KeyError, TypeError):
        return None
    portfolio = told.get("portfolio")
    portfolio = portfolio if isinstance(portfolio, dict) else None
    holdings = portfolio.get("holdings") if portfolio else ()
    others = told.get("portfolios")
    return Context(
        as_of=as_of,
        portfolio=str(portfolio.get("name") or "the portfolio") if portfolio is not None else None,
        currency=str(portfolio.get("currency") or "") if portfolio is not None else "",
        holdings=tuple(str(each) for each in holdings) if isinstance(holdings, list) else (),
        benchmark=str(told.get("benchmark") or ""),
        portfolios=tuple(str(each) for each in others) if isinstance(others, list) else (),
    )
