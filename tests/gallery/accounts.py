"""The components of signing in, Settings and Members that need no workbench."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid5

import streamlit as st

from core.db.joining_dao import InvitationRow
from core.db.provider_keys_dao import KeyRow
from pages.components import members_seats, settings_keys
from pages.components.forms import saving, submit_button
from pages.components.new_password import new_password_fields
from pages.components.rows import show_list, show_row
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


def keys() -> None:
    """Keys of providers: valid, with a limit, expiring soon, expired, not accepted, revoked"""
    week = timedelta(days=5)
    states: list[dict[str, Any]] = [
        {"name": "Research", "last_used_at": NOW - timedelta(minutes=5), "used_usd": Decimal("1.204")},
        {"name": "With a limit", "limit_usd_month": Decimal(50), "used_usd": Decimal("49.9871")},
        {"name": "Until the budget is renewed", "expires_at": NOW + week},
        {"name": "Last year's", "expires_at": NOW - week, "last_used_at": NOW - 2 * week},
        {"name": "Revoked at its provider", "refused_at": NOW, "last_used_at": NOW},
        {"name": "<b>Old</b> [one](http://evil.example)", "revoked_at": NOW - week},
    ]
    with show_list("settings_keys_shown"):
        for number, state in enumerate(states):
            show_row(settings_keys.key_row(_key(number, **state), "Europe/Paris", "OpenAI"))


def no_keys() -> None:
    """No key yet, and none that can be kept"""
    with st.container(key="settings_keys_none"):
        settings_keys.show_none(is_shared=False)
    settings_keys.show_not_configured()


def _key(number: int, **state: Any) -> KeyRow:
    values: dict[str, Any] = {
        "id": uuid5(SPACE, f"key {number}"),
        "user_id": SPACE,
        "is_shared": False,
        "provider": "openai",
        "last_four": "WXYZ",
        "limit_usd_month": None,
        "used_usd": Decimal(0),
        "held_usd": Decimal(0),
        "month_end": NOW + timedelta(days=9),
        "expires_at": None,
        "last_used_at": None,
        "refused_at": None,
        "created_at": NOW - timedelta(days=30),
        "revoked_at": None,
        "at": NOW,
    }
    return KeyRow(**{**values, **state})
