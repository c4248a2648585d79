"""Transactions as a list: what was entered, what was taken back, and the one that is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import streamlit as st

from core.portfolio.transactions import LABELS, Draft, Kind, Transaction
from pages.components.portfolio_words import NONE, day_of, number, quantity
from pages.components.words import numbered, plain

SHOWN_ROWS = 500
GRID_PX = 460
FEW_ROWS = 10
MAX_SYMBOL_CHARS = 32


@dataclass(frozen=True, slots=True)
class Filters:
    """Which transactions are wanted; what is empty lets all pass."""

    symbol: str = ""
    kinds: frozenset[Kind] = frozenset()
    year: int | None = None
    has_reversed: bool = False
    """Whether those that were taken back, and the rows that did it, are there too."""

    def lets_pass(self, row: Transaction) -> bool:
        """Whether a transaction is wanted."""
        return (
            (self.has_reversed or row.is_in_force)
            and (not self.symbol or self.symbol in (row.symbol, row.other_symbol))
            and (not self.kinds or row.kind in self.kinds)
            and self.year in (None, row.day.year)
        )


def show(key: str, transactions: Sequence[Transaction]) -> Transaction | None:
    """Filters and the newest transactions; gives the one that is chosen."""
    filters = show_filters(f"{key}_filters", transactions)
    found = sorted(filter(filters.lets_pass, transactions), key=lambda row: (row.day, row.number), reverse=True)
    if not found:
        st.caption("No transaction matches the filters." if transactions else "No transaction is entered yet.")
        return None
    shown = found[:SHOWN_ROWS]
    _show_rows(f"{key}_rows", shown, chosen=f"{key}_open")
    count = f"{len(found):,} transaction{'' if len(found) == 1 else 's'}"
    st.caption(count if len(found) == len(shown) else f"The newest {len(shown):,} of {count}; the file has all.")
    return _show_choice(f"{key}_open", shown)


def show_filters(key: str, transactions: Sequence[Transaction]) -> Filters:
    """The choice of transactions."""
    years = sorted({row.day.year for row in transactions}, reverse=True)
    present = {row.kind for row in transactions}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key=key):
        symbol = st.text_input(
            "Symbol", placeholder="Any symbol", max_chars=MAX_SYMBOL_CHARS, key=f"{key}_symbol", width=150
        )
        kinds = st.multiselect(
            "Kind",
            [kind for kind in LABELS if kind in present],
            format_func=LABELS.__getitem__,
            placeholder="Any kind",
            key=f"{key}_kinds",
            width=260,
        )
        year = st.selectbox("Year", years, None, placeholder="Any year", key=f"{key}_year", width=130)
        has_reversed = st.toggle(
            "With reversed ones", key=f"{key}_reversed", help="What was taken back stays in the history."
        )
    return Filters(symbol.strip().upper(), frozenset(kinds), year, has_reversed)


def told(row: Draft) -> str:
    """A transaction in a line: "3 Mar 2010 · Buy 10 AAPL at 208.99 USD"."""
    parts = [LABELS[row.kind]]
    if row.quantity is not None:
        parts.append(quantity(row.quantity))
    if row.symbol:
        parts.append(row.symbol)
    if row.other_symbol:
        parts.append(f"to {row.other_symbol}")
    if row.ratio is not None:
        parts.append(f"{quantity(row.ratio)} for 1")
    if row.price is not None:
        parts.append(f"at {quantity(row.price)} {row.currency}")
    elif row.amount is not None:
        parts.append(f"{row.amount:,.2f} {row.currency}")
    return f"{day_of(row.day)} · {' '.join(parts)}"


def state(row: Transaction) -> str:
    """Whether it holds."""
    if row.reverses is not None:
        return "reversal"
    return "in force" if row.reversed_by is None else "reversed"


def _show_rows(key: str, rows: Sequence[Transaction], *, chosen: str) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Day": [row.day for row in rows],
        "Kind": [LABELS[row.kind] for row in rows],
        "Symbol": [row.symbol for row in rows],
        "Quantity": [number(row.quantity) for row in rows],
        "Price": [number(row.price) for row in rows],
        "Amount": [float(row.gross) if row.gross else None for row in rows],
        "Fees": [float(row.fees) or None for row in rows],
        "Taxes": [float(row.taxes) or None for row in rows],
        "Currency": [row.currency for row in rows],
        "Rate": [number(row.fx_rate) for row in rows],
        "Ratio": [number(row.ratio) for row in rows],
        "Other": [row.other_symbol for row in rows],
        "State": [state(row) for row in rows],
        "From": ["import" if row.import_id else "by hand" for row in rows],
        "By": [row.author for row in rows],
        "Note": [row.note for row in rows],
    }
    for name in ("Rate", "Ratio", "Other", "Taxes", "Note"):
        if not any(columns[name]):
            del columns[name]
    key = f"{key}_{hash(tuple(row.id for row in rows))}"
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(rows) <= FEW_ROWS else GRID_PX,
        on_select=partial(_note_choice, key, tuple(row.id for row in rows), chosen),
        selection_mode="single-cell",
        placeholder="",
        column_config=_config(),
        alt="Transactions, newest first",
    )


def _config() -> Mapping[str, Any]:
    config = st.column_config
    plainly = config.NumberColumn(format="localized")
    return {
        "Day": config.DateColumn(format="D MMM YYYY", pinned=True, width=104),
        "Symbol": config.TextColumn(width=84),
        "Quantity": plainly,
        "Price": plainly,
        "Amount": config.NumberColumn(format="%,.2f", help="Before fees and taxes."),
        "Fees": config.NumberColumn(format="%,.2f"),
        "Taxes": config.NumberColumn(format="%,.2f"),
        "Rate": config.NumberColumn(
            format="plain", help="The portfolio's currency for one of this, where the transaction tells it."
        ),
        "Ratio": config.NumberColumn(format="plain", help="New shares for one old."),
        "State": config.TextColumn(help="A transaction is never changed: a reversal takes it back."),
        "Note": config.TextColumn(width=220),
    }


def _show_choice(key: str, rows: Sequence[Transaction]) -> Transaction | None:
    """The transaction that is chosen; for those who do not click it can be chosen by its words."""
    by_id = {str(row.id): row for row in rows}
    names = dict(zip(by_id, numbered([told(row) for row in rows]), strict=True))
    if st.session_state.get(key) not in by_id:
        st.session_state[key] = None
    chosen = st.selectbox(
        "Transaction",
        list(by_id),
        None,
        format_func=lambda each: names.get(each, ""),
        placeholder="Click a row, or choose a transaction here",
        key=key,
        width=520,
    )
    return None if chosen is None else by_id[chosen]


def _note_choice(key: str, ids: Sequence[UUID], chosen: str) -> None:
    cells = st.session_state[key].selection.cells
    if cells and cells[0][0] < len(ids):
        st.session_state[chosen] = str(ids[cells[0][0]])


def show_chosen(row: Transaction) -> None:
    """The transaction whole, as it was entered."""
    st.markdown(f"**{plain(told(row))}**")
    entered = NONE if row.created_at is None else day_of(row.created_at.date())
    parts = [f"number {row.number:,}", state(row), f"entered {entered} by {row.author or 'nobody'}"]
    if row.fees or row.taxes:
        parts.append(f"fees {quantity(row.fees)}, taxes {quantity(row.taxes)} {row.currency}")
    st.caption(plain("; ".join(parts) + "."))
    if row.note:
        st.caption(plain(row.note))
