"""Verdicts as a file: what was said, what happened, and what it cost, with every digit."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from core.screener.export import FORMULA
from core.verdicts.validations import Brief, Filters, Page

MAX_ROWS = 20_000
AT_ONCE = 200
COLUMNS: dict[str, Callable[[Brief], object]] = {
    "given_at": lambda each: each.created_at,
    "symbol": lambda each: each.symbol,
    "universe": lambda each: each.universe_id,
    "signal_type": lambda each: each.signal_type,
    "signal_direction": lambda each: each.direction,
    "signal_day": lambda each: each.signal_day,
    "verdict": lambda each: each.verdict,
    "confidence": lambda each: each.confidence,
    "move_5": lambda each: each.move_5,
    "benchmark_5": lambda each: each.benchmark_5,
    "move_20": lambda each: each.move_20,
    "benchmark_20": lambda each: each.benchmark_20,
    "retrospective": lambda each: each.is_retrospective,
    "generated": lambda each: each.is_generated,
    "purpose": lambda each: each.purpose,
    "model": lambda each: each.model,
    "provider": lambda each: each.provider,
    "offline": lambda each: each.is_offline,
    "prompt_version": lambda each: each.prompt_version,
    "numbers": lambda each: each.numbers,
    "numbers_verified": lambda each: each.numbers_verified,
    "charged_usd": lambda each: each.charged_usd,
    "call_usd": lambda each: each.call_usd,
    "cached": lambda each: each.is_cached,
    "verdict_id": lambda each: each.id,
    "signal_id": lambda each: each.signal_id,
}
"""The columns of the file: moves are shares, from the next session's open."""
_FORMULA = re.compile(FORMULA)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")

Read = Callable[[Filters, tuple[datetime, UUID] | None, int], Page]


def csv_of(read: Read, filters: Filters) -> bytes:
    """All verdicts that match, newest first, in UTF-8 with a mark at its beginning."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for brief in _all(read, filters):
        writer.writerow([_cell(column(brief)) for column in COLUMNS.values()])
    return out.getvalue().encode("utf-8-sig")


def _all(read: Read, filters: Filters) -> Iterator[Brief]:
    cursor, given = None, 0
    while given < MAX_ROWS:
        page = read(filters, cursor, AT_ONCE)
        yield from page.verdicts
        given += len(page.verdicts)
        cursor = page.next_cursor
        if cursor is None:
            return


def _cell(value: object) -> str:
    """Figures stay numbers; text that a spreadsheet would take for a formula is marked as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, float | int):
        return repr(value)
    text = str(value)
    line = _UNSEEN.sub(" ", text)
    return f"'{line}" if _FORMULA.search(text) else line
