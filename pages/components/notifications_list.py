"""What somebody was told in the app, the newest first: what is not read stands out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import streamlit as st

from core.db.notifications_dao import NotificationRow
from pages.components.badges import Badge, show_badge
from pages.components.words import plain, when

SHOWN_LINES = 4
"""Of a notification's text; the rest is where it leads."""
Open = Callable[[UUID, str], None]
"""Is told which notification leads where, in the run to come."""


def show(key: str, rows: Sequence[NotificationRow], now: datetime, zone: str, *, opened: Open) -> None:
    """Each with its time, its text and the button that leads to what it is about."""
    if not rows:
        st.caption("Nothing yet. Alerts on your saved screens tell you here what matches newly.")
    for row in rows:
        with st.container(gap="xsmall", key=f"{key}_{row.id}"):
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
                if row.read_at is None:
                    show_badge(Badge("New", "blue"))
                st.markdown(f"**{plain(row.title.strip())}**" if row.read_at is None else plain(row.title.strip()))
            lines = row.body.splitlines()
            if lines:
                st.text("\n".join(lines[:SHOWN_LINES]) + ("\n…" if len(lines) > SHOWN_LINES else ""))
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(when(row.created_at, now, zone), width="content")
                if row.link is not None:
                    st.button(
                        "Open",
                        icon=":material/arrow_forward:",
                        type="tertiary",
                        key=f"{key}_{row.id}_open",
                        on_click=opened,
                        args=(row.id, row.link),
                    )
