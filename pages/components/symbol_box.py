"""The box in which a symbol, a name or a CIK is typed, and what it may mean."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.market.as_of import AsOf
from core.market.instruments import Found, Instrument, Instruments
from core.market.symbols import MAX_SEARCH_CHARS
from core.principal import Principal
from pages.components.errors import show_errors
from pages.components.states import show_empty
from pages.components.words import plain

PARAMETER = "symbol"
"""Of the page's address, so that it can be kept and sent."""


def show(key: str, instruments: Instruments, principal: Principal, as_of: AsOf) -> Instrument | None:
    """Draws the box; gives the instrument that is meant, and otherwise draws what may be meant."""
    if key not in st.session_state:
        st.session_state[key] = st.query_params.get(PARAMETER, "")[:MAX_SEARCH_CHARS]
    text = st.text_input(
        "Symbol, name or CIK",
        key=key,
        max_chars=MAX_SEARCH_CHARS,
        placeholder="AAPL, Apple, 320193",
        icon=":material/search:",
    )
    found = Found()
    with show_errors(principal):
        found = instruments.find(text, as_of, principal)
    if found.exact is not None:
        st.query_params[PARAMETER] = found.exact.symbol
        if found.note:
            st.caption(f":material/info: {plain(found.note)}")
        _show_others(key, [each for each in found.candidates if each.symbol != found.exact.symbol])
        return found.exact
    unheld = instruments.unheld(text) if as_of.is_live and text.strip() else None
    if unheld is not None:
        st.query_params[PARAMETER] = unheld.symbol
        st.caption(f":material/info: No universe holds {plain(unheld.symbol)}; only live sources are asked.")
        _show_others(key, [*found.candidates, *found.suggestions])
        return unheld
    if found.candidates:
        st.markdown("Several instruments fit. Which one?" if len(found.candidates) > 1 else "Did you mean:")
        _show_choices(key, found.candidates)
    elif found.suggestions:
        st.markdown(f"Nothing is called “{plain(text.strip())}”. Did you mean:")
        _show_choices(key, found.suggestions)
    elif text.strip():
        show_empty(
            f"Nothing is called “{text.strip()}”",
            "Try the symbol, a part of the company's name, or its number at the SEC.",
            icon=":material/search_off:",
        )
    else:
        show_empty("No instrument is chosen", "Type a symbol, a name or a CIK above.", icon=":material/search:")
    return None


def _show_others(key: str, others: list[Instrument]) -> None:
    if others:
        with st.popover(f"{len(others)} more with such a name", type="tertiary", icon=":material/list:"):
            _show_choices(f"{key}_other", others, into=key)


def _show_choices(key: str, choices: list[Instrument] | tuple[Instrument, ...], into: str | None = None) -> None:
    for instrument in choices:
        st.button(
            label(instrument),
            key=f"{key}_{instrument.symbol}",
            on_click=_choose,
            args=(into or key, instrument.symbol),
            type="tertiary",
        )


def chooser(key: str) -> Callable[[str], None]:
    """What a button elsewhere on the page calls to put a symbol into the box."""
    return partial(_choose, key)


def _choose(key: str, symbol: str) -> None:
    st.session_state[key] = symbol


def label(instrument: Instrument) -> str:
    """An instrument in a list: its symbol, name and market, and what is particular about it."""
    name = "" if instrument.name == instrument.symbol else f" {instrument.name}"
    notes = [instrument.market]
    notes += ["generated"] if instrument.is_generated else []
    notes += [f"delisted {instrument.delisted_on}"] if instrument.delisted_on else []
    return f"**{plain(instrument.symbol)}**{plain(name)} :gray[{plain(', '.join(notes))}]"
