"""Which sign a number has by the words around it: "fell 3.2 %" and "3.2 % below" speak of −3.2 %."""

from __future__ import annotations

import re

WORDS_BEFORE = 4
"""Words between which and its number nothing else stands."""
REACH_CHARS = 80
"""How far around a number its words are looked for."""

_CHANGES = {
    -1: r"f[ae]ll(?:s|en|ing)?|drop(?:s|ped|ping)?|declin(?:e|es|ed|ing)|decreas(?:e|es|ed|ing)|los(?:t|e|es|ing|ses|s)"
    r"|down|slid|slip(?:s|ped|ping)?|sank|sinking|tumbl(?:e|ed|ing)|plung(?:e|ed|ing)|shed|retreat(?:s|ed|ing)?"
    r"|drawdowns?|pullbacks?|downside|minus|negative|worst",
    1: r"r[io]ses?|risen|rising|gain(?:s|ed|ing)?|climb(?:s|ed|ing)?|advanc(?:e|es|ed|ing)|increas(?:e|es|ed|ing)|up"
    r"|upside|jump(?:s|ed|ing)?|rall(?:y|ies|ied)|surg(?:e|ed|ing)|grew|plus",
}
_POSITIONS = {-1: r"below|under|beneath|lower|down|short", 1: r"above|higher|up"}
_NOUNS = {
    -1: r"declines?|drops?|falls?|loss|losses|drawdowns?|pullbacks?|downside|discount",
    1: r"gains?|rises?|advances?|increases?|rally|jump|upside|premium",
}
_LEVEL = re.compile(
    r"(?:to|at|from|in|near|below|above|under|over|towards?|than|versus|vs|with|against|and|but|while)\Z"
)
_WORD = re.compile(r"[A-Za-z]+")
_CLAUSE_ENDS = re.compile(r"[,;:()\n]|[.!?](?=\s|\Z)|[0-9%]")
_BOUND = re.compile(r"\b(?:more|less)\s(?:than\s)\Z", re.IGNORECASE)
_STOP_LOSS = re.compile(r"stop[-\s]loss(?:es)?", re.IGNORECASE)


def claimed_sign(text: str, start: int, end: int) -> int:
    """The sign that the words around a number claim for it: -1, 1, or 0 where they claim none."""
    after = _WORD.findall(_CLAUSE_ENDS.split(text[end : end + REACH_CHARS], maxsplit=1)[0])
    for sign, words in _POSITIONS.items():
        if after and re.fullmatch(words, after[0].lower()):
            return sign
    for sign, words in _NOUNS.items():
        if any(re.fullmatch(words, word.lower()) for word in after[:2]) and after[0].lower() not in _JOINING:
            return sign
    if after and after[0].lower() == "of":
        return 0  # a share of something: "fell in 56 % of cases"
    before = _STOP_LOSS.sub("stop", text[max(0, start - REACH_CHARS) : start])
    before = _BOUND.sub("", before)
    words_before = _WORD.findall(_CLAUSE_ENDS.split(before)[-1])[-WORDS_BEFORE:]
    for word in reversed(words_before):
        if _LEVEL.match(word.lower()):
            return 0
        for sign, words in _CHANGES.items():
            if re.fullmatch(words, word.lower()):
                return sign
    return 0


_JOINING = frozenset({"of", "after", "before", "in", "to", "and", "or", "when", "if", "is", "was", "on"})
