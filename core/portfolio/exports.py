"""A portfolio's transactions as a CSV file that spreadsheets read and the importer takes back as they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from decimal import Decimal

from core.portfolio.transactions import LABELS, Draft, Transaction, in_force

MEDIA_TYPE = "text/csv; charset=utf-8"
HEADINGS = (
    "Date",
    "Kind",
    "Symbol",
    "Quantity",
    "Price",
    "Amount",
    "Currency",
    "Fees",
    "Taxes",
    "Exchange rate",
    "Ratio",
    "Other symbol",
    "Share of the cost",
    "Note",
)
"""Columns, in their order; the preset `generic` reads them."""
_FORMULA = re.compile(r"'*[\s\x00-\x1f]*[=+\-@＝＋－＠]")
"""Text at whose beginning a spreadsheet may compute; an apostrophe before it keeps it text."""


def csv_of(transactions: Iterable[Transaction]) -> bytes:
    """The transactions that count, by day, in UTF-8 with a mark at its beginning and lines ended as RFC 4180 has it.

    Rows that were reversed are left out, and those that reverse them. Numbers have a decimal point and no groups.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADINGS)
    writer.writerows(_row(each) for each in in_force(transactions))
    return text.getvalue().encode("utf-8-sig")


def safe_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_text(text: str) -> str:
    """Text as it was before `safe_text`."""
    return text[1:] if text[:1] == "'" and _FORMULA.match(text) else text


def _row(draft: Draft) -> list[str]:
    return [
        draft.day.isoformat(),
        LABELS[draft.kind],
        safe_text(draft.symbol or ""),
        _number(draft.quantity),
        _number(draft.price),
        _number(draft.amount),
        draft.currency,
        _number(draft.fees),
        _number(draft.taxes),
        _number(draft.fx_rate),
        _number(draft.ratio),
        safe_text(draft.other_symbol or ""),
        _number(draft.cost_share),
        safe_text(draft.note),
    ]


def _number(number: Decimal | None) -> str:
    return "" if number is None else f"{number.normalize():f}"
