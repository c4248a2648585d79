"""The ledger, line by line: what moved, from where to where, and the balance before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from core import workbench
from core.metering.credits import Credits, LedgerEntry
from core.principal import Principal
from pages.components.headings import section
from pages.components.states import show_empty

PAGE_ROWS = 50
READINGS = 5
KINDS = {
    "grant": "Granted",
    "purchase": "Bought",
    "hold": "Held for a request",
    "release": "Returned",
    "charge": "Charged",
    "refund": "Taken back",
    "reversal": "Given back",
    "expiry": "Expired",
    "adjustment": "Corrected",
    "overdraft": "Overdrawn",
    "repayment": "Repaid",
}
ACCOUNTS = {
    "cash": "payment",
    "promotion": "gift",
    "revenue": "spent",
    "expired": "expired",
    "adjustments": "correction",
    "available": "balance",
    "held": "held",
    "overdraft": "owed",
    "free": "free credits",
    "free_held": "free, held",
}


_FIGURES = {
    "Before": "Balance before the entry.",
    "Change": "What the entry adds to the balance; 0 where credits only move between other accounts.",
    "After": "Balance after the entry.",
    "Amount": "Credits that the entry moves.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """An entry, and the balance that it left; None where not all entries are seen."""

    entry: LedgerEntry
    after: Decimal | None

    @property
    def before(self) -> Decimal | None:
        """The balance before it."""
        return None if self.after is None else self.after - self.entry.change


def show(principal: Principal) -> None:
    """One page of the ledger, the newest first, and the way to older ones."""
    credits_ = workbench.current().credits
    sees_all = principal.role.manages
    whose = "Every entry of your organisation." if sees_all else "The entries of your own requests and purchases."
    section("Ledger", f"{whose} Nothing in it is ever changed; what was wrong is corrected by another entry.")
    trail: list[tuple[int, str]] = st.session_state.setdefault("billing_ledger_trail", [])
    lines, has_more = _page(credits_, principal, trail[-1] if trail else None, sees_all=sees_all)
    if not lines:
        show_empty(
            "Nothing has moved yet",
            "Each credit that comes in, is held, spent or returned stands here, line by line.",
            icon=":material/receipt_long:",
        )
    else:
        show_lines("billing_ledger_table", lines, principal.zone)
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if trail and st.button("Newer", icon=":material/arrow_back:", key="billing_ledger_newer"):
            trail.pop()
            st.rerun()
        if has_more and st.button("Older", icon=":material/arrow_forward:", key="billing_ledger_older"):
            last = lines[-1]
            trail.append((last.entry.number, "" if last.before is None else f"{last.before:f}"))
            st.rerun()


def show_lines(key: str, lines: Sequence[Line], zone: str) -> None:
    """Entries as a table."""
    import pyarrow as pa

    local = ZoneInfo(zone)
    columns: dict[str, list[Any]] = {
        "Time": [line.entry.at.astimezone(local).replace(tzinfo=None) for line in lines],
        "What": [KINDS.get(line.entry.kind, line.entry.kind) for line in lines],
        "Before": [None if line.before is None else float(line.before) for line in lines],
        "Change": [float(line.entry.change) for line in lines],
        "After": [None if line.after is None else float(line.after) for line in lines],
        "Amount": [float(line.entry.amount) for line in lines],
        "From → to": [_way(line.entry) for line in lines],
        "Who": [line.entry.author_name or line.entry.user_name or "" for line in lines],
        "Reason": [line.entry.reason or "" for line in lines],
        "No.": [line.entry.number for line in lines],
    }
    if all(line.after is None for line in lines):
        del columns["Before"], columns["After"]
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        column_config={
            "Time": st.column_config.DatetimeColumn(format="D MMM, HH:mm:ss", pinned=True),
            **{name: st.column_config.NumberColumn(format="%.6f", help=hint) for name, hint in _FIGURES.items()},
            "From → to": st.column_config.TextColumn(
                help="The two sides of the entry: what one loses the other gains."
            ),
            "No.": st.column_config.NumberColumn(format="plain", help="Of the entry; quote it when you ask about one."),
        },
        alt="Entries of the ledger, newest first, with the balance before and after each",
    )


def _page(
    credits_: Credits, principal: Principal, start: tuple[int, str] | None, *, sees_all: bool
) -> tuple[list[Line], bool]:
    """Entries with the balance that each left, and whether there are older ones.

    The newest page begins with the balance of this moment; an older one with that before the page after it.
    """
    if start is not None:
        number, balance = start
        found = credits_.entries(principal, before=number, most=PAGE_ROWS + 1)
        after = Decimal(balance) if balance else None
        return _lines(found[:PAGE_ROWS], after), len(found) > PAGE_ROWS
    found = credits_.entries(principal, most=PAGE_ROWS + 1)
    if not sees_all:
        return _lines(found[:PAGE_ROWS], None), len(found) > PAGE_ROWS
    newest = None
    for _ in range(READINGS):
        newest = credits_.balance(principal).balance
        again = credits_.entries(principal, most=PAGE_ROWS + 1)
        if [entry.number for entry in again[:1]] == [entry.number for entry in found[:1]]:
            return _lines(found[:PAGE_ROWS], newest), len(found) > PAGE_ROWS
        found = again
    return _lines(found[:PAGE_ROWS], None), len(found) > PAGE_ROWS


def _lines(entries: Sequence[LedgerEntry], after: Decimal | None) -> list[Line]:
    lines = []
    for entry in entries:
        lines.append(Line(entry, after))
        after = None if after is None else after - entry.change
    return lines


def _way(entry: LedgerEntry) -> str:
    return f"{ACCOUNTS.get(entry.debit, entry.debit)} → {ACCOUNTS.get(entry.credit, entry.credit)}"
