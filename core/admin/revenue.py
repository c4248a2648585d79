"""What plans are estimated to bring in: one convention for the overview and the simulator."""

from __future__ import annotations

from decimal import Decimal

from core.db.overview_dao import PlanDaysRow
from core.metering.plans import Plan

DAYS_A_YEAR, MONTHS_A_YEAR = Decimal(365), Decimal(12)
CONVENTION = (
    "the list price × 12 ÷ 365 for each day that an organisation with an active member was on the plan, times today's "
    "active members where it is by the seat; none for a plan by contract"
)
"""The convention of `subscriptions_usd`, for pages."""


def subscriptions_usd(plan: Plan, on_plan: PlanDaysRow | None) -> Decimal | None:
    """List price times twelve, by 365, for each day, and each seat where it is by the seat; None: it is by contract."""
    if plan.price_usd is None:
        return None
    if on_plan is None:
        return Decimal(0)
    days = on_plan.seat_days if plan.price_unit == "seat and month" else on_plan.days
    return plan.price_usd * MONTHS_A_YEAR / DAYS_A_YEAR * days
