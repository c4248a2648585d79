"""Findings about a portfolio, each with the rule that it is measured by: told, never advised."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.portfolio.report import Check
from pages.components.badges import Badge, show_badge
from pages.components.words import plain

LOOKS = {
    "warning": Badge("Warning", "red", ":material/warning:"),
    "notice": Badge("Notice", "orange", ":material/info:"),
    "ok": Badge("In order", "green", ":material/check:"),
}
"""By severity, the gravest first."""


def show(key: str, checks: Sequence[Check]) -> None:
    """The findings, the gravest first."""
    ordered = sorted(checks, key=lambda check: [*LOOKS].index(check.severity))
    with st.container(key=key, gap="small"):
        for check in ordered:
            with st.container(border=True, gap="xsmall"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.markdown(f"**{plain(check.title)}**", width="content")
                    show_badge(LOOKS[check.severity])
                st.markdown(plain(check.words))
                st.caption(plain(check.rule))
        st.caption("These are findings by fixed rules, and no advice.")
