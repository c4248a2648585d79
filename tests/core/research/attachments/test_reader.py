"""Files that are read in a process of their own: what comes of good ones, and that bad ones do no harm."""

from __future__ import annotations

import io
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.errors import InvalidRequest, PayloadTooLarge, ProviderUnavailable
from core.ids import new_id
from core.research.attachments.formats import file_name
from core.research.attachments.found import MAX_ANSWER_BYTES, Found, Refusal, taken, written
from core.research.attachments.limits import (
    MAX_CELL_CHARS,
    MAX_COLUMNS,
    MAX_IMAGE_BYTES,
    MAX_OF_QUESTION,
    MAX_PAGES,
    MAX_ROWS,
    MAX_SIDE,
    MAX_TEXT_CHARS,
)
from core.research.attachments.reader import BUSY, TOO_LONG, UNREADABLE, FileReader
from core.settings import ROOT
from tests.core.research.attachments import files_made as made

USER = new_id()
POPEN = "core.research.attachments.reader.subprocess.Popen"


def read(data: bytes, name: str = "file", media_type: str | None = None) -> Found:
    """Reads in another process, as users have it."""
    return FileReader().read(USER, data, name, media_type)


def image_of(found: Found) -> Image.Image:
    """The picture that was written anew."""
    assert found.image is not None
    return Image.open(io.BytesIO(found.image))


def test_a_pdf_is_its_text_by_pages() -> None:
    found = read(made.pdf(["Revenue was 12 million.", "", "Costs were 7 million."]), "report.pdf")
    assert (found.kind, found.pages) == ("pdf", 3)
    assert found.text == "[page 1]\nRevenue was 12 million.\n\n[page 2]\n\n\n[page 3]\nCosts were 7 million."
    assert found.notes == ("Page 2 without text: blank, or a picture.",)


def test_of_a_pdf_of_200_pages_the_first_are_read_and_that_is_said() -> None:
    found = read(made.pdf([f"This is page {number}." for number in range(1, 201)]))
    assert found.pages == 200
    assert f"This is page {MAX_PAGES}." in found.text
    assert f"This is page {MAX_PAGES + 1}." not in found.text
    assert found.notes == (f"Pages 1 to {MAX_PAGES} of 200 were read.",)


def test_of_a_long_pdf_as_much_is_read_as_is_kept() -> None:
    found = read(made.pdf(["word " * 5_000] * 8))
    assert len(found.text) <= MAX_TEXT_CHARS
    assert found.notes == ("Pages 1 to 3 of 8 were read.",)


def test_an_encrypted_pdf_is_refused_and_says_what_to_do() -> None:
    with pytest.raises(InvalidRequest, match=r"This PDF is encrypted\. Save it without its password"):
        read(made.encrypted_pdf("secret"))


def test_a_pdf_that_only_forbids_changes_is_read() -> None:
    assert "Revenue was 12 million." in read(made.encrypted_pdf("")).text


def test_a_scanned_pdf_says_that_it_has_no_text() -> None:
    found = read(made.pdf(["", ""]))
    assert (found.text, found.pages) == ("", 2)
    assert found.notes[0].startswith("No text was found in this PDF")


@pytest.mark.slow
def test_a_pdf_that_unpacks_to_gigabytes_is_no_trouble() -> None:
    bomb, begun = made.pdf_bomb(), time.monotonic()
    assert len(bomb) < 1_000_000
    try:
        found = read(bomb)
    except (InvalidRequest, PayloadTooLarge):
        found = None
    assert found is None or len(found.text) <= MAX_TEXT_CHARS
    assert time.monotonic() - begun < 40


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"%PDF-1.7\nnothing more", "This PDF cannot be read", id="pdf"),
        pytest.param(made.picture(30, 30)[:60], "This picture cannot be read", id="png"),
        pytest.param(b"\x89PNG\r\n\x1a\n<html>not a picture</html>", "This picture cannot be read", id="no_png"),
        pytest.param(b"\xff\xd8\xff" + b"x" * 500, "This picture cannot be read", id="no_jpeg"),
        pytest.param(b"PK\x03\x04" + b"x" * 500, "This Excel file cannot be read", id="xlsx"),
        pytest.param(made.archive({"a.txt": "hello"}), "is an archive", id="zip"),
        pytest.param(made.archive({"word/document.xml": "<w/>"}), "is an archive, or a document", id="docx"),
        pytest.param(b"\xd0\xcf\x11\xe0" + b"\0" * 500, "old form, or one with a password", id="xls"),
        pytest.param(b"\x1f\x8b" + b"\0" * 500, "is an archive", id="gzip"),
        pytest.param(b"\x7fELF" + b"\0" * 500, "is a program", id="program"),
        pytest.param(bytes(range(256)) * 20, "nothing that can be read", id="bytes"),
        pytest.param(b" \n\t ", "nothing but white space", id="blank"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read(data, "report.pdf", "application/pdf")


def test_a_file_is_what_its_content_is_whatever_its_name() -> None:
    assert read(made.picture(20, 10), "report.pdf", "application/pdf").kind == "image"
    assert read(made.pdf(["Hello."]), "photo.png", "image/png").kind == "pdf"


def test_a_csv_is_a_table_with_commas() -> None:
    given = "Name;Price;Day\nMüller AG;1,50;2024-03-01\n\nIBM;2,75;2024-03-02\n".encode("cp1252")
    found = read(given, "prices.txt", "application/octet-stream")
    assert (found.kind, found.media_type) == ("text", "text/plain")
    found = read(given, "prices.csv")
    assert found.kind == "csv"
    assert found.text == 'Name,Price,Day\nMüller AG,"1,50",2024-03-01\nIBM,"2,75",2024-03-02'
    assert found.notes == ("CSV in windows-1252, separated by semicolon.",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_tables_are_known_in_each_encoding(encoding: str) -> None:
    assert read("Größe\tWert\nA\t1\nB\t2\n".encode(encoding)).text == "Größe,Wert\nA,1\nB,2"


def test_formulas_of_a_csv_are_made_plain_text_and_numbers_stay() -> None:
    given = '=cmd|calc!A1,@SUM(A1),+49 30 1234,-5.25%\n"=1+1",-1e-5,-x,+\n,- item,"\t=A1",\'=B1\n'
    found = read(given.encode(), "x.csv")
    assert found.text == "'=cmd|calc!A1,'@SUM(A1),+49 30 1234,-5.25%\n'=1+1,-1e-5,'-x,+\n,'- item,'=A1,'=B1"
    assert found.notes[1].startswith("6 cells that are written like formulas were made plain text")


def test_a_large_table_is_cut_and_that_is_said() -> None:
    found = read(b"a,b\n" + b"1,2\n" * (MAX_ROWS + 99), "x.csv")
    assert found.text.count("\n") == MAX_ROWS - 1
    assert f"The first {MAX_ROWS:,} of {MAX_ROWS + 100:,} rows were read." in found.notes
    wide = read((",".join(["x"] * (MAX_COLUMNS + 5)) + "\n" + "y" * 5_000 + "\n").encode(), "x.csv")
    assert wide.text.split("\n")[0].count("x") == MAX_COLUMNS
    assert len(wide.text.split("\n")[1]) == MAX_CELL_CHARS
    assert wide.notes[1:] == ("The first 100 columns were read.", "Cells were cut to 1,000 characters.")


def test_a_quote_that_is_never_closed_swallows_no_rows() -> None:
    found = read(b'name,inch\n"tube,5\n' + b"rod,2\n" * 100, "x.csv")
    assert found.text.count("rod,2") == 100
    assert "A quote in it is never closed: quotes were read as plain characters." in found.notes


def test_a_workbook_is_its_sheets_with_the_values_that_were_kept() -> None:
    sheets: dict[str, list[list[made.Cell]]] = {
        "Sales": [["Region", "USD"], ["North", 1.5], ["Sum", ("SUM(B2:B2)", 1.5)]],
        "Notes": [["=HYPERLINK(1)"]],
    }
    found = read(made.workbook(sheets, {"xl/vbaProject.bin": b"macro"}), "book.xlsx")
    assert (found.kind, found.pages) == ("xlsx", 2)
    assert found.text == "[sheet Sales]\nRegion,USD\nNorth,1.5\nSum,1.5\n\n[sheet Notes]\n'=HYPERLINK(1)"
    assert found.notes[-1] == "Its macros were not run and are not kept."


def test_of_a_long_workbook_as_much_is_read_as_is_kept() -> None:
    found = read(made.workbook({"Long": [["x" * 50, number] for number in range(3_000)], "Next": [["a"]]}))
    assert len(found.text) <= MAX_TEXT_CHARS
    assert found.notes[0].startswith("Of the sheet “Long” the first 1,")
    assert found.text.endswith("[sheet Next]\na")


def test_an_empty_workbook_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no sheet of it has a filled cell"):
        read(made.workbook({"Empty": [[]]}))


@pytest.mark.parametrize("lies", [False, True], ids=["honest", "lying"])
def test_a_zip_bomb_is_refused(lies: bool) -> None:
    bomb = made.workbook({"A": [["a"]]}, {"xl/media/zeros.bin": b"\0" * 110_000_000})
    assert len(bomb) < 200_000
    with pytest.raises((PayloadTooLarge, InvalidRequest), match=r"too large once it is unpacked|cannot be read"):
        read(made.lying_archive(bomb, "xl/media/zeros.bin") if lies else bomb, "book.xlsx")


def test_a_workbook_of_very_many_parts_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="too large once it is unpacked"):
        read(made.workbook({"A": [["a"]]}, {f"xl/x{number}": b"" for number in range(2_001)}))


def test_a_text_keeps_its_lines_and_loses_what_hides_in_it() -> None:
    found = read("Dear all,\r\n\r\nprofit\u202e rose\u200b by\x00 3,\nas said.\n".encode(), "note.txt")
    assert (found.kind, found.text) == ("text", "Dear all,\n\nprofit rose by  3,\nas said.")


def test_prose_with_commas_is_no_table() -> None:
    assert read(b"First, we looked at sales.\nThen, at costs, and at tax.\nThat was all.\n").kind == "text"


def test_of_a_long_text_the_beginning_is_read_and_that_is_said() -> None:
    found = read(b"All work and no play. " * 10_000)
    assert len(found.text) <= MAX_TEXT_CHARS
    assert found.notes == ("The first 60,000 of 219,999 characters were read.",)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_picture_is_written_anew(form: str) -> None:
    found = read(made.picture(40, 30, form))
    assert (found.kind, found.width, found.height, found.notes) == ("image", 40, 30, ())
    assert image_of(found).size == (40, 30)
    assert found.media_type == ("image/jpeg" if form == "JPEG" else "image/png")


def test_what_hides_in_a_picture_is_dropped_and_it_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x0112] = 6
    found = read(made.picture(40, 20, "JPEG", exif=exif.tobytes()) + b"<script>hidden</script>")
    assert (found.width, found.height) == (20, 40)
    assert found.image is not None
    assert b"taken at home" not in found.image and b"hidden" not in found.image
    assert not image_of(found).getexif()


def test_a_large_picture_is_scaled_and_that_is_said() -> None:
    found = read(made.picture(4_000, 1_000))
    assert (found.width, found.height) == (MAX_SIDE, 392)
    assert found.notes == (f"The picture was scaled from 4,000 × 1,000 to {MAX_SIDE:,} × 392 pixels.",)


@pytest.mark.slow
def test_a_picture_that_stays_large_is_written_as_a_photo() -> None:
    found = read(made.noise(1_600, 1_600))
    assert found.media_type == "image/jpeg"
    assert found.image is not None and len(found.image) <= MAX_IMAGE_BYTES


def test_of_a_moving_picture_the_first_frame_is_kept() -> None:
    found = read(made.moving_picture(12))
    assert found.notes == ("The picture moves: the first of its 12 frames was kept.",)
    assert image_of(found).convert("RGB").getpixel((5, 5)) == (255, 0, 0)


def test_a_picture_that_unpacks_to_gigabytes_is_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="more than 50 million pixels"):
        read(made.picture_bomb())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param("../../etc/passwd", "passwd", id="path"),
        pytest.param("C:\\temp\\report.pdf", "report.pdf", id="windows"),
        pytest.param("a\x00b\r\nX: y\u202efdp.exe", "a b X: y fdp.exe", id="control"),
        pytest.param("", "file", id="empty"),
        pytest.param("..", "file", id="dots"),
        pytest.param("Bericht März.pdf", "Bericht März.pdf", id="plain"),
        pytest.param("x" * 300 + ".csv", "x" * 195 + "….csv", id="long"),
    ],
)
def test_a_name_is_kept_without_folders_and_hidden_characters(given: str, kept: str) -> None:
    assert file_name(given) == kept


def test_a_reader_that_is_late_is_ended() -> None:
    with pytest.raises(InvalidRequest, match=TOO_LONG):
        FileReader(wall_s=0.01).read(USER, b"hello", "x.txt")


WRITTEN = Path(tempfile.gettempdir()) / "assay-written-by-a-reader"
PROGRAMS = {
    "spins": "while True: pass",
    "eats": "x = []\nwhile True: x.append(bytearray(10_000_000))",
    "floods": "import sys\nwhile True: sys.stdout.buffer.write(b'x' * 1_000_000)",
    "lies": 'print(\'{"kind": "program"}\')',
    "dies": "import os; os.abort()",
    "writes": f"open({str(WRITTEN)!r}, 'w')",
    "calls": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "starts": "import subprocess; subprocess.run(['true'])",
}


@pytest.mark.slow
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_a_reader_that_a_file_took_over_is_held(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken_over = (
        "import resource; from core.research.attachments import reading; reading._LIMITS[resource.RLIMIT_CPU] = 1; "
        f"reading.answer = lambda given: exec({PROGRAMS[program]!r}); reading.main()"
    )
    started = subprocess.Popen
    monkeypatch.setattr(POPEN, lambda command, **options: started([*command[:-2], "-c", taken_over], **options))
    begun = time.monotonic()
    with pytest.raises(InvalidRequest, match=f"{TOO_LONG}|{UNREADABLE}"):
        FileReader(wall_s=20).read(USER, b"hello", "x.txt")
    assert time.monotonic() - begun < 15
    assert not WRITTEN.exists()


def test_a_reader_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    given: list[dict[str, Any]] = []
    started = subprocess.Popen

    def noted(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        given.append(options)
        return started(command, **options)

    monkeypatch.setattr(POPEN, noted)
    assert read(b"hello").text == "hello"
    assert given[0]["cwd"] == ROOT
    assert "OPENAI_API_KEY" not in given[0]["env"]


class SlowReader(FileReader):
    """One whose file is not read until it is let go."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(at_once=1, wait_s=wait_s)
        self.inside, self.leave = threading.Event(), threading.Event()

    def _answer(self, data: bytes, name: str, media_type: str | None) -> Found:
        self.inside.set()
        self.leave.wait(10)
        return Found(kind="text", media_type="text/plain", text="x")


def test_files_wait_for_their_turn_and_are_refused_when_it_does_not_come() -> None:
    reader = SlowReader(wait_s=0.05)
    thread = threading.Thread(target=reader.read, args=(USER, b"x", "x"))
    thread.start()
    assert reader.inside.wait(10)
    with pytest.raises(ProviderUnavailable, match=BUSY):
        reader.read(new_id(), b"x", "x")
    reader.leave.set()
    thread.join()
    assert reader.read(USER, b"x", "x").text == "x"
    assert not reader._waiting


def test_one_user_has_no_more_files_read_at_once_than_a_question_takes() -> None:
    reader = SlowReader(wait_s=10)
    threads = [threading.Thread(target=reader.read, args=(USER, b"x", "x")) for _ in range(MAX_OF_QUESTION)]
    for thread in threads:
        thread.start()
    while reader._waiting[USER] < MAX_OF_QUESTION:
        reader.inside.wait(0.01)
    with pytest.raises(ProviderUnavailable):
        reader.read(USER, b"x", "x")
    reader.leave.set()
    for thread in threads:
        thread.join()


PNG = made.picture(2, 1)
FOUND = Found(kind="image", media_type="image/png", width=2, height=1, image=PNG)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: b"", id="nothing"),
        pytest.param(lambda content: b"[]\n", id="list"),
        pytest.param(lambda content: content.replace(b'"image"', b'"sound"'), id="kind"),
        pytest.param(lambda content: content.replace(b'"width":2', b'"width":-2'), id="width"),
        pytest.param(lambda content: content.replace(b"\x89PNG", b"<svg"), id="no_picture"),
        pytest.param(lambda content: content + b"x" * MAX_IMAGE_BYTES, id="too_long"),
        pytest.param(lambda content: content.replace(b'"text":""', b'"text":"' + b"x" * 60_001 + b'"'), id="text"),
        pytest.param(lambda content: content.replace(b"image/png", b"text/html"), id="type"),
        pytest.param(lambda content: content.replace(b'"image"', b'"text"'), id="text_with_picture"),
    ],
)
def test_an_answer_is_believed_in_nothing(damage: Callable[[bytes], bytes]) -> None:
    content = written(FOUND)
    assert len(content) < MAX_ANSWER_BYTES
    assert taken(content) == FOUND
    assert taken(damage(content)) is None


def test_a_refusal_is_handed_over() -> None:
    assert taken(written(Refusal(refused="No."))) == Refusal(refused="No.")
