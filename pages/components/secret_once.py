"""A secret that is shown once, until the person says that they have it: a token, a recovery link."""

from __future__ import annotations

import streamlit as st

from pages.components.words import plain


def keep(key: str, secret: str) -> None:
    """Hold a new secret for `show`; it lives in this browser tab's session alone."""
    st.session_state[f"{key}_secret"] = secret


def show(key: str, what: str, *, kept_as: str | None = None) -> bool:
    """The secret that was kept, with a button to copy it and one to put it away; false where there is none.

    `what` names it, as in "token"; `kept_as` is said where it is not stored as its fingerprint alone.
    """
    secret = st.session_state.get(f"{key}_secret")
    if secret is None:
        return False
    with st.container(border=True, gap="small", key=key):
        st.markdown(f":material/key: **Copy your {plain(what)} now**")
        st.code(secret, language=None, wrap_lines=True)
        fingerprint = (
            f"It is not shown again: only its fingerprint is stored. If you lose it, make a new {plain(what)}."
        )
        st.caption(kept_as or fingerprint)
        st.button("I have copied it", type="primary", key=f"{key}_put_away", on_click=_put_away, args=(key,))
    return True


def _put_away(key: str) -> None:
    st.session_state.pop(f"{key}_secret", None)
