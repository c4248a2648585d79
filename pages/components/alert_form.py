"""The form of a new alert: which screen on which universe, and how it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import streamlit as st

from core.principal import Principal
from core.screener.alerts import MAX_NAME_CHARS, AlertSettings
from pages.components.forms import saving, submit_button, text_field
from pages.components.words import numbered, plain

WEBHOOK_HINT = (
    "An https address on the public internet. Messages are JSON and signed; the secret is shown once, when the alert "
    "is made."
)


@dataclass(frozen=True)
class Choices:
    """What can be chosen."""

    screens: Mapping[UUID, str]
    universes: Mapping[str, str]
    screen_id: UUID | None = None
    """The one that is chosen at first."""
    universe_id: str | None = None
    has_mail: bool = True
    """Whether the workbench sends mails at all."""


def show(key: str, principal: Principal, choices: Choices, create: Callable[[AlertSettings], object]) -> None:
    """The form; `create` is called with what was chosen once it is sent."""
    if not choices.screens:
        st.caption("Save a screen first: an alert tells what newly matches it.")
        return
    screens, universes = list(choices.screens), list(choices.universes)
    screen_names = dict(zip(screens, numbered([choices.screens[each] for each in screens]), strict=True))
    with st.form(key, border=False):
        name = text_field("Name", required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        screen_id = st.selectbox(
            "Saved screen",
            screens,
            _place(screens, choices.screen_id),
            format_func=lambda each: screen_names.get(each, ""),
            key=f"{key}_screen",
        )
        universe_id = st.selectbox(
            "Universe",
            universes,
            _place(universes, choices.universe_id),
            format_func=lambda each: choices.universes.get(each, ""),
            key=f"{key}_universe",
        )
        in_app = st.checkbox("In the app", value=True, key=f"{key}_app")
        by_mail = choices.has_mail and st.checkbox(plain(f"By e-mail to {principal.email}"), key=f"{key}_mail")
        if not choices.has_mail:
            st.caption("By e-mail: this workbench sends none; its operator can set SMTP_URL.")
        url = text_field("Webhook", hint=WEBHOOK_HINT, max_chars=2_000, autocomplete="off", key=f"{key}_webhook")
        st.caption("What matches at the newest scan is taken as known; you are told of what comes after.")
        if submit_button("Make alert", key=f"{key}_make"):
            with saving("The alert is made", principal):
                create(
                    AlertSettings(
                        name=name,
                        screen_id=screen_id,
                        universe_id=universe_id,
                        tells_in_app=in_app,
                        tells_by_mail=by_mail,
                        webhook_url=url or None,
                    )
                )


def _place(options: list[UUID] | list[str], wanted: UUID | str | None) -> int:
    return next((place for place, each in enumerate(options) if each == wanted), 0)
