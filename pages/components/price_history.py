"""The history of one instrument: choice of range, scale and benchmark, and the chart with its source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import streamlit as st

from core.errors import NotFound
from core.market.as_of import AsOf
from core.market.bar_checks import BarChecks, Finding, Severity
from core.market.bars import Bars
from core.market.instruments import Instrument
from core.market.panel import SeriesAbout
from core.market.sources.contract import BarHistory
from core.market.symbols import MAX_SYMBOL_CHARS
from pages.components import price_chart
from pages.components.states import show_empty
from pages.components.words import plain

RANGES: dict[str, int | None] = {"1M": 31, "3M": 92, "6M": 183, "1Y": 366, "5Y": 1827, "All": None}
"""Days of each range."""
MOST_FINDINGS = 20


def show(
    key: str,
    bars: Bars,
    checks: BarChecks,
    instrument: Instrument,
    as_of: AsOf,
    *,
    org_id: UUID,
    benchmark: str,
) -> None:
    """The choices, then the chart; `benchmark` is what the organisation compares with, and offered first."""
    about = bars.about(instrument.symbol, as_of, org_id)
    if about is None:
        show_empty(
            "No bars of this instrument are known",
            f"None up to {as_of.day:%d %b %Y}. An operator fetches them with `python -m core bars update`, "
            "or brings them with `python -m core bars import`.",
            icon=":material/candlestick_chart:",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        span = st.segmented_control("Range", list(RANGES), default="1Y", required=True, key=f"{key}_range")
        scale = st.segmented_control("Scale", ["Linear", "Log"], default="Linear", required=True, key=f"{key}_scale")
        compared = st.selectbox(
            "Compare with",
            [benchmark],
            index=None,
            accept_new_options=True,
            placeholder=f"{benchmark}, or another symbol",
            key=f"{key}_benchmark",
            width=260,
        )
    last = min(about.last_day, as_of.day)
    days = RANGES[span or "1Y"]
    history = bars.history(instrument.symbol, as_of, first=last - timedelta(days=days) if days else None, org_id=org_id)
    if history.frame.is_empty():
        show_empty("No bars in this range", "Choose a longer one.", icon=":material/candlestick_chart:")
        return
    price_chart.show(
        f"{key}_chart",
        history,
        benchmark=_benchmark(bars, compared, as_of, history.frame["date"][0], org_id) if compared else None,
        is_log=scale == "Log",
    )
    st.caption(_words(about, history))
    _show_findings([found for found in checks.run([instrument.symbol], as_of, org_id) if found.symbol is not None])


def _show_findings(findings: Sequence[Finding]) -> None:
    """What is wrong with the whole history, worst first; nothing of it was mended."""
    if not findings:
        return
    color = "orange" if findings[0].severity is not Severity.NOTE else "gray"
    count = f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}"
    with st.expander(f":{color}[{count} in these bars]", icon=":material/rule:"):
        for found in findings[:MOST_FINDINGS]:
            st.markdown(f"**{found.severity.capitalize()}** {plain(found.words)}")


def _benchmark(bars: Bars, typed: str, as_of: AsOf, first: date, org_id: UUID) -> BarHistory | None:
    symbol = typed[:MAX_SYMBOL_CHARS].strip().upper()
    try:
        return bars.history(symbol, as_of, first=first, org_id=org_id)
    except NotFound:
        st.caption(f":material/info: There are no bars of {plain(symbol)} in this range.")
        return None


def _words(about: SeriesAbout, history: BarHistory) -> str:
    missing = history.frame.height - history.frame.drop_nulls("close").height
    gaps = f", {missing} of them without a close" if missing else ""
    made = "generated data" if about.is_generated else f"from {about.source}"
    return plain(
        f"{history.frame.height:,} daily bars{gaps}, {made}, adjusted for splits (not for dividends); "
        f"known from {about.first_day:%d %b %Y} to {history.frame['date'][-1]:%d %b %Y}. "
        "S marks a split, D a dividend, at the ex-date."
    )
