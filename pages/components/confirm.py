"""The question before what cannot be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from core.errors import AssayError
from pages.components.errors import show_error
from pages.components.forms import acknowledge
from pages.components.words import plain


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked before it is done."""

    title: str
    """As in "End this session?"."""
    consequence: str
    """What is gone then, and what stays."""
    yes: str
    """The button that does it, by its verb: "End session"."""
    no: str = "Cancel"
    subject: str = ""
    """Whom or what it is about, in a person's own words."""
    done: str = ""
    """Said in passing once it is done."""


def confirm_button(
    key: str,
    label: str,
    question: Question,
    do: Callable[[], object],
    *,
    icon: str | None = ":material/delete:",
    kind: Literal["secondary", "tertiary"] = "tertiary",
    is_disabled: bool = False,
) -> None:
    """A button that asks first, then does it. What fails is said in the dialog, which stays open."""
    if st.button(label, icon=icon, type=kind, key=key, disabled=is_disabled):
        st.dialog(question.title, icon=icon)(_ask)(key, question, do)


def _ask(key: str, question: Question, do: Callable[[], object]) -> None:
    if question.subject:
        st.text(question.subject)
    st.markdown(plain(question.consequence))
    place = st.container()
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(question.no, key=f"{key}_no"):
            st.rerun()
        is_sure = st.button(question.yes, type="primary", key=f"{key}_yes")
    if not is_sure:
        return
    try:
        do()
    except AssayError as error:
        with place:
            show_error(error, has_action=False)
        return
    if question.done:
        acknowledge(question.done)
    st.rerun()
