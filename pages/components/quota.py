"""What is left of a limit: in one line under an answer, and as bars with the 80 % mark."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from html import escape

import streamlit as st

from core.metering.credits import Balance
from core.metering.meter import QuotaState
from core.metering.plans import Plan
from core.metering.usage import WARNING_SHARE, Allowance, Overview
from pages.components.theme import theme_color
from pages.components.words import usd, when

LABELS = {
    "chat_queries_day": "Chat questions",
    "requests_month": "AI requests",
    "portfolio_analyses_day": "Portfolio analyses",
    "signal_validations_day": "Signal validations",
    "sec_filings_month": "SEC filings",
}
"""The quotas, in the order in which they are shown."""
_ALWAYS = frozenset({"chat_queries_day", "requests_month"})
"""The others are shown once they are used."""
_CHARGES = "charge_usd_month"
_PERIODS = {"day": "today", "month": "this month"}
_SCOPES = {"user": "for you", "organisation": "for the organisation"}


def sentence(quota: QuotaState, now: datetime, zone: str) -> str:
    """What is left of the questions of today, in one line."""
    if quota.limit is None:
        return "no daily limit on questions"
    if quota.remaining:
        return f"{quota.remaining} of {quota.limit} questions left today"
    return f"none of {quota.limit} questions left; resets {when(quota.resets_at, now, zone)}"


def sentence_under_credits(quota: QuotaState, balance: Balance, now: datetime, zone: str) -> str:
    """The same once none are left: what credits there are to go on with, or that they are switched off."""
    left = balance.daily_free_remaining + max(Decimal(0), balance.balance)
    if not left:
        return sentence(quota, now, zone)
    has = f"{balance.daily_free_remaining:,.2f} free ones today and {balance.balance:,.2f} of your organisation"
    if balance.uses_credits:
        return f"none of {quota.limit} questions left; credits take over: {has}"
    return f"{sentence(quota, now, zone)}; credits can take over, see your profile in Settings"


def show(overview: Overview, now: datetime, zone: str) -> None:
    """One card per quota: used, a bar with the 80 % mark, left, and when it resets; and the charges."""
    found = overview.allowances
    with st.grid(3, min_column_width=230):
        for metric, label in LABELS.items():
            if metric in _ALWAYS or found[metric].used:
                _show_card(label, found[metric], now, zone)
        _show_charges(found[_CHARGES], overview.plan, now, zone)


def _show_card(label: str, allowance: Allowance, now: datetime, zone: str) -> None:
    limit, remaining = allowance.limit, allowance.remaining
    with st.container(border=True, gap="xsmall", height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
            st.markdown(f"**{label}** {_PERIODS[allowance.period]}", width="content")
            if remaining == 0:
                st.badge("Used up", icon=":material/block:", color="red")
            elif allowance.is_near_limit:
                st.badge("80 % used", icon=":material/warning:", color="orange")
        if limit is None or remaining is None:
            st.markdown(f"{_count(allowance.used)} used, without a limit")
        else:
            st.markdown(f"{_count(allowance.used)} of {_count(limit)} used, {_count(remaining)} left")
            st.html(_bar(label, allowance))
        st.caption(f"{_SCOPES[allowance.scope]} · resets {when(allowance.ends_at, now, zone)}")


def _show_charges(charges: Allowance, plan: Plan, now: datetime, zone: str) -> None:
    ceiling = plan.limits.request_ceiling_usd
    with st.container(border=True, gap="xsmall", height="stretch"):
        st.markdown("**Charged** this month")
        st.markdown(usd(charges.used))
        most = "no limit on a single request" if ceiling is None else f"at most {usd(ceiling)} a request"
        st.caption(f"{_SCOPES[charges.scope]} · {most} · resets {when(charges.ends_at, now, zone)}")


def _bar(label: str, allowance: Allowance) -> str:
    """The bar as our own markup: the theme's bar has no mark in it. Holds numbers and our own words alone."""
    used = f"{100 * min(allowance.share or Decimal(0), Decimal(1)):.1f}"
    mark = f"{100 * WARNING_SHARE:.0f}"
    color = "red" if allowance.remaining == 0 else "orange" if allowance.is_near_limit else "primary"
    track, line = theme_color("border"), theme_color("text")
    return (
        f'<div role="meter" aria-label="{escape(label)} used, in percent" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{used}" title="{used} % used; the mark is at {mark} %" '
        f'style="position:relative;height:10px;margin:3px 0;border-radius:5px;background:{track}">'
        f'<div style="width:{used}%;height:100%;border-radius:5px;background:{theme_color(color)}"></div>'
        f'<div style="position:absolute;left:{mark}%;top:-3px;width:2px;height:16px;background:{line}">'
        "</div></div>"
    )


def _count(number: Decimal) -> str:
    return f"{number:,.0f}"
