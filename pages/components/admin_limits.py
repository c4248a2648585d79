"""The limits of one member: what is enforced, what it is made of, what is left of it and when it begins anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import streamlit as st

from core.admin.people import METRIC_WORDS, EffectiveLimit, LimitPart
from core.db.credits_dao import BalanceRow
from pages.components.badges import Badge
from pages.components.rows import Row, show_list, show_row
from pages.components.words import bound, usd_figure, when

SOURCES = {"plan": "plan", "pool": "pool", "boost": "boost", "carry": "carried over", "budget": "budget"}
"""Where a part of a limit comes from, in a word."""
FULL_FROM = Decimal("0.8")
"""Share of a limit from which on it is marked."""


def show(key: str, limits: Sequence[EffectiveLimit], balance: BalanceRow, now: datetime, zone: str) -> None:
    """Each limit with its parts, and the credits."""
    with show_list(key):
        for each in limits:
            show_row(_row(each, now, zone))
        show_row(Row("Credits", credits_words(balance, now, zone), icon=":material/toll:"))
    st.caption("A limit is the sum of its parts. Credits take over where the plan's allowance is used up, if allowed.")


def parts_words(each: EffectiveLimit, now: datetime, zone: str) -> str:
    """What a limit is made of: "100 = 100 plan + 7 boost (a report, until tomorrow at 10:00)"."""
    if each.maximum is None:
        return "unlimited"
    parts = " + ".join(_part(part, now, zone) for part in each.parts)
    return f"{_figure(each.maximum)} = {parts}"


def credits_words(balance: BalanceRow, now: datetime, zone: str) -> str:
    """What a member can spend: today's free credits, the wallet's, and their own cap."""
    free = f"{_figure(balance.daily_free_remaining)} of today's {_figure(balance.daily_free)} free ones left"
    wallet = f"{_figure(balance.available - balance.overdraft)} in the organisation's wallet"
    if balance.cap_month is None:
        cap = "no cap"
    else:
        cap = f"{_figure(balance.cap_used)} of a cap of {_figure(balance.cap_month)} this month"
        if balance.cap_resets_at is not None and balance.cap_resets_at > now:
            cap += f", which begins anew {when(balance.cap_resets_at, now, zone)}"
    uses = "takes over when the plan is used up" if balance.uses_credits else "not used: this user has not allowed it"
    return f"{free} · {wallet} · {cap} · {uses}"


def _row(each: EffectiveLimit, now: datetime, zone: str) -> Row:
    said = [parts_words(each, now, zone)]
    marks: tuple[Badge, ...] = ()
    if each.used is not None:
        left = "" if each.maximum is None else f", {_figure(max(Decimal(0), each.maximum - each.used))} left"
        said.append(f"{_figure(each.used)} used{left}")
        if each.maximum is not None and each.used >= each.maximum:
            marks = (Badge("used up", "red"),)
        elif each.maximum and each.used >= FULL_FROM * each.maximum:
            marks = (Badge("nearly used up", "orange"),)
    if each.resets_at is not None:
        said.append(f"begins anew {when(each.resets_at, now, zone)}")
    if each.scope == "organisation":
        said.append("of all members together")
    return Row(METRIC_WORDS.get(each.metric, each.metric), " · ".join(said), marks, icon=":material/speed:")


def _part(part: LimitPart, now: datetime, zone: str) -> str:
    words = f"{_figure(part.amount)} {SOURCES.get(part.source, part.source)}"
    if part.source == "boost" and part.ends_at is not None:
        return f"{words} ({part.words.partition(': ')[2]}, until {bound(part.ends_at, now, zone)})"
    return words


def _figure(amount: Decimal) -> str:
    return f"{int(amount):,}" if amount == amount.to_integral_value() else usd_figure(amount)
