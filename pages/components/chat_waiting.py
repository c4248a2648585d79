"""A question whose answer is still being written: in another tab, or by a call that was just stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

from pages.components import chat_turn

CHECK_S = 1.0


def show(key: str, is_there: Callable[[], bool], *, until: datetime, again_from: datetime | None) -> None:
    """A quiet line that looks for the answer every second; the page runs anew once it is there.

    From `again_from` on the question can be asked again: whoever was answering it may be gone.
    """

    @st.fragment(run_every=CHECK_S)
    def watch() -> None:
        if datetime.now(UTC) >= until or is_there():
            st.rerun()
        st.caption(":shimmer[The answer is being written. It appears here when it is finished…]")
        if again_from is not None and datetime.now(UTC) >= again_from and _show_again(key):
            chat_turn.wish()
            st.rerun()

    watch()


def _show_again(key: str) -> bool:
    return st.button(
        "Ask again",
        icon=":material/refresh:",
        key=key,
        help="It takes long. Should the first answer still come, it counts as well.",
    )
