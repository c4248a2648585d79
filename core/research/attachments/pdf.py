"""PDF files: their text, page by page."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import InvalidRequest
from core.research.attachments.found import Found
from core.research.attachments.limits import MAX_PAGES, MAX_TEXT_CHARS, READ_S
from core.research.attachments.texts import kept_text

if TYPE_CHECKING:
    from pypdf import PdfReader

ENCRYPTED = "This PDF is encrypted. Save it without its password, and attach that."
NO_TEXT = (
    "No text was found in this PDF: its pages seem to be pictures, as of a scanner. Attach the pages as pictures, or a "
    "PDF with its text."
)
_BROKEN = "This PDF cannot be read: it is broken, or no PDF. Print it to a new PDF, and attach that."
_FLAWS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What pypdf raises of broken files beside its own errors."""


def read_pdf(data: bytes) -> Found:
    """The text of the first pages, each beneath its number.

    Raises:
        InvalidRequest: it is encrypted or broken, or has no pages.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise InvalidRequest(ENCRYPTED)
        pages = len(reader.pages)
    except (DependencyError, FileNotDecryptedError) as error:
        raise InvalidRequest(ENCRYPTED) from error
    except (PyPdfError, *_FLAWS) as error:
        raise InvalidRequest(_BROKEN) from error
    if not pages:
        raise InvalidRequest("This PDF has no pages.")
    text, read, unread, empty = _text(reader, pages)
    notes = _notes(pages, read, unread, empty)
    is_empty = len(empty) + len(unread) == read
    if is_empty:
        notes.append(NO_TEXT)
    return Found(
        kind="pdf", media_type="application/pdf", text="" if is_empty else text, pages=pages, notes=tuple(notes)
    )


def _text(reader: PdfReader, pages: int) -> tuple[str, int, list[int], list[int]]:
    """The text, how many pages were looked at, and which of them cannot be read, or are empty."""
    from pypdf.errors import PyPdfError

    parts: list[str] = []
    unread: list[int] = []
    empty: list[int] = []
    room, until, read = MAX_TEXT_CHARS, time.monotonic() + READ_S, 0
    for number in range(1, min(pages, MAX_PAGES) + 1):
        if room <= 0 or time.monotonic() > until:
            break
        read = number
        try:
            content = kept_text(reader.pages[number - 1].extract_text()).strip()
        except (PyPdfError, *_FLAWS):
            unread.append(number)
            continue
        if not content:
            empty.append(number)
        part = f"[page {number}]\n{content}\n\n"
        parts.append(part[:room])
        room -= len(part)
    return "".join(parts).rstrip(), read, unread, empty


def _notes(pages: int, read: int, unread: Sequence[int], empty: Sequence[int]) -> list[str]:
    notes = []
    if read < pages:
        notes.append(f"Pages 1 to {read} of {pages:,} were read." if read > 1 else f"Page 1 of {pages:,} was read.")
    if unread:
        notes.append(f"{_pages(unread)} cannot be read.")
    if empty and len(empty) + len(unread) < read:
        notes.append(f"{_pages(empty)} without text: blank, or a picture.")
    return notes


def _pages(numbers: Sequence[int]) -> str:
    """`Page 3`, `Pages 3, 7 to 9`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs[:20]]
    more = ", …" if len(runs) > len(shown) else ""
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {', '.join(shown)}{more}"
