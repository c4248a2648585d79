"""What a scan covers: of which session it is, how old, how many symbols it read, and which it skipped and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from core.db.scans_dao import ScanRow
from core.market.market_time import spoken
from pages.components.money import age
from pages.components.words import plain

MAX_SKIPPED_SHOWN = 500


def show(key: str, about: ScanRow, now: datetime) -> None:
    """One line, with the skipped symbols behind a button."""
    skipped = list(about.skipped or ())
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(plain_line(about, now), width="content", help=_help(about))
        if skipped:
            with st.popover(f"{len(skipped):,} skipped", icon=":material/rule:", type="tertiary"):
                _show_skipped(f"{key}_skipped", skipped)
        else:
            st.caption("none skipped", width="content")


def plain_line(about: ScanRow, now: datetime) -> str:
    """Session, coverage and age: Scan of Fri 20 Aug 2010, 412 of 417 scanned, 3 minutes ago."""
    scanned = f"**{about.scanned or 0:,} of {about.total:,}** scanned"
    line = f":material/radar: Scan of **{plain(spoken(about.as_of))}** · {scanned}"
    if about.finished_at is not None:
        line += f" · {age((now - about.finished_at).total_seconds())} ago"
    return line


def _help(about: ScanRow) -> str:
    took = "" if about.duration_ms is None else f" It took {about.duration_ms / 1000:,.1f} seconds."
    return plain(f"Made with the formulas of version {about.formula_version}, on closes of that session.{took}")


def _show_skipped(key: str, skipped: Sequence[tuple[str, str]]) -> None:
    """Every symbol with the reason, those with the same reason together."""
    import pyarrow as pa

    rows = sorted(skipped, key=lambda each: (each[1], each[0]))[:MAX_SKIPPED_SHOWN]
    st.dataframe(
        pa.table({"Symbol": [row[0] for row in rows], "Why it was skipped": [row[1] for row in rows]}),
        key=key,
        hide_index=True,
        width=420,
        height="content" if len(rows) <= 8 else 320,
        alt="Symbols that the scan skipped, each with the reason",
    )
    if len(skipped) > len(rows):
        st.caption(f"The first {len(rows):,} of {len(skipped):,}.")
