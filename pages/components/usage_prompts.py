"""What was asked most: kinds of questions and templates, never a text."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from core.metering.spending import MAX_READ_PROMPTS, TopPrompts
from pages.components.words import plain

INTENTS = {
    "code": "Code",
    "sentiment": "Sentiment",
    "summary": "Summaries",
    "extraction": "Looking things up",
    "web": "News of the web",
    "analysis": "Analysis",
    "chat": "Chat",
}
"""What the router takes questions for."""


def show(top: TopPrompts, titles: Mapping[str, str]) -> None:
    """Two short lists; `titles` names templates by the last eight digits of their id."""
    if top.is_cut:
        st.caption(f":material/info: Of the newest {MAX_READ_PROMPTS:,} requests of the period.")
    with st.grid(2, min_column_width=280):
        _list("Kind of question", {INTENTS.get(name, name): n for name, n in top.intents.items()}, "No question yet.")
        used = {titles.get(name, f"A template that is gone ({name})"): n for name, n in top.templates.items()}
        _list("Template", used, "No template was used.")


def _list(head: str, counts: Mapping[str, int], empty: str) -> None:
    with st.container():
        if not counts:
            st.caption(f"**{head}**: {empty}")
            return
        rows = [f"| {plain(name)} | {count:,} |" for name, count in counts.items()]
        st.markdown("\n".join([f"| {head} | Requests |", "| :-- | --: |", *rows]))
