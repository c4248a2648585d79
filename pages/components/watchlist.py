"""Watchlists: the ones that a person sees, and on which of them a symbol is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.notebook_dao import WatchlistRow
from core.notebook.watchlists import MAX_NAME_CHARS, SHARED_WITH, Watchlists
from core.principal import Principal, Role
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import saving, submit_button, text_field
from pages.components.states import show_empty
from pages.components.words import numbered, plain


def show(key: str, principal: Principal, symbol: str) -> None:
    """The button under which a symbol is put on lists, or taken off."""
    service = workbench.current().watchlists
    with show_errors(principal):
        rows = service.all(principal)
        on = [row for row in rows if symbol in row.symbols]
        label = f"On {_lists(len(on))}" if on else "Watch"
        with st.popover(label, icon=":material/bookmark:" if on else ":material/bookmark_add:"):
            may_write = may(principal, Action.KEEP_NOTES)
            if not rows:
                st.caption("There is no watchlist yet.")
            for row in rows:
                _show_membership(f"{key}_{row.id}", service, principal, row, symbol, may_write=may_write)
            if may_write:
                show_new(f"{key}_new_{len(rows)}", principal, [symbol])


def show_lists(key: str, principal: Principal, choose: Callable[[str], None]) -> None:
    """One list at a time: its symbols, each a button that calls `choose`, and what can be done with the list."""
    service = workbench.current().watchlists
    with show_errors(principal):
        rows = {row.id: row for row in service.all(principal)}
        if not rows:
            show_empty("No watchlist yet", "Lists of symbols that you, or your team, come back to.")
        else:
            labels = dict(zip(rows, numbered([label(row) for row in rows.values()]), strict=True))
            chosen = st.selectbox(
                "Watchlist", list(rows), format_func=lambda each: labels.get(each, ""), key=f"{key}_list"
            )
            if chosen in rows:
                _show_symbols(key, rows[chosen], choose)
                if may(principal, Action.KEEP_NOTES):
                    _show_changes(f"{key}_{chosen}", service, principal, rows[chosen])
        if may(principal, Action.KEEP_NOTES):
            with st.popover("New watchlist", icon=":material/add:", type="tertiary"):
                show_new(f"{key}_new_{len(rows)}", principal)


def show_new(key: str, principal: Principal, symbols: Sequence[str] = ()) -> None:
    """The form of a new list, which begins with these symbols."""
    with st.form(key, border=False):
        name = text_field("New list", required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        shared_with = _show_sharing(f"{key}_shared", None)
        if submit_button("Make it", key=f"{key}_make"):
            with saving(f"{name} is made"):
                workbench.current().watchlists.create(principal, name, symbols=symbols, shared_with=shared_with)


def _show_membership(
    key: str, service: Watchlists, principal: Principal, row: WatchlistRow, symbol: str, *, may_write: bool
) -> None:
    is_on = symbol in row.symbols
    key = f"{key}_{symbol}_{is_on}"  # what was ticked in another state is no wish in this one
    if st.checkbox(plain(label(row)), is_on, key=key, disabled=not may_write, wrap=True) == is_on:
        return
    with show_errors(principal, has_action=False):
        (service.remove if is_on else service.add)(principal, row.id, symbol)
        st.rerun()


def _show_symbols(key: str, row: WatchlistRow, choose: Callable[[str], None]) -> None:
    if not row.symbols:
        st.caption("Nothing is on it yet. Open a symbol and press Watch.")
    with st.container(horizontal=True, gap="xsmall", key=f"{key}_symbols"):
        for symbol in row.symbols:
            st.button(plain(symbol), key=f"{key}_{row.id}_{symbol}", type="tertiary", on_click=choose, args=(symbol,))


def _show_changes(key: str, service: Watchlists, principal: Principal, row: WatchlistRow) -> None:
    with st.container(horizontal=True, gap="small"):
        if len(row.symbols) > 1:
            with st.popover("Order", icon=":material/swap_vert:", type="tertiary"):
                _show_order(key, service, principal, row)
        if row.is_own:
            with st.popover("Name and sharing", icon=":material/edit:", type="tertiary"), st.form(key, border=False):
                name = text_field("Name", row.name, required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
                shared_with = _show_sharing(f"{key}_shared", row.shared_with)
                if submit_button("Save", key=f"{key}_save"):
                    with saving():
                        service.change(principal, row.id, name=name, shared_with=shared_with)
        if row.is_own or principal.role in (Role.OWNER, Role.ADMIN):
            question = Question(
                "Delete this watchlist?", "Its symbols keep their theses and checklists.", "Delete", subject=row.name
            )
            confirm_button(f"{key}_delete", "Delete", question, lambda: service.delete(principal, row.id))


def _show_order(key: str, service: Watchlists, principal: Principal, row: WatchlistRow) -> None:
    """Takes one symbol to the place that is chosen."""
    with st.form(f"{key}_order", border=False):
        symbol = st.selectbox("Move", row.symbols, key=f"{key}_moved")
        place = st.number_input("To place", 1, len(row.symbols), 1, key=f"{key}_place")
        if submit_button("Move", key=f"{key}_move"):
            order = [each for each in row.symbols if each != symbol]
            order.insert(int(place) - 1, symbol)
            with saving("Moved"):
                service.reorder(principal, row.id, order)


def _show_sharing(key: str, shared_with: str | None) -> str | None:
    options = list(SHARED_WITH)
    return st.selectbox(
        "Seen by", options, options.index(shared_with), format_func=lambda each: SHARED_WITH[each], key=key
    )


def label(row: WatchlistRow) -> str:
    """The list's name, and of another's whose it is."""
    return row.name if row.is_own else f"{row.name}, by {row.made_by}"


def _lists(count: int) -> str:
    return "1 list" if count == 1 else f"{count} lists"
