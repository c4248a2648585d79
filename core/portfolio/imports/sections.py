"""Statements that hold several tables one below the other, as Interactive Brokers writes them, joined into one."""

from __future__ import annotations

from collections.abc import Sequence

SECTION_MARKS = frozenset({"Statement"})
"""First cell of the first line of such a file: `Statement,Header,Field Name,Field Value`."""
SECTION = "Section"
"""Heading of the column that tells the table of a row."""
SAME = {"Date/Time": "Date", "Settle Date": "Date", "Proceeds": "Amount"}
"""Columns of different tables that say the same."""
_LEAST_CELLS = 3

Record = tuple[int, list[str]]


def joined_sections(records: Sequence[Record]) -> tuple[list[str], list[Record]]:
    """One table with the columns of all: a line is `table, Header or Data, cells…`; totals are left out by their mark.

    Args:
        records: line and cells, as the file has them.

    Returns:
        The headings, `Section` first, and the rows with their lines.
    """
    headings: dict[str, int] = {SECTION: 0}
    current: list[str] = []
    rows: list[tuple[int, dict[str, str]]] = []
    for line, cells in records:
        if len(cells) < _LEAST_CELLS:
            continue
        table, mark, *values = (cell.strip() for cell in cells)
        if mark == "Header":
            current = values = [SAME.get(value, value) for value in values]
            for heading in values:
                headings.setdefault(heading, len(headings))
        elif mark == "Data":
            rows.append((line, {SECTION: table, **dict(zip(current, values, strict=False))}))
        else:
            rows.append((line, {SECTION: f"{table} {mark}", **dict(zip(current, values, strict=False))}))
    names = [heading for heading in headings if heading]
    return names, [(line, [row.get(name, "") for name in names]) for line, row in rows]
