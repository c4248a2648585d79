"""What a file is, by its content and never by its name."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from core.errors import InvalidRequest
from core.research.attachments.found import Found
from core.research.attachments.limits import MAX_NAME_CHARS

TAKEN = "Attach a PDF, a CSV or Excel file (.xlsx), a text, or a picture (PNG, JPEG, WebP, GIF)."
"""What can be attached, in a sentence."""
_HEAD = 1024
"""Bytes within which a PDF begins, as readers take it."""
_REFUSED = {
    b"\xd0\xcf\x11\xe0": "an Office file of an old form, or one with a password: save it as .xlsx without a password",
    b"\x1f\x8b": "an archive: unpack it, and attach what is in it",
    b"7z\xbc\xaf": "an archive: unpack it, and attach what is in it",
    b"Rar!": "an archive: unpack it, and attach what is in it",
    b"BZh": "an archive: unpack it, and attach what is in it",
    b"\xfd7zXZ": "an archive: unpack it, and attach what is in it",
    b"\x28\xb5\x2f\xfd": "an archive: unpack it, and attach what is in it",
    b"MZ": "a program",
    b"\x7fELF": "a program",
    b"PAR1": "a table in Parquet: save it as CSV",
    b"SQLite format 3": "a database",
    b"ID3": "a recording",
    b"OggS": "a recording",
    b"fLaC": "a recording",
}
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_file(data: bytes, name: str, media_type: str | None) -> Found:
    """What a file holds; `name` and `media_type` only tell a table from another text.

    Raises:
        InvalidRequest: nothing that can be read.
        PayloadTooLarge: it is too large once it is unpacked.
    """
    if data.startswith(_PICTURES) or (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        from core.research.attachments.pictures import read_picture

        return read_picture(data)
    if b"%PDF-" in data[:_HEAD]:
        from core.research.attachments.pdf import read_pdf

        return read_pdf(data)
    if data.startswith(b"PK"):
        from core.research.attachments.workbooks import read_workbook

        return read_workbook(data)
    for mark, what in _REFUSED.items():
        if data.startswith(mark) and not data.startswith(_MARKS):
            raise InvalidRequest(f"This file is {what}. {TAKEN}")
    from core.research.attachments.texts import read_text

    return read_text(data, is_table=_is_table(name, media_type))


def file_name(given: str) -> str:
    """A name as it is kept: without folders, and without what cannot be seen or turns others round."""
    last = PurePosixPath(given.replace("\\", "/")).name
    seen = "".join(each if unicodedata.category(each)[0] != "C" else " " for each in last[: 4 * MAX_NAME_CHARS])
    name = " ".join(seen.split()).strip(". ")
    if len(name) > MAX_NAME_CHARS:
        stem, dot, ending = name.rpartition(".")
        kept = f"{dot}{ending}" if stem and len(ending) <= 10 else ""
        name = f"{name[: MAX_NAME_CHARS - len(kept) - 1]}…{kept}"
    return name or "file"


def _is_table(name: str, media_type: str | None) -> bool | None:
    """Whether its sender calls it a table; None where they say nothing of it."""
    said = (media_type or "").partition(";")[0].strip().lower()
    ending = name.lower().rpartition(".")[2]
    if ending in ("csv", "tsv", "tab") or said in ("text/csv", "application/csv", "text/tab-separated-values"):
        return True
    return False if ending in ("txt", "md", "json", "html", "xml", "log", "py") else None
