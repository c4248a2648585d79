"""What the open conversation and the month cost so far, in one quiet line beside the input; from the books alone."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from core.db.conversations_dao import CostRow
from pages.components.words import day_of, usd

HELP = (
    "What you were charged, from the books: every answer of this conversation, also stopped and replaced ones, "
    "from the day on that is named where older usage is kept no more. "
    "The month is that of your organisation, over all pages and the API."
)


def show(conversation: CostRow | None, month_usd: Decimal, zone: str) -> None:
    """The line; None where no conversation is open."""
    st.caption(line(conversation, month_usd, zone), help=HELP)


def line(conversation: CostRow | None, month_usd: Decimal, zone: str) -> str:
    """The same in words."""
    month = f"your month {usd(month_usd)}"
    if conversation is None:
        return month[0].upper() + month[1:]
    return f"This conversation {_cost(conversation, zone)} · {month}"


def _cost(row: CostRow, zone: str) -> str:
    words = usd(row.charged_usd) if row.charged_usd else "free"
    if row.is_estimated:
        words += ", partly estimated"
    if row.counted_from:
        words += f" since {day_of(row.counted_from, zone)}"
    if row.unresolved_usd:
        words += f", and not charged to you at most {usd(row.unresolved_usd)} for an answer that was lost"
    return words
