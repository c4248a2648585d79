"""The sentiment of each holding in a compact strip, with the method that it is by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import streamlit as st

from core.market.sentiment import METHOD
from core.research.bundle import Part, SymbolSummary, Tone
from pages.components.headings import section
from pages.components.research_words import named
from pages.components.words import plain

SHOWN = 60
"""Holdings in the strip; the others are behind a click."""
LOOKS: Mapping[Tone, tuple[str, str]] = {
    "positive": ("green", "▲"),
    "negative": ("red", "▼"),
    "neutral": ("gray", "●"),
    "": ("gray", "○"),
}
"""Colour and sign, so that a tone is told without its colour too."""


def show(part: Part, held: Sequence[str], labels: Mapping[str, str]) -> None:
    """Nothing where there is no sentiment."""
    told = part.content.summaries
    if not told:
        return
    section("Sentiment by holding", f"{_counts(told)}. {_method(part, labels)}")
    st.markdown(_strip(told[:SHOWN]))
    if len(told) > SHOWN:
        with st.expander(f"{len(told) - SHOWN:,} more holdings"):
            st.markdown(_strip(told[SHOWN:]))
    without = {*held} - {each.symbol for each in told}
    if without:
        st.caption(f"Without a tone: {plain(named(without))}.")


def _strip(told: Sequence[SymbolSummary]) -> str:
    return " ".join(_badge(each) for each in told)


def _badge(summary: SymbolSummary) -> str:
    color, sign = LOOKS[summary.tone]
    return f":{color}-badge[{sign} {plain(summary.symbol)}]"


def _counts(told: Sequence[SymbolSummary]) -> str:
    counts = Counter(each.tone for each in told)
    tones: tuple[Tone, ...] = ("positive", "neutral", "negative")
    return ", ".join(f"{LOOKS[tone][1]} {counts[tone]:,} {tone}" for tone in tones)


def _method(part: Part, labels: Mapping[str, str]) -> str:
    content = part.content
    if content.is_offline:
        return f"Method: {METHOD}, a list of words over recent headlines; no model was asked."
    return f"Method: {labels.get(content.model, content.model)} read recent headlines."
