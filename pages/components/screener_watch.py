"""Putting the symbols that are ticked in a grid onto a watchlist."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import workbench
from core.principal import Principal
from pages.components import watchlist
from pages.components.errors import show_errors
from pages.components.forms import saving, submit_button
from pages.components.words import numbered


def show(key: str, principal: Principal, symbols: Sequence[str]) -> None:
    """The button under which the symbols are put onto a list that there is, or a new one."""
    count = "1 symbol" if len(symbols) == 1 else f"{len(symbols):,} symbols"
    with st.popover(f"Watch {count}", icon=":material/bookmark_add:"), show_errors(principal, has_action=False):
        service = workbench.current().watchlists
        rows = {row.id: row for row in service.all(principal)}
        if rows:
            labels = dict(zip(rows, numbered([watchlist.label(row) for row in rows.values()]), strict=True))
            with st.form(f"{key}_onto", border=False):
                chosen = st.selectbox(
                    "Watchlist", list(rows), format_func=lambda each: labels.get(each, ""), key=f"{key}_list"
                )
                if submit_button(f"Put {count} on it", key=f"{key}_put") and chosen in rows:
                    with saving(f"{count} on {labels[chosen]}"):
                        service.add(principal, chosen, *symbols)
        watchlist.show_new(f"{key}_new_{len(rows)}", principal, symbols)
