"""The parts of the Symbol page: each calls one service, and shows what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from time import sleep
from uuid import uuid4

import streamlit as st

from core import workbench
from core.errors import NotConfigured, NotFound, StillRunning
from core.market.as_of import AsOf
from core.market.fundamentals import Fundamentals, priced_by
from core.market.instruments import Instrument
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.research.filings import CountedList
from pages.components import (
    checklist,
    filings_list,
    market_clock,
    news_list,
    price_history,
    quote_line,
    statements_view,
    symbol_verdicts,
    thesis,
)
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_errors
from pages.components.headings import section
from pages.components.states import show_empty
from pages.components.words import plain

WAITS = 10
"""How often the page asks after a list that is still being fetched, a second apart."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at what, as of when."""

    principal: Principal
    instrument: Instrument
    as_of: AsOf


def show_head(visit: Visit) -> None:
    """Name, market, its clock, and the quote."""
    instrument, market = visit.instrument, workbench.current().market
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(plain(instrument.name), anchor=False, width="content")
        show_badge(Badge(instrument.symbol, "blue"))
        show_badge(Badge(f"{instrument.market}, {instrument.currency}"))
        market_clock.show(market.calendars, instrument, visit.as_of.moment)
        if instrument.is_generated:
            show_badge(Badge("generated, not a real company", "orange", ":material/science:"))
        if instrument.delisted_on:
            show_badge(Badge(f"delisted on {instrument.delisted_on:%d %b %Y}", "orange"))
    with show_errors(visit.principal):
        found = market.quotes.get([instrument.symbol], visit.as_of, visit.principal.org_id)
        quote = found[instrument.symbol]
        quote_line.show(quote, is_generated=instrument.is_generated, zone=instrument.zone)


def show_history(visit: Visit) -> None:
    """The chart."""
    bench = workbench.current()
    with show_errors(visit.principal):
        benchmark = bench.profiles.organisation(visit.principal).benchmark
        price_history.show(
            "symbol_chart",
            bench.market.bars,
            bench.market.checks,
            visit.instrument,
            visit.as_of,
            org_id=visit.principal.org_id,
            benchmark=benchmark,
        )


def show_rest(visit: Visit) -> None:
    """One of the other parts at a time: only what is looked at is asked for."""
    chosen = st.segmented_control(
        "About it",
        list(SECTIONS),
        default=next(iter(SECTIONS)),
        required=True,
        key="symbol_section",
        label_visibility="collapsed",
    )
    with show_errors(visit.principal):
        SECTIONS[chosen or next(iter(SECTIONS))](visit)


def _show_figures(visit: Visit) -> None:
    found = _fundamentals(visit)
    if found is None:
        return
    section("Key statistics", "From what the company reported until the date above, and the price of that date.")
    statements_view.show_statistics("symbol_statistics", found)
    section("Statements")
    statements_view.show("symbol_statements", found)


def _fundamentals(visit: Visit) -> Fundamentals | None:
    market = workbench.current().market
    try:
        return market.fundamentals.of(
            visit.as_of,
            symbol=visit.instrument.symbol,
            priced_by=priced_by(market.quotes, market.bars, visit.as_of, visit.principal.org_id),
        )
    except (NotFound, NotConfigured) as missing:
        show_empty("No figures of this company", missing.detail, icon=":material/table_chart:")
        return None


def _show_news(visit: Visit) -> None:
    bench = workbench.current()
    minutes = bench.plans.get(visit.principal.plan).limits.news_refresh_minutes
    try:
        page = bench.market.news.of([visit.instrument.symbol], visit.as_of, refresh_minutes=int(minutes))
    except NotConfigured as missing:
        show_empty("No news", missing.detail, icon=":material/newspaper:")
        return
    news_list.show("symbol_news", page, visit.principal.zone)


def _show_filings(visit: Visit) -> None:
    filings, principal, symbol = workbench.current().filings, visit.principal, visit.instrument.symbol
    filings_list.show(
        "symbol_filings",
        principal,
        symbol,
        visit.as_of,
        kept=lambda: filings.kept(principal, symbol),
        fetch=lambda: _fetched(visit),
        open_text=lambda filing: filings.open(principal, symbol, filing),
    )


def _fetched(visit: Visit) -> CountedList:
    """One list, counted once however often the button is pressed before it is there."""
    symbol, day = visit.instrument.symbol, visit.as_of.day
    place = f"symbol_filings_{symbol}_{day}"
    key = Idempotency("page filings", st.session_state.setdefault(place, str(uuid4())), _asked(symbol, day))
    for waits_left in reversed(range(WAITS)):
        try:
            listed = workbench.current().filings.list(visit.principal, symbol=symbol, idempotency=key)
        except StillRunning as running:
            if not waits_left:
                raise
            sleep(running.retry_after_s)
        else:
            break
    st.session_state.pop(place, None)
    return listed


def _asked(symbol: str, day: date) -> bytes:
    """What a press of the button asked for."""
    return sha256(f"{symbol} {day}".encode()).digest()


def _show_thesis(visit: Visit) -> None:
    thesis.show("symbol_thesis", visit.principal, visit.instrument.symbol, visit.as_of)


def _show_checklist(visit: Visit) -> None:
    checklist.show("symbol_checklist", visit.principal, visit.instrument.symbol, visit.as_of)


def _show_signals(visit: Visit) -> None:
    symbol_verdicts.show("symbol_verdicts", visit.principal, visit.instrument.symbol, visit.as_of)


SECTIONS: dict[str, Callable[[Visit], None]] = {
    "Figures": _show_figures,
    "News": _show_news,
    "Filings": _show_filings,
    "Thesis": _show_thesis,
    "Checklist": _show_checklist,
    "Signals and verdicts": _show_signals,
}
