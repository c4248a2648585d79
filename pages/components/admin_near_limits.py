"""Who has used 80 % or more of a quota, and when it is renewed."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core.admin.overview import NearLimits
from core.db.overview_dao import NearRow
from pages.components.badges import Badge
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty
from pages.components.words import when

METRICS = {
    "chat_queries_day": "chat questions today",
    "portfolio_analyses_day": "portfolio analyses today",
    "sec_filings_month": "SEC filings this month",
    "requests_month": "AI requests this month",
    "signal_validations_day": "signal validations today",
}


def show(key: str, near: NearLimits, now: datetime, zone: str, *, everything: bool) -> None:
    """One row for each quota that is nearly used up."""
    if not near.rows:
        show_empty("Nobody is near a limit", "Less than 80 % of every quota is used.", icon=":material/speed:")
        return
    with show_list(key):
        for row in near.rows:
            show_row(_row(row, now, zone, everything=everything))
    people = f"{near.users:,} {'person has' if near.users == 1 else 'people have'}"
    st.caption(
        f"{people} used 80 % or more of a quota of their running period; what is held for calls under way counts."
    )


def _row(row: NearRow, now: datetime, zone: str, *, everything: bool) -> Row:
    share = row.used / row.maximum if row.maximum else None
    badge = Badge("used up", "red") if share is None or share >= 1 else Badge(f"{100 * share:.0f} % used", "orange")
    who = row.user_name or row.email or "The organisation as a whole"
    told = f"{row.used:,} of {row.maximum:,} {METRICS.get(row.metric, row.metric)}"
    whose = [row.org_name] if everything else []
    details = " · ".join([told, f"renewed {when(row.resets_at, now, zone)}", *whose])
    if row.user_id is None:
        return Row(who, details, (badge,), icon=":material/group:")
    return Row(who, details, (badge,), person=(row.user_name or "", row.email or ""))
