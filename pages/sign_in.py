"""The sign-in form: every address shows it until somebody is signed in."""

from __future__ import annotations

import streamlit as st

from core import workbench
from pages.components import openid, signed_out

PROMISE = "Know what every signal, every AI verdict and every AI dollar was really worth."

bench = workbench.current()
with signed_out.column():
    st.markdown(PROMISE)
    openid.finish()
    signed_out.sign_in_form()
    openid.show_buttons("sign_in_openid")
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.page_link("forgot.py", label="Forgot your password?")
        if bench.joining.is_open:
            st.page_link("sign_up.py", label="Create an account")
    if bench.settings.loads_demo:
        st.caption("The demo is loaded. Its sign-ins were printed where the workbench was started.")
    elif not bench.joining.is_open:
        st.caption("No account yet? An admin of your organisation can invite you.")
