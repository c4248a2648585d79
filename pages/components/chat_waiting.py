"""A question whose answer is still being written: in another tab, or by a call that was just stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import streamlit as st

CHECK_S = 1.0


def show(is_there: Callable[[], bool], *, until: datetime) -> None:
    """A quiet line that looks for the answer every second; the page runs anew once it is there."""

    @st.fragment(run_every=CHECK_S)
    def watch() -> None:
        if datetime.now(UTC) >= until or is_there():
            st.rerun()
        st.caption(":shimmer[The answer is being written. It appears here when it is finished…]")

    watch()
