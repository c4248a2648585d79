"""The five states of a page or a part of it, drawn alike everywhere: empty, loading, denied, failed and done.

Each says what is the matter, then what to do, and draws the button that helps where there is one. What the workbench
raises on purpose is shown by `errors.show_errors`, which looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from pages.components.errors import Box, show_message
from pages.components.words import plain

Action = Callable[[], object]
"""Draws the button or the link that helps."""


def show_empty(title: str, hint: str = "", action: Action | None = None, *, icon: str = ":material/inbox:") -> None:
    """Nothing is here yet: what will be, and how it begins."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("xsmall")
        st.markdown(f":gray[{icon}] **{plain(title.strip())}**", text_alignment="center")
        if hint:
            st.caption(plain(hint), text_alignment="center")
        if action is not None:
            action()
        st.space("xsmall")


@contextmanager
def show_loading(text: str) -> Iterator[None]:
    """While this block runs, if it takes longer than a blink: what is being fetched."""
    with st.spinner(plain(text)):
        yield


def show_denied(title: str, hint: str = "", action: Action | None = None) -> None:
    """This person may not: who could change that, or which plan has it."""
    _show(title, hint, action, icon=":material/lock:", box=st.warning)


def show_failed(title: str, hint: str = "", action: Action | None = None) -> None:
    """It did not work: what was kept, and how to go on."""
    _show(title, hint, action, icon=":material/error:", box=st.error)


def show_done(title: str, hint: str = "", action: Action | None = None) -> None:
    """It is done, and stays to be read; for what needs no reading, `forms.acknowledge` is enough."""
    _show(title, hint, action, icon=":material/check_circle:", box=st.success)


def _show(title: str, hint: str, action: Action | None, *, icon: str, box: Box) -> None:
    show_message(title, hint, icon=icon, box=box)
    if action is not None:
        action()
