"""The members, and what a manager does with each: give another role, or let go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.people_dao import MemberRow
from core.principal import Principal, Role
from pages.components.badges import Badge, role_badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button
from pages.components.headings import section
from pages.components.rows import person_row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty

SHOWN_AT_FIRST = 25
SEARCHED_FROM = 10
MAX_SOUGHT_CHARS = 100
YOU, DEACTIVATED = Badge("You", "green"), Badge("Deactivated", "gray", ":material/block:")
DOES = {
    Role.OWNER: "Everything, other owners included",
    Role.ADMIN: "Manages members and settings",
    Role.ANALYST: "Asks and works",
    Role.VIEWER: "Reads only",
}
"""What each role is for."""


def roles_given_by(principal: Principal) -> list[Role]:
    """The roles that this manager can give."""
    return [role for role in Role if role is not Role.OWNER or may(principal, Action.MANAGE_OWNERS)]


def role_words(role: Role) -> str:
    """A role with what it is for, as in a choice."""
    return f"{role.capitalize()}: {DOES[role][0].lower()}{DOES[role][1:]}"


def show(key: str, principal: Principal, members: Sequence[MemberRow]) -> None:
    """The list, owners first; searched and in parts where it is long."""
    section("Members")
    found = _sought(key, members)
    if not found:
        show_empty("Nobody here is called so", "Names and addresses are searched.", icon=":material/person_search:")
        return
    shows_all = len(found) <= SHOWN_AT_FIRST or st.session_state.get(f"{key}_all", False)
    with show_list(key):
        for row in found if shows_all else found[:SHOWN_AT_FIRST]:
            _show_member(key, principal, row)
    if len(found) > SHOWN_AT_FIRST:
        st.toggle(f"Show all {len(found)}", key=f"{key}_all")


def _sought(key: str, members: Sequence[MemberRow]) -> list[MemberRow]:
    if len(members) < SEARCHED_FROM:
        return [*members]
    words = st.text_input(
        "Search members",
        placeholder="Search members",
        icon=":material/search:",
        max_chars=MAX_SOUGHT_CHARS,
        key=f"{key}_sought",
        label_visibility="collapsed",
    )
    sought = words.strip().casefold()
    return [row for row in members if sought in row.name.casefold() or sought in row.email.casefold()]


def _show_member(key: str, principal: Principal, row: MemberRow) -> None:
    is_self, role = row.user_id == principal.user_id, Role(row.role)
    marks = ((YOU,) if is_self else ()) + (() if row.is_active else (DEACTIVATED,))
    with show_row(replace(person_row(row.name, row.email), badges=(role_badge(role), *marks))):
        if role is Role.OWNER and not may(principal, Action.MANAGE_OWNERS):
            return
        if st.button("Role", icon=":material/badge:", type="tertiary", key=f"{key}_role_{row.user_id}"):
            _ask_role(f"{key}_role", _Asked(principal, row, is_self))
        if not is_self:
            _show_remove(key, principal, row)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whose role is to be another, and who gives it."""

    principal: Principal
    row: MemberRow
    is_self: bool


@st.dialog("Role in the organisation", icon=":material/badge:")
def _ask_role(key: str, asked: _Asked) -> None:
    row, roles = asked.row, roles_given_by(asked.principal)
    with st.form(f"{key}_form", border=False):
        st.text(row.name or row.email)
        role = st.selectbox(
            "Role", roles, index=roles.index(Role(row.role)), format_func=role_words, key=f"{key}_{row.user_id}_new"
        )
        whose = "Your own sessions end with it, this one too" if asked.is_self else "Their sessions end with it"
        st.caption(f"{whose}: the role counts from the next sign-in, and tokens have it at once.")
        if submit_button("Give role", key=f"{key}_give"):
            with saving("The role is given", asked.principal):
                workbench.current().members.set_role(require(), row.user_id, role)


def _show_remove(key: str, principal: Principal, row: MemberRow) -> None:
    question = Question(
        "Remove this member?",
        f"They lose access to {principal.org_name} at once; their sessions and tokens here end. What they used stays "
        "on the books.",
        "Remove",
        no="Keep",
        subject=f"{row.name}, {row.email}" if row.name else row.email,
        done="The member is removed",
    )
    confirm_button(
        f"{key}_remove_{row.user_id}",
        "Remove",
        question,
        partial(_remove, row.user_id),
        icon=":material/person_remove:",
    )


def _remove(user_id: UUID) -> None:
    workbench.current().members.remove(require(), user_id)
