"""The sign-in form: every address shows it until somebody is signed in."""

from __future__ import annotations

import streamlit as st

from core import workbench
from core.errors import InvalidRequest
from pages.components import openid, session
from pages.components.errors import show_errors
from pages.components.frame import wordmark

MAX_CHARS = 400
PROMISE = "Know what every signal, every AI verdict and every AI dollar was really worth."


def sign_in(email: str, password: str) -> str:
    """The one-time ticket for these credentials; what no account can have does not count as a try."""
    if not email or not password:
        raise InvalidRequest("Enter your e-mail address and your password.")
    # Bounded here too: the limits of a field hold in the browser only.
    if "@" not in email or len(email) > MAX_CHARS or len(password) > MAX_CHARS:
        raise InvalidRequest("That is not a complete e-mail address.")
    return workbench.current().accounts.sign_in(email, password, address=session.caller().address)


_, middle, _ = st.columns([1, 2, 1])
with middle:
    st.space("large")
    st.image(wordmark(), width=136)
    st.markdown(PROMISE)
    openid.finish()
    with st.form("sign_in", border=True):
        email = st.text_input("Email", autocomplete="username", placeholder="you@company.com")
        password = st.text_input("Password", type="password", autocomplete="current-password")
        is_sent = st.form_submit_button("Sign in", type="primary", width="stretch")
        if is_sent:
            with show_errors():
                session.open_session(sign_in(email.strip(), password))
    openid.show_buttons("sign_in_openid")
    if workbench.current().settings.loads_demo:
        st.caption("The demo is loaded. Its sign-ins were printed where the workbench was started.")
    else:
        st.caption("No account yet? An admin of your organisation can add you.")
