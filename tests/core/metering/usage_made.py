"""Rows of the usage log as metering writes them: calls with a hold of their own, free rows with none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import psycopg

from core.ids import new_id
from core.principal import Principal

Driver = psycopg.Connection[tuple[object, ...]]
CALLS = ("success", "cut", "broken", "failed", "unresolved")
FREE = ("cached", "denied")
_HOLD = """
    INSERT INTO holds (id, org_id, user_id, state, feature, provider, model, price_version, quota_held, request_held,
        held_usd, bound_usd, quota_charged, request_charged, charged_usd, cost_usd, day_start, month_start,
        org_day_start, org_month_start, created_at, expires_at, in_flight_at, resolved_at, resolution, request_id, plan)
    VALUES (%(id)s, %(org_id)s, %(user_id)s, %(state)s, %(feature)s, %(provider)s, %(model)s, 'v1', 1, 1, 9, 9,
        0, 0, %(charged_usd)s, %(cost_usd)s, %(at)s, %(at)s, %(at)s, %(at)s, %(at)s, %(at)s, %(at)s, %(at)s,
        %(resolution)s, %(id)s, %(plan)s)
"""
_ROW = """
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, feature, provider, model,
        price_version, prompt_tokens, completion_tokens, cost_usd, charged_usd, saved_usd, latency_ms, plan, intent)
    VALUES (%(id)s, %(at)s, %(org_id)s, %(user_id)s, %(id)s, %(hold_id)s, %(channel)s, %(status)s, %(feature)s,
        %(provider)s, %(model)s, 'v1', %(prompt_tokens)s, %(completion_tokens)s, %(cost_usd)s, %(charged_usd)s,
        %(saved_usd)s, %(latency_ms)s, %(plan)s, %(intent)s)
"""


@dataclass(frozen=True)
class Logged:
    """One request."""

    status: str = "success"
    age: timedelta = timedelta(0)
    """Before now, of the moved clock."""
    at: datetime | None = None
    """Exactly, instead."""
    feature: str | None = "chat_query"
    provider: str = "openai"
    model: str = "a-model"
    channel: str = "page"
    plan: str | None = "free"
    prompt_tokens: int = 100
    completion_tokens: int = 20
    cost_usd: Decimal = Decimal("0.0004")
    charged_usd: Decimal = Decimal("0.0004")
    latency_ms: int = 900
    intent: str | None = None


def put(connection: Driver, principal: Principal, row: Logged) -> None:
    """Writes it, in the connection's transaction."""
    found = connection.execute("SELECT assay_now()").fetchone()
    assert found is not None and isinstance(found[0], datetime)
    is_call = row.status in CALLS
    row_id, nothing = new_id(), Decimal(0)
    values = {
        **asdict(row),
        "id": row_id,
        "hold_id": row_id if is_call else None,
        "org_id": principal.org_id,
        "user_id": principal.user_id,
        "at": row.at or found[0] - row.age,
        "cost_usd": row.cost_usd if is_call else nothing,
        "charged_usd": row.charged_usd if row.status in ("success", "cut") else nothing,
        "saved_usd": row.cost_usd if row.status == "cached" else nothing,
        "state": {"success": "settled", "cut": "settled", "unresolved": "expired"}.get(row.status, "released"),
        "resolution": row.status,
    }
    if is_call:
        connection.execute(_HOLD, values)
    connection.execute(_ROW, values)
