"""Settings: the profile, the password, sessions and tokens of the person at the page; their organisation."""

from __future__ import annotations

from pages.components import (
    settings_keys,
    settings_organisation,
    settings_password,
    settings_profile,
    settings_sections,
    settings_sessions,
    settings_tokens,
)
from pages.components.errors import show_errors
from pages.components.headings import page_head
from pages.components.session import require
from pages.components.settings_sections import Section

SECTIONS = {
    "profile": Section("Profile", settings_profile.show),
    "password": Section("Password", settings_password.show),
    "sessions": Section("Sessions", settings_sessions.show),
    "tokens": Section("Access tokens", settings_tokens.show),
    "keys": Section("Keys", settings_keys.show),
    "organisation": Section("Organisation", settings_organisation.show),
}

principal = require()
page_head("Settings", plan=principal.plan)
chosen = settings_sections.show("settings_section", SECTIONS)
with show_errors(principal):
    chosen.draw(principal)
