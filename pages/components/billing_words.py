"""How credits, amounts of money and the limits of plans read on the Billing page."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.metering.plans import Plan

UNLIMITED = "unlimited"
LIMITS: Mapping[str, str] = {
    "chat_queries_day": "Chat questions a day, per user",
    "portfolio_analyses_day": "Portfolio analyses a day, per user",
    "sec_filings_month": "SEC filings a month, per user",
    "signal_validations_day": "Signal validations a day, for all",
    "requests_month": "AI requests a month, per user (fair use)",
    "requests_minute": "AI requests a minute, per user",
    "requests_hour": "AI requests an hour, per user",
    "signal_validations_minute": "Signal validations a minute, per user",
    "concurrent_requests": "AI requests at the same time, per user",
    "request_ceiling_usd": "Dearest single request, USD",
    "portfolios": "Portfolios",
    "holdings_per_portfolio": "Holdings in each portfolio",
    "seats": "Seats",
    "news_refresh_minutes": "News refreshed at most every, minutes",
}
"""The limits that are compared, in their order."""


def credits_of(amount: Decimal) -> str:
    """An amount of credits with every digit that counts: 1,234.5."""
    return f"{amount:,.6f}".rstrip("0").rstrip(".") if amount else "0"


def money(amount: Decimal) -> str:
    """A price in whole cents: 1,234.50 USD."""
    return f"{amount:,.2f} USD"


def price(plan: Plan) -> str:
    """What a plan costs, in words."""
    if plan.price_usd is None:
        return "By contract"
    if not plan.price_usd:
        return "Free of charge"
    return f"{money(plan.price_usd)} a {plan.price_unit}"


def limit(plan: Plan, metric: str) -> str:
    """One limit of a plan, in words."""
    value = getattr(plan.limits, metric)
    if value is None:
        return UNLIMITED
    return f"{value:,.2f}" if isinstance(value, Decimal) else f"{value:,}"
