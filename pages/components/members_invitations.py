"""Invitations: the form to send one, and those that nobody has accepted yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.joining_dao import InvitationRow
from core.principal import Principal, Role
from pages.components import secret_once
from pages.components.badges import Badge, role_badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.headings import section
from pages.components.members_list import role_words, roles_given_by
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import bound, when

LINK, LINK_FOR = "members_link", "members_link_for"
MAX_SHOWN = 100
LATE = Badge("Too late", "orange", ":material/schedule:")


def show_form(key: str, principal: Principal) -> None:
    """An address and a role. Where no mail goes out the link is shown once, to be passed on by hand."""
    roles, sent = roles_given_by(principal), st.session_state.get(f"{key}_sent", 0)
    with st.form(key):
        email = text_field(
            "Invite by e-mail",
            kind="email",
            required=True,
            autocomplete="off",
            key=f"{key}_email_{sent}",  # empty again once it was sent
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            role = st.selectbox(
                "Role", roles, index=roles.index(Role.ANALYST), format_func=role_words, key=f"{key}_role", width=300
            )
            is_sent = submit_button("Invite", key=f"{key}_send")
        if is_sent:
            with saving(f"{email} is invited", principal):
                _invite(partial(workbench.current().members.invite, principal, email, role), email)
                st.session_state[f"{key}_sent"] = sent + 1
    if LINK_FOR in st.session_state and secret_once.show(LINK, "invitation link"):
        st.text(f"No mail goes out from here. Pass the link on to {st.session_state[LINK_FOR]} yourself.")


def show(key: str, principal: Principal, rows: Sequence[InvitationRow]) -> None:
    """The invitations that nobody has accepted, the newest first."""
    section("Open invitations")
    if not rows:
        show_empty("Nobody is invited at the moment", "Who accepts an invitation becomes a member.")
        return
    with show_list(key):
        for row in rows[:MAX_SHOWN]:
            _show_invitation(key, principal, row)
    if len(rows) > MAX_SHOWN:
        st.caption(f"{len(rows) - MAX_SHOWN} more are not shown.")


def _show_invitation(key: str, principal: Principal, row: InvitationRow) -> None:
    role, now, zone = Role(row.role), datetime.now(UTC), principal.zone
    is_late = row.expires_at <= now
    until = "was good until" if is_late else "good until"
    details = f"invited {when(row.created_at, now, zone)} · {until} {bound(row.expires_at, now, zone)}"
    badges = (role_badge(role), *((LATE,) if is_late else ()))
    with show_row(Row(row.email, details, badges, person=("", row.email))):
        if role is Role.OWNER and not may(principal, Action.MANAGE_OWNERS):
            return
        if st.button("Send again", icon=":material/forward_to_inbox:", type="tertiary", key=f"{key}_again_{row.id}"):
            with saving(f"{row.email} is invited again", principal):
                _invite(partial(workbench.current().members.invite_again, principal, row.id), row.email)
        question = Question(
            "Take this invitation back?",
            "Its link is good no more, and its seat is free again.",
            "Take back",
            no="Keep",
            subject=row.email,
            done="The invitation is taken back",
        )
        confirm_button(f"{key}_take_back_{row.id}", "Take back", question, partial(_take_back, row.id))


def _invite(invite: Callable[[], str | None], email: str) -> None:
    """Invites, and keeps the link to be shown where it was not mailed."""
    link = invite()
    if link is not None:
        secret_once.keep(LINK, link)
        st.session_state[LINK_FOR] = email


def _take_back(invitation_id: UUID) -> None:
    workbench.current().members.take_back(require(), invitation_id)
