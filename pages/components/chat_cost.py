"""What the open conversation and the month cost so far, in one quiet line beside the input; from the books alone."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from core.db.conversations_dao import CostRow
from pages.components.words import usd

HELP = (
    "What you were charged, from the books: every answer of this conversation, also stopped and replaced ones. "
    "The month is that of your organisation, over all pages and the API."
)


def show(conversation: CostRow | None, month_usd: Decimal) -> None:
    """The line; None where no conversation is open."""
    st.caption(line(conversation, month_usd), help=HELP)


def line(conversation: CostRow | None, month_usd: Decimal) -> str:
    """The same in words."""
    month = f"your month {usd(month_usd)}"
    if conversation is None:
        return month[0].upper() + month[1:]
    return f"This conversation {_cost(conversation)} · {month}"


def _cost(row: CostRow) -> str:
    words = usd(row.charged_usd) if row.charged_usd else "free"
    if row.is_estimated:
        words += ", partly estimated"
    if row.unresolved_usd:
        words += f", and not charged to you at most {usd(row.unresolved_usd)} for an answer that was lost"
    return words
