"""Texts from outside, and facts, as a model is shown them: fenced off as data, on one line, with nothing hidden.

A text from outside can neither end the fence nor look as if it did. Everything between two marks is JSON on one line,
in which no angle bracket and no backtick stands; the marks are lines that begin with an angle bracket, and their name
is taken from the hash of what they enclose.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_TEXT_CHARS = 300
"""Characters of one text from outside that a model is shown, unless it is said otherwise."""


def fenced(content: str) -> tuple[str, str, str]:
    """The lines of a fence around one line of JSON."""
    name = f"outside-{hashlib.sha256(content.encode()).hexdigest()[:32]}"
    return f"<{name}>", content, f"</{name}>"


def cleaned(text: str, most: int = MAX_TEXT_CHARS) -> str:
    """A text from outside as it may be shown: on one line, of a bounded length, with no mark of a fence in it.

    Signs that only look like others are written as those (NFKC), so that a fence in wide letters is one here too.
    """
    seen = plain(unicodedata.normalize("NFKC", text[: 4 * most])).translate(_NO_MARKS)
    return seen if len(seen) <= most else f"{seen[: most - 1].rstrip()}…"


def as_json(value: Mapping[str, Any]) -> str:
    """On one line; brackets and backticks, which only facts can still hold, are escaped as JSON allows."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return written.translate(_ESCAPES)


def plain(text: str) -> str:
    """A text on one line: control characters are spaces, and white space is folded.

    Characters are left out that are not to be seen or turn others round: zero-width and bidirectional marks, tags,
    private ones, and halves of a pair.
    """
    return " ".join("".join(_seen(each) for each in text).split())


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category[0] == "C" else character


_NO_MARKS = str.maketrans({"<": "‹", ">": "›", "`": "'"})
_ESCAPES = {ord(each): f"\\u{ord(each):04x}" for each in "<>`\x7f\x85\u2028\u2029"}
"""Also what some take for the end of a line."""
