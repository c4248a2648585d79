"""Plans that are soon used up, and the zones, times and amounts that the state machine draws from."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from core.metering.meter import Feature
from core.principal import Principal, Role
from tests.core.metering.model_parts import Limits, Member

PLANS = {
    "tight": Limits(3, 1, 2, 2, 8, 4, 6, 2, 2, Decimal("0.01"), Decimal("0.5"), 3),
    "wide": Limits(5, 2, None, 4, 12, 8, 20, 3, 4, Decimal("0.02"), Decimal("0.25"), 0),
    "open": Limits(),
}
ZONES = [
    "UTC",
    "America/New_York",
    "Asia/Tokyo",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "Pacific/Niue",
    "Atlantic/Azores",  # whose clocks change at midnight
]
STARTS = [
    datetime(2026, 5, 5, 12, tzinfo=UTC),
    datetime(2026, 3, 28, 23, 59, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 30, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 58, tzinfo=UTC),
    datetime(2028, 1, 31, 14, 59, 59, tzinfo=UTC),
]
STEPS_S = [1, 7, 30, 59, 60, 149, 150, 3600, 9 * 3600, 86_400, 40 * 86_400]
AMOUNTS = [Decimal(text) for text in ("0", "0.0004", "0.001", "0.004", "0.01", "0.010000001", "0.03")]
BUDGETS = [None, Decimal(0), Decimal("0.005"), Decimal("0.02")]
QUOTAS = {
    Feature.CHAT_QUERY: "chat_queries_day",
    Feature.PORTFOLIO_ANALYSIS: "portfolio_analyses_day",
    Feature.SIGNAL_VALIDATION: "signal_validations_day",
    Feature.SEC_FILING: "sec_filings_month",
}
KEYS = [(0, False), (0, True), (2, True), (1, False)]
"""Own keys, by the number of the member who gave them, and whether they are the organisation's."""
SHOWN = {
    **{metric: feature.value for feature, metric in QUOTAS.items()},
    "requests_month": "request",
    "charge_usd_month": "charge_usd",
    "credits_cap_month": "credits",
}
CREDITS = [Decimal(text) for text in ("0", "0.5", "1", "2.000001", "4")]
CAPS = [None, None, Decimal(0), Decimal(3)]


def unit_of(metric: str) -> str:
    """The period of a limit."""
    return "day" if metric.endswith("_day") else "month"


def principal_of(member: Member) -> Principal:
    """Who asks as a member."""
    org_id = member.organisation.id
    return Principal(member.user_id, org_id, Role(member.role), "free", "command", "UTC", "", "", str(org_id))
