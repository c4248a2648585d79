"""A forgotten password: by mail comes the link with which a new one is chosen."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.accounts.addresses import MAX_ADDRESS_CHARS
from pages.components import session, signed_out
from pages.components.forms import submit_button, text_field

KEY = "forgot"

with signed_out.column("Forgot your password?"):
    if not signed_out.show_asked(KEY, life="an hour"):
        st.markdown("You get a link by mail with which you choose a new one.")
        with st.form(KEY):
            email = text_field(
                "Email", kind="email", required=True, max_chars=MAX_ADDRESS_CHARS, autocomplete="username"
            )
            if submit_button("Send me a link", is_wide=True):
                with signed_out.asking_for_mail(KEY, email):
                    workbench.current().joining.request_reset(email, address=session.caller().address)
    signed_out.back_to_sign_in()
