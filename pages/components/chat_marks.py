"""The numbers of an answer with their marks, and its citations, as markdown: links to the steps below which they open.

A model's text cannot draw a mark by itself: a mark is a link to a place whose name begins with a word that is made up
for each tab, and that no model is told; the style of marks is that of such links alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from uuid import UUID

import streamlit as st

from core.ai.evidence import Evidence, Mark
from pages.components.chat_text import END_OF_MARK, Reader
from pages.components.theme import theme_color
from pages.components.words import plain

MAX_MARKS = 2_000
"""Numbers of one answer that are marked."""

_WORD = "chat_marks_word"
_FIRST = 0xE100
"""Signs from here on stand before the numbers, one for each: they have no meaning of their own in any text."""
_PRIVATE = dict.fromkeys(range(0xE000, 0xF900), "\ufffd")
_MARKED = re.compile(f"([{chr(_FIRST)}-{chr(_FIRST + MAX_MARKS)}])([^\ue000-\uf8ff]*){END_OF_MARK}")
_LEFT = re.compile("[\ue000-\uf8ff]")
_IN_LINK = re.compile(r"\[[^\[\]\n]*\]\([^()\n]*\)")
_CITATION = re.compile(r"\[([0-9]{1,2}(?:\s?[,;]\s?[0-9]{1,2}){0,11})\](?!\()")
_STYLE = """<style>
a:is([href^="#vWORD"], [href^="#uWORD"]) { color: inherit; text-decoration: underline dotted GREEN 1px; }
a:is([href^="#vWORD"], [href^="#uWORD"]) { text-underline-offset: 3px; white-space: nowrap; }
a[href^="#uWORD"] { text-decoration: underline wavy ORANGE 1px; }
a:is([href^="#vWORD"], [href^="#uWORD"])::after { font-size: 0.7em; vertical-align: super; margin-left: 1px; }
a[href^="#vWORD"]::after { content: "✓"; content: "✓" / " (verified)"; color: GREEN; }
a[href^="#uWORD"]::after { content: "?"; content: "?" / " (unverified)"; color: ORANGE; font-weight: 700; }
a[href^="#cWORD"] { text-decoration: none; font-size: 0.85em; padding: 0 1px; }
@keyframes assay-unfold {
    from { max-height: 0; overflow: hidden; margin-block: 0; padding-block: 0; }
    to { max-height: 40rem; overflow: hidden; }
}
details.assay-fold[open] > div { animation: assay-unfold 0.2s 0.15s backwards; }
.assay-fold :is(p, ul, li) { font-size: inherit; margin-bottom: 0.25rem; }
.assay-fold [id] { scroll-margin-top: 6rem; }
</style>"""
"""A fold that is led to grows only after the page was scrolled to it: a page that grows while it stands at its end is
held there.
"""


@dataclass(frozen=True, slots=True)
class Places:
    """Names of the places on the page that an answer's numbers and citations lead to."""

    word: str
    """Made up for this tab."""
    answer: str
    """Tells answers apart."""

    def verified(self, step: int) -> str:
        """Where a verified number leads: its step."""
        return f"v{self.word}-{self.answer}-{step}"

    def cited(self, step: int) -> str:
        """Where a citation leads: the same step."""
        return f"c{self.word}-{self.answer}-{step}"

    @property
    def unverified(self) -> str:
        """Where a number leads that nothing verifies: the list of them."""
        return f"u{self.word}-{self.answer}"


@dataclass(frozen=True, slots=True)
class Marked:
    """An answer as markdown, with marks."""

    text: str
    apart: tuple[Mark, ...] = field(default=())
    """Numbers that cannot be marked where they stand: in code, formulas and links."""


def places_of(answer: UUID) -> Places:
    """The places of one answer in this tab."""
    word = st.session_state.setdefault(_WORD, token_hex(8))
    return Places(str(word), answer.hex)


def show_style() -> None:
    """How marks look; needed once before the first answer, and takes no place."""
    word = str(st.session_state.setdefault(_WORD, token_hex(8)))
    style = _STYLE.replace("WORD", word).replace("GREEN", theme_color("green")).replace("ORANGE", theme_color("orange"))
    st.html(style)


def marked(text: str, evidence: Evidence, places: Places) -> Marked:
    """A whole answer as markdown that shows words alone, as `readable`, its numbers marked and its citations linked."""
    marks = _apart_from_each_other(evidence.marks, len(text))
    steps = {step.number: step.words for step in evidence.steps}
    drawn: set[int] = set()

    def drawn_mark(match: re.Match[str]) -> str:
        number = ord(match[1]) - _FIRST
        if any(start <= match.start() < end for start, end in links):
            return match[2]
        drawn.add(number)
        return _link(match[2], marks[number], steps, places)

    shown = []
    for piece, is_words in _runs(Reader().whole(_with_signs(text, marks))):
        if is_words:
            links = [found.span() for found in _IN_LINK.finditer(piece)]
            shown.append(_CITATION.sub(lambda match: _cited(match, steps, places), _MARKED.sub(drawn_mark, piece)))
        else:
            shown.append(piece)
    apart = tuple(mark for number, mark in enumerate(marks) if number not in drawn)
    return Marked(_LEFT.sub("", "".join(shown)), apart)


def _apart_from_each_other(marks: Iterable[Mark], length: int) -> Sequence[Mark]:
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda each: each.start):
        if (not kept or mark.start >= kept[-1].end) and mark.start < mark.end <= length:
            kept.append(mark)
    return kept[:MAX_MARKS]


def _with_signs(text: str, marks: Sequence[Mark]) -> str:
    """The text with a sign of its own before each number, and one behind it."""
    text = text.translate(_PRIVATE)
    parts, at = [], 0
    for number, mark in enumerate(marks):
        start = mark.start - 1 if text[at : mark.start].endswith("$") else mark.start
        parts += [text[at:start], chr(_FIRST + number), text[start : mark.end], END_OF_MARK]
        at = mark.end
    return "".join([*parts, text[at:]])


def _runs(pieces: Iterable[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """Pieces of one kind that follow one another, joined."""
    runs: list[tuple[list[str], bool]] = []
    for piece, is_words in pieces:
        if not runs or runs[-1][1] != is_words:
            runs.append(([], is_words))
        runs[-1][0].append(piece)
    return [("".join(parts), is_words) for parts, is_words in runs]


def _link(words: str, mark: Mark, steps: dict[int, str], places: Places) -> str:
    if not mark.is_verified:
        return f'[{words}](#{places.unverified} "{_title("Unverified", mark.words)}")'
    place = places.verified(mark.step if mark.step in steps else 0)
    return f'[{words}](#{place} "{_title("Verified", mark.words)}")'


def _cited(match: re.Match[str], steps: dict[int, str], places: Places) -> str:
    """Each number of a citation that is that of a step, as a link; any other as it is."""
    numbers, links = re.findall("[0-9]+", match[1]), []
    if not any(int(number) in steps for number in numbers):
        return match[0]
    for number in numbers:
        known = steps.get(int(number))
        link = f'[\\[{int(number)}\\]](#{places.cited(int(number))} "{_title(f"Step {int(number)}", known or "")}")'
        links.append(f"\\[{number}\\]" if known is None else link)
    return "".join(links)


def _title(what: str, words: str) -> str:
    return plain(f"{what}: {words}" if words else what).replace('"', '\\"')
