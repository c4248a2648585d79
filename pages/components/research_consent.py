"""Before research is opened for the first time: what it is, what opening uses, and what is left."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core.metering.meter import QuotaState
from core.research.bundle import PARTS, Bundle
from pages.components.research_words import left, lives, queries, sentence
from pages.components.words import counted, plain


def show(key: str, bundle: Bundle, quota: QuotaState, now: datetime, zone: str) -> bool:
    """The question; whether the user agreed in this run."""
    is_short = quota.remaining is not None and quota.remaining < bundle.needs
    with st.container(border=True, gap="small", key=key):
        st.markdown(":material/library_books: **Research on all holdings at once**")
        st.markdown(plain(_what(bundle)))
        st.caption(
            f"Each part stays fresh for a while ({lives()}), for everybody who sees this portfolio. Until then "
            "reading it is free, and so is asking about one of its symbols. Opening this later makes what is no "
            "longer fresh, one chat query for each part. You are asked this once."
        )
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = f"Agree and open · {queries(bundle.needs)}"
            is_agreed = st.button(label, type="primary", icon=":material/check:", key=f"{key}_agree", disabled=is_short)
            st.caption(sentence(left(quota, now, zone)), width="content")
        if is_short:
            st.page_link("usage.py", label="See what is left", icon=":material/data_usage:")
    return is_agreed


def _what(bundle: Bundle) -> str:
    whose = counted(len(bundle.held), "holding")
    there = len(PARTS) - bundle.needs
    uses = f"Opening it uses {queries(bundle.needs)}, whatever the size of the portfolio"
    others = (
        f" ({counted(there, 'part')} of {len(PARTS)} {'is' if there == 1 else 'are'} there already)" if there else ""
    )
    return f"News, filings and sentiment of {whose} on one timeline. {uses}{others}; nothing if it fails."
