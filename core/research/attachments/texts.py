"""Texts, and tables that are written as text."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

from core.errors import InvalidRequest
from core.market.bar_tables import SEPARATORS, decoded
from core.research.attachments.found import Found
from core.research.attachments.limits import MAX_CELL_CHARS, MAX_COLUMNS, MAX_ROWS, MAX_TEXT_CHARS

SEEN_LINES = 40
"""Lines by which a table is told from another text."""
LEAST_ALIKE = 0.8
"""Share of them that have as many fields as most, in a table."""
MOST_STRANGE = 0.01
"""Share of characters that stand for nothing, in a text."""
MAY_BE_STRANGE = 3
"""Characters that any text may hold of those."""
LOOKED_AT = 100_000
"""Characters by which a text is told from other files."""
MOST_LINES_OF_CELL = 20
"""Lines that a cell in quotes may go over; where one has more, a quote was never closed."""
LONGEST_NUMBER = 40
_NO_TEXT = (
    "This file is nothing that can be read here. Attach a PDF, a CSV or Excel file (.xlsx), a text, or a picture."
)
_NUMBER = re.compile(r"[-+]?[\s$€£]{0,3}[\d.,'’ \u00a0\u202f]*\d[\d.,]*\s?%?(?:[eE][-+]?\d{1,3})?\s?[$€£]?")
_BLANKS = frozenset("\t\n\f\v")
_FORMULA = ("=", "+", "-", "@")


def read_text(data: bytes, *, is_table: bool | None) -> Found:
    """A text, or a table; `is_table` is what its sender calls it.

    Raises:
        InvalidRequest: it is no text.
    """
    text, encoding = _decoded(data)
    if not _is_text(text[:LOOKED_AT]):
        raise InvalidRequest(_NO_TEXT)
    if not text.strip():
        raise InvalidRequest("The file is empty: it holds nothing but white space.")
    if is_table is not False:
        separator = _separator(text.split("\n", SEEN_LINES)[:SEEN_LINES], is_sure=is_table is True)
        if separator is not None:
            return _table(text, separator, encoding)
    stripped = text.strip()
    notes = [f"Read as {encoding}."] if encoding != "utf-8" else []
    if len(stripped) > MAX_TEXT_CHARS:
        notes.append(f"The first {MAX_TEXT_CHARS:,} of {len(stripped):,} characters were read.")
    return Found(
        kind="text", media_type="text/plain", text=kept_text(stripped[:MAX_TEXT_CHARS]).strip(), notes=tuple(notes)
    )


def kept_text(text: str) -> str:
    """A text with its line breaks, without what is not to be seen or turns others round."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").split("\n")
    return "\n".join("".join(map(_seen, line)).rstrip() for line in lines)


class TableText:
    """A table as text: CSV with commas, at most so many rows, columns and characters, and no cell that is a formula."""

    def __init__(self, room: int) -> None:
        self.room = room
        """Characters that are left."""
        self.formulas = 0
        self.long_cells = 0
        self.wide_rows = 0
        self.rows = 0
        self._content = io.StringIO()
        self._writer = csv.writer(self._content, lineterminator="\n")

    def add(self, cells: Sequence[str]) -> bool:
        """Adds a row; False where no more is taken."""
        if self.rows >= MAX_ROWS or self.room <= 0:
            return False
        self.wide_rows += len(cells) > MAX_COLUMNS
        before = self._content.tell()
        self._writer.writerow([self._cell(cell) for cell in cells[:MAX_COLUMNS]])
        self.room -= self._content.tell() - before
        if self.room < 0:
            self._content.seek(before)
            self._content.truncate()
            return False
        self.rows += 1
        return True

    def text(self) -> str:
        """All rows."""
        return self._content.getvalue().rstrip("\n")

    def notes(self) -> list[str]:
        """What was changed or left out of its cells."""
        notes = []
        if self.formulas:
            cells = "1 cell that is" if self.formulas == 1 else f"{self.formulas:,} cells that are"
            notes.append(f"{cells} written like formulas were made plain text, with an apostrophe before them.")
        if self.wide_rows:
            notes.append(f"The first {MAX_COLUMNS} columns were read.")
        if self.long_cells:
            notes.append(f"Cells were cut to {MAX_CELL_CHARS:,} characters.")
        return notes

    def _cell(self, cell: str) -> str:
        seen = " ".join("".join(map(_seen, cell)).split())
        if len(seen) > MAX_CELL_CHARS:
            self.long_cells += 1
            seen = f"{seen[: MAX_CELL_CHARS - 1]}…"
        if seen.startswith(_FORMULA) and len(seen) > 1 and not _is_number(seen):
            self.formulas += 1
            seen = f"'{seen}"
        return seen


def _decoded(data: bytes) -> tuple[str, str]:
    head = data[:200]
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")) and head.count(0) * 3 > len(head):
        encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        try:
            return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n"), encoding
        except UnicodeDecodeError:
            raise InvalidRequest(_NO_TEXT) from None
    return decoded(data)


def _separator(lines: Sequence[str], *, is_sure: bool) -> str | None:
    """What stands between the fields of most lines; None where that is no table."""
    filled = [line for line in lines if line.strip()]
    best, found = 0.0, None
    for separator in SEPARATORS:
        widths = [len(_fields(line, separator)) for line in filled]
        usual = max(set(widths), key=widths.count)
        alike = widths.count(usual) / len(widths)
        if usual > 1 and (is_sure or (len(filled) > 1 and alike >= LEAST_ALIKE)) and alike * usual > best:
            best, found = alike * usual, separator
    return "," if found is None and is_sure else found


def _fields(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []


def _table(text: str, separator: str, encoding: str) -> Found:
    csv.field_size_limit(len(text) + 1)
    notes = [f"CSV in {encoding}, separated by {SEPARATORS[separator]}."]
    filled = _filled(text, separator, csv.QUOTE_MINIMAL)
    if filled is None:
        notes.append("A quote in it is never closed: quotes were read as plain characters.")
        filled = _filled(text, separator, csv.QUOTE_NONE)
    assert filled is not None  # without quotes no cell goes over a line
    table, more = filled
    if more:
        notes.append(f"The first {table.rows:,} of {table.rows + more:,} rows were read.")
    return Found(kind="csv", media_type="text/csv", text=table.text(), notes=(*notes, *table.notes()))


def _filled(text: str, separator: str, quoting: Literal[0, 3]) -> tuple[TableText, int] | None:
    """The table, and how many rows are left out; None where a quote in it is never closed."""
    table, more = TableText(MAX_TEXT_CHARS), 0
    for cells in csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting):
        if any(cell.count("\n") > MOST_LINES_OF_CELL for cell in cells):
            return None
        if any(cell.strip() for cell in cells) and (more or not table.add(cells)):
            more += 1
    return table, more


def _is_text(text: str) -> bool:
    strange = sum(
        each == "\ufffd" or (unicodedata.category(each) in ("Cc", "Cn", "Co") and each not in _BLANKS) for each in text
    )
    return strange <= max(MOST_STRANGE * len(text), MAY_BE_STRANGE)


def _is_number(cell: str) -> bool:
    return len(cell) <= LONGEST_NUMBER and _NUMBER.fullmatch(cell) is not None


def _seen(character: str) -> str:
    if character == "\t":
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return "" if category[0] == "C" else character
