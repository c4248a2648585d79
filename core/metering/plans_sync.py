"""Puts the plans file in force: the limits that `reserve` reads are those of the file."""

from __future__ import annotations

from core.db import metering_dao as dao
from core.db.engine import Database
from core.errors import ConfigurationError
from core.metering.plans import Plans

ENFORCED = (
    "chat_queries_day",
    "portfolio_analyses_day",
    "sec_filings_month",
    "signal_validations_day",
    "requests_month",
    "requests_minute",
    "requests_hour",
    "signal_validations_minute",
    "concurrent_requests",
    "request_ceiling_usd",
)
"""The limits that the database enforces; the others are enforced by the areas that they concern."""


def sync_plans(database: Database, plans: Plans) -> None:
    """Writes the limits of every plan, where they changed.

    Raises:
        ConfigurationError: the file lacks a plan that organisations are on.
    """
    with database.service() as connection:
        missing = dao.plans_without_limits(connection, list(plans.plans))
        if missing:
            raise ConfigurationError(f"The plans file lacks {', '.join(missing)}, which organisations are on.")
        dao.write_plans(
            connection,
            [
                {
                    "plan": name,
                    "checksum": plans.checksum,
                    "carry_over_share": plan.carry_over_share,
                    "free_credits_day": plan.limits.free_credits_day,
                    **{key: getattr(plan.limits, key) for key in ENFORCED},
                }
                for name, plan in plans.plans.items()
            ],
        )
