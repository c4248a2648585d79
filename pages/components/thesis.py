"""What a person, and their organisation, think of a security: the text that holds, its history, and a new one."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.notebook_dao import VersionRow
from core.market.as_of import AsOf
from core.market.market_time import spoken
from core.notebook.theses import MAX_TEXT_CHARS, Theses, Thesis
from core.principal import Principal
from pages.components.errors import show_errors
from pages.components.forms import saving, submit_button
from pages.components.quote_line import told
from pages.components.states import show_empty
from pages.components.words import plain

OWN, SHARED = "Mine", "The organisation’s"
SHOWN_VERSIONS = 20


def show(key: str, principal: Principal, symbol: str, as_of: AsOf) -> None:
    """The thesis of a symbol: one's own, or the organisation's."""
    service = workbench.current().theses
    whose = st.segmented_control(
        "Thesis", [OWN, SHARED], default=OWN, required=True, key=f"{key}_whose", label_visibility="collapsed"
    )
    with show_errors(principal):
        thesis = service.get(principal, symbol, as_of, is_shared=whose == SHARED)
        place = f"{key}_{symbol}_{as_of.day}_{'shared' if thesis.is_shared else 'own'}"
        if f"{place}_after" in st.session_state:
            _show_editor(place, service, principal, thesis, as_of)
            return
        _show_text(thesis, principal)
        if may(principal, Action.KEEP_NOTES):
            st.button(
                "Write anew" if thesis.text else "Write it down",
                icon=":material/edit_note:",
                key=f"{place}_edit",
                on_click=_open,
                args=(place, thesis.newest),
            )
        _show_history(thesis, principal)


def _show_text(thesis: Thesis, principal: Principal) -> None:
    if not thesis.text:
        show_empty(
            f"No thesis on {thesis.symbol}",
            "Say what you expect, why, and what would prove it wrong.",
            icon=":material/edit_note:",
        )
    else:
        with st.container(border=True):
            st.text(thesis.text)
            st.caption(plain(_by(thesis.versions[0], principal)))
    if thesis.unseen:
        count = "1 version was" if thesis.unseen == 1 else f"{thesis.unseen} versions were"
        st.caption(f":material/history: {count} written as of a later date and not shown.")


def _show_editor(place: str, service: Theses, principal: Principal, thesis: Thesis, as_of: AsOf) -> None:
    with st.form(f"{place}_form"):
        written = st.text_area(
            "Thesis", thesis.text, height=220, max_chars=MAX_TEXT_CHARS, key=f"{place}_text", help=_help(as_of)
        )
        with st.container(horizontal=True, gap="small"):
            is_sent = submit_button("Keep", key=f"{place}_keep")
            st.form_submit_button("Cancel", type="tertiary", key=f"{place}_cancel", on_click=_close, args=(place,))
        if is_sent:
            with saving("Your thesis is kept"):
                after = st.session_state[f"{place}_after"]
                service.write(principal, thesis.symbol, written, as_of, after=after, is_shared=thesis.is_shared)
                _close(place)


def _show_history(thesis: Thesis, principal: Principal) -> None:
    earlier = thesis.versions[1:]
    if not earlier:
        return
    with st.expander(f"Earlier versions ({len(earlier)})", icon=":material/history:"):
        for version in earlier[:SHOWN_VERSIONS]:
            st.caption(plain(_by(version, principal)))
            st.text(version.text or "(withdrawn)")
        if len(earlier) > SHOWN_VERSIONS:
            st.caption(f"The latest {SHOWN_VERSIONS} of them are shown.")


def _open(place: str, newest: int) -> None:
    st.session_state[f"{place}_after"] = newest


def _close(place: str) -> None:
    st.session_state.pop(f"{place}_after", None)


def _by(version: VersionRow, principal: Principal) -> str:
    when = told(version.created_at, principal.zone)
    return f"Version {version.number} by {version.author}, {when}, as of {spoken(version.as_of)}"


def _help(as_of: AsOf) -> str:
    return f"Kept as of {spoken(as_of.day)}. Earlier texts stay; leave it empty to withdraw the thesis."
