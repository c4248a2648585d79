"""How forms are filled in and sent: a field's marks, the one main button, and what is said when it was saved.

    with st.form("profile"):
        name = text_field("Name", profile.name, required=True, max_chars=200)
        if submit_button("Save"):
            with saving("Saved"):
                bench.profiles.rename(principal, name)

What is wrong is said beneath the fields, inside the form, and what was typed stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import streamlit as st

from core.errors import AssayError
from core.principal import Principal
from pages.components.errors import show_error
from pages.components.words import plain

_ACKNOWLEDGED = "forms_acknowledged"
MAX_SOUGHT_CHARS = 100
FieldType = Literal["default", "password", "email"]


def text_field(
    label: str,
    value: str = "",
    *,
    kind: FieldType = "default",
    required: bool = False,
    max_chars: int | None = None,
    hint: str | None = None,
    autocomplete: str | None = None,
    key: str | None = None,
) -> str:
    """A line of text, without the spaces around it (a password as it is). Its limits hold in the browser only.

    A required field is marked as such, and the form is not sent without it; `hint` stands behind a question mark.
    """
    given = st.text_input(
        label,  # ours, and read out as it stands here
        value,
        type=kind,
        required=required,
        max_chars=max_chars,
        help=hint,
        autocomplete=autocomplete,
        icon="",
        key=key,
    )
    return given if kind == "password" else given.strip()


def search_field(label: str, placeholder: str, *, key: str, hint: str | None = None) -> str:
    """The words that a long list is searched for; the placeholder says in what."""
    return st.text_input(
        label,
        placeholder=placeholder,
        icon=":material/search:",
        max_chars=MAX_SOUGHT_CHARS,
        key=key,
        width=280,
        help=hint,
    )


def begin_with(key: str, value: object) -> str:
    """What a field that may be emptied holds at first; gives its key.

    A number or day that is given as the field's own value comes back when it is cleared: give the field None instead.
    """
    st.session_state.setdefault(key, value)
    return key


def submit_button(label: str = "Save", *, key: str | None = None, is_wide: bool = False) -> bool:
    """The one main button of a form; true in the run in which it was sent."""
    return st.form_submit_button(label, type="primary", key=key, width="stretch" if is_wide else "content")


@contextmanager
def saving(done: str = "Saved", principal: Principal | None = None) -> Iterator[None]:
    """What happens when a form was sent: errors are shown where this block stands, success in passing.

    After success the page runs anew and shows what is now stored.
    """
    try:
        yield
    except AssayError as error:
        show_error(error, principal, has_action=False)  # the form's own button is the one to press again
        return
    acknowledge(done)
    st.rerun()


def acknowledge(text: str) -> None:
    """Say in passing that something is done, in the next run of a page; `page_head` shows it."""
    st.session_state[_ACKNOWLEDGED] = text


def show_acknowledged() -> None:
    """What `acknowledge` kept, once."""
    text = st.session_state.pop(_ACKNOWLEDGED, None)
    if text is not None:
        st.toast(plain(text), icon=":material/check_circle:")
