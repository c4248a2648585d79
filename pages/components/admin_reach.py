"""The choice of operators between the organisation that they are in and the whole installation."""

from __future__ import annotations

import streamlit as st

from core.principal import Principal

OWN, ALL = "This organisation", "Everything"


def show(key: str, principal: Principal) -> bool:
    """Whether everything is shown; only operators are asked, everybody else sees their organisation."""
    if not principal.is_operator:
        st.caption(f"What is shown is of {principal.org_name}.".replace("$", "\\$"))
        return False
    chosen = st.segmented_control(
        "What is shown", [OWN, ALL], default=OWN, required=True, key=key, label_visibility="collapsed"
    )
    return chosen == ALL
