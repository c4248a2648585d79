"""Create an account."""

from __future__ import annotations

import streamlit as st

st.title("Create an account", anchor=False)
