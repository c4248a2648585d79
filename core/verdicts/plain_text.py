"""Texts from outside or from a model as they may be kept and shown: what cannot be seen in them is left out."""

from __future__ import annotations

import unicodedata


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
