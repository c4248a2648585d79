"""What a link in a mail is for; opening it changes nothing, what stands on it does."""

from __future__ import annotations

import streamlit as st

from pages.components import followed_link, session
from pages.components.errors import show_errors

principal = session.current_principal()
with show_errors(principal):
    followed_link.show(st.query_params.get("token", ""), principal)
