"""The sign that the connection to the server is lost, and back: a script of ours in the browser, on every page of those
who are signed in."""

from __future__ import annotations

import streamlit as st

_KEY = "connection"
_AGAIN = "connection_again"
"""The browser presses this button when the connection is back. Nobody else runs a page that was connected anew: it
would go on showing what it showed, and a new process would not know what its buttons do."""


def watch() -> None:
    """Let the browser watch the connection; draws nothing until it is lost."""
    st.html(f"<style>:has(> .st-key-{_KEY}) {{ display: none }}</style>")  # or its place would part the page
    with st.sidebar, st.container(key=_KEY):
        st.html(f'<script src="/connection.js" data-again="{_AGAIN}"></script>', unsafe_allow_javascript=True)
        st.button("Load again", key=_AGAIN)
