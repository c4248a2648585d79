"""A person as a coloured circle with their initials: the colour follows the address, whatever the name is."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape

import streamlit as st

from pages.components.theme import categorical_colors, contrast

SIZE_PX = 36
MAX_CHARS = 200
"""Of a name, as far as it is looked at."""
INKS = ("#FFFFFF", "#0F1519")
"""The initials are written in the one that stands out more."""
UNKNOWN = "?"
_JOINERS = ("\u200d", "\u200c")


def initials(name: str, email: str) -> str:
    """One or two letters for a person: of the first and the last word, or of the address where there is no name.

    A letter keeps the marks on it. Scripts without capitals give one letter: two of them would read as a word.
    """
    letters = _letters(name.split()) or _letters(re.split(r"[._+-]+", email.partition("@")[0]))
    if not letters:
        return UNKNOWN
    first, last = letters[0], letters[-1]
    return first + last if len(letters) > 1 and _has_case(first) and _has_case(last) else first


def avatar_svg(name: str, email: str) -> str:
    """The circle as a picture, which `st.chat_message(avatar=…)` and `st.image` take as it is."""
    background = color_of(email, categorical_colors())
    words = initials(name, email)
    size = 44 if len(words) > 1 else 52
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
        f'<circle cx="50" cy="50" r="50" fill="{background}"/>'
        f'<text x="50" y="51" text-anchor="middle" dominant-baseline="central" font-size="{size}" font-weight="600" '
        f'font-family="Source Sans, system-ui, sans-serif" fill="{ink_on(background)}">{escape(words)}</text></svg>'
    )


def show_avatar(name: str, email: str, size_px: int = SIZE_PX) -> None:
    """The circle on the page. The markup is ours; name and address stand in it escaped."""
    source = f"data:image/svg+xml;base64,{b64encode(avatar_svg(name, email).encode()).decode()}"
    image = f'<img src="{source}" alt="{escape(_spoken(name, email))}" width="{size_px}" height="{size_px}">'
    st.html(image, width="content")


def color_of(email: str, colors: tuple[str, ...]) -> str:
    """The colour of an address, the same however it is written and in every process."""
    return colors[sha256(email.strip().casefold().encode()).digest()[0] % len(colors)]


def ink_on(background: str) -> str:
    """White or near black, whichever stands out more on this colour."""
    return max(INKS, key=lambda ink: contrast(ink, background))


def _letters(words: list[str]) -> list[str]:
    """The first letter of each word that has one, as a reader sees it: with its marks, and large."""
    firsts = (next(_graphemes(word), "") for word in words)
    return [first for first in firsts if first]


def _graphemes(word: str) -> Iterator[str]:
    """The letters and digits of a word, each with the marks that stand on it."""
    found = ""
    for char in unicodedata.normalize("NFC", word[:MAX_CHARS]):
        kind = unicodedata.category(char)[0]
        if found and (kind == "M" or char in _JOINERS):
            found += char
            continue
        if found:
            yield _large(found)
        found = char if kind in "LN" else ""
    if found:
        yield _large(found)


def _large(letter: str) -> str:
    large = letter.upper()
    return large if len(large) == len(letter) else letter  # the large ß is two letters


def _has_case(letter: str) -> bool:
    return letter.lower() != letter.upper()


def _spoken(name: str, email: str) -> str:
    return f"Picture of {' '.join(name.split())[:MAX_CHARS] or email[:MAX_CHARS]}"
