"""Files as people send them, and as they are made to do harm."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image
from pypdf import PdfReader, PdfWriter

Cell = str | float | tuple[str, float]
"""A formula is its text and the value that was kept with it."""
_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def pdf(pages: Sequence[str]) -> bytes:
    """A PDF with a line of text on each page; an empty one is a page without text."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET" if text else "0 0 m 10 10 l S"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R /Resources "
            "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(written))
        written += f"{number} 0 obj\n{content}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n"
    return written + f"{end}<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(written)}\n%%EOF".encode()


def encrypted_pdf(password: str) -> bytes:
    """A PDF that opens with a password; an empty one opens for everybody, and forbids changes alone."""
    writer, content = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(["Revenue was 12 million."])))), io.BytesIO()
    writer.encrypt(password, owner_password="owner", algorithm="AES-256")
    writer.write(content)
    return content.getvalue()


def pdf_bomb() -> bytes:
    """A PDF of some hundred kilobytes whose one page unpacks to gigabytes."""
    stream = zlib.compress(zlib.compress(b"BT (x) Tj ET\n" * 60_000_000, 9), 9)
    head = f"<< /Length {len(stream)} /Filter [/FlateDecode /FlateDecode] >>\nstream\n".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        head + stream + b"\nendstream",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 3 0 R >>",
    ]
    written = b"%PDF-1.4\n"
    for number, content in enumerate(objects, start=1):
        written += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    return written + b"trailer\n<< /Size 5 /Root 1 0 R >>\n%%EOF"


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], extra: Mapping[str, bytes] | None = None) -> bytes:
    """An Excel file; `extra` are further parts of it."""
    names = "".join(
        f'<sheet name="{name}" sheetId="{number}" r:id="rId{number}"/>' for number, name in enumerate(sheets, start=1)
    )
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_RELATIONS}"><sheets>{names}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
    }
    for number, rows in enumerate(sheets.values(), start=1):
        content = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_SHEET}"><sheetData>{content}</sheetData></worksheet>'
        )
    return archive({**parts, **(extra or {})})


def archive(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        for name, part in parts.items():
            written.writestr(name, part)
    return content.getvalue()


def lying_archive(content: bytes, name: str) -> bytes:
    """A ZIP file whose own directory says of a part that it is ten bytes long."""
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        size = opened.getinfo(name).file_size
    return content.replace(struct.pack("<I", size), struct.pack("<I", 10))


def picture(width: int, height: int, form: str = "PNG", *, exif: bytes = b"", mode: str = "RGB") -> bytes:
    """A picture of one colour, or of a gradient in grey."""
    made, content = Image.new(mode, (width, height), "teal"), io.BytesIO()
    made.save(content, form, **({"exif": exif} if exif else {}))
    return content.getvalue()


def noise(width: int, height: int) -> bytes:
    """A picture that no format makes small."""
    made, content = Image.effect_noise((width, height), 120).convert("RGB"), io.BytesIO()
    made.save(content, "PNG", compress_level=1)
    return content.getvalue()


def moving_picture(frames: int) -> bytes:
    """An animated GIF, red first and blue then."""
    made = [Image.new("RGB", (20, 10), "red" if number == 0 else (0, 0, 255 - number)) for number in range(frames)]
    content = io.BytesIO()
    made[0].save(content, "GIF", save_all=True, append_images=made[1:], duration=100)
    return content.getvalue()


def picture_bomb() -> bytes:
    """A PNG of some hundred bytes that says it has 900 million pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1_000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _cell(value: Cell) -> str:
    if isinstance(value, tuple):
        return f"<c><f>{value[0]}</f><v>{value[1]}</v></c>"
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value}</v></c>"
