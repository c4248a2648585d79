"""The line on top of a page that says which date the market is seen as of, and lets another one be chosen."""

from __future__ import annotations

from datetime import date

import streamlit as st

from core import workbench
from core.market.as_of import AsOf, Reason
from core.market.market_time import MarketTime, spoken
from core.principal import Principal
from pages.components.errors import show_errors
from pages.components.forms import saving, submit_button
from pages.components.words import plain

_WHY = {
    Reason.LIVE: "today, on live sources",
    Reason.SHIPPED: "last session of the shipped history",
    Reason.CHOSEN: "the date that you chose",
}
HELP = "Nothing dated later is read, on any page of this session. A model may know more than it was sent."


def show(key: str, principal: Principal) -> AsOf:
    """Draws the line, and gives the date that everything on the page is read as of."""
    time = workbench.current().market.time
    as_of = time.of(principal)
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
        words = f"As of **{plain(spoken(as_of.day))}**, {plain(_WHY[as_of.reason])}"
        if as_of.is_live:
            st.caption(f":material/schedule: {words}", width="content")
        else:
            st.markdown(f":material/history: {words}", width="content", help=HELP)
        with st.popover("Another date", icon=":material/event:", type="tertiary"):
            _show_choice(key, principal, time, as_of)
        if as_of.reason is Reason.CHOSEN:
            _show_way_back(key, principal, time)
    return as_of


def _show_choice(key: str, principal: Principal, time: MarketTime, as_of: AsOf) -> None:
    with st.form(f"{key}_form", border=False):
        day = st.date_input(
            "See the market as of",
            min(max(as_of.day, time.first_day), time.latest_choice),
            min_value=time.first_day,
            max_value=time.latest_choice,
            format="YYYY-MM-DD",
            key=f"{key}_day",
            help=HELP,
        )
        if submit_button("Go there", key=f"{key}_go"):
            _go(principal, time, day)


def _go(principal: Principal, time: MarketTime, day: date | None) -> None:
    if day is None:
        return
    with saving(f"You see the market as of {spoken(day)}"):
        time.choose(principal, day)


def _show_way_back(key: str, principal: Principal, time: MarketTime) -> None:
    label = "Back to today" if time.default().is_live else f"Back to {spoken(time.last_session)}"
    if st.button(label, icon=":material/undo:", type="tertiary", key=f"{key}_back"):
        with show_errors(principal):
            time.choose(principal, None)
            st.rerun()
