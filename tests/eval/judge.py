"""Whether an answer is right.

Every expected fact has to stand in its text; a refusal says what it cannot and tells none of what is forbidden; an
ambiguous question is asked back with its choices named. What the answer repeats of the question does not count, nor
do rows of a table that lists everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.eval.figures import Number, dates, numbers
from tests.eval.questions import Fact, Question

MOST_ROWS = 12
"""A table or list with more rows is a dump: what stands in it does not count."""
FEW_ROWS = 3
"""Of a longer table or list the first row alone names something: whoever lists all has not chosen."""
MOST_ASKED_NUMBERS = 4
"""Who asks back tells no more figures than these."""
_ROW = re.compile(r"^\s*\|.*\||^[^|\n]+\|[^|\n]+\|")
_ITEM = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s")
_RULE = re.compile(r"^[\s|:+-]+$")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9*\[(¿¡])|\n+")
_CANNOT = re.compile(
    r"\b(?:cannot|can't|can not|can[’']t|unable to|could not|couldn[’']?t|will not|won[’']?t|must not|may not"
    r"|(?:do|does|did)(?: not|n[’']t)"
    r" (?:know|have|give|predict|forecast|offer|see|hold|answer|place|show|do|trade|contain)"
    r"|(?:is|are|was)(?: not|n[’']t) (?:known|available|possible|in the|able|something|allowed|among)"
    r"|not able to|no one can|nobody can|never (?:give|predict|tell|show|place)|not allowed"
    r"|no (?:data|advice|forecast|forecasts|access|tool|way|figure|record|source|orders|such)|nothing (?:later|after)"
    r"|no investment advice|only (?:read|describe))\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\b(?:which|what|do you mean|did you mean|would you like|should (?:i|it)|could you|please|from when|shall)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether an answer is right, and what is wrong about it."""

    is_right: bool
    why: str = ""


def judged(question: Question, answer: str) -> Judgement:
    """The judgement of an answer."""
    text = _without_echo(answer, question.question)
    if not text.strip():
        return Judgement(False, "there is no answer")
    for each in question.forbids:
        told = _forbidden(each, text)
        if told:
            return Judgement(False, f"it says what it must not: {told}")
    if question.kind == "refusal":
        return _refused(question, text)
    if question.kind == "ambiguous":
        return _asked_back(question, text)
    for fact in question.expects:
        if not stands(fact, text):
            return Judgement(False, f"it does not say {_words(fact)}")
    return Judgement(True)


def stands(fact: Fact, text: str) -> bool:
    """Whether a fact stands in a text."""
    if fact.value is not None:
        return any(equals(fact, number) for number in numbers(_without_dumps(text)))
    if fact.day is not None:
        return fact.day in dates(_without_dumps(text))
    if fact.every:
        return all(_found([each], text) is not None for each in fact.every)
    return any(_names(fact, part) for part in _told(text))


def equals(fact: Fact, number: Number) -> bool:
    """Whether a number of a text is a fact's, by value, unit, currency and sign."""
    assert fact.value is not None
    if fact.unit == "fraction":
        if not number.is_percent and (number.is_whole or number.currency):
            return False
        told = number.value / 100 if number.is_percent else number.value
    else:
        told = number.value
        is_other = number.currency != "" and fact.currency not in ("", number.currency)
        if number.is_percent or is_other or (fact.unit == "number" and number.currency):
            return False
    if abs(abs(told) - abs(fact.value)) > fact.tolerance + 1e-9:
        return False
    if abs(fact.value) <= fact.tolerance:
        return True
    if fact.value < 0:
        return told < 0 or number.is_falling
    return told > 0 and not number.is_surely_falling


def _refused(question: Question, text: str) -> Judgement:
    if _CANNOT.search(text) is None:
        return Judgement(False, "it does not say that it cannot")
    if _found(question.about, text) is None:
        return Judgement(False, "it does not say what it cannot")
    return Judgement(True)


def _asked_back(question: Question, text: str) -> Judgement:
    asking = [part for part in _SENTENCE.split(text) if "?" in part and _ASKING.search(part)]
    if not asking:
        return Judgement(False, "it does not ask back")
    for choice in question.choices:
        if _found(choice, text) is None:
            return Judgement(False, f"it does not name the choice {choice[0]}")
    told = [number for number in numbers(text) if not number.is_whole or number.currency or number.is_percent]
    if len(told) > MOST_ASKED_NUMBERS:
        return Judgement(False, "it answers instead of asking")
    return Judgement(True)


def _forbidden(each: str | Fact, text: str) -> str:
    if isinstance(each, str):
        return each if _found([each], text) is not None else ""
    return _words(each) if stands(each, text) else ""


def _names(fact: Fact, part: str) -> bool:
    """Whether one of a fact's texts stands in a part of an answer, before any rival."""
    at = _found(fact.text, part)
    if at is None:
        return False
    rival = _found(fact.rivals, part)
    return rival is None or at < rival


def _found(texts: Sequence[str], within: str) -> int | None:
    """Where the first of some texts stands: symbols as whole words, others from the beginning of a word on."""
    places = []
    for each in texts:
        ending = r"(?!\w)" if each.isupper() or (" " not in each and each[:1].isupper()) else ""
        match = re.search(rf"(?<!\w){re.escape(each.strip())}{ending}", within, 0 if each.isupper() else re.IGNORECASE)
        if match is not None:
            places.append(match.start())
    return min(places, default=None)


def _told(text: str) -> list[str]:
    """Sentences, and rows of tables and lists: of those with more than three rows the first alone."""
    found: list[str] = []
    prose: list[str] = []
    rows: list[str] = []
    lines = text.splitlines()
    for at, line in enumerate([*lines, ""]):
        is_heading = at + 1 < len(lines) and "|" in line and _RULE.match(lines[at + 1]) is not None
        if is_heading or (line.strip() and _RULE.match(line)):
            continue
        if _ROW.match(line) or _ITEM.match(line):
            rows.append(line)
            continue
        found += rows if len(rows) <= FEW_ROWS else rows[:1]
        rows = []
        prose.append(line)
    return [*found, *(part for part in _SENTENCE.split("\n".join(prose)) if part.strip())]


def _without_dumps(text: str) -> str:
    """The text without tables and lists of very many rows."""
    kept: list[str] = []
    rows: list[str] = []
    for line in [*text.splitlines(), ""]:
        if _ROW.match(line) or _ITEM.match(line):
            rows.append(line)
            continue
        kept += rows if len(rows) <= MOST_ROWS else []
        rows = []
        kept.append(line)
    return "\n".join(kept)


def _without_echo(answer: str, question: str) -> str:
    """The answer without the question, and without lines of it that it repeats."""
    told = {line.strip() for line in question.splitlines() if line.strip()}
    return "\n".join(line for line in answer.splitlines() if line.strip(" >*_\"'") not in told)


def _words(fact: Fact) -> str:
    if fact.value is not None:
        shown = f"{100 * fact.value:.2f} %" if fact.unit == "fraction" else f"{fact.value:,.6g}"
        return f"{shown} {fact.currency}".strip()
    if fact.day is not None:
        return fact.day.isoformat()
    return _either(fact.every) if fact.every else _either(fact.text)


def _either(texts: Iterable[str]) -> str:
    return " / ".join(texts)
