"""Excel workbooks: the values that were kept in their cells, sheet by sheet; nothing in them is run."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from core.errors import InvalidRequest, PayloadTooLarge
from core.research.attachments.found import Found
from core.research.attachments.limits import MAX_PARTS, MAX_ROWS, MAX_SHEETS, MAX_TEXT_CHARS, MAX_UNPACKED_BYTES
from core.research.attachments.texts import TableText, kept_text

if TYPE_CHECKING:
    import fastexcel

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_BROKEN = (
    "This Excel file cannot be read: it is broken, protected by a password, or of an old form. Save it as .xlsx or as "
    "CSV, and attach that."
)
_TOO_LARGE = "This file is too large once it is unpacked. Divide it, and attach the parts."
_STEP = 1 << 20


def read_workbook(data: bytes) -> Found:
    """The sheets of a workbook as tables, each beneath its name; of a formula the value that was kept with it.

    Raises:
        InvalidRequest: it is broken, or an archive of another kind.
        PayloadTooLarge: it is too large once it is unpacked.
    """
    import fastexcel
    from polars.exceptions import PanicException, PolarsError

    has_macros = _check_archive(data)
    try:
        book = fastexcel.read_excel(data)
        names = list(book.sheet_names)
        text, notes = _sheets(book, names)
    except (fastexcel.FastExcelError, PolarsError, PanicException, IndexError, ValueError) as error:
        raise InvalidRequest(_BROKEN) from error
    if has_macros:
        notes.append("Its macros were not run and are not kept.")
    if not text:
        raise InvalidRequest("This Excel file is empty: no sheet of it has a filled cell.")
    return Found(kind="xlsx", media_type=MEDIA_TYPE, text=text, pages=len(names), notes=tuple(notes))


def _check_archive(data: bytes) -> bool:
    """Whether a workbook has macros.

    Its own directory is asked first; since that may lie, the parts are then really unpacked, to nowhere.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
                raise PayloadTooLarge(_TOO_LARGE)
            if not any(part.filename == "xl/workbook.xml" for part in parts):
                raise InvalidRequest(
                    "This file is an archive, or a document of another kind, and no Excel file. Attach what is in it, "
                    "or print it to PDF."
                )
            if any(part.flag_bits & 1 for part in parts):
                raise InvalidRequest(_BROKEN)
            _unpack(archive, parts)
            return any(part.filename.lower().endswith("vbaproject.bin") for part in parts)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, OSError, ValueError) as error:
        raise InvalidRequest(_BROKEN) from error


def _unpack(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    import zlib

    room = MAX_UNPACKED_BYTES
    try:
        for part in parts:
            with archive.open(part) as content:
                while piece := content.read(_STEP):
                    room -= len(piece)
                    if room < 0:
                        raise PayloadTooLarge(_TOO_LARGE)
    except zlib.error as error:
        raise zipfile.BadZipFile(str(error)) from error


def _sheets(book: fastexcel.ExcelReader, names: list[str]) -> tuple[str, list[str]]:
    parts: list[str] = []
    notes: list[str] = []
    changed: list[str] = []
    room = MAX_TEXT_CHARS
    for name in names[:MAX_SHEETS]:
        heading = f"[sheet {kept_text(name)[:60]}]\n"
        if room <= len(heading):
            notes.append(f"The sheet {_named(name)} and those after it were not read: the sheets before are long.")
            break
        table = TableText(room - len(heading) - 2)
        more = _fill(table, book, name)
        if not table.rows:
            if more:
                notes.append(f"The sheet {_named(name)} was not read: its first row is too long.")
            continue
        part = f"{heading}{table.text()}\n\n"
        room -= len(part)
        parts.append(part)
        if more:
            notes.append(f"Of the sheet {_named(name)} the first {table.rows:,} rows were read.")
        changed += [each for each in table.notes() if each not in changed]
    if len(names) > MAX_SHEETS:
        notes.append(f"The first {MAX_SHEETS} of {len(names):,} sheets were read.")
    return "".join(parts).rstrip(), [*notes[:12], *changed[:6]]


def _fill(table: TableText, book: fastexcel.ExcelReader, name: str) -> bool:
    """Adds the rows of a sheet to a table; True where there are more."""
    sheet = book.load_sheet(name, header_row=None, skip_rows=0, dtypes="string", n_rows=MAX_ROWS + 1)
    for row in sheet.to_polars().iter_rows():
        cells = ["" if cell is None else str(cell) for cell in row]
        if any(cell.strip() for cell in cells) and not table.add(cells):
            return True
    return False


def _named(name: str) -> str:
    return f"“{' '.join(kept_text(name).split())[:40]}”"
