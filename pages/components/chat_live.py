"""What a screen reader is told while the page changes: that a question is being answered, and that it was."""

from __future__ import annotations

from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

_HIDDEN = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap"


def show() -> DeltaGenerator:
    """The place of the announcements: always the same element, so that a change is read out."""
    return st.empty()


def say(place: DeltaGenerator, words: str) -> None:
    """Reads these words out."""
    place.html(f'<div role="status" aria-live="polite" style="{_HIDDEN}">{escape(words)}</div>')
