"""How the sources of market data fare: whether each is asked, how much of its allowance is used, what failed last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from core.market.circuit import Circuit
from core.market.gate import SourceState
from core.market.sources.registry import SWITCHED_ON_BY
from pages.components.badges import Badge
from pages.components.rows import Row, show_list, show_row
from pages.components.words import bound, when

NAMES = {
    "alphavantage": "Alpha Vantage",
    "fmp": "Financial Modeling Prep",
    "yahoo": "Yahoo",
    "finnhub": "Finnhub",
    "brave": "Brave Search",
    "sec_edgar": "SEC EDGAR",
}
CIRCUITS = {
    Circuit.CLOSED: Badge("asked", "green"),
    Circuit.HALF_OPEN: Badge("being tried again", "orange"),
    Circuit.OPEN: Badge("resting after failures", "red"),
}
FAILURES = {
    "SourceDown": "it could not be reached, or its answer could not be read",
    "RateLimited": "it asked us to wait",
    "NotConfigured": "it refused our key",
    "NoData": "it had nothing of that name",
}


def show(key: str, states: Sequence[SourceState], now: datetime, zone: str) -> None:
    """A row for each source, those that are not configured with what switches them on."""
    known = {state.name: state for state in states}
    with show_list(key):
        for name, setting in SWITCHED_ON_BY.items():
            state = known.get(name)
            show_row(_off(name, setting) if state is None else _on(state, now, zone))


def _off(name: str, setting: str) -> Row:
    return Row(NAMES[name], f"Set {setting}.", (Badge("off"),), icon=":material/cloud_off:")


def _on(state: SourceState, now: datetime, zone: str) -> Row:
    badges = [CIRCUITS[state.circuit]]
    if state.blocked_until is not None and state.blocked_until > now:
        badges.append(Badge(f"asked us to wait until {bound(state.blocked_until, now, zone)}", "orange"))
    used = ", ".join(
        f"{window.used:,}{'' if window.limit is None else f' of {window.limit:,}'} this {window.window}"
        for window in state.windows
    )
    parts = [used] if used else []
    if state.latency_ms is not None:
        parts.append(f"answers in {state.latency_ms:,} ms")
    if state.answered_at is not None:
        parts.append(f"answered {when(state.answered_at, now, zone)}")
    if state.failed_at is not None:
        why = FAILURES.get(state.failure or "", "it failed")
        parts.append(f"last failure {when(state.failed_at, now, zone)}: {why}")
    return Row(NAMES.get(state.name, state.name), " · ".join(parts), tuple(badges), icon=":material/cloud_done:")
