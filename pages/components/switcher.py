"""The organisation that the person at the page acts for: the choice of it, and a tab in which it has changed.

A session is in one organisation, whichever tab it is seen in. So each tab remembers for whom it was drawn; where that
is no longer so, it forgets what it held and says where it is, before anything is done there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import streamlit as st

from core import workbench
from core.db.people_dao import BelongingRow
from core.principal import Principal
from pages.components import chat_turn
from pages.components.errors import show_errors, show_message

FORGET_WITHIN_S = 0.2
_DRAWN_FOR, _SENTENCE, _TOLD, _STAGE = "switcher_drawn_for", "switcher_sentence", "switcher_told", "switcher_stage"
_FORGETS, _HAS_FORGOTTEN = "forgets", "has forgotten"


def show(key: str, principal: Principal, organisations: Sequence[BelongingRow]) -> None:
    """The choice, for those who belong to more than one organisation."""
    if len(organisations) < 2:
        return
    names = distinct(organisations)
    chosen = st.selectbox(
        "Organisation",
        list(names),
        index=list(names).index(principal.org_id) if principal.org_id in names else None,
        format_func=lambda org_id: names.get(org_id, ""),
        key=f"{key}_{principal.org_id}",  # what was chosen in another organisation is no choice in this one
    )
    if chosen is None or chosen == principal.org_id:
        return
    with show_errors():
        workbench.current().accounts.switch_organisation(principal, chosen)
        announce(f"You are now in {names[chosen]}.")
        st.rerun()


def announce(sentence: str) -> None:
    """What `notice` will say of a change that was made in this very tab."""
    st.session_state[_SENTENCE] = sentence


def notice(principal: Principal) -> None:
    """Does nothing in a tab that was drawn for this person in this organisation.

    In any other it ends the run before a wish is acted on, forgets what the tab holds, and says where it is now. A page
    without fields is drawn in between, so that the browser too drops what was typed.
    """
    here = (principal.user_id, principal.org_id)
    drawn_for = st.session_state.setdefault(_DRAWN_FOR, here)
    if drawn_for != here:
        is_same_person = drawn_for[0] == here[0]
        told = st.session_state.get(_SENTENCE) or _as_elsewhere(principal, is_same_person=is_same_person)
        unasked = chat_turn.unanswered(None) if is_same_person and chat_turn.keep_for_a_new_one(None) else None
        st.session_state.clear()
        st.query_params.clear()
        if unasked is not None:
            chat_turn.note(unasked)  # it is offered in the new organisation, and waits to be asked there
        st.session_state.update({_DRAWN_FOR: here, _TOLD: told, _STAGE: _FORGETS})
        st.rerun()
    if st.session_state.get(_STAGE) == _FORGETS:
        show_message(st.session_state[_TOLD], icon=":material/swap_horiz:")
        st.session_state.pop(_STAGE)
        _go_on()
        st.session_state[_STAGE] = _HAS_FORGOTTEN
        st.stop()
    st.session_state.pop(_STAGE, None)
    told = st.session_state.pop(_TOLD, None)
    if told is not None:
        show_message(told, icon=":material/swap_horiz:")


@st.fragment(run_every=FORGET_WITHIN_S)
def _go_on() -> None:
    """Runs the page anew, once the browser has drawn the one without fields."""
    if st.session_state.get(_STAGE) == _HAS_FORGOTTEN:
        st.rerun()


def _as_elsewhere(principal: Principal, *, is_same_person: bool) -> str:
    if is_same_person:
        return f"You are now in {principal.org_name}, as switched in another tab."
    return f"You are now signed in as {principal.email} in {principal.org_name}, as in another tab."


def distinct(organisations: Sequence[BelongingRow]) -> dict[UUID, str]:
    """The names by id; those that several have are numbered, since a choice is known by its words."""
    seen, names = Counter[str](), dict[UUID, str]()
    for row in organisations:
        seen[row.name] += 1
        names[row.org_id] = row.name if seen[row.name] == 1 else f"{row.name} ({seen[row.name]})"
    return names
