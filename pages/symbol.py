"""Symbol: one instrument, with where each figure comes from and how old it is."""

from __future__ import annotations

import streamlit as st

from core import workbench
from pages.components import symbol_box, symbol_sections, time_machine, watchlist
from pages.components.headings import page_head
from pages.components.session import require

st.set_page_config(layout="wide")
principal = require()
market = workbench.current().market

place = page_head("Symbol", plan=principal.plan)
as_of = time_machine.show("symbol_time", principal)
with st.container(horizontal=True, vertical_alignment="bottom"):
    box = st.container(width="stretch")
    lists = st.container(width="content")
with box:
    instrument = symbol_box.show("symbol_box", market.instruments, principal, as_of)
with lists:
    if instrument is not None:
        watchlist.show("symbol_watch", principal, instrument.symbol)
if instrument is None:
    watchlist.show_lists("symbol_lists", principal, symbol_box.chooser("symbol_box"))
    st.stop()

visit = symbol_sections.Visit(principal, instrument, as_of)
symbol_sections.show_head(visit)
symbol_sections.show_history(visit)
symbol_sections.show_rest(visit)
