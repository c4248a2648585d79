"""Signals of one symbol in the newest scans, and what models said of the symbol so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import streamlit as st

from core import workbench
from core.db.instruments_dao import UniverseRow
from core.db.scans_dao import SignalRow, SignalsWanted
from core.market.as_of import AsOf, Reason
from core.market.market_time import spoken
from core.principal import Principal
from core.screener.criteria import conditions_of, matching
from core.screener.direction import Direction
from core.screener.scans import Scan
from core.verdicts.validations import Brief, Filters
from pages.components import verdict_list, verdict_look
from pages.components.badges import show_badge
from pages.components.headings import section
from pages.components.states import show_empty
from pages.components.words import plain

MOST = 50
KNOWN_AFTER = {5: timedelta(days=14), 20: timedelta(days=42)}
"""Five, and twenty, sessions have closed within this time, whatever holidays there are."""
_ARROWS = {Direction.BULLISH: ":green[▲]", Direction.BEARISH: ":red[▼]"}


@dataclass(frozen=True, slots=True)
class Found:
    """A signal of the newest scan of a universe."""

    universe: UniverseRow
    scan: Scan
    signal: SignalRow
    verdict: Brief | None


def show(key: str, principal: Principal, symbol: str, as_of: AsOf) -> None:
    """The signals, each with its verdict and the way to the Screener; then the verdicts on the symbol up to the day."""
    signals = list(_signals(principal, symbol))
    page = workbench.current().verdicts.validations.page(principal, Filters(symbol=symbol), most=MOST)
    verdicts = [_as_seen(each, as_of) for each in page.verdicts if (each.signal_day or as_of.day) <= as_of.day]
    if not signals and not verdicts:
        show_empty(
            "No signals yet",
            f"No scan as of this day found a signal on {symbol}, and no model was asked about one.",
            lambda: st.page_link("screener.py", label="Go to the Screener", icon=":material/filter_alt:"),
            icon=":material/troubleshoot:",
        )
        return
    section("Signals", "Of the newest scan of each universe, up to the date above.")
    if not signals:
        st.caption(f"None on {plain(symbol)}.")
    for number, found in enumerate(signals):
        _show_signal(f"{key}_{number}", found)
    section("Verdicts", "What models said of signals on it, and what happened; newest first.")
    if not verdicts:
        st.caption("No model was asked yet: open a signal in the Screener.")
        return
    labels = {model.id: model.label for model in workbench.current().catalogue.all()}
    chosen = f"{key}_chosen"
    verdict_list.show_rows(f"{key}_rows", verdicts, labels, now=datetime.now(UTC), chosen=chosen, is_of_one_symbol=True)
    if st.session_state.get(chosen):
        st.page_link(
            "verdicts.py",
            label="Open its card",
            icon=":material/verified:",
            query_params={verdict_list.PARAMETER: st.session_state[chosen]},
        )


def _as_seen(brief: Brief, as_of: AsOf) -> Brief:
    """Without what happened after a day that somebody chose, or may have."""
    if as_of.reason is not Reason.CHOSEN or brief.signal_day is None:
        return brief
    age = as_of.day - brief.signal_day
    return replace(
        brief,
        move_5=brief.move_5 if age > KNOWN_AFTER[5] else None,
        move_20=brief.move_20 if age > KNOWN_AFTER[20] else None,
    )


def _signals(principal: Principal, symbol: str) -> Iterator[Found]:
    bench = workbench.current()
    for universe in bench.market.universes.list(principal):
        scan = bench.screener.scans.latest(principal, universe.id)
        if scan is None:
            continue
        rows = bench.screener.scans.signals(principal, scan.about.id, SignalsWanted(symbol=symbol))
        said = bench.verdicts.validations.of_scan(principal, universe.id, scan.about.as_of) if rows else {}
        for row in rows:
            yield Found(universe, scan, row, said.get((symbol, row.type)))


def _show_signal(key: str, found: Found) -> None:
    signal = found.signal
    forming = "" if signal.state == "signal" else ", forming"
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key=key):
        st.markdown(
            f"{_ARROWS[Direction(signal.direction)]} **{plain(verdict_list.signal_label(signal.type))}**{forming}  \n"
            f":gray[{plain(found.universe.title)}, {plain(spoken(signal.day))}]",
            width="stretch",
        )
        if found.verdict is None:
            st.caption("not validated", width="content")
        else:
            show_badge(verdict_look.badge(found.verdict.verdict))
            st.caption(
                f"{plain(verdict_look.share(found.verdict.confidence))}, "
                f"{plain(verdict_look.aged(found.verdict.created_at, datetime.now(UTC)))} ago",
                width="content",
            )
        st.page_link(
            "screener.py", label="Screener", icon=":material/filter_alt:", query_params=_address(found), width="content"
        )


def _address(found: Found) -> Mapping[str, str]:
    """Of the Screener with a preset that this symbol matches, if there is one: there its chart is open."""
    import polars as pl

    row = found.scan.results.filter(pl.col("symbol") == found.signal.symbol)
    presets = workbench.current().screener.screens.presets
    fitting = [name for name, preset in presets.items() if not matching(row, preset.screen).is_empty()]
    naming = [
        name
        for name in fitting
        if any(found.signal.type in _texts(each.value) for each in conditions_of(presets[name].screen.root))
    ]
    address = {"universe": found.universe.id, "symbol": found.signal.symbol}
    return {**address, "preset": (naming or fitting)[0]} if fitting else address


def _texts(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()
