"""The choice of days (the last week, month or quarter, or any others), and of whose usage."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from core.principal import Principal
from pages.components.words import day_of

PERIODS = {"7 days": 7, "30 days": 30, "90 days": 90}
OTHER = "Other days"
MINE, ALL = "Mine", "Organisation"


def show(key: str, today: date) -> tuple[date, date]:
    """The first and the last day chosen, both included."""
    chosen = st.segmented_control(
        "Period", [*PERIODS, OTHER], default="30 days", required=True, key=key, persist_state="session"
    )
    if chosen != OTHER:
        return today - timedelta(days=PERIODS[chosen or "30 days"] - 1), today
    days = st.date_input("Days", (today, today), max_value=today, key=f"{key}_days", persist_state="session", width=260)
    ends = [*days]  # one day, or none, while the second is not chosen yet
    return (ends[0], ends[-1]) if ends else (today, today)


def words(first: date, last: date) -> str:
    """The period as people write it."""
    begin, end = f"{first.day} {first:%B %Y}", f"{last.day} {last:%B %Y}"
    return begin if first == last else f"{begin} to {end}"


def show_kept_from(kept_from: datetime | None, first: date, zone: str, *, is_whole: bool) -> None:
    """Says where the period begins before requests are kept one by one, what there is of before."""
    if kept_from is None or first >= kept_from.astimezone(ZoneInfo(zone)).date():
        return
    sums = " Of before there are sums: by day, and by feature and model in whole days of UTC." if is_whole else ""
    st.caption(f":material/info: Requests are kept from {day_of(kept_from, zone)} on.{sums}")


def show_whose(key: str, principal: Principal) -> bool:
    """Whether the whole organisation is shown; only those who may see it can choose."""
    if not principal.role.manages:
        return False
    chosen = st.segmented_control("Whose", [MINE, ALL], default=MINE, required=True, key=key, persist_state="session")
    return chosen == ALL
