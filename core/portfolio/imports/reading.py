"""Files as rows of text with their line numbers: CSV in any encoding and separator, Excel, and Ghostfolio's JSON.

Nothing is computed: a formula in a cell is the text that it is, and of an Excel file the values that were kept with it.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from core.errors import InvalidRequest, PayloadTooLarge
from core.market.bar_tables import OPEN_QUOTE, SEPARATORS, decoded
from core.portfolio.imports.sections import SECTION_MARKS, joined_sections

MOST_BYTES = 25 * 1024 * 1024
MOST_ROWS = 100_000
MOST_COLUMNS = 100
MOST_UNPACKED = 400 * 1024 * 1024
"""Bytes of an Excel file once it is unpacked."""
MOST_CELL_CHARS = 10_000
HEADING_WITHIN = 40
"""Lines in which the heading is looked for: brokers write account and period above it."""
MOST_LINES_OF_CELL = 20
"""Lines that a cell in quotes may go over."""
LEAST_KNOWN = 2
"""Headings that have to be known in a line for it to be taken for the heading."""
MORE_FIELDS = "It has more fields than the heading; a decimal comma between commas needs quotes."
_QUOTE_WORDS = f"{OPEN_QUOTE[0].upper()}{OPEN_QUOTE[1:]}."
_NOT_KEPT = re.compile(r"[\x00\ud800-\udfff]")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"

Cells = list[str]
Score = Callable[[Sequence[str]], int]
"""How many of the headings are known."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file's rows below its heading."""

    headings: tuple[str, ...]
    """No two are alike and none is empty: a column without one is named after the column before it, `Price (2)`."""
    rows: Sequence[tuple[int, Cells]]
    """Line and cells, one for each heading; blank lines are left out."""
    how: tuple[str, ...]
    broken: Sequence[tuple[int, str, str]] = field(default=())
    """Line, reason and text of lines that cannot be taken apart."""
    is_excel: bool = False


def read_sheet(content: bytes, score: Score) -> Sheet:
    """Reads a file; which form it has, it says itself.

    Args:
        content: the file.
        score: how many headings of a line are known: by it the heading is found below what stands above it.

    Raises:
        PayloadTooLarge: more bytes or rows than are taken.
        InvalidRequest: no table.
    """
    if len(content) > MOST_BYTES:
        raise PayloadTooLarge(f"The file is larger than {MOST_BYTES // 1024**2} MiB. Divide it, and import the parts.")
    if not content.strip():
        raise InvalidRequest("The file is empty.")
    if content.startswith((_ZIP, _OLE)):
        return _of_excel(content, score)
    text, encoding = _text(content)
    if text.lstrip()[:1] == "{":
        return _of_json(text)
    return _of_csv(text, encoding, score)


def heading_key(heading: str) -> str:
    """A heading as it is compared: in small letters, spaces as one."""
    return " ".join(heading.replace("\ufeff", "").casefold().split())


def named_headings(cells: Sequence[str]) -> tuple[str, ...]:
    """The headings made distinct; those after the last that is not empty stay, as rows may have cells there."""
    named: list[str] = []
    seen: dict[str, int] = {}
    before = "Column"
    for cell in cells:
        before = " ".join(cell.split()) or before
        seen[before] = seen.get(before, 0) + 1
        named.append(before if seen[before] == 1 else f"{before} ({seen[before]})")
    return tuple(named)


def _text(content: bytes) -> tuple[str, str]:
    head = content[:200]
    if not content.startswith((b"\xff\xfe", b"\xfe\xff")) and head.count(0) * 3 > len(head):
        encoding = "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
        try:
            text = content.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")
        except UnicodeDecodeError:
            raise InvalidRequest("The file is neither text nor Excel.") from None
    else:
        text, encoding = decoded(content)
    if "\0" in text[:10_000]:
        raise InvalidRequest("The file is neither text nor Excel.")
    return text.replace("\0", " "), encoding


def _of_csv(text: str, encoding: str, score: Score) -> Sheet:
    lines = text.split("\n")
    if len(lines) > MOST_ROWS + HEADING_WITHIN + 1:
        raise PayloadTooLarge(_too_many(len(lines)))
    separator, at = _heading(lines, score)
    how = [f"CSV in {encoding}, separated by {SEPARATORS[separator]}."]
    first = _fields(lines[at], separator)
    if first[0].strip() in SECTION_MARKS:
        records = list(_records(lines, at, separator, 0))
        headings, found = joined_sections([(line, cells) for line, cells, _ in records if cells is not None])
        broken = [record for record in records if record[1] is None]
        return _sheet(headings, iter([*broken, *((line, cells, "") for line, cells in found)]), tuple(how))
    if any(line.strip() for line in lines[:at]):
        how.append(f"{at} {'line' if at == 1 else 'lines'} above the heading left out.")
    return _sheet(first, _records(lines, at + 1, separator, len(first)), tuple(how))


def _heading(lines: Sequence[str], score: Score) -> tuple[str, int]:
    """The separator and the place of the heading: the line with most known headings, or else the first wide one."""
    best, found = LEAST_KNOWN - 1, None
    widest: tuple[int, int, str] = (1, 0, ",")
    for at, line in enumerate(lines[:HEADING_WITHIN]):
        for separator in SEPARATORS:
            fields = _fields(line, separator)
            if fields[0].strip() in SECTION_MARKS and len(fields) > LEAST_KNOWN:
                return separator, at
            known = score(fields) if len(fields) > 1 else 0
            if known > best:
                best, found = known, (separator, at)
            filled = sum(1 for each in fields if each.strip())
            if filled > widest[0]:
                widest = (filled, at, separator)
    if found is not None:
        return found
    if widest[0] == 1:
        seen = next((line for line in lines if line.strip()), "")[:100]
        raise InvalidRequest(
            f"The file is no table: no line of its first {HEADING_WITHIN} has columns. It begins: {seen}"
        )
    return widest[2], widest[1]


def _fields(line: str, separator: str) -> Cells:
    try:
        return next(csv.reader([line], delimiter=separator), []) or [""]
    except csv.Error:
        return [""]


def _records(lines: Sequence[str], begin: int, separator: str, width: int) -> Iterator[tuple[int, Cells | None, str]]:
    """Line, cells and, where it cannot be taken apart, no cells but the text of each record."""
    at = begin
    while at < len(lines):
        line, own = lines[at], at + 1
        if line.count('"') % 2 and not _is_whole(line, separator):
            joined = _joined(lines, at, separator, width)
            if joined is None:
                yield own, None, line
                at += 1
                continue
            line = "\n".join(lines[at : at + joined])
            at += joined
        else:
            at += 1
        try:
            yield own, next(csv.reader(io.StringIO(line, newline=""), delimiter=separator), []), ""
        except csv.Error:
            yield own, None, line


def _is_whole(line: str, separator: str) -> bool:
    """Whether a quote in it is a plain sign, as an inch is."""
    try:
        next(csv.reader([line], delimiter=separator, strict=True), [])
    except csv.Error:
        return False
    return True


def _joined(lines: Sequence[str], at: int, separator: str, width: int) -> int | None:
    """How many lines a record that begins with an open quote goes over; None where the quote is never closed.

    A line that is itself a whole row is none of a cell.
    """
    for count in range(2, min(MOST_LINES_OF_CELL, len(lines) - at) + 1):
        last = lines[at + count - 1]
        if width > 1 and last.count('"') % 2 == 0 and len(_fields(last, separator)) >= width:
            return None
        if _is_whole("\n".join(lines[at : at + count]), separator):
            return count
    return None


def _of_excel(content: bytes, score: Score) -> Sheet:
    import fastexcel
    from polars.exceptions import PanicException, PolarsError

    _check_unpacked(content)
    try:
        book = fastexcel.read_excel(content)
        names = book.sheet_names
        tables = [
            book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string", n_rows=MOST_ROWS + HEADING_WITHIN + 2)
            for name in names[:1]
        ]
        lines = [
            ["" if cell is None else _kept(str(cell)) for cell in row] for row in tables[0].to_polars().iter_rows()
        ]
    except (fastexcel.FastExcelError, PolarsError, PanicException, IndexError, ValueError) as error:
        raise InvalidRequest(
            "The Excel file cannot be read: it is broken, protected by a password, or of an old form. "
            "Save it as .xlsx or CSV, and import that."
        ) from error
    if not any(any(row) for row in lines):
        raise InvalidRequest(f"The first sheet, {names[0][:50]!r}, is empty; transactions have to be on it.")
    at = max(range(min(len(lines), HEADING_WITHIN)), key=lambda place: (score(lines[place]), -place))
    if score(lines[at]) < LEAST_KNOWN:
        at = next((place for place, row in enumerate(lines) if sum(1 for cell in row if cell.strip()) > 1), -1)
        if at < 0:
            raise InvalidRequest(f"The file is no table: no row of its sheet {names[0][:50]!r} has columns.")
    how = [f"Excel, sheet {names[0][:50]!r}."]
    if len(names) > 1:
        how.append(f"The other {len(names) - 1} sheets are not read.")
    records = ((place + 1, lines[place], "") for place in range(at + 1, len(lines)))
    return _sheet(lines[at], iter(records), tuple(how), is_excel=True)


def _check_unpacked(content: bytes) -> None:
    if not content.startswith(_ZIP):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile as error:
        raise InvalidRequest("The Excel file is broken.") from error
    if not any(part.filename.startswith("xl/") for part in parts):
        raise InvalidRequest("The file is an archive and no Excel file. Unpack it, and import what is in it.")
    if sum(part.file_size for part in parts) > MOST_UNPACKED:
        raise PayloadTooLarge("The Excel file is too large once it is unpacked. Divide it, and import the parts.")


def _of_json(text: str) -> Sheet:
    """The activities of a Ghostfolio export, each a row."""
    try:
        told = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The file begins as JSON, and cannot be read as such.") from error
    activities = told.get("activities") if isinstance(told, dict) else None
    if not isinstance(activities, list) or not all(isinstance(each, dict) for each in activities):
        raise InvalidRequest("The file is JSON without a list of activities, which Ghostfolio's exports have.")
    names = list(dict.fromkeys(name for each in activities for name in each))
    headings = [_kept(name) for name in names]
    rows = [[_json_cell(each.get(name)) for name in names] for each in activities]
    if not rows:
        raise InvalidRequest("The file has no activities.")
    records = ((number, row, "") for number, row in enumerate(rows, start=1))
    return _sheet(headings, records, ("JSON as Ghostfolio exports it; rows are counted from 1.",))


def _json_cell(value: object) -> str:
    return _kept(value) if isinstance(value, str) else ""


def _kept(text: str) -> str:
    """The text without what no encoding or database keeps, which Excel and JSON can write."""
    return text if text.isprintable() else _NOT_KEPT.sub(" ", text)


def _sheet(
    first: Sequence[str],
    records: Iterator[tuple[int, Cells | None, str]],
    how: tuple[str, ...],
    *,
    is_excel: bool = False,
) -> Sheet:
    headings = named_headings(first)
    width = len(headings)
    if width > MOST_COLUMNS:
        raise InvalidRequest(f"The file has more than {MOST_COLUMNS} columns.")
    rows: list[tuple[int, Cells]] = []
    broken: list[tuple[int, str, str]] = []
    for line, cells, text in records:
        if cells is None:
            broken.append((line, _QUOTE_WORDS, text[:200]))
            continue
        stripped = [cell.strip() for cell in cells]
        if not any(stripped):
            continue
        if any(stripped[width:]):
            broken.append((line, MORE_FIELDS, " | ".join(stripped)[:200]))
        elif any(len(cell) > MOST_CELL_CHARS for cell in stripped):
            broken.append((line, f"A cell has more than {MOST_CELL_CHARS:,} characters.", stripped[0][:200]))
        else:
            rows.append((line, stripped[:width] + [""] * (width - len(stripped))))
    if len(rows) > MOST_ROWS:
        raise PayloadTooLarge(_too_many(len(rows)))
    return Sheet(headings, rows, how, broken, is_excel)


def _too_many(rows: int) -> str:
    return f"The file has {rows:,} rows; {MOST_ROWS:,} are the most. Divide it, and import the parts."
