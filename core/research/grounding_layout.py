"""How a text is laid out: its sentences and table cells, each with what else tells what it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise

Span = tuple[int, int]
MAX_PLACE_CHARS = 2_000
"""A longer sentence is read in pieces."""
MAX_CELLS = 40
"""Cells of a row; what follows is not read."""
MAX_BEFORE = 3
"""Sentences of the same paragraph that may say what a sentence is about."""

_SEPARATOR = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*)*\|?\s*")
_BULLET = re.compile(r"(?P<indent>[ \t]{0,40})(?:[-*+•]|[0-9]{1,2}[.)])[ \t]+")
_HEADING = re.compile(r"\s{0,3}(?:#{1,6}\s.*|\*\*[^*]{1,200}\*\*:?\s*|__[^_]{1,200}__:?\s*)")
_STOP = re.compile(r"[.!?](?=[\s*_)\"'\]]|\Z)")
_ABBREVIATIONS = re.compile(
    r"(?:\b(?:Inc|Corp|Co|Ltd|vs|approx|ca|e\.g|i\.e|St|No|U\.S|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|Nov|Dec|Mio|Mrd"
    r"|Tsd|bzw|z\.B|u\.a|Nr|Rs|cf|etc|p\.a|a\.m|p\.m)|\b[0-9]{1,2})\Z"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A sentence, or a cell of a table."""

    start: int
    end: int
    header: Span | None = None
    """The cell above a table's column."""
    row: tuple[Span, ...] = ()
    """The other cells of its row, its label first."""
    leads: tuple[Span, ...] = ()
    """Headings and labels that it stands under, the nearest first."""
    before: tuple[Span, ...] = ()
    """Sentences before it in its paragraph, the nearest first."""


@dataclass(slots=True)
class _State:
    heading: Span | None = None
    label: Span | None = None
    parents: list[tuple[int, Span]] | None = None
    """Bullets that the next one may stand under, with their indents."""
    before: tuple[Span, ...] = ()
    header: tuple[Span, ...] | None = None
    caption: tuple[Span, ...] = ()
    was_blank: bool = True

    def leads(self) -> tuple[Span, ...]:
        return tuple(each for each in (self.label, self.heading) if each is not None)


def places_of(text: str) -> list[Place]:
    """The sentences and cells of a text, from left to right."""
    lines = list(_lines(text))
    state, found = _State(), []
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        following = text[slice(*lines[number + 1])] if number + 1 < len(lines) else ""
        if not line.strip():
            state.was_blank, state.header = True, None
            continue
        if _is_row(line, following, state):
            found += _row(line, start, following, state)
        else:
            state.header = None
            found += _written(text, line, start, end, state)
        state.was_blank = False
    return found


def _lines(text: str) -> Iterator[Span]:
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, end
        start = end + 1


def _is_row(line: str, following: str, state: _State) -> bool:
    if "|" not in line:
        return False
    return state.header is not None or line.lstrip().startswith("|") or _is_separator(following)


def _is_separator(line: str) -> bool:
    return "|" in line and len(line) < 2_000 and _SEPARATOR.fullmatch(line) is not None


def _row(line: str, start: int, following: str, state: _State) -> list[Place]:
    cells = _cells(line, start)
    if state.header is None:
        state.header = tuple(cells)
        state.caption = tuple([*state.leads(), *state.before][:MAX_BEFORE])
        if _is_separator(following):
            return [Place(*cell, leads=state.caption) for cell in cells]
        state.header = ()
    if _is_separator(line):
        return []
    places = []
    for at, cell in enumerate(cells):
        header = state.header[at] if at < len(state.header) else None
        others = tuple(other for place, other in enumerate(cells) if place != at)
        places.append(Place(*cell, header=header, row=others, leads=state.caption))
    return places


def _cells(line: str, start: int) -> list[Span]:
    bars = islice(re.finditer(r"\|", line), MAX_CELLS)
    edges = [-1, *(found.start() for found in bars), len(line)]
    cells = [(one + 1, min(two, one + MAX_PLACE_CHARS)) for one, two in pairwise(edges)]
    if cells and not line[slice(*cells[0])].strip():
        cells = cells[1:]
    if cells and not line[slice(*cells[-1])].strip():
        cells = cells[:-1]
    return [(start + one, start + two) for one, two in cells]


def _written(text: str, line: str, start: int, end: int, state: _State) -> list[Place]:
    """The sentences of a line that is no row of a table."""
    bullet = _BULLET.match(line)
    if _HEADING.fullmatch(line):
        state.heading, state.label, state.parents, state.before = (start, end), None, None, ()
        return [Place(start, end)]
    if bullet is not None:
        return _bullet(text, bullet, start, end, state)
    if state.was_blank:
        state.before = ()
        state.label = None
    state.parents = None
    places = _sentences(text, start, end, state.leads(), state.before)
    if line.rstrip().rstrip("*_").endswith(":"):
        state.label = (places[-1].start, places[-1].end)
    state.before = _next_before(places, state.before)
    return places


def _bullet(text: str, bullet: re.Match[str], start: int, end: int, state: _State) -> list[Place]:
    indent = len(bullet["indent"].expandtabs(4))
    parents = [each for each in (state.parents or []) if each[0] < indent]
    leads = tuple(span for _, span in reversed(parents)) + state.leads()
    own = state.before if state.label is None and not parents else ()
    places = _sentences(text, start, end, leads, own)
    state.parents = [*parents, (indent, (start, end))]
    return places


def _sentences(text: str, start: int, end: int, leads: tuple[Span, ...], before: tuple[Span, ...]) -> list[Place]:
    places: list[Place] = []
    begin = start
    stops = [*_stops(text, start, end), end]
    stops += range(start + MAX_PLACE_CHARS, end, MAX_PLACE_CHARS)
    for stop in sorted(stops):
        if text[begin:stop].strip() or not places:
            place = Place(begin, stop, leads=leads, before=before)
            places.append(place)
            before = ((begin, stop), *before)[:MAX_BEFORE]
        begin = stop
    return places


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    for found in _STOP.finditer(text, start, end):
        if found.group() == "." and _ABBREVIATIONS.search(text[max(start, found.start() - 8) : found.start()]):
            follows = text[found.end() : found.end() + 2].strip()
            if not (follows[:1].isupper() and text[found.start() - 1 : found.start()].isdigit()):
                continue
            if re.match(
                r"\s(?:Januar|Februar|März|April|Mai|Juni|Juli|Aug|Sep|Okt|Nov|Dez|Quartal)", text[found.end() :][:12]
            ):
                continue
        yield found.end()


def _next_before(places: list[Place], before: tuple[Span, ...]) -> tuple[Span, ...]:
    spans = [(place.start, place.end) for place in reversed(places)]
    return tuple([*spans, *before][:MAX_BEFORE])
