"""Orders to a model where none belong: a score, and what is done from which score on.

A user's own words are refused at a high score alone. In a text from outside, which has no business giving orders,
less suffices, and nothing is refused: the sentences that give them are left out of what a model is shown.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice

from core.ai.guards.folded import folded, undisguised
from core.ai.guards.foreign_phrases import FOREIGN
from core.ai.guards.outside_phrases import OUTSIDE
from core.ai.guards.own_words import parts_of
from core.ai.guards.phrases import ENGLISH, Phrase
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
REACH = 500
"""Characters around a needle within which its rule is tried; no rule reaches further."""
_RARE = 6
_BEGINNING = 4
_WORD = re.compile("[a-z]+")
_OTHER_SCRIPT = re.compile("[\u0370-\U0010ffff]")
_NEEDLES = frozenset(needle for rule in _FROM_OUTSIDE for group in rule.needles for needle in group)


def _beginning(needle: str) -> str:
    """The first letters of the word that a needle begins with; empty where no whole beginning of a word is known."""
    word = _WORD.match(needle)
    is_known = word is not None and (len(word[0]) >= _BEGINNING or len(word[0]) < len(needle))
    return word[0][:_BEGINNING] if word is not None and is_known else ""


_BOUND: dict[str, list[str]] = {}
"""The needles by the beginning of their first word; by none those that are looked for in every text."""
for _needle in sorted(_NEEDLES):
    _BOUND.setdefault(_beginning(_needle), []).append(_needle)
_FOREIGN = [needle for needle in _BOUND.get("", ()) if _OTHER_SCRIPT.match(needle)]
_UNBOUND = [needle for needle in _BOUND.pop("", ()) if needle not in _FOREIGN]
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
    matched = _matching(plain, rules)
    found = _weight(matched)
    if len(matched) < 2 or len(plain) <= PASSAGE_CHARS:
        return found
    starts = [[match.start() for match in rule.pattern.finditer(plain)] for rule in matched]
    passages = {start for each in starts for start in each}
    return max((_weight(_beginning_in(matched, starts, first)) for first in passages), default=0.0)


def _beginning_in(matched: Sequence[Phrase], starts: Sequence[Sequence[int]], first: int) -> list[Phrase]:
    """The rules of which a match begins in the passage that begins there."""
    found = []
    for rule, each in zip(matched, starts, strict=True):
        at = bisect_left(each, first)
        if at < len(each) and each[at] - first <= PASSAGE_CHARS:
            found.append(rule)
    return found


def _weight(rules: Sequence[Phrase]) -> float:
    """What rules weigh together, each kind by its two heaviest."""
    weights: dict[str, list[float]] = {}
    for rule in rules:
        weights.setdefault(rule.kind, []).append(rule.weight)
    return sum(sum(sorted(each, reverse=True)[:2]) for each in weights.values())


def _matching(plain: str, rules: Sequence[Phrase]) -> list[Phrase]:
    present = _present(plain)
    if not present:  # there is no rule that needs nothing
        return []
    return [
        rule
        for rule in rules
        if not any(map(present.isdisjoint, rule.needles))
        and _matches(plain, rule, [[needle for needle in needles if needle in present] for needles in rule.needles])
    ]


def _present(plain: str) -> set[str]:
    """The needles that stand in a text; one that no word begins like is not looked for."""
    beginnings = {word[:_BEGINNING] for word in _WORD.findall(plain)}
    likely = [needle for beginning in beginnings & _BOUND.keys() for needle in _BOUND[beginning]]
    likely += _UNBOUND
    if not plain.isascii() and _OTHER_SCRIPT.search(plain):
        likely += _FOREIGN
    return {needle for needle in likely if needle in plain}


def _matches(plain: str, rule: Phrase, present: Sequence[Sequence[str]]) -> bool:
    """Whether a rule matches; it is tried around the rarest of what it needs, or everywhere where nothing is rare."""
    found: list[int] = []
    for needles in present:
        places = list(islice(_places(plain, needles), _RARE + 1))
        if len(places) <= _RARE and (not found or len(places) < len(found)):
            found = places
    if not found:
        return rule.pattern.search(plain) is not None
    return any(rule.pattern.search(plain, max(0, at - REACH), at + REACH) for at in found)


def _places(plain: str, needles: Sequence[str]) -> Iterator[int]:
    for needle in needles:
        at = plain.find(needle)
        while at >= 0:
            yield at
            at = plain.find(needle, at + len(needle))
