"""The bell in the sidebar: how much somebody was told that they have not read, and a list of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import streamlit as st

from core import workbench
from core.principal import Principal
from pages.components import notifications_list
from pages.components.errors import show_errors

SHOWN = 20
MANY = 99
"""More than these are not counted out."""
_GO = "notifications_go"


def show(key: str, principal: Principal) -> None:
    """The bell with its count; the list is read once it is opened."""
    _go_on()
    service = workbench.current().notifications
    with show_errors(principal, has_action=False):
        unread = service.unread_count(principal)
        label = f"Notifications: {unread if unread <= MANY else f'{MANY}+'} new" if unread else "Notifications"
        icon = ":material/notifications_unread:" if unread else ":material/notifications:"
        with st.popover(label, icon=icon, width="stretch", key=key, on_change="rerun") as bell:
            if not bell.open:
                return
            if unread:
                st.button(
                    "Mark all as read",
                    icon=":material/done_all:",
                    type="tertiary",
                    key=f"{key}_read",
                    on_click=_mark_read,
                    args=(principal, None),
                )
            rows = service.page(principal, most=SHOWN)
            notifications_list.show(
                f"{key}_list",
                rows,
                datetime.now(UTC),
                principal.zone,
                opened=lambda row_id, link: _open(principal, row_id, link),
            )


def _mark_read(principal: Principal, row_id: UUID | None) -> None:
    with show_errors(principal, has_action=False):
        workbench.current().notifications.mark_read(principal, None if row_id is None else [row_id])


def _open(principal: Principal, row_id: UUID, link: str) -> None:
    _mark_read(principal, row_id)
    st.session_state[_GO] = link


def _go_on() -> None:
    """Goes where the button of a notification leads; the page begins anew, so that its address is what it shows."""
    link = st.session_state.pop(_GO, None)
    if link is None:
        return
    parts = urlsplit(link)
    page = PurePosixPath(parts.path).name
    for name in [str(each) for each in st.session_state if str(each).startswith(f"{page}_")]:
        del st.session_state[name]
    st.switch_page(f"{page}.py", query_params=dict(parse_qsl(parts.query)))
