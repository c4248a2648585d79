"""The two fields of a new password, with what makes one good enough in words."""

from __future__ import annotations

from dataclasses import dataclass, field

import streamlit as st

from core.accounts.passwords import MAX_BYTES, MIN_CHARS
from core.errors import InvalidRequest
from pages.components.forms import text_field

POLICY = (
    f"At least {MIN_CHARS} characters; a few words with spaces are good. Not one of those that are tried first, nor "
    f"your name or address. At most {MAX_BYTES} bytes: as many letters without accents."
)


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What was typed, twice."""

    once: str = field(repr=False)
    again: str = field(repr=False)

    def agreed(self) -> str:
        """The password; whether it is good enough is for `core.accounts` to say.

        Raises:
            InvalidRequest: it was typed in two ways.
        """
        if self.once != self.again:
            raise InvalidRequest("The two passwords differ. Type the same one twice.")
        return self.once


def new_password_fields(key: str) -> NewPassword:
    """The fields, for a form."""
    once = text_field("New password", kind="password", autocomplete="new-password", required=True, key=f"{key}_once")
    st.caption(POLICY)
    again = text_field(
        "New password, again", kind="password", autocomplete="new-password", required=True, key=f"{key}_again"
    )
    return NewPassword(once, again)
