"""The components of signing in, Settings and Members that need no workbench."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid5

import streamlit as st

from core.db.joining_dao import InvitationRow
from pages.components import members_seats
from pages.components.forms import saving, submit_button
from pages.components.new_password import new_password_fields
from tests.gallery.samples import NOW, SPACE


def seats() -> None:
    """Seats that are left, all taken, without a limit; an invitation that is too old takes none"""
    good, late = (
        InvitationRow(uuid5(SPACE, str(days)), "ann@example.com", "analyst", SPACE, NOW, NOW + timedelta(days=days))
        for days in (3, -3)
    )
    members_seats.show(2, [good, late], 50)
    members_seats.show(1, [], 1)
    members_seats.show(1234, [good], None)


def new_password() -> None:
    """A new password; two that differ fail"""
    with st.form("new_password_form"):
        typed = new_password_fields("new_password")
        if submit_button("Set password"):
            with saving("Your password is set"):
                typed.agreed()
