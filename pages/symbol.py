"""Symbol: one instrument, with where each figure comes from and how old it is."""

from __future__ import annotations

import streamlit as st

from core import workbench
from pages.components import market_clock, price_history, quote_line, symbol_box
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_errors
from pages.components.headings import page_head
from pages.components.session import require
from pages.components.words import plain

st.set_page_config(layout="wide")
principal = require()
market = workbench.current().market
as_of = market.time.of(principal)

page_head("Symbol", plan=principal.plan)
instrument = symbol_box.show("symbol_box", market.instruments, principal, as_of)
if instrument is None:
    st.stop()

with st.container(horizontal=True, vertical_alignment="center", gap="small"):
    st.subheader(plain(instrument.name), anchor=False, width="content")
    show_badge(Badge(instrument.symbol, "blue"))
    show_badge(Badge(f"{instrument.market}, {instrument.currency}"))
    market_clock.show(market.calendars, instrument, as_of.moment)
    if instrument.is_generated:
        show_badge(Badge("generated, not a real company", "orange", ":material/science:"))
    if instrument.delisted_on:
        show_badge(Badge(f"delisted on {instrument.delisted_on:%d %b %Y}", "orange"))

with show_errors(principal):
    quote = market.quotes.get([instrument.symbol], as_of)[instrument.symbol]
    quote_line.show(quote, is_generated=instrument.is_generated, zone=instrument.zone)

with show_errors(principal):
    price_history.show("symbol_chart", market.bars, instrument, as_of, org_id=principal.org_id, benchmark="SP500")
