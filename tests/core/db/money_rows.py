"""Rows of one organisation in every table of credits, billing, usage, audit and oversight."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text

from core.ids import new_id
from core.ops.audit_seal import Sealing
from core.principal import Principal
from core.workbench import Workbench

_SUMS = (
    "requests, answered, cached, denied, failed, broken, cut, unresolved, prompt_tokens, completion_tokens, cost_usd, "
    "charged_usd, saved_usd, credits, latency_ms"
)
_NONE = ", ".join("0" for _ in _SUMS.split(","))
_BUCKETS = ", ".join(f"ms_{at}" for at in range(64))
_NO_BUCKET = ", ".join("0" for _ in range(64))
_STATEMENTS = (
    f"INSERT INTO usage_days (day, org_id, user_id, provider, model, feature, plan, {_SUMS}) "
    f"VALUES ('2026-01-01Z', :org, :user, 'x', 'x', '', 'free', {_NONE})",
    f"INSERT INTO usage_user_days (day, org_id, user_id, plan, {_SUMS}) "
    f"VALUES ('2026-01-01Z', :org, :user, 'free', {_NONE})",
    f"INSERT INTO usage_org_days (day, org_id, provider, model, feature, plan, {_SUMS}, {_BUCKETS}) "
    f"VALUES ('2026-01-01Z', :org, 'x', 'x', '', 'free', {_NONE}, {_NO_BUCKET})",
    f"INSERT INTO usage_org_quarters (quarter, org_id, provider, model, {_SUMS}) "
    f"VALUES ('2026-01-01Z', :org, 'x', 'x', {_NONE})",
    "INSERT INTO free_days (user_id, day) VALUES (:user, '2026-01-01')",
    "INSERT INTO billing_accounts (org_id, created_at) VALUES (:org, assay_now())",
    "INSERT INTO payments (id, org_id, user_id, package_id, credits, amount_minor, currency, state, created_at) "
    "VALUES (:id, :org, :user, 'starter', 100, 1000, 'usd', 'open', assay_now())",
    "INSERT INTO subscriptions (subscription_id, org_id, plan, seats, status, item_id, period_end, ends_at_period_end, "
    "version, created_at, read_at) VALUES ('sub_' || CAST(:id AS text), :org, 'basic', 1, 'active', 'si', assay_now(), "
    "false, 1, assay_now(), assay_now())",
    "INSERT INTO oversight_alerts (id, rule, level, org_id, subject, period, title, body, advice, value, threshold, "
    "is_muted, raised_at, seen_at, told_at) VALUES (:id, 'budget', 'warning', :org, 'x', 'x', 'x', '', '', 1, 1, "
    "false, assay_now(), assay_now(), assay_now())",
    "INSERT INTO oversight_rules (id, org_id, rule, is_on, changed_at, changed_by) "
    "VALUES (:id, :org, 'budget', true, assay_now(), :user)",
    "INSERT INTO oversight_channels (id, org_id, kind, name, host, url, least_level, created_at, created_by) "
    "VALUES (:id, :org, 'slack', 'x', 'x', 'x', 'warning', assay_now(), :user)",
    "INSERT INTO oversight_deliveries (id, alert_id, org_id, user_id, channel, event, message, status, attempts, "
    "due_at, created_at) "
    "VALUES (:id, :id, :org, :user, 'mail', 'raised', '{}', 'pending', 0, assay_now(), assay_now())",
)


def leave_money(workbench: Workbench, principal: Principal) -> None:
    """A grant that ends, a wish for a boost, and a row in each table that is filled by something slower."""
    soon = datetime.now(UTC) + timedelta(days=1)
    workbench.credits.grant(principal.org_id, Decimal(5), reason="A test", author=None, expires_at=soon)
    workbench.boosts.request(principal, metric="chat_queries_day", amount=1, days=1, reason="A test")
    values = {"id": new_id(), "org": principal.org_id, "user": principal.user_id}
    with workbench.database.service() as connection:
        for statement in _STATEMENTS:
            connection.execute(text(statement), values)
    Sealing(workbench.database).seal()
