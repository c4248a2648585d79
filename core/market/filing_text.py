"""A filing's document as text: without markup, cut into its items, and searched.

The document is a stranger's: nothing of it is run, fetched or shown as markup, only its visible text is kept. In a
table of contents each item stands before its time: of an item's places the one with the most text behind it counts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from lxml import etree, html  # type: ignore[import-untyped]  # it ships no types

MAX_CHARS = 5_000_000
"""A longer text is cut, and says so."""
MOST_PLACES = 5_000
"""Places that are read as the beginning of an item, or of a part; what follows them stays in the last."""
MOST_PASSAGES = 50
AROUND_CHARS = 160
LONGEST_QUERY = 200

_BLOCKS = frozenset(
    "address article aside blockquote body br caption center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 "
    "h6 header hr li main nav ol p pre section table tbody tfoot thead title tr ul".split()
)
_UNSEEN = frozenset("script style noscript template iframe object embed svg head".split())
_CELLS = frozenset(("td", "th"))
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\s*\n\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]")
_ITEM = re.compile(
    r"^[^\S\n]*(?:PART[^\S\n]+[IV]+[^\S\n]*[,.:\u2013\u2014-]?[^\S\n]*)?ITEM[^\S\n]*(?P<item>\d{1,2}(?:\.\d{2}|[A-C])?)[^\S\n]*"
    r"[.:\u2013\u2014-]*[^\S\n|]*[|]?[^\S\n]*(?P<title>[^\n]{0,200})$",
    re.IGNORECASE | re.MULTILINE,
)
_PART = re.compile(r"^[^\S\n]*PART[^\S\n]+(?P<part>IV|I{1,3})\b[^\n]{0,80}$", re.IGNORECASE | re.MULTILINE)
_TITLE_ENDS = re.compile(r"(?<=[.;:])\s|\s\|")
LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True)
class Section:
    """An item of a filing, or what stands before the first."""

    item: str
    """As 1A, 7 or 2.02; with its part where the form has the number twice (I-1, II-1); empty before the first."""
    title: str
    start: int
    end: int
    """Where it begins and ends in the text."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A place where something sought occurs."""

    item: str
    before: str
    hit: str
    after: str
    start: int


@dataclass(frozen=True, slots=True)
class FilingText:
    """The visible text of a document, and its items in their order."""

    text: str
    sections: tuple[Section, ...]
    is_cut: bool = False
    """Whether the document was longer than is kept."""

    def of(self, section: Section) -> str:
        """The text of one section."""
        return self.text[section.start : section.end]

    def section(self, item: str) -> Section | None:
        """The section of an item, as 1A; where a number occurs in two parts, the one of the first."""
        wanted = item.upper()
        exact = [one for one in self.sections if one.item == wanted]
        return next(iter(exact or [one for one in self.sections if one.item.endswith(f"-{wanted}")]), None)

    def search(self, query: str, most: int = MOST_PASSAGES) -> tuple[Passage, ...]:
        """Where some words occur one behind the other, whatever their case and the white space between them."""
        words = query[:LONGEST_QUERY].split()
        if not words:
            return ()
        pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
        found = []
        for hit in pattern.finditer(self.text):
            found.append(self._passage(hit))
            if len(found) == min(most, MOST_PASSAGES):
                break
        return tuple(found)

    def _passage(self, hit: re.Match[str]) -> Passage:
        start, end = hit.span()
        item = next((one.item for one in self.sections if one.start <= start < one.end), "")
        before = self.text[max(0, start - AROUND_CHARS) : start]
        return Passage(item, before, hit[0], self.text[end : end + AROUND_CHARS], start)


def read_filing(document: str) -> FilingText:
    """The text and the items of a document, which is HTML or plain text."""
    whole = _visible(document) if _is_html(document) else document
    text = _LINES.sub("\n", _SPACES.sub(" ", _CONTROL.sub(" ", whole.replace("\r\n", "\n")))).strip()
    return sectioned(text[:MAX_CHARS], is_cut=len(text) > MAX_CHARS)


def sectioned(text: str, *, is_cut: bool = False) -> FilingText:
    """The items of a text."""
    found = list(islice(_ITEM.finditer(text), MOST_PLACES))
    if not found:
        return FilingText(text, (Section("", "", 0, len(text)),) if text else (), is_cut)
    ends = [after.start() for _, after in pairwise(found)] + [len(text)]
    longest: dict[str, Section] = {}
    for place, end, number in zip(found, ends, _numbers(text, found), strict=True):
        section = Section(number, _title(place["title"]), place.start(), end)
        kept = longest.get(number)
        if kept is None or section.end - section.start > kept.end - kept.start:
            longest[number] = section
    ordered = sorted(longest.values(), key=lambda section: section.start)
    first = ordered[0].start
    opening = (Section("", "", 0, first),) if first else ()
    return FilingText(text, (*opening, *_filled(ordered, len(text))), is_cut)


def _numbers(text: str, items: Sequence[re.Match[str]]) -> list[str]:
    """The number of each place; with its part where two parts have it. In a table of contents there may be no part."""
    parts = list(islice(_PART.finditer(text), MOST_PLACES))
    starts = [part.start() for part in parts]
    names = ["", *(part["part"].upper() for part in parts)]
    told = [(names[bisect_right(starts, item.start())], item["item"].upper()) for item in items]
    by_number: dict[str, list[str]] = {}
    for part, number in told:
        if part and part not in by_number.setdefault(number, []):
            by_number[number].append(part)
    return [
        f"{part or by_number[number][0]}-{number}" if len(by_number.get(number, ())) > 1 else number
        for part, number in told
    ]


def _filled(sections: list[Section], end: int) -> Iterator[Section]:
    """Each section up to the next one that is kept, so that no text is lost between them."""
    for section, following in zip(sections, [*(one.start for one in sections[1:]), end], strict=True):
        yield Section(section.item, section.title, section.start, following)


def _title(told: str) -> str:
    return _TITLE_ENDS.split(told.strip(" .|"), maxsplit=1)[0].strip(" .|")[:LONGEST_TITLE]


def _is_html(document: str) -> bool:
    return re.search(r"<(?:html|body|div|p|table|font|xbrl|!doctype)\b", document[:20_000], re.IGNORECASE) is not None


def _visible(document: str) -> str:
    """The text that a reader would see, a line for each block and row."""
    parser = html.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, encoding="utf-8")
    try:
        root = html.document_fromstring(document.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        return ""
    return "".join(_pieces(root))


def _pieces(root: html.HtmlElement) -> Iterator[str]:
    """Walks the tree without recursion: documents are nested as deep as their makers like."""
    skipped = None
    for event, node in etree.iterwalk(root, events=("start", "end")):
        tag = node.tag.rpartition(":")[2].lower() if isinstance(node.tag, str) else ""
        if event == "start":
            if skipped is None and _is_unseen(node, tag):
                skipped = node
            if skipped is None:
                yield "\n" if tag in _BLOCKS else ""
                yield node.text or ""
            continue
        if skipped is None:
            yield " | " if tag in _CELLS else "\n" if tag in _BLOCKS else ""
        if skipped is node:
            skipped = None
        if skipped is None:
            yield node.tail or ""


def _is_unseen(node: html.HtmlElement, tag: str) -> bool:
    """Whether a browser would not show it; the header of inline XBRL is such."""
    is_ix_header = isinstance(node.tag, str) and node.tag.lower() == "ix:header"
    return tag in _UNSEEN or is_ix_header or _HIDDEN.search(node.get("style") or "") is not None
