"""Filings of a company by form: fetched by a button, since each fetch counts, and opened as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.market.as_of import AsOf
from core.market.filing_text import FilingText, Section
from core.market.filings import FilingList
from core.market.sources.contract import Filing
from core.metering.meter import QuotaState
from core.principal import Principal
from core.research.filings import CountedList
from pages.components.errors import show_errors
from pages.components.money import age
from pages.components.states import show_empty, show_loading
from pages.components.words import numbered, plain

SHOWN_CHARS = 20_000
"""Of a section; the rest is behind its address."""
TEXT_HEIGHT_PX = 420
PASSAGES = 10


def show(
    key: str,
    principal: Principal,
    symbol: str,
    as_of: AsOf,
    *,
    kept: Callable[[], FilingList | None],
    fetch: Callable[[], CountedList],
    open_text: Callable[[Filing], FilingText],
) -> None:
    """What is known of a company's filings on a day; `kept` is asked at each run, free, `fetch` only at the button."""
    place = f"{key}_counted"
    counted: CountedList | None = st.session_state.get(place)
    with show_errors(principal):
        is_shown = counted is not None and (counted.filings.symbol, counted.filings.as_of) == (symbol, as_of.day)
        listed = counted.filings if counted is not None and is_shown else kept()
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            label = "Fetch filings" if listed is None else "Fetch anew"
            is_asked = st.button(label, key=f"{key}_fetch", icon=":material/download:")
            st.caption(_cost(counted))
        if is_asked:
            with show_loading("Asking the SEC"):
                st.session_state[place] = fetch()
            st.rerun(scope="app")
        if listed is None:
            show_empty(
                "No filings are here yet",
                "Fetch them from the SEC; opening this page does not, since each fetch counts.",
                icon=":material/description:",
            )
            return
        _show_list(key, listed, open_text)


def show_text(key: str, text: FilingText) -> None:
    """The sections of a filing, and a search in it; a stranger's words, shown as they are."""
    if not text.text:
        show_empty("This document has no text", "Open it at the SEC instead.", icon=":material/description:")
        return
    left, right = st.columns(2)
    section = left.selectbox("Section", text.sections, format_func=_section_name, key=f"{key}_section")
    sought = right.text_input("Search in the filing", key=f"{key}_search", max_chars=200)
    if sought:
        passages = text.search(sought, most=PASSAGES)
        st.caption(f"{len(passages)} places" if passages else "It does not occur.")
        for passage in passages:
            st.markdown(f"{plain(passage.before)}**{plain(passage.hit.strip())}**{plain(passage.after)}")
        return
    told = text.of(section)
    with st.container(height=TEXT_HEIGHT_PX):
        st.text(told[:SHOWN_CHARS])
    if len(told) > SHOWN_CHARS or text.is_cut:
        st.caption("This is its beginning; the whole is at the SEC.")


def _show_list(key: str, listed: FilingList, open_text: Callable[[Filing], FilingText]) -> None:
    forms = st.pills("Forms", listed.forms[:12], format_func=plain, selection_mode="multi", key=f"{key}_forms")
    shown = [filing for filing in listed.filings if not forms or filing.form in forms]
    st.caption(plain(_words(listed, len(shown))))
    if not shown:
        show_empty("No filing matches", "Choose other forms, or another date.", icon=":material/description:")
        return
    _show_table(key, shown)
    names = numbered([_name(filing) for filing in shown])
    chosen = st.selectbox(
        "Read a filing",
        range(len(shown)),
        index=None,
        format_func=names.__getitem__,
        placeholder="Choose one to read its text here",
        key=f"{key}_open",
    )
    if chosen is not None:
        show_text(f"{key}_text", _opened(key, shown[chosen], open_text))


def _opened(key: str, filing: Filing, open_text: Callable[[Filing], FilingText]) -> FilingText:
    """The text of a filing, which is at hand while it is the one that is read."""
    place = f"{key}_read"
    at_hand: tuple[str, FilingText] | None = st.session_state.get(place)
    if at_hand is None or at_hand[0] != filing.url:
        with show_loading("Opening the filing"):
            at_hand = st.session_state[place] = (filing.url, open_text(filing))
    return at_hand[1]


def _show_table(key: str, shown: list[Filing]) -> None:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {
        "Filed": [filing.filing_date for filing in shown],
        "Form": [filing.form for filing in shown],
        "Period to": [filing.report_date for filing in shown],
        "What": [", ".join(part for part in (filing.description, *filing.items) if part) for filing in shown],
        "Document": [filing.url if filing.url.startswith("http") else None for filing in shown],
    }
    if not any(columns["Document"]):
        del columns["Document"]
    st.dataframe(
        pa.table(columns),
        key=f"{key}_table",
        hide_index=True,
        column_config={
            "Filed": st.column_config.DateColumn(format="D MMM YYYY", pinned=True),
            "Period to": st.column_config.DateColumn(format="D MMM YYYY"),
            "Document": st.column_config.LinkColumn(display_text="at the SEC"),
        },
        alt="Filings, newest first",
    )


def _section_name(section: Section) -> str:
    if not section.item:
        return "Before the first item"
    return f"Item {section.item.replace('-', ', ')}{f': {section.title}' if section.title else ''}"


def _name(filing: Filing) -> str:
    return f"{filing.form} of {filing.filing_date:%d %b %Y}"


def _words(listed: FilingList, count: int) -> str:
    made = ", generated: this company does not exist" if listed.source == "sample" else ""
    fetched = f", fetched {age(listed.age_s)} ago" if listed.age_s else ""
    former = f" (formerly {', '.join(listed.former_names[:3])})" if listed.former_names else ""
    return (
        f"{listed.name}{former}, CIK {listed.cik:010d}{made}: {count:,} filings until {listed.as_of:%d %b %Y}{fetched}."
    )


def _cost(counted: CountedList | None) -> str:
    """What a fetch costs, and what is left where it is known."""
    quota: QuotaState | None = counted.quota if counted is not None else None
    if quota is None:
        return "Each fetch that succeeds counts one SEC filing of your month."
    if quota.remaining is None:
        return "Your plan has no limit on SEC filings."
    return f"{quota.remaining} of {quota.limit} SEC filings left this month."
