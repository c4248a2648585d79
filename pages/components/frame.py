"""What stands around every page: the wordmark; in the sidebar, who is signed in, for whom, on which plan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.db.people_dao import BelongingRow
from core.principal import Principal
from pages.components import switcher
from pages.components.avatar import show_avatar
from pages.components.badges import show_plan_badge
from pages.components.session import sign_out_button

ASSETS = Path(__file__).resolve().parent.parent / "assets"
AVATAR_PX = 28
DEMO_HOST = "@demo.example"
"""Where the addresses of the demo's people are."""


def wordmark() -> Path:
    """The wordmark for the theme that the visitor uses."""
    return ASSETS / ("wordmark-dark.svg" if st.context.theme.type == "dark" else "wordmark-light.svg")


def show_logo() -> None:
    """The wordmark above the navigation; its mark alone where the sidebar is closed."""
    st.logo(wordmark(), size="large", icon_image=ASSETS / "mark.svg")


def show_sidebar(principal: Principal, organisations: Sequence[BelongingRow] = ()) -> None:
    """Organisation, plan, user and the way out; for those with several `organisations` the choice of one."""
    with st.sidebar, st.container(border=True, gap="small"):
        switcher.show("frame_organisation", principal, organisations)
        show_who(principal)
        if principal.email.endswith(DEMO_HOST):
            st.caption("Demo: its first month of usage is generated.")
        sign_out_button()


def show_who(principal: Principal) -> None:
    """Organisation with its plan, and the person with their picture."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.text(principal.org_name, width="content")
        show_plan_badge(principal.plan)
    with st.container(gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            show_avatar(principal.name, principal.email, AVATAR_PX)
            if principal.name:
                st.text(principal.name, width="stretch")
        st.text(principal.email)
