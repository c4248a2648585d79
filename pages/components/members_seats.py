"""How many seats of the plan are taken: by members, and by invitations that are still good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from core.db.joining_dao import InvitationRow


def show(members: int, invitations: Sequence[InvitationRow], seats: int | None) -> None:
    """One line, as in "3 of 50 seats: 2 members and 1 open invitation"."""
    now = datetime.now(UTC)
    invited = sum(row.expires_at > now for row in invitations)
    taken = members + invited
    of = f"{taken} of {seats} seat{'s' * (seats != 1)}" if seats is not None else f"{taken} seats, without a limit"
    who = f"{_count(members, 'member')} and {_count(invited, 'open invitation')}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/event_seat: **{of}** :gray[{who}]", width="content")
        if seats is not None and taken >= seats:
            st.badge("All taken", icon=":material/block:", color="orange")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
