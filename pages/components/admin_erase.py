"""Erasing a person: what goes, what stays without a name, and the address that is typed before it is done."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

import streamlit as st

from core.accounts.addresses import MAX_ADDRESS_CHARS
from core.admin.people import PersonRow
from core.db.erasure_dao import ERASED_NAME
from core.errors import InvalidRequest
from core.principal import Principal
from pages.components.forms import saving, submit_button, text_field
from pages.components.session import require

ICON = ":material/person_off:"
GOES = (
    "**Goes, in every organisation:** their name and address, sign-in, sessions, tokens and own keys; their "
    "conversations, files and alerts; watchlists, screens, portfolios, notes and templates that nobody else sees."
)
STAYS = (
    f"**Stays, by “{ERASED_NAME}”:** what they shared. The books and the audit log keep an id that names nobody, and a "
    "call under way ends and is charged as any other."
)
NOT_HERE = "Nothing takes it back. Backups, and Stripe's customer, are erased where they are kept."


class Eraser(Protocol):
    """What erases people."""

    def erase(self, principal: Principal, user_id: UUID) -> None:
        """Erases one for good."""
        ...


def show(key: str, principal: Principal, eraser: Eraser, row: PersonRow) -> None:
    """The button that asks for the address, and erases."""
    if st.button("Erase", icon=ICON, type="tertiary", key=key, help="Deletes what is theirs, for good."):
        _ask(f"{key}_asked", principal, eraser, row)


@st.dialog("Erase this person?", icon=ICON)
def _ask(key: str, principal: Principal, eraser: Eraser, row: PersonRow) -> None:
    st.text(f"{row.name}, {row.email}" if row.name else row.email)
    for words in (GOES, STAYS, NOT_HERE):
        st.markdown(words)
    with st.form(f"{key}_form", border=False):
        typed = text_field(
            "Their e-mail address, to confirm",
            required=True,
            max_chars=MAX_ADDRESS_CHARS,
            autocomplete="off",
            key=f"{key}_address",
        )
        if submit_button("Erase for good", key=f"{key}_send"):
            with saving("The person is erased", principal):
                if typed.lower() != row.email:
                    raise InvalidRequest("This is not their address; nothing was erased.")
                eraser.erase(require(), row.user_id)
