"""Boosts: requests that wait for a decision, those in force with a button that ends them, and a form to give one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

import streamlit as st

from core.admin.changes import Boosting, Effect
from core.admin.people import MAX_WORDS_CHARS, OrganisationRow, Page, Sought
from core.metering.boosts import MAX_AMOUNT, MAX_DAYS, METRICS, Boost
from core.metering.plans import Plans
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.headings import section
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import bound, plain, when

SHOWN = 50
MOST = 200
STATES = {
    "requested": Badge("Waits", "orange", ":material/hourglass_empty:"),
    "granted": Badge("In force", "green", ":material/bolt:"),
    "over": Badge("Over"),
    "refused": Badge("Refused"),
    "ended": Badge("Ended"),
}
EVERYONE = "all members"


class Decider(Protocol):
    """What keeps boosts."""

    def all(
        self, principal: Principal, *, state: str | None = None, most: int = 200, everything: bool = False
    ) -> list[Boost]:
        """Those that may be seen."""
        ...

    def decide(
        self,
        principal: Principal,
        boost_id: UUID,
        *,
        granted: bool,
        note: str = "",
        amount: int | None = None,
        everything: bool = False,
    ) -> Boost:
        """Grants or refuses one."""
        ...

    def end(self, principal: Principal, boost_id: UUID, *, note: str = "", everything: bool = False) -> Boost:
        """Ends one."""
        ...


class Giver(Protocol):
    """What gives boosts, and finds for whom."""

    def give_boost(self, principal: Principal, org_id: UUID, email: str, boost: Boosting) -> Effect:
        """Raises a limit for a time."""
        ...

    def search(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> Page:
        """Members that are found."""
        ...

    def organisations(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> list[OrganisationRow]:
        """Organisations that are found."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who decides, over what, by what."""

    principal: Principal
    decider: Decider
    giver: Giver
    plans: Plans
    everything: bool
    now: datetime


def show(key: str, desk: Desk) -> None:
    """What waits, what is in force and what was decided before, and the form."""
    found = desk.decider.all(desk.principal, most=MOST, everything=desk.everything)
    names = _names(desk)
    waiting = [boost for boost in found if boost.state == "requested"]
    section("Waiting", "Nobody grants their own request but an operator; a granted time begins with the decision.")
    if waiting:
        with show_list(f"{key}_waiting"):
            for boost in waiting:
                _show_waiting(key, desk, boost, names)
    else:
        show_empty("No request waits", "Members ask for more of a limit on Usage, with a reason.")
    others = [boost for boost in found if boost.state != "requested"]
    if others:
        section("Decided", "The newest first.")
        with show_list(f"{key}_decided"):
            for boost in others[:SHOWN]:
                _show_decided(key, desk, boost, names)
    _show_form(key, desk)


def words(boost: Boost, names: Mapping[UUID, str]) -> str:
    """What a boost adds, and for whom."""
    whose = EVERYONE if boost.user_id is None else boost.user_name or names.get(boost.user_id) or "a member"
    return f"+{boost.amount:,} {METRICS.get(boost.metric, boost.metric)} for {whose}"


def _names(desk: Desk) -> dict[UUID, str]:
    page = desk.giver.search(desk.principal, Sought(), everything=desk.everything, most=MOST)
    return {row.user_id: row.name or row.email for row in page.people}


def _show_waiting(key: str, desk: Desk, boost: Boost, names: Mapping[UUID, str]) -> None:
    who = boost.requested_by_name or names.get(boost.requested_by) or "a member"
    days = max(1, round(boost.life.total_seconds() / 86_400))
    asked = f"{who} asked {when(boost.requested_at, desk.now, desk.principal.zone)} for {_days(days)}: {boost.reason}"
    with show_row(Row(words(boost, names), asked, (STATES["requested"],), icon=":material/bolt:")):
        place = f"{key}_{boost.id.hex}"
        if st.button("Decide", icon=":material/gavel:", type="tertiary", key=f"{place}_decide"):
            _ask(f"{place}_asked", desk, boost, words(boost, names))


@st.dialog("Decide on a boost", icon=":material/gavel:")
def _ask(key: str, desk: Desk, boost: Boost, title: str) -> None:
    with st.form(f"{key}_form", border=False):
        st.text(f"{title}\n{boost.reason}")
        amount = st.number_input(
            "Amount",
            1,
            MAX_AMOUNT,
            boost.amount,
            key=f"{key}_amount",
            help="What is added to the limit; it may be less than was asked for.",
        )
        note = text_field("Note for whoever asked", max_chars=500, key=f"{key}_note")
        with st.container(horizontal=True):
            is_granted = submit_button("Grant", key=f"{key}_grant")
            is_refused = st.form_submit_button("Refuse", key=f"{key}_refuse")
        if is_granted or is_refused:
            with saving("The boost is granted" if is_granted else "The request is refused", desk.principal):
                desk.decider.decide(
                    require(),
                    boost.id,
                    granted=is_granted,
                    note=note,
                    amount=int(amount) if is_granted else None,
                    everything=desk.everything,
                )


def _show_decided(key: str, desk: Desk, boost: Boost, names: Mapping[UUID, str]) -> None:
    is_in_force = boost.state == "granted" and boost.ends_at > desk.now
    state = STATES["over" if boost.state == "granted" and not is_in_force else boost.state]
    zone = desk.principal.zone
    ends_at = boost.ends_at
    until = f"until {bound(ends_at, desk.now, zone)}" if is_in_force else f"ended {when(ends_at, desk.now, zone)}"
    said = [until if boost.state in ("granted", "ended") else "", boost.reason, boost.note or ""]
    row = Row(words(boost, names), " · ".join(part for part in said if part), (state,), icon=":material/bolt:")
    with show_row(row):
        if is_in_force:
            question = Question(
                "End this boost?",
                "The limit is that of the plan again, from the next request on.",
                "End boost",
                no="Keep",
                subject=words(boost, names),
                done="The boost has ended",
            )
            do = partial(_end, desk, boost.id)
            confirm_button(f"{key}_{boost.id.hex}_end", "End", question, do, icon=":material/stop_circle:")


def _end(desk: Desk, boost_id: UUID) -> None:
    desk.decider.end(require(), boost_id, everything=desk.everything)


def _show_form(key: str, desk: Desk) -> None:
    with st.expander("Give a boost", icon=":material/bolt:"):
        found = _organisation(key, desk)
        if found is None:
            show_empty("No organisation is called so", "Look for another part of its name, or its id.")
            return
        org_id, plan = found[0], desk.plans.get(found[1])
        limited = [metric for metric in METRICS if getattr(plan.limits, metric) is not None]
        if not limited:
            show_empty("There is nothing to raise", f"{plan.label} limits none of what can be boosted.")
            return
        page = desk.giver.search(
            desk.principal, Sought(str(org_id), is_active=True), everything=desk.everything, most=MOST
        )
        people = ["", *(row.email for row in page.people)]
        with st.form(f"{key}_form_{org_id.hex}", border=False):
            email = st.selectbox("For", people, format_func=lambda each: each or "All members", key=f"{key}_for")
            metric = st.selectbox(
                "Limit",
                limited,
                format_func=lambda each: METRICS[each],
                key=f"{key}_metric_{org_id.hex}",
                help="What the plan limits. Signal validations are the organisation's: a boost of them is for all.",
            )
            amount = st.number_input(
                "Adds",
                1,
                MAX_AMOUNT,
                10,
                key=f"{key}_amount",
                help="How much the limit is raised by, each day or month of the boost.",
            )
            days = st.number_input("Days", 1, MAX_DAYS, 7, key=f"{key}_days", help="It begins now and ends by itself.")
            reason = text_field("Reason", required=True, max_chars=500, key=f"{key}_reason")
            if submit_button("Give boost", key=f"{key}_give"):
                with saving("The boost is in force", desk.principal):
                    boost = Boosting(metric, int(amount), int(days), reason)
                    desk.giver.give_boost(require(), org_id, email, boost)


def _organisation(key: str, desk: Desk) -> tuple[UUID, str] | None:
    """For which organisation, and its plan: that of who is signed in; over everything, the one that they choose."""
    if not desk.everything:
        st.caption(plain(f"In {desk.principal.org_name}."))
        return desk.principal.org_id, desk.principal.plan
    words = text_field(
        "Find an organisation", max_chars=MAX_WORDS_CHARS, hint="A part of its name, or its id", key=f"{key}_find"
    )
    found = desk.giver.organisations(desk.principal, Sought(words), everything=True, most=MOST)
    rows = {row.id: row for row in found}
    chosen: UUID | None = st.selectbox(
        "Organisation", list(rows), format_func=lambda each: f"{rows[each].name}, {rows[each].plan}", key=f"{key}_org"
    )
    return None if chosen is None else (chosen, rows[chosen].plan)


def _days(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"
