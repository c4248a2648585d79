"""The plan: what it costs and what comes next, how much of it is used, and the others beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.principal import Principal
from pages.components import billing_off, billing_plans, billing_subscription, quota
from pages.components.headings import section


def show(principal: Principal) -> None:
    """The subscription, what was used of the plan, and every plan."""
    bench = workbench.current()
    billing, buys = bench.billing, may(principal, Action.BUY)
    row, plan = billing.subscriptions.current(principal), bench.plans.get(principal.plan)
    section("Your plan", "What your organisation pays for, and what comes next.")
    billing_subscription.show("billing_subscription", principal, plan, row, buys=buys and billing.is_configured)

    section("What you have used", "Of what the plan allows you; requests paid with credits count too. More on Usage.")
    quota.show(bench.usage.overview(principal), datetime.now(UTC), principal.zone)

    section("The plans", "A dearer plan begins at once, a cheaper one when the paid period ends.")
    if not billing.is_configured:
        billing_off.show(principal, billing.missing_settings)
    elif not buys:
        st.caption("Owners and admins of your organisation choose the plan.")
    sold = {each.name for each in billing.offers.all() if billing.offers.is_sold(each)}
    is_paid = row is None or row.status not in billing_subscription.UNPAID
    billing_plans.show(
        "billing_plans",
        principal,
        billing.offers.all(),
        row,
        chooses=sold if buys and billing.is_configured and is_paid else frozenset(),
    )
