"""People: who belongs where, found by words, role, plan and state, with what an administrator does with each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Protocol
from uuid import UUID

import streamlit as st

from core.admin.changes import Effect
from core.admin.people import EffectiveLimit, Page, PersonRow, Sought
from core.db.credits_dao import BalanceRow
from core.principal import Principal, Role
from pages.components import admin_erase, admin_limits
from pages.components.admin_budgets import budget_field
from pages.components.badges import PLANS, Badge, role_badge
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import begin_with, saving, search_field, submit_button
from pages.components.members_list import role_words
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import when

SHOWN = 25
ANY = "Any"
ACTIVE, GONE = "Active", "Deactivated"
YOU, DEACTIVATED = Badge("You", "green"), Badge("Deactivated", "gray", ":material/block:")
OPERATOR = Badge("Operator", "blue", ":material/shield_person:")


class Keeper(Protocol):
    """What finds people and changes them."""

    def search(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> Page:
        """Members that are found."""
        ...

    def limits(self, principal: Principal, org_id: UUID, user_id: UUID) -> list[EffectiveLimit]:
        """What a member may use."""
        ...

    def balance(self, principal: Principal, org_id: UUID, user_id: UUID) -> BalanceRow:
        """What credits they can spend."""
        ...

    def set_role(self, principal: Principal, org_id: UUID, user_id: UUID, role: Role) -> None:
        """Gives a role."""
        ...

    def remove(self, principal: Principal, org_id: UUID, user_id: UUID) -> None:
        """Lets a member go."""
        ...

    def set_active(self, principal: Principal, user_id: UUID, *, is_active: bool) -> Effect:
        """Deactivates an account, or takes that back."""
        ...

    def set_cap(self, principal: Principal, org_id: UUID, email: str, cap: Decimal | None) -> Effect:
        """Caps what a member spends of the wallet."""
        ...


class Purse(Protocol):
    """What sets members' own budgets."""

    def set_of_member(self, principal: Principal, org_id: UUID, user_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Bounds what a member's calls may cost in a month."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who looks, over what, by what."""

    principal: Principal
    keeper: Keeper
    budgets: Purse
    everything: bool
    plans: Collection[str]
    now: datetime
    eraser: admin_erase.Eraser


def show(key: str, desk: Desk) -> None:
    """The filters, and who is found, by address; some at a time."""
    sought = _sought(key, desk)
    skipped = _skipped(key, sought)
    page = desk.keeper.search(desk.principal, sought, everything=desk.everything, skipped=skipped, most=SHOWN)
    if not page.people:
        show_empty(
            "Nobody is found", "Names, addresses and organisations are searched.", icon=":material/person_search:"
        )
        return
    with show_list(key):
        for row in page.people:
            _show_person(key, desk, row)
    _show_pages(key, skipped, page.total)


def _sought(key: str, desk: Desk) -> Sought:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        words = search_field("Search people", "Name, address, organisation or id", key=f"{key}_words")
        role = st.selectbox("Role", [ANY, *Role], format_func=str.capitalize, key=f"{key}_sought_role", width=140)
        plan = ANY
        if desk.everything:
            plan = st.selectbox(
                "Plan", [ANY, *desk.plans], format_func=str.capitalize, key=f"{key}_sought_plan", width=140
            )
        state = st.selectbox(
            "State",
            [ANY, ACTIVE, GONE],
            key=f"{key}_sought_state",
            width=160,
            help="Who is deactivated signs in no more; what they did stays on the books.",
        )
    return Sought(
        words=words,
        role="" if role == ANY else role,
        plan="" if plan == ANY else plan,
        is_active={ACTIVE: True, GONE: False}.get(state),
    )


def _skipped(key: str, sought: Sought) -> int:
    """How many are passed over; none once something else is looked for."""
    if st.session_state.get(f"{key}_for") != sought:
        st.session_state[f"{key}_for"] = sought
        st.session_state[f"{key}_skipped"] = 0
    return int(st.session_state.get(f"{key}_skipped", 0))


def _show_pages(key: str, skipped: int, total: int) -> None:
    last = min(skipped + SHOWN, total)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{skipped + 1:,} to {last:,} of {total:,}")
        if skipped:
            st.button("Earlier", key=f"{key}_earlier", on_click=_skip, args=(key, skipped - SHOWN), type="tertiary")
        if last < total:
            st.button("Later", key=f"{key}_later", on_click=_skip, args=(key, skipped + SHOWN), type="tertiary")


def _skip(key: str, skipped: int) -> None:
    st.session_state[f"{key}_skipped"] = max(0, skipped)


def _show_person(key: str, desk: Desk, row: PersonRow) -> None:
    place = f"{key}_{row.org_id.hex}_{row.user_id.hex}"
    is_self = row.user_id == desk.principal.user_id
    badges = _badges(desk, row, is_self=is_self)
    with show_row(Row(row.name or row.email, _details(desk, row), badges, person=(row.name, row.email))):
        if st.button(
            "Limits",
            icon=":material/speed:",
            type="tertiary",
            key=f"{place}_limits",
            help="What the plan, boosts and what was carried over allow, and what is left.",
        ):
            _show_limits(f"{place}_shown", desk, row)
        if st.button("Role", icon=":material/badge:", type="tertiary", key=f"{place}_role"):
            _ask_role(f"{place}_asked", desk, row)
        if not is_self:
            _show_remove(place, desk, row)
            if desk.principal.is_operator:
                _show_activity(place, desk, row)
                admin_erase.show(f"{place}_erase", desk.principal, desk.eraser, row)


def _details(desk: Desk, row: PersonRow) -> str:
    seen = "not seen yet" if row.seen_at is None else f"seen {when(row.seen_at, desk.now, desk.principal.zone)}"
    said = (row.email if row.name else "", row.org_name if desk.everything else "", seen)
    return " · ".join(part for part in said if part)


def _badges(desk: Desk, row: PersonRow, *, is_self: bool) -> tuple[Badge, ...]:
    marks = [role_badge(row.role)]
    if desk.everything:
        marks.append(Badge(row.plan.capitalize(), PLANS.get(row.plan, "gray")))
    if is_self:
        marks.append(YOU)
    if row.is_operator:
        marks.append(OPERATOR)
    if not row.is_active:
        marks.append(DEACTIVATED)
    return tuple(marks)


@st.dialog("Limits", width="large", icon=":material/speed:")
def _show_limits(key: str, desk: Desk, row: PersonRow) -> None:
    st.text(f"{row.name or row.email}, {row.org_name}")
    with show_errors(desk.principal, has_action=False):
        limits = desk.keeper.limits(require(), row.org_id, row.user_id)
        balance = desk.keeper.balance(require(), row.org_id, row.user_id)
        admin_limits.show(f"{key}_list", limits, balance, desk.now, desk.principal.zone)
    _show_cap(f"{key}_cap", desk, row)
    _show_budget(f"{key}_budget", desk, row)


def _show_cap(key: str, desk: Desk, row: PersonRow) -> None:
    with st.form(key, border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            cap = st.number_input(
                "Cap of the wallet's credits a month; empty: none",
                min_value=0.0,
                value=None,
                step=10.0,
                format="%.2f",
                key=begin_with(f"{key}_amount", None if row.cap_month is None else float(row.cap_month)),
                help="What this member may spend of the wallet in a month; free credits do not count.",
                width=320,
            )
            is_sent = submit_button("Set cap", key=f"{key}_set")
        if is_sent:
            with saving("The cap is set", desk.principal):
                amount = None if cap is None else Decimal(str(cap))
                desk.keeper.set_cap(require(), row.org_id, row.email, amount)


def _show_budget(key: str, desk: Desk, row: PersonRow) -> None:
    with st.form(key, border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            label = "Their own budget, USD a month; empty: none"
            budget = budget_field(label, row.budget_usd, key=f"{key}_usd", width=320)
            is_sent = submit_button("Set budget", key=f"{key}_set")
        st.caption("What would go beyond is refused for this member alone, beside the budget of the organisation.")
        if is_sent:
            with saving("The budget is set", desk.principal):
                desk.budgets.set_of_member(require(), row.org_id, row.user_id, budget)


@st.dialog("Role in the organisation", icon=":material/badge:")
def _ask_role(key: str, desk: Desk, row: PersonRow) -> None:
    roles = list(Role)
    with st.form(f"{key}_form", border=False):
        st.text(f"{row.name or row.email}, {row.org_name}")
        role = st.selectbox("Role", roles, index=roles.index(Role(row.role)), format_func=role_words, key=f"{key}_new")
        st.caption("Their sessions end with it: the role counts from the next sign-in, and tokens have it at once.")
        if submit_button("Give role", key=f"{key}_give"):
            with saving("The role is given", desk.principal):
                desk.keeper.set_role(require(), row.org_id, row.user_id, role)


def _show_remove(key: str, desk: Desk, row: PersonRow) -> None:
    question = Question(
        "Remove this member?",
        f"They lose access to {row.org_name} at once; their sessions and tokens here end. What they used stays on the "
        "books.",
        "Remove",
        no="Keep",
        subject=_who(row),
        done="The member is removed",
    )
    do = partial(_remove, desk, row)
    confirm_button(f"{key}_remove", "Remove", question, do, icon=":material/person_remove:")


def _show_activity(key: str, desk: Desk, row: PersonRow) -> None:
    """The button that deactivates an account, or takes that back."""
    if row.is_active:
        question = Question(
            "Deactivate this account?",
            "Its sessions, tokens and invitations stop at once, in every organisation. A call in flight ends by itself "
            "and is charged as any other.",
            "Deactivate",
            no="Keep",
            subject=_who(row),
            done="The account is deactivated",
        )
        label, icon = "Deactivate", ":material/block:"
    else:
        question = Question(
            "Reactivate this account?",
            "They can sign in again, and their tokens work again.",
            "Reactivate",
            subject=_who(row),
            done="The account is active again",
        )
        label, icon = "Reactivate", ":material/undo:"
    do = partial(_set_active, desk, row)
    confirm_button(f"{key}_activity", label, question, do, icon=icon)


def _remove(desk: Desk, row: PersonRow) -> None:
    desk.keeper.remove(require(), row.org_id, row.user_id)


def _set_active(desk: Desk, row: PersonRow) -> None:
    desk.keeper.set_active(require(), row.user_id, is_active=not row.is_active)


def _who(row: PersonRow) -> str:
    return f"{row.name}, {row.email}" if row.name else row.email
