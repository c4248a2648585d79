"""Please wait a moment: a provider that is limited or rests, counted down, and the button to try again after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil

import streamlit as st

from pages.components.errors import show_message

TITLE = "Please wait a moment."
COUNT_S = 1.0
MAX_COUNTED_S = 3_600
"""Longer waits are not counted down: nobody stays for them."""


def show(key: str, sentence: str, until: datetime | None, again: Callable[[], None]) -> None:
    """The sentence, and the button; while it is too early the button counts the seconds and cannot be pressed."""
    if not 0 < left(until) <= MAX_COUNTED_S:
        show_count(key, sentence, 0, again)
        return

    @st.fragment(run_every=COUNT_S)
    def count() -> None:
        seconds = left(until)
        if seconds <= 0:
            st.rerun()
        show_count(key, sentence, seconds, again)

    count()


def show_count(key: str, sentence: str, seconds: int, again: Callable[[], None]) -> None:
    """The same at one moment: `seconds` before it is time."""
    with st.container(gap="small"):
        show_message(TITLE, sentence, icon=":material/hourglass_top:", box=st.warning)
        st.button(
            f"Try again in {seconds} s" if seconds else "Try again",
            icon=":material/refresh:",
            key=key,
            disabled=seconds > 0,
            on_click=again,
        )


def left(until: datetime | None) -> int:
    """Whole seconds until then; 0 where it is over, or nobody knows."""
    return 0 if until is None else max(0, ceil((until - datetime.now(UTC)).total_seconds()))
