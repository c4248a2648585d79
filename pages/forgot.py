"""Forgot your password?."""

from __future__ import annotations

import streamlit as st

st.title("Forgot your password?", anchor=False)
