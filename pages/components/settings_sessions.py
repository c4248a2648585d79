"""The sessions of a person: on which device, from where, since when; each can be ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.devices import device_of
from core.db.sign_in_dao import SessionRow
from core.principal import Principal
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.headings import section
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.words import when

MAX_SHOWN = 50
METHODS = {"password": "by password", "openid": "by your sign-in provider", "link": "by a link in a mail"}


def show(principal: Principal) -> None:
    """The open sessions, the last used first."""
    accounts = workbench.current().accounts
    rows = accounts.sessions(principal)
    organisations = {row.org_id: row.name for row in accounts.organisations(principal)}
    with section("Sessions", "Where you are signed in. End what you do not know, and then change your password."):
        _show_end_others(is_disabled=len(rows) < 2)
    with show_list("settings_sessions"):
        for row in rows[:MAX_SHOWN]:
            is_this = row.id == principal.credential_id
            shown = _row(row, principal, organisations if len(organisations) > 1 else {}, is_this=is_this)
            with show_row(shown):
                if not is_this:
                    _show_end(row, shown.title)
    if len(rows) > MAX_SHOWN:
        st.caption(f"{len(rows) - MAX_SHOWN} more are not shown.")


def _row(row: SessionRow, principal: Principal, organisations: Mapping[UUID, str], *, is_this: bool) -> Row:
    device, now = device_of(row.agent), datetime.now(UTC)
    details = [
        row.address or "unknown place",
        f"signed in {METHODS.get(row.method, row.method)} {when(row.created_at, now, principal.zone)}",
        f"last used {when(row.seen_at, now, principal.zone)}",
        *([organisations[row.org_id]] if row.org_id in organisations else []),
    ]
    return Row(
        device.words,
        " · ".join(details),
        (Badge("This one", "green"),) if is_this else (),
        icon=":material/smartphone:" if device.is_hand_held else ":material/computer:",
    )


def _show_end(row: SessionRow, device: str) -> None:
    question = Question(
        "End this session?",
        "Whoever uses it has to sign in again. Nothing that was saved is lost.",
        "End session",
        subject=f"{device}, {row.address}",
        done="The session has ended",
    )
    confirm_button(f"settings_end_{row.id}", "End", question, partial(_end, row.id), icon=":material/logout:")


def _end(session_id: UUID) -> None:
    workbench.current().accounts.end_session(require(), session_id)


def _show_end_others(*, is_disabled: bool) -> None:
    question = Question(
        "End all other sessions?",
        "You stay signed in here alone. Access tokens go on working.",
        "End all others",
        done="All other sessions have ended",
    )
    confirm_button(
        "settings_end_others",
        "End all others",
        question,
        lambda: workbench.current().accounts.end_other_sessions(require()),
        icon=":material/logout:",
        kind="secondary",
        is_disabled=is_disabled,
    )
