"""The subscription of an organisation: what it costs, what comes next, and how it is ended or taken up again."""

from __future__ import annotations

from decimal import Decimal

import streamlit as st

from core import workbench
from core.db.billing_dao import SubscriptionRow
from core.errors import AssayError
from core.metering.plans import Plan
from core.principal import Principal
from pages.components.badges import Badge, show_badge
from pages.components.billing_words import money, price
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_error, show_message
from pages.components.forms import acknowledge
from pages.components.words import day_of

UNPAID = frozenset({"past_due", "unpaid", "paused"})
"""States in Stripe's words in which a payment is due before anything else can be changed."""


def show(key: str, principal: Principal, plan: Plan, row: SubscriptionRow | None, *, buys: bool) -> None:
    """One frame: the plan in words, and what can be done about it."""
    if row is not None and row.status in UNPAID:
        _show_unpaid(principal, plan, row)
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{plan.label}**", width="content")
            st.markdown(f":gray[{_cost(plan, row)}]", width="content")
            if row is not None and (row.ends_at_period_end or row.next_plan):
                show_badge(Badge("Changes soon", "orange", ":material/schedule:"))
        st.caption(next_words(principal, plan, row))
        if row is not None and buys:
            with st.container(horizontal=True, gap="small"):
                _show_actions(key, principal, plan, row)


def next_words(principal: Principal, plan: Plan, row: SubscriptionRow | None) -> str:
    """What comes next, in a sentence."""
    if row is None:
        if not plan.price_usd and plan.price_usd is not None:
            return "There is nothing to pay. A larger plan allows more, at once."
        return "Without a subscription: whoever runs this installation has set this plan."
    ends = day_of(row.period_end, principal.zone)
    if row.status in UNPAID:
        return "The payment of the running period is still due."
    if row.ends_at_period_end:
        return f"It ends on {ends}; your organisation is on Free from then on. Everything is kept."
    if row.next_plan is not None:
        label = workbench.current().plans.get(row.next_plan).label
        seats = f" with {row.next_seats} seats" if (row.next_seats or 1) > 1 else ""
        return f"From {ends} on it is {label}{seats}; until then nothing changes."
    return f"It is paid until {ends}, and goes on from there by itself."


def _cost(plan: Plan, row: SubscriptionRow | None) -> str:
    if row is None or plan.price_unit == "month" or row.plan != plan.name:
        return price(plan)
    seats = f"{row.seats} seat{'s' * (row.seats != 1)}"
    return f"{seats}, {money((plan.price_usd or Decimal(0)) * row.seats)} a month"


def _show_unpaid(principal: Principal, plan: Plan, row: SubscriptionRow) -> None:
    if row.status == "past_due" and row.grace_until is not None and row.is_in_grace:
        until = day_of(row.grace_until, principal.zone)
        hint = f"Pay it or change the card under “Manage payment” by {until}; until then {plan.label} stays."
    else:
        hint = "Pay it or change the card under “Manage payment”; the plan is back as soon as it is paid."
    show_message("The last payment failed", hint, icon=":material/credit_card_off:", box=st.error)


def _show_actions(key: str, principal: Principal, plan: Plan, row: SubscriptionRow) -> None:
    hint = "Card, billing address and invoices, on Stripe’s own pages."
    if st.button("Manage payment", icon=":material/credit_card:", key=f"{key}_portal", help=hint):
        _show_portal(principal)
    if row.status in UNPAID:
        return
    is_to_change = row.ends_at_period_end or row.next_plan is not None
    hint = "Takes back the change that is to come."
    if is_to_change and st.button("Keep it as it is", icon=":material/undo:", key=f"{key}_resume", help=hint):
        _resume(principal)
    if not row.ends_at_period_end:
        _show_end(key, principal, plan, row)


def _resume(principal: Principal) -> None:
    try:
        workbench.current().billing.subscriptions.resume(principal)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return
    acknowledge("The subscription goes on as it is")
    st.rerun()


def _show_end(key: str, principal: Principal, plan: Plan, row: SubscriptionRow) -> None:
    subscriptions = workbench.current().billing.subscriptions
    question = Question(
        "End the subscription?",
        f"{plan.label} stays until {day_of(row.period_end, principal.zone)}; then your organisation is on Free. "
        "Everything is kept, credits too, and you can take this back until then.",
        "End subscription",
        no="Keep it",
        done="The subscription ends with its period",
    )
    confirm_button(f"{key}_end", "End subscription", question, lambda: subscriptions.cancel(principal), icon=None)


def _show_portal(principal: Principal) -> None:
    try:
        url = workbench.current().billing.subscriptions.portal(principal)
    except AssayError as error:
        show_error(error, principal, has_action=False)
        return

    @st.dialog("Manage payment", icon=":material/credit_card:")
    def lead_there() -> None:
        st.markdown("Card, address and invoices are on Stripe’s own pages. The link is good for a few minutes.")
        st.link_button("Open Stripe’s pages", url, type="primary", icon=":material/open_in_new:")

    lead_there()
