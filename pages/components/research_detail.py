"""One thing of the timeline opened: the source's own text, free, and what a model writes of it, one chat query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import streamlit as st

from core.ai.cache import LIFETIMES_S
from core.market.filing_text import FilingText
from core.principal import Principal
from core.research.bundle import TimelineItem
from core.research.details import Detail
from pages.components.chat_text import readable
from pages.components.errors import show_errors
from pages.components.filings_list import show_text
from pages.components.money import age
from pages.components.research_words import (
    ICONS,
    about,
    address,
    badges,
    day_and_time,
    day_name,
    named,
    queries,
    sentence,
    untitled,
)
from pages.components.states import show_loading
from pages.components.words import plain

What = Literal["news", "filing", "profile"]
"""Of what a model can write."""
TASKS: Mapping[What, str] = {"news": "news_detail", "filing": "filing_detail", "profile": "company_profile"}
"""Which say how long what was written is kept."""
BUTTONS: Mapping[What, str] = {"news": "Summarise", "filing": "Summarise", "profile": "Company profile"}
NO_FILING_TEXT = "As a viewer you read what is listed; opening a filing here needs another role."


@dataclass(frozen=True, slots=True)
class Reading:
    """Who reads, with which services."""

    principal: Principal
    portfolio_id: UUID
    labels: Mapping[str, str]
    """Names of models by their ids."""
    text: Callable[[TimelineItem], FilingText]
    """A filing's own text, free."""
    write: Mapping[What, Callable[[TimelineItem], Detail]]
    """What a model writes, by what it is about."""
    left: Callable[[], str]
    """What is left of the chat queries of today, in words."""
    may_ask: bool
    may_read_filings: bool


def show(key: str, item: TimelineItem, reading: Reading, on_dismiss: Callable[[], None]) -> None:
    """The item in a dialog; what was written of it stays while the dialog is open."""
    title = f"{item.symbol}: {untitled(item)}"
    st.dialog(plain(title), width="medium", icon=ICONS[item.kind], on_dismiss=on_dismiss)(show_inside)(
        key, item, reading
    )


def show_inside(key: str, item: TimelineItem, reading: Reading) -> None:
    """What stands in the dialog."""
    day, _ = day_and_time(item, reading.principal.zone)
    st.markdown(f":gray[{plain(f'{day_name(day)} · {about(item, reading.labels, reading.principal.zone)}')}]")
    marks = badges(item)
    if marks:
        st.markdown(marks)
    with show_errors(reading.principal, has_action=False):
        _SHOWN[item.kind](key, item, reading)
    st.divider()
    with show_errors(reading.principal, has_action=False):
        show_more(f"{key}_more", item, reading)


def show_more(key: str, item: TimelineItem, reading: Reading) -> None:
    """What else can be asked about the company of an item."""
    _show_written(f"{key}_profile", "profile", item, reading)
    show_ask(item.symbol, reading.portfolio_id)


def show_ask(symbol: str, portfolio_id: UUID) -> None:
    """The way to the chat, with the portfolio as its context."""
    st.page_link(
        "chat.py",
        label=f"Ask about {plain(symbol)}",
        icon=":material/chat:",
        query_params={"portfolio": str(portfolio_id)},
        help="Opens the chat with this portfolio as context. What research has of its symbols is free there.",
    )


def _show_news(key: str, item: TimelineItem, reading: Reading) -> None:
    st.text(item.summary or "The source told no more than the title.")
    _show_link(item)
    _show_written(f"{key}_news", "news", item, reading)


def _show_filing(key: str, item: TimelineItem, reading: Reading) -> None:
    st.text(item.summary)
    _show_link(item)
    _show_filing_text(f"{key}_text", item, reading)
    _show_written(f"{key}_filing", "filing", item, reading)


def _show_sentiment(_key: str, item: TimelineItem, _reading: Reading) -> None:
    st.text(item.summary)


def _show_link(item: TimelineItem) -> None:
    url = address(item)
    if url is not None:
        st.markdown(f"[:material/open_in_new: Read it at the source]({url})")


def _show_filing_text(key: str, item: TimelineItem, reading: Reading) -> None:
    """The filing's own text once it was asked for; at hand while it is the one that is read."""
    if not reading.may_read_filings:
        st.caption(NO_FILING_TEXT)
        return
    found: tuple[str, FilingText] | None = st.session_state.get(key)
    if found is None or found[0] != item.reference:
        place = st.empty()
        if not place.button("Read it here · free", icon=":material/article:", key=f"{key}_open"):
            return
        place.empty()
        with show_loading("Opening the filing"):
            found = st.session_state[key] = (item.reference, reading.text(item))
    show_text(f"{key}_{item.reference}", found[1])


def _show_written(key: str, what: What, item: TimelineItem, reading: Reading) -> None:
    """The button with what it costs, and what a model wrote once it was pressed."""
    identity = (what, item.symbol, item.url, item.reference)
    found: tuple[tuple[str, ...], Detail] | None = st.session_state.get(key)
    if found is not None and found[0] == identity:
        _show_detail(found[1], reading)
        return
    if not reading.may_ask:
        return
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="center", gap="small"):
        label = f"{BUTTONS[what]} · {queries(1)}"
        is_asked = st.button(label, icon=":material/auto_awesome:", key=f"{key}_write")
        life = age(LIFETIMES_S[TASKS[what]])
        st.caption(f"Free where it was asked less than {life} ago. {sentence(reading.left())}", width="content")
    if is_asked:
        with show_loading("The model is being asked"):
            detail = reading.write[what](item)
        st.session_state[key] = (identity, detail)
        place.empty()
        _show_detail(detail, reading)


def _show_detail(detail: Detail, reading: Reading) -> None:
    who = "rule, no model was asked" if detail.is_offline else reading.labels.get(detail.model, detail.model)
    cost = "free: it was kept" if detail.is_free else f"{queries(1)} used"
    with st.container(border=True, gap="xsmall"):
        st.markdown(readable(detail.text))
        st.caption(plain(f"Written by {who} · {cost}"))
        if detail.left_out:
            st.caption(plain(f"Not shown to the model: {named(detail.left_out)}."))


_SHOWN: Mapping[str, Callable[[str, TimelineItem, Reading], None]] = {
    "news": _show_news,
    "filing": _show_filing,
    "sentiment": _show_sentiment,
}
