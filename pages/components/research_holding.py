"""What research says of one holding: a sentence of each part, what is missing of it, and the way to the chat."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.research.bundle import LABELS, Bundle
from pages.components.research_words import TONES
from pages.components.words import plain


def show(symbol: str, bundle: Bundle, show_ask: Callable[[], object]) -> None:
    """A card; nothing costs anything in it."""
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plain(symbol)}**", width="stretch")
            show_ask()
        for part in bundle.parts:
            summary, lacking = part.summary(symbol), part.content.lacking.get(symbol, "")
            if summary is not None:
                st.markdown(f"**{LABELS[part.name]}** {TONES[summary.tone]} {plain(summary.text)}")
            if lacking:
                st.markdown(f"**{LABELS[part.name]}** :gray[{plain(lacking)}]")
            elif part.is_ready and symbol not in part.symbols:
                st.markdown(f"**{LABELS[part.name]}** :gray[It was bought after this part was made.]")
        if symbol in bundle.unknown:
            st.caption("No list of instruments knows this symbol.")
