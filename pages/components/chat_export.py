"""The open conversation as a file, written once somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.research.exports import Export, Form

FORMS: dict[Form, tuple[str, str, str]] = {
    "markdown": ("Markdown", ":material/markdown:", "To read: figures keep their marks and sources."),
    "json": ("JSON", ":material/data_object:", "For programs: with tokens, costs and evidence."),
}
"""Name, icon and purpose of each form."""
Make = Callable[[Form], Export]
"""Writes the file."""


def show(key: str, title: str, make: Make, *, is_busy: bool = False) -> None:
    """The button, and behind it one for each form."""
    with st.popover(
        "Export",
        icon=":material/download:",
        type="tertiary",
        key=key,
        help="This conversation as a file.",
        disabled=is_busy,
    ):
        for form, (label, icon, purpose) in FORMS.items():
            st.download_button(
                label,
                data=lambda form=form: make(form).data,  # type: ignore[misc]  # one form for each button
                file_name=name_of(title, form),
                mime="text/markdown" if form == "markdown" else "application/json",
                icon=icon,
                key=f"{key}_{form}",
                help=purpose,
                on_click="ignore",
                width="stretch",
            )


def name_of(title: str, form: Form) -> str:
    """The name of the file: ASCII letters and digits of the title, with hyphens."""
    letters = "".join(each if each.isascii() and each.isalnum() else " " for each in title.lower())
    return f"{'-'.join(letters.split())[:60].strip('-') or 'conversation'}.{'md' if form == 'markdown' else 'json'}"
