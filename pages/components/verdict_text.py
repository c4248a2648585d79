"""What a model wrote, each number in it marked: verified against what the model was shown, or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import streamlit as st

from core.ai.numbers import CheckedNumber
from pages.components.theme import theme_color

UNVERIFIED = "unverified: nothing that the model was shown has this value"
_MARK = "background: none; color: inherit; white-space: nowrap;"
_TEXT = "unicode-bidi: isolate; overflow-wrap: anywhere;"


def show(text: str, numbers: Sequence[CheckedNumber]) -> None:
    """One paragraph; the text is escaped throughout, and the marks are ours."""
    st.html(f'<p dir="auto" style="margin: 0; {_TEXT}">{marked(text, numbers)}</p>')


def show_list(texts: Sequence[str], numbers: Sequence[Sequence[CheckedNumber]]) -> None:
    """Several of them, each with its point."""
    items = "".join(
        f'<li dir="auto" style="{_TEXT}">{marked(text, found)}</li>' for text, found in zip(texts, numbers, strict=True)
    )
    st.html(f'<ul style="margin: 0; padding-inline-start: 1.3em">{items}</ul>')


def marked(text: str, numbers: Iterable[CheckedNumber]) -> str:
    """The text as markup that holds nothing of its own but marks around the numbers."""
    parts, at = [], 0
    for number in sorted(numbers, key=lambda each: each.start):
        if number.start < at or number.end > len(text):
            continue
        parts += [_plain(text[at : number.start]), _mark(text[number.start : number.end], number.known)]
        at = number.end
    return "".join([*parts, _plain(text[at:])])


def _mark(words: str, known: str | None) -> str:
    if known is None:
        line = f"text-decoration: underline wavy {theme_color('orange')}; text-underline-offset: 3px;"
        sign = f'<sup style="color: {theme_color("orange")}" aria-hidden="true">?</sup>'
        return f'<mark title="{UNVERIFIED}" style="{_MARK} {line}">{_plain(words)}</mark>{sign}'
    sign = f'<sup style="color: {theme_color("green")}" aria-hidden="true">✓</sup>'
    title = escape(f"verified: {known}", quote=True)
    return f'<mark title="{title}" style="{_MARK}">{_plain(words)}</mark>{sign}'


def _plain(words: str) -> str:
    return escape(words, quote=True)
