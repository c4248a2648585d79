"""Files and imports for tests: Excel files made by hand, and rows read without a database."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path

from core.portfolio.imports.assembling import Assembler
from core.portfolio.imports.imports import ImportParts, Imports
from core.portfolio.imports.mapping import Planned, known_headings, planned
from core.portfolio.imports.outcomes import Choice, Fate, RowFate
from core.portfolio.imports.presets import load_presets
from core.portfolio.imports.reading import Sheet, heading_key, read_sheet
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import Portfolios
from core.portfolio.transactions import Draft
from core.settings import DATA
from core.workbench import Workbench

FILES = Path(__file__).parent / "files"
TODAY = date(2026, 11, 22)
PRESETS = load_presets(DATA / "brokers")
KNOWN = known_headings(PRESETS)
_NAMES = "http://schemas.openxmlformats.org"


@dataclass(frozen=True)
class Read:
    """A file as it is read by itself."""

    sheet: Sheet
    planned: Planned
    rows: list[RowFate]

    @property
    def drafts(self) -> list[Draft]:
        """Of all rows that would be added."""
        return [draft for row in self.rows if row.fate is Fate.ADDED for draft in row.drafts]

    def of(self, fate: Fate) -> dict[int, str]:
        """The reason by line of the rows with this fate."""
        return {row.line: row.reason for row in self.rows if row.fate is fate}


def sheet_of(content: bytes | str) -> Sheet:
    """The rows of a file."""
    encoded = content.encode() if isinstance(content, str) else content
    return read_sheet(encoded, lambda headings: len({heading_key(each) for each in headings} & KNOWN))


def read(content: bytes | str, choice: Choice | None = None, *, currency: str = "USD") -> Read:
    """A file read row by row, beside no other transaction."""
    sheet = sheet_of(content)
    plan = planned(sheet, PRESETS, choice or Choice(), base_currency=currency, today=TODAY)
    rows: list[RowFate] = []
    if plan.plan is not None:
        assembler = Assembler(plan.plan, sheet.headings, latest=TODAY)
        rows = [assembler.fate(line, cells) for line, cells in sheet.rows]
        rows += [RowFate(line, Fate.REFUSED, reason, text=text) for line, reason, text in sheet.broken]
    return Read(sheet, plan, rows)


def imports_of(workbench: Workbench) -> Imports:
    """Imports over a workbench's database and market."""
    market, books = workbench.market, Books(workbench.market.bars)
    return Imports(
        workbench.database,
        ImportParts(
            journal=Journal(workbench.database, workbench.plans, books, market.time),
            portfolios=Portfolios(workbench.database, workbench.plans),
            books=books,
            instruments=market.instruments,
            calendars=market.calendars,
            market_time=market.time,
            presets=PRESETS,
        ),
    )


def excel(rows: Sequence[tuple[int, Sequence[object]]], name: str = "Trades") -> bytes:
    """An Excel file, rows by number; a `date` is kept as spreadsheets keep days, text after = as a formula."""
    lines = "".join(
        f'<row r="{number}">{"".join(_cell(value, number, at) for at, value in enumerate(cells))}</row>'
        for number, cells in rows
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_NAMES}/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        + "".join(
            f'<Override PartName="/xl/{part}.xml" '
            f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{kind}+xml"/>'
            for part, kind in (
                ("workbook", "sheet.main"),
                ("worksheets/sheet1", "worksheet"),
                ("styles", "styles"),
            )
        )
        + "</Types>",
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook xmlns="{_NAMES}/spreadsheetml/2006/main" '
        f'xmlns:r="{_NAMES}/officeDocument/2006/relationships"><sheets>'
        f'<sheet name="{escape(name)}" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "xl/styles.xml": f'<styleSheet xmlns="{_NAMES}/spreadsheetml/2006/main"><fonts count="1"><font/></fonts>'
        '<fills count="1"><fill/></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_NAMES}/spreadsheetml/2006/main">'
        f"<sheetData>{lines}</sheetData></worksheet>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            archive.writestr(path, f'<?xml version="1.0"?>{text}')
    return packed.getvalue()


def _relations(*targets: tuple[str, str]) -> str:
    links = "".join(
        f'<Relationship Id="rId{number}" Type="{_NAMES}/officeDocument/2006/relationships/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_NAMES}/package/2006/relationships">{links}</Relationships>'


def _cell(value: object, row: int, at: int) -> str:
    place = f"{chr(ord('A') + at)}{row}"
    if value is None:
        return ""
    if isinstance(value, date):
        return f'<c r="{place}" s="1"><v>{(value - date(1899, 12, 30)).days}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value!r}</v></c>'
    text = escape(str(value))
    if text.startswith("="):
        return f'<c r="{place}" t="str"><f>{text[1:]}</f><v>computed before</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'
