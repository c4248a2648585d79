"""Puts the plans file in force: the limits that `reserve` reads are those of the file."""

from __future__ import annotations

from typing import Any

from core.db import metering_dao as dao
from core.db.engine import Database
from core.errors import ConfigurationError
from core.metering.plans import Plan, Plans
from core.ops.audit import Audit, AuditAction, AuditEvent, Subject, changed

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
    """Writes the limits of every plan, where they changed, and what changed into the audit log.

    Raises:
        ConfigurationError: the file lacks a plan that organisations are on.
    """
    with database.service() as connection:
        missing = dao.plans_without_limits(connection, list(plans.plans))
        if missing:
            raise ConfigurationError(f"The plans file lacks {', '.join(missing)}, which organisations are on.")
        known = dao.plans(connection)
        limits = {name: _limits(plan) for name, plan in plans.plans.items()}
        dao.write_plans(connection, [{"plan": name, "checksum": plans.checksum, **limits[name]} for name in limits])
        for name in limits if known else ():  # in a new installation nothing was changed
            was = {key: known[name][key] for key in limits[name]} if name in known else {}
            before, after = changed(was, limits[name])
            if after:
                subject = Subject("plan", name)
                event = AuditEvent(None, None, "system", AuditAction.PLAN_FILE_LOADED, subject, before, after)
                Audit.record(connection, event)


def _limits(plan: Plan) -> dict[str, Any]:
    """What the database enforces of a plan."""
    return {
        "carry_over_share": plan.carry_over_share,
        "free_credits_day": plan.limits.free_credits_day,
        **{key: getattr(plan.limits, key) for key in ENFORCED},
    }
