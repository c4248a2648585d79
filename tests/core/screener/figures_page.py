"""The table of figures in `docs/screener.md`, written from FIELDS: `python -m tests.core.screener.figures_page`."""

from __future__ import annotations

import re

from core.screener.fields import FIELDS, GROUPS, MAX_COUNT, MAX_PRICE, Field
from core.screener.wording import spoken_value
from core.settings import ROOT

PAGE = ROOT / "docs" / "screener.md"
_PLACE = re.compile(r"(<!-- figures:[^\n]*-->\n).*?(<!-- /figures -->)", re.DOTALL)


def as_it_should_be() -> str:
    """The page with its table as FIELDS has it."""
    table = "\n".join(_lines())
    return _PLACE.sub(lambda found: f"{found[1]}{table}\n{found[2]}", PAGE.read_text("utf-8"))


def _lines() -> list[str]:
    lines = ["| figure | id | unit | range | what it is |", "| --- | --- | --- | --- | --- |"]
    for group in GROUPS:
        lines.append(f"| **{group}** | | | | |")
        lines += [_line(field) for field in FIELDS.values() if field.group == group]
    return lines


def _line(field: Field) -> str:
    return f"| {field.label} | `{field.id}` | {field.unit} | {_range(field)} | {field.help} |"


def _range(field: Field) -> str:
    if not field.is_number:
        return "any" if field.choices is None else f"{len(field.choices)} choices"
    low, high = spoken_value(field, field.low), spoken_value(field, field.high)
    if field.high in (MAX_PRICE, MAX_COUNT):
        return "any" if field.low == -MAX_PRICE else f"from {low}"
    return f"{low} to {high}"


if __name__ == "__main__":
    PAGE.write_text(as_it_should_be(), "utf-8")
