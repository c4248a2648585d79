"""A quote on a page: the price, its change, where it comes from and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from core.market.quotes import Quote
from pages.components.badges import Badge, show_badge
from pages.components.money import age, change, price
from pages.components.words import plain

SOURCES = {
    "alphavantage": "Alpha Vantage",
    "fmp": "Financial Modeling Prep",
    "yahoo": "Yahoo",
    "sample": "shipped sample",
    "generated": "generated",
}


@dataclass(frozen=True, slots=True)
class _Look:
    arrow: Literal["up", "down", "off"]
    color: Literal["green", "red", "off"]


_LOOKS = {1: _Look("up", "green"), -1: _Look("down", "red"), 0: _Look("off", "off")}


def show(quote: Quote, *, is_generated: bool, zone: str) -> None:
    """One quote; without a price, why there is none. `zone` is the exchange's."""
    if quote.price is None or quote.as_of is None:
        st.metric("Price", "n/a", border=False)
        show_badge(Badge("no source knows a price", "orange", ":material/help:"))
        _show_problems(quote)
        return
    delta = None if quote.change_pct is None else f"{change(quote.change_pct)} from the close before"
    look = _LOOKS[_direction(quote)]
    st.metric("Price", price(quote.price, quote.currency), delta, delta_arrow=look.arrow, delta_color=look.color)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        show_badge(Badge(_source(quote, is_generated=is_generated), "orange" if is_generated else "gray"))
        if quote.is_stale:
            show_badge(Badge("stale", "orange", ":material/schedule:"))
        st.caption(plain(f"of {told(quote.as_of, zone)}{_aged(quote)}"))
    _show_problems(quote)


def told(moment: datetime, zone: str) -> str:
    """A moment as its market tells it: Fri 20 Aug 2010, 16:00 New York."""
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at:%a} {at.day} {at:%b %Y}, {at:%H:%M} {zone.rpartition('/')[2].replace('_', ' ')}"


def _direction(quote: Quote) -> int:
    return (quote.change_pct > 0) - (quote.change_pct < 0) if quote.change_pct else 0


def _source(quote: Quote, *, is_generated: bool) -> str:
    if is_generated:
        return "generated data"
    origin = SOURCES.get(quote.origin or "", quote.origin or "")
    return f"{origin}, kept" if quote.source in ("cache", "stale") else origin


def _aged(quote: Quote) -> str:
    return "" if quote.age_s is None else f", {age(quote.age_s)} old"


def _show_problems(quote: Quote) -> None:
    for problem in quote.problems:
        st.caption(f":material/info: {plain(problem)}")
