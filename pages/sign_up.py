"""Asking for an account: by mail comes the link with which it is made."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.addresses import MAX_ADDRESS_CHARS
from core.accounts.people import MAX_NAME_CHARS
from pages.components import session, signed_out
from pages.components.forms import submit_button, text_field
from pages.components.states import show_denied

KEY = "sign_up"

joining = workbench.current().joining
with signed_out.column("Create an account"):
    if not joining.is_open:
        show_denied("Accounts are made by invitation here.", "Ask an admin of your organisation for one.")
    elif not signed_out.show_asked(KEY, life="a day"):
        st.markdown("You get an organisation of your own on the Free plan. First your address has to be confirmed.")
        with st.form(KEY):
            email = text_field(
                "Email", kind="email", required=True, max_chars=MAX_ADDRESS_CHARS, autocomplete="username"
            )
            name = text_field("Name", required=True, max_chars=MAX_NAME_CHARS, autocomplete="name")
            if submit_button("Send me a link", is_wide=True):
                with signed_out.asking_for_mail(KEY, email):
                    joining.request_account(email, name, address=session.caller().address)
    signed_out.back_to_sign_in()
