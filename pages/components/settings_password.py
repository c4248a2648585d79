"""The password: changing it ends every session, and opens this browser's next one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st

from core import workbench
from core.errors import AssayError
from core.principal import Principal
from pages.components import session
from pages.components.errors import show_error
from pages.components.forms import submit_button, text_field
from pages.components.headings import section
from pages.components.new_password import NewPassword, new_password_fields
from pages.components.states import show_done

CHANGED = "changed"
TOLD_WITHIN = timedelta(minutes=2)


def show(principal: Principal) -> None:
    """The form; once it was sent and is right, the browser goes on in a session of its own."""
    section("Password", "Changing it signs you out everywhere else.")
    if CHANGED in st.query_params:
        if _was_just_opened(principal):
            show_done("Your password is changed.", "All other sessions have ended.")
        del st.query_params[CHANGED]
    ticket = None
    with st.form("settings_password"):
        current = text_field("Current password", kind="password", required=True, autocomplete="current-password")
        new = new_password_fields("settings_password")
        if submit_button("Change password"):
            ticket = _change(principal, current, new)
    if ticket is not None:
        st.query_params[CHANGED] = "1"  # said when the page has loaded again, in the new session
        session.open_session(ticket)


def _change(principal: Principal, current: str, new: NewPassword) -> str | None:
    """The ticket of the next session; None where something is wrong, which is said where this stands."""
    try:
        accounts, address = workbench.current().accounts, session.caller().address
        return accounts.change_password(principal, current, new.agreed(), address=address)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return None


def _was_just_opened(principal: Principal) -> bool:
    """Whether this session began a moment ago, as with a new password: what the address says proves nothing."""
    opened = [
        row.created_at for row in workbench.current().accounts.sessions(principal) if row.id == principal.credential_id
    ]
    return bool(opened) and datetime.now(UTC) - opened[0] < TOLD_WITHIN
