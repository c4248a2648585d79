"""News of an instrument: each piece with publisher, time and tone; what failed or is old is said above it."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import quote
from zoneinfo import ZoneInfo

import streamlit as st

from core.market.news import NewsPage, NewsState, ToldNews
from core.market.sentiment import Sentiment, Tone
from pages.components.money import age
from pages.components.states import show_empty
from pages.components.words import plain

SHOWN = 10
"""Pieces that are shown at first, and added each time."""
SOURCES = {"finnhub": "Finnhub", "brave": "Brave Search", "sample": "shipped sample, generated"}
TONES = {Tone.POSITIVE: " :green-badge[▲ positive]", Tone.NEGATIVE: " :red-badge[▼ negative]", Tone.NEUTRAL: ""}
MOST_WORDS = 3
"""Words that are named as having decided a tone."""
_OF_ADDRESSES = ":/?#@!$&'*+,;=%-._~"


def show(key: str, page: NewsPage, zone: str) -> None:
    """The newest pieces, with a button for more; times in the user's zone."""
    for state in page.states:
        if state.is_stale:
            st.caption(f":material/schedule: {plain(_told(state))}")
    if not page.news:
        show_empty("No news", "The sources told of none in the last 90 days.", icon=":material/newspaper:")
        return
    count = st.session_state.get(f"{key}_count", SHOWN)
    for told in page.news[:count]:
        _show_piece(told, page.as_of, zone)
    left = len(page.news) - count
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption("The tone is that of the title, by a list of words (lexicon); no model was asked.")
        if left > 0 and st.button(f"Show {min(left, SHOWN)} more", key=f"{key}_more", icon=":material/expand_more:"):
            st.session_state[f"{key}_count"] = count + SHOWN
            st.rerun(scope="app")


def _show_piece(told: ToldNews, now: datetime, zone: str) -> None:
    item = told.item
    also = f", also {', '.join(item.also)}" if item.also else ""
    at = item.published_at.astimezone(ZoneInfo(zone))
    source = SOURCES.get(item.source, item.source)
    facts = f"{item.publisher}{also} · {at:%a} {at.day} {at:%b %Y, %H:%M %Z} · by {source}"
    with st.container(gap=None):
        st.markdown(f"[{plain(item.title)}]({_address(item.url)}){TONES[told.sentiment.tone]}")
        st.caption(plain(facts + _decided(told.sentiment)), help=plain(item.summary) or None)


def _decided(sentiment: Sentiment) -> str:
    """The words that decided a tone, where it has one."""
    words = ", ".join(f"“{word.text}”" for word in sentiment.words[:MOST_WORDS])
    return "" if sentiment.tone is Tone.NEUTRAL else f" · {sentiment.tone} for {words}"


def _told(state: NewsState) -> str:
    name = SOURCES.get(state.source, state.source)
    if state.age_s is None:
        return f"{name} could not be asked; nothing of it is here." if state.error else f"{name} is being asked."
    failed = "could not be asked" if state.error else "is being asked anew"
    return f"{name} {failed}; what is here of it was fetched {age(state.age_s)} ago."


def _address(url: str) -> str:
    """An address in which nothing ends the link around it."""
    return quote(url, safe=_OF_ADDRESSES)
