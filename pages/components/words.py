"""How plain text, amounts and moments read, on every page alike."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from unicodedata import bidirectional
from zoneinfo import ZoneInfo

MARKUP = {ord(mark): f"\\{mark}" for mark in "\\`*_{}[]<>()#+!|~$:&"}
LINK = re.compile(r"(?<=@)(?=\w)|(?<=://)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a text begins to be taken for an address, which no backslash prevents."""
SPACES = re.compile(r"\s+")
ITEM = re.compile(r"^( ?\d*)([-.])(?=[\s-]|$)")
"""How an item of a list, or a line across, begins."""
WORD_JOINER = "\u2060"
"""A sign without width, at which no line breaks."""

ISOLATE = "\u2068{}\u2069"
RIGHT_TO_LEFT = frozenset("R AL AN RLE RLO RLI LRE LRO LRI FSI".split())
"""Kinds of signs with a direction of their own; isolated, they turn nothing around them."""


def plain(text: str) -> str:
    """Text of ours or of a person as one paragraph of markdown, in which nothing is read as markup.

    Spaces at its ends stay, one each. In an address there is a sign that is not seen: what is to be copied is
    shown by `st.text`.
    """
    one_line = SPACES.sub(" ", text)
    marked = ITEM.sub(r"\1\\\2", LINK.sub(WORD_JOINER, one_line).translate(MARKUP))
    return marked if text.isascii() or RIGHT_TO_LEFT.isdisjoint(map(bidirectional, text)) else ISOLATE.format(marked)


def numbered(labels: Sequence[str]) -> list[str]:
    """The labels of choices, those that several have numbered, since a choice is known by its words."""
    seen = Counter[str]()
    told = []
    for label in labels:
        seen[label] += 1
        told.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return told


def usd(amount: Decimal) -> str:
    """An amount with its currency: 0.00012 USD."""
    return f"{usd_figure(amount)} USD"


def usd_figure(amount: Decimal) -> str:
    """An amount with every digit that counts: 0.00012 and not 0.000120000 or 0.00."""
    whole, _, decimals = f"{abs(amount).normalize():f}".partition(".")
    return f"{'-' if amount < 0 else ''}{int(whole):,}.{decimals.ljust(2, '0')}"


def counted(count: int, what: str) -> str:
    """So many of something: 1 holding, 20 holdings."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def day_of(moment: datetime, zone: str) -> str:
    """The day of a moment in a zone: "1 March 2031"."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at.day} {at:%B %Y}"


def when(moment: datetime, now: datetime, zone: str) -> str:
    """A moment as people say it, in their zone: "today at 02:00", "on 1 December at 00:00"."""
    at, today = moment.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    days = (at.date() - today).days
    day = {0: "today", 1: "tomorrow"}.get(days, f"on {at.day} {at:%B}")
    return f"{day} at {at:%H:%M}"


def bound(moment: datetime, now: datetime, zone: str) -> str:
    """The same behind "until" or "since": "1 December at 00:00"."""
    return when(moment, now, zone).removeprefix("on ")
