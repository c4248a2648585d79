"""Asking for more of a limit for a time, and what became of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

import streamlit as st

from core.accounts.permissions import Action, may
from core.metering.boosts import MAX_AMOUNT, MAX_DAYS, METRICS, OF_ORGANISATION, Boost
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.forms import saving, submit_button, text_field
from pages.components.rows import Row, show_list, show_row
from pages.components.words import bound

MAX_REASON_CHARS = 200
_STATES = {
    "requested": Badge("Waits for a decision", "blue", ":material/hourglass_empty:"),
    "granted": Badge("In force", "green", ":material/bolt:"),
    "refused": Badge("Refused"),
    "ended": Badge("Ended"),
}


class Ask(Protocol):
    """Asks for more of a limit."""

    def __call__(self, *, metric: str, amount: int, days: int, reason: str) -> object:
        """So much more for so many days."""
        ...


def show(
    key: str, mine: Sequence[Boost], ask: Ask, principal: Principal, now: datetime, *, limited: Collection[str]
) -> None:
    """The boosts of the principal, and the form for one more where they may ask; `limited` are the metrics that have
    a limit for them."""
    if mine:
        with show_list(f"{key}_list"):
            for boost in mine:
                show_row(_row(boost, now, principal.zone))
    if not may(principal, Action.ASK_FOR_BOOSTS):
        return
    raisable = [metric for metric in METRICS if metric in limited]
    if not raisable:
        st.caption("There is nothing to ask for: your plan limits none of what can be raised for a time.")
        return
    sent = st.session_state.get(f"{key}_sent", 0)
    with st.expander("Ask for more of a limit", icon=":material/bolt:"), st.form(f"{key}_form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            metric = st.selectbox(
                "Limit",
                raisable,
                format_func=_words,
                key=f"{key}_metric",
                width=260,
                help="The limit that you want more of for a time.",
            )
            amount = st.number_input(
                "How many more",
                1,
                MAX_AMOUNT,
                50,
                key=f"{key}_amount",
                width=170,
                help="What is added to the limit, each day or month of the boost.",
            )
            days = st.number_input("For how many days", 1, MAX_DAYS, 7, key=f"{key}_days", width=170)
        reason = text_field("Why", required=True, max_chars=MAX_REASON_CHARS, key=f"{key}_reason_{sent}")
        st.caption("Somebody else who manages the organisation decides. What is granted begins at that moment.")
        if submit_button("Ask", key=f"{key}_ask"):
            with saving("Your request waits for a decision", principal):
                ask(metric=metric, amount=int(amount), days=int(days), reason=reason)
                st.session_state[f"{key}_sent"] = sent + 1


def _words(metric: str) -> str:
    return METRICS[metric][0].upper() + METRICS[metric][1:]


def _row(boost: Boost, now: datetime, zone: str) -> Row:
    whose = " for everybody" if boost.user_id is None and boost.metric not in OF_ORGANISATION else ""
    state = "ended" if boost.state == "granted" and boost.ends_at <= now else boost.state
    details = [boost.reason, f"until {bound(boost.ends_at, now, zone)}" if state == "granted" else "", boost.note or ""]
    title = f"{boost.amount:,} more {METRICS[boost.metric]}{whose}"
    return Row(title, " · ".join(filter(None, details)), (_STATES[state],))
