"""What a message's author wrote, apart from what is fenced off in it as data."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_FENCE = re.compile(r"^<outside-([0-9a-f]{32})>\n([^\n]*)\n</outside-\1>$", re.MULTILINE)
_MARK = "<outside-"


def own_words(text: str) -> str:
    """The text without what stands between the marks of a fence; the text itself where there is none."""
    if _MARK not in text:
        return text
    return "".join(part for part, is_outside in parts_of(text) if not is_outside)


def parts_of(text: str) -> Iterator[tuple[str, bool]]:
    """The parts of a text in order, each with whether it is data within a fence whose name is that of its content."""
    at = 0
    if _MARK in text:
        for found in _FENCE.finditer(text):
            if hashlib.sha256(found[2].encode()).hexdigest()[:32] == found[1]:
                yield text[at : found.start()], False
                yield found[0], True
                at = found.end()
    yield text[at:], False
