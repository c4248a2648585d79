"""Screener: what a universe shows on a day, which symbols a screen picks, and what their signals were worth."""

from __future__ import annotations

import streamlit as st

from pages.components import (
    screener_alerts,
    screener_choice,
    screener_detail,
    screener_market,
    screener_matches,
    screener_scan,
    screener_universe,
    time_machine,
)
from pages.components.headings import page_head, section
from pages.components.screener_condition import known_in
from pages.components.session import require

st.set_page_config(layout="wide")
principal = require()

page_head("Screener", plan=principal.plan)
time_machine.show("screener_time", principal)
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    universe = screener_universe.show("screener_universe", principal)
    if universe is None:
        st.stop()
    screener_universe.show_about(universe)
scan = screener_scan.show("screener_scan", principal, universe)

known = known_in(scan.results) if scan is not None else {}
screen, called, saved = screener_choice.show("screener_choice", principal, known)
if scan is None:
    st.stop()

if screen is not None:
    symbol = screener_matches.show("screener_matches", principal, universe, scan, screen, called)
    if symbol is not None:
        look = screener_detail.Look(principal, scan, universe.title, symbol, screener_detail.named_in(screen))
        screener_detail.show("screener_detail", look)

alerts = st.expander("Alerts", icon=":material/notifications:", on_change="rerun", key="screener_alerts_part")
if alerts.open:
    with alerts:
        screener_alerts.show(
            "screener_alerts", principal, universe_id=universe.id, screen_id=saved.id if saved is not None else None
        )

section("The market around it", f"All {scan.results.height:,} symbols of the scan, whether they match or not.")
screener_market.show("screener_market", *screener_market.read(scan.about.market or {}))
