"""Credits: what there is to spend, what they are good for, and packages to buy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.db.billing_dao import BoughtRow
from core.metering.credits import Balance
from core.principal import Principal
from pages.components import billing_off, billing_packages
from pages.components.badges import Badge
from pages.components.billing_words import credits_of, money
from pages.components.headings import section
from pages.components.rows import Row, show_list, show_row
from pages.components.words import day_of, when

_SHOWN = 10


def show(principal: Principal) -> None:
    """The balance, the packages, and what was bought."""
    bench = workbench.current()
    billing, buys = bench.billing, may(principal, Action.BUY)
    section("Credits", "Prepaid, for AI requests beyond what your plan allows.")
    show_balance(bench.credits.balance(principal), principal.zone)

    section("Buy credits", "They are your organisation’s, and do not expire.")
    if not billing.is_configured:
        billing_off.show(principal, billing.missing_settings)
    elif not buys:
        st.caption("Owners and admins of your organisation buy credits.")
    billing_packages.show("billing_packages", principal, bench.credits.packages, can_buy=buys and billing.is_configured)
    if buys:
        bought = billing.purchases.all(principal)
        if bought:
            section("Purchases")
            show_bought(bought[:_SHOWN], principal.zone)


def show_balance(balance: Balance, zone: str) -> None:
    """What there is to spend, in three figures, and whether it is spent at all."""
    with st.grid(3, min_column_width=230):
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(
                "Balance of the organisation",
                credits_of(balance.balance),
                help="1 credit is 0.10 USD. What a request costs depends on its model and its length.",
            )
            st.caption(_balance_words(balance))
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(
                "Your free credits today",
                f"{credits_of(balance.daily_free_remaining)} of {credits_of(balance.daily_free)}",
                help="You get them with the first request of the day; what is left of them at midnight UTC is gone.",
            )
            st.caption("Spent first, new every day at 00:00 UTC, and not part of the balance.")
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.metric(
                "You may spend this month",
                _cap(balance),
                help="Your own limit on the organisation’s credits. Owners and admins set it.",
            )
            st.caption(_cap_words(balance, zone))
    if balance.uses_credits:
        st.caption(
            ":material/check: Credits take over where your plan’s allowance is used up. A request they pay for still "
            "counts as one of the plan’s AI requests of the month."
        )
    else:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(
                ":material/toggle_off: You do not use credits: an allowance that is used up is used up until its reset."
            )
            st.page_link("settings.py", label="Change in your profile", icon=":material/settings:", width="content")


def show_bought(rows: Sequence[BoughtRow], zone: str) -> None:
    """What was bought, the newest first."""
    with show_list("billing_bought"):
        for row in rows:
            details = f"{money(Decimal(row.amount_minor) / 100)} · {day_of(row.created_at, zone)} · {row.buyer}"
            title = f"{credits_of(row.credits)} credits"
            show_row(Row(title, details, tuple(_badges(row)), icon=":material/toll:"))


def _badges(row: BoughtRow) -> list[Badge]:
    if row.state == "refused":
        return [Badge("Amount does not agree", "red", ":material/error:")]
    if row.taken_credits == row.credits:
        return [Badge("Taken back", "orange", ":material/undo:")]
    if row.taken_credits:
        return [Badge(f"{credits_of(row.taken_credits)} taken back", "orange", ":material/undo:")]
    return [Badge("Paid", "green", ":material/check:")]


def _balance_words(balance: Balance) -> str:
    if balance.overdraft:
        return (
            f"{credits_of(balance.overdraft)} more were spent or taken back than there were; what comes in pays that."
        )
    held = f"; {credits_of(balance.held)} more are held for requests under way" if balance.held else ""
    return f"Worth {money(balance.balance / 10)}{held}."


def _cap(balance: Balance) -> str:
    if balance.cap_month is None:
        return "All of it"
    return f"{credits_of(max(Decimal(0), balance.cap_month - balance.cap_used))} of {credits_of(balance.cap_month)}"


def _cap_words(balance: Balance, zone: str) -> str:
    if balance.cap_month is None:
        return f"You have spent {credits_of(balance.cap_used)} this month; no limit of your own is set."
    if balance.cap_resets_at is None:
        return "What admins of your organisation set for you."
    resets = when(balance.cap_resets_at, datetime.now(UTC), zone)
    return f"What admins of your organisation set for you; resets {resets}."
