"""Orders to a model where none belong: a score, and what is done from which score on.

A user's own words are refused at a high score alone. In a text from outside, which has no business giving orders,
less suffices, and nothing is refused: the sentences that give them are left out of what a model is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.ai.guards.folded import folded, undisguised
from core.ai.guards.foreign_phrases import FOREIGN
from core.ai.guards.own_words import parts_of
from core.ai.guards.phrases import ENGLISH, OUTSIDE, Phrase
from core.ai.guards.verdict import FINE, Verdict
from core.ai.outside import fenced

REFUSED_FROM = 8.0
"""Score of a user's own words from which they are refused."""
DEFANGED_FROM = 6.0
"""Score of a text from outside from which its orders are left out."""
DISGUISED = 2.0
"""What is added where an order was disguised."""
PASSAGE_CHARS = 1_000
"""Characters of a passage within which what is found counts together."""
LEFT_OUT = "[a sentence that gives orders was left out]"

_OWN: Sequence[Phrase] = (*ENGLISH, *FOREIGN)
_FROM_OUTSIDE: Sequence[Phrase] = (*_OWN, *OUTSIDE)
_BEGINNING = 4
_WORD = re.compile(f"[a-z]{{{_BEGINNING},}}")
_UNBOUND = frozenset(
    needle
    for rule in _FROM_OUTSIDE
    for group in rule.needles
    for needle in group
    if not (needle.isascii() and needle[:_BEGINNING].isalpha() and len(needle) >= _BEGINNING)
)
"""Needles that do not begin with a word of Latin letters; they are looked for in every text."""
_SENTENCE = re.compile(r'(?:\\.|[^.!?\n"\\])+[.!?]*')
_SENTENCE_TEXT = (
    "This message reads like an order to set the assistant's rules aside, or to tell what is confidential, so it"
    " was not sent. Ask for what you want to know in your own words; quote such a text in a file instead."
)


def judged(text: str, plain: str | None = None) -> Verdict:
    """What a user's own words are judged to be; `plain` is the text as it is folded, where that is known."""
    found = score(text, plain)
    return Verdict(True, "injection", _SENTENCE_TEXT, found) if found >= REFUSED_FROM else FINE


def score(text: str, plain: str | None = None, *, is_outside: bool = False) -> float:
    """How much a text is an order to a model; 0 where nothing of one is in it."""
    rules, plain = _FROM_OUTSIDE if is_outside else _OWN, folded(text) if plain is None else plain
    found = _nearby(plain, rules)
    for hidden in undisguised(text, plain):
        behind = _nearby(hidden, rules)
        if behind > found:
            found = behind + DISGUISED
    return found


def defanged(text: str, *, is_all_outside: bool) -> tuple[str, float]:
    """A text whose parts from outside give no orders any more, and the highest score of them; 0 where none was high.

    Outside is what is fenced off, or with `is_all_outside` all of it. JSON stays JSON.
    """
    if is_all_outside:
        return _without_orders(text)
    highest, parts = 0.0, []
    for part, is_data in parts_of(text):
        if is_data:
            content, found = _without_orders(part.split("\n")[1])
            highest = max(highest, found)
            parts.append("\n".join(fenced(content)) if found else part)
        else:
            parts.append(part)
    return ("".join(parts), highest) if highest else (text, 0.0)


def _without_orders(text: str) -> tuple[str, float]:
    found = score(text, is_outside=True)
    if found < DEFANGED_FROM:
        return text, 0.0
    clean = _SENTENCE.sub(lambda each: LEFT_OUT if score(each[0], is_outside=True) >= DEFANGED_FROM else each[0], text)
    if score(clean, is_outside=True) >= DEFANGED_FROM:  # an order of several sentences: each that is part of it goes
        clean = _SENTENCE.sub(lambda each: LEFT_OUT if score(each[0], is_outside=True) > 0 else each[0], clean)
    return clean, found


def _nearby(plain: str, rules: Sequence[Phrase]) -> float:
    """The score of a text; of a long one that of its worst passage, since words far apart are no order together."""
    found = _score(plain, rules)
    if found == 0 or len(plain) <= PASSAGE_CHARS:
        return found
    starts = range(0, len(plain), PASSAGE_CHARS // 2)
    return max(_score(plain[at : at + PASSAGE_CHARS], rules) for at in starts)


def _score(plain: str, rules: Sequence[Phrase]) -> float:
    beginnings = {word[:_BEGINNING] for word in _WORD.findall(plain)}
    weights: dict[str, list[float]] = {}
    known: dict[tuple[str, ...], bool] = {}

    def has_one(needles: tuple[str, ...]) -> bool:
        if needles not in known:
            known[needles] = _has_one(plain, beginnings, needles)
        return known[needles]

    for rule in rules:
        if all(map(has_one, rule.needles)) and rule.pattern.search(plain):
            weights.setdefault(rule.kind, []).append(rule.weight)
    return sum(sum(sorted(each, reverse=True)[:2]) for each in weights.values())


def _has_one(plain: str, beginnings: set[str], needles: Sequence[str]) -> bool:
    """Whether one of the needles stands in a text; one that no word begins like is not looked for."""
    return any((needle[:_BEGINNING] in beginnings or needle in _UNBOUND) and needle in plain for needle in needles)
