"""Organisations: plan, members, credits and pooling, with what an administrator changes of each, and invitations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Protocol
from uuid import UUID

import streamlit as st

from core.admin.changes import MAX_CREDIT_DAYS, Effect, credits_words
from core.admin.people import OrganisationRow, Sought
from core.principal import Principal, Role
from pages.components import secret_once
from pages.components.badges import PLANS, Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, search_field, submit_button, text_field
from pages.components.members_list import role_words
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import day_of

SHOWN = 50
GRANT, CORRECT = "Grant", "Correct"
LINK, LINK_FOR = "admin_invitation", "admin_invitation_for"


class Keeper(Protocol):
    """What finds organisations and changes them."""

    def organisations(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> list[OrganisationRow]:
        """Those that are found."""
        ...

    def set_plan(self, principal: Principal, org_id: UUID, plan: str) -> Effect:
        """Puts one on a plan."""
        ...

    def set_pooling(self, principal: Principal, org_id: UUID, *, pools: bool) -> Effect:
        """Makes its members' quotas one."""
        ...

    def grant_credits(
        self, principal: Principal, org_id: UUID, amount: Decimal, *, reason: str, expires_at: datetime | None = None
    ) -> Effect:
        """Gives it credits."""
        ...

    def invite(self, principal: Principal, org_id: UUID, email: str, role: Role) -> str | None:
        """Invites an address."""
        ...


class Purse(Protocol):
    """What corrects a wallet."""

    def adjust(self, principal: Principal, org_id: UUID, amount: Decimal, reason: str) -> Decimal:
        """Puts in, or (below zero) takes out; the balance after it."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, over what, by what."""

    principal: Principal
    keeper: Keeper
    everything: bool
    plans: Collection[str]
    purse: Purse


def show(key: str, desk: Desk) -> None:
    """The organisations that are found, and the form that invites into one of them."""
    words = ""
    if desk.everything:
        words = search_field("Search organisations", "Name or id", key=f"{key}_words")
    found = desk.keeper.organisations(desk.principal, Sought(words), everything=desk.everything, most=SHOWN)
    if not found:
        show_empty("No organisation is found", "Names are searched.", icon=":material/domain_disabled:")
        return
    with show_list(key):
        for row in found:
            _show_organisation(key, desk, row)
    if found[0].total > len(found):
        st.caption(f"The first {len(found)} of {found[0].total:,}; look for a name to find the others.")
    _show_invite(key, desk, found)


def _show_organisation(key: str, desk: Desk, row: OrganisationRow) -> None:
    place = f"{key}_{row.id.hex}"
    owners = "" if row.owners else " · nobody owns it"
    members = f"{row.members:,} active member{'' if row.members == 1 else 's'}"
    details = f"{members}{owners} · {credits_words(row.balance)} · {row.zone}"
    marks = [Badge(row.plan.capitalize(), PLANS.get(row.plan, "gray"))]
    if row.pools:
        marks.append(Badge("Pooled", "blue", ":material/join:"))
    elif row.pools_until is not None:
        off_from = f"Pooled, off from {day_of(row.pools_until, row.zone)}"
        marks.append(Badge(off_from, "blue", ":material/join:"))
    with show_row(Row(row.name, details, tuple(marks), icon=":material/domain:")):
        if desk.principal.is_operator:
            if st.button("Plan", icon=":material/sell:", type="tertiary", key=f"{place}_plan"):
                _ask_plan(f"{place}_plan_asked", desk, row)
            if st.button("Credits", icon=":material/toll:", type="tertiary", key=f"{place}_credits"):
                _ask_credits(f"{place}_credits_asked", desk, row)
        _show_pooling(place, desk, row)


@st.dialog("Plan of the organisation", icon=":material/sell:")
def _ask_plan(key: str, desk: Desk, row: OrganisationRow) -> None:
    plans = list(desk.plans)
    with st.form(f"{key}_form", border=False):
        st.text(row.name)
        index = plans.index(row.plan) if row.plan in plans else 0
        plan = st.selectbox("Plan", plans, index=index, format_func=str.capitalize, key=f"{key}_new")
        st.caption(
            "It counts from the next request on; what is in flight ends under the plan it began with. A subscription "
            "is not changed by this."
        )
        if submit_button("Set plan", key=f"{key}_set"):
            with saving("The plan is set", desk.principal):
                desk.keeper.set_plan(require(), row.id, plan)


@st.dialog("Credits of the organisation", icon=":material/toll:")
def _ask_credits(key: str, desk: Desk, row: OrganisationRow) -> None:
    st.text(f"{row.name}: {credits_words(row.balance)}")
    what = st.segmented_control("What", [GRANT, CORRECT], default=GRANT, required=True, key=f"{key}_what")
    with st.form(f"{key}_form_{what}", border=False):
        if what == GRANT:
            _ask_grant(key, desk, row)
        else:
            _ask_correction(key, desk, row)


def _ask_grant(key: str, desk: Desk, row: OrganisationRow) -> None:
    amount = st.number_input(
        "Credits",
        min_value=0.0,
        step=10.0,
        format="%.2f",
        key=f"{key}_amount",
        help="1 credit is 0.10 USD. They are the organisation's, and pay for what the plan refuses.",
    )
    days = st.number_input(
        "They end after so many days; empty: never",
        min_value=1,
        max_value=MAX_CREDIT_DAYS,
        value=None,
        key=f"{key}_days",
        help="Credits that end are spent before others; what is left at their end is gone.",
    )
    reason = text_field("Reason", required=True, max_chars=500, key=f"{key}_reason")
    if submit_button(GRANT, key=f"{key}_grant"):
        with saving("The credits are granted", desk.principal):
            ends_at = None if days is None else datetime.now(UTC) + timedelta(days=int(days))
            desk.keeper.grant_credits(require(), row.id, Decimal(str(amount)), reason=reason, expires_at=ends_at)


def _ask_correction(key: str, desk: Desk, row: OrganisationRow) -> None:
    amount = st.number_input(
        "Credits to put in; below zero: to take out",
        value=0.0,
        step=10.0,
        format="%.2f",
        key=f"{key}_correction",
        help="What is held for requests in flight and what is owed cannot be taken.",
    )
    reason = text_field("Reason", required=True, max_chars=500, key=f"{key}_why")
    st.caption("It stands in the ledger as an adjustment, with the reason and your name; nothing of before is changed.")
    if submit_button(CORRECT, key=f"{key}_correct"):
        with saving("The wallet is corrected", desk.principal):
            desk.purse.adjust(require(), row.id, Decimal(str(amount)), reason)


def _show_pooling(key: str, desk: Desk, row: OrganisationRow) -> None:
    if row.pools:
        consequence = "Each member has their own daily and monthly quotas again, with what they used themselves."
        question = Question("Give each member their own quotas?", consequence, "Separate", done="Quotas are separate")
        label, icon = "Separate", ":material/call_split:"
    else:
        consequence = (
            "The daily and monthly quotas of all members become one: whoever asks takes from it, and nothing is "
            "carried over from month to month."
        )
        question = Question("Pool the quotas of all members?", consequence, "Pool", done="Quotas are pooled")
        label, icon = "Pool", ":material/join:"
    do = partial(_set_pooling, desk, row)
    confirm_button(f"{key}_pool", label, question, do, icon=icon)


def _set_pooling(desk: Desk, row: OrganisationRow) -> None:
    desk.keeper.set_pooling(require(), row.id, pools=not row.pools)


def _show_invite(key: str, desk: Desk, found: Sequence[OrganisationRow]) -> None:
    names = {row.id: row.name for row in found}
    sent = st.session_state.get(f"{key}_sent", 0)
    with st.expander("Invite somebody", icon=":material/person_add:"), st.form(f"{key}_invite", border=False):
        org_id = next(iter(names))
        if desk.everything:
            org_id = st.selectbox("Into", list(names), format_func=lambda each: names[each], key=f"{key}_into")
        email = text_field("E-mail", kind="email", required=True, autocomplete="off", key=f"{key}_email_{sent}")
        roles = list(Role)
        role = st.selectbox(
            "Role", roles, index=roles.index(Role.ANALYST), format_func=role_words, key=f"{key}_invited_role"
        )
        if submit_button("Invite", key=f"{key}_send"):
            with saving(f"{email} is invited", desk.principal):
                link = desk.keeper.invite(require(), org_id, email, role)
                if link is not None:
                    secret_once.keep(LINK, link)
                    st.session_state[LINK_FOR] = email
                st.session_state[f"{key}_sent"] = sent + 1
    if LINK_FOR in st.session_state and secret_once.show(LINK, "invitation link"):
        st.text(f"No mail goes out from here. Pass the link on to {st.session_state[LINK_FOR]} yourself.")
