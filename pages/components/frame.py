"""What stands around every page: the wordmark; in the sidebar, who is signed in, for whom, on which plan."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.principal import Principal
from pages.components.badges import show_plan_badge
from pages.components.session import sign_out_button

__all__ = ["show_logo", "show_plan_badge", "show_sidebar", "wordmark"]

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def wordmark() -> Path:
    """The wordmark for the theme that the visitor uses."""
    return ASSETS / ("wordmark-dark.svg" if st.context.theme.type == "dark" else "wordmark-light.svg")


def show_logo() -> None:
    """The wordmark above the navigation; its mark alone where the sidebar is closed."""
    st.logo(wordmark(), size="large", icon_image=ASSETS / "mark.svg")


def show_sidebar(principal: Principal) -> None:
    """Organisation, plan, user and the way out."""
    with st.sidebar, st.container(border=True, gap="small"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.text(principal.org_name, width="content")
            show_plan_badge(principal.plan)
        with st.container(gap=None):
            if principal.name:
                st.text(principal.name)
            st.text(principal.email)
        sign_out_button()
