"""What a test of the meter needs and does not want to spell out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg

from core.ids import new_id
from core.metering.meter import CallRecord, Feature, HoldRequest
from core.principal import Principal


def hold_request(**changes: Any) -> HoldRequest:
    """A request for a chat query that could cost up to a tenth of a cent."""
    values: dict[str, Any] = {
        "hold_id": new_id(),
        "request_id": new_id(),
        "feature": Feature.CHAT_QUERY,
        "provider": "openai",
        "model": "a-model",
        "price_version": "v1",
        "held_usd": Decimal("0.001"),
        "lifetime_s": 150,
    }
    return HoldRequest(**{**values, **changes})


def record(cost_usd: str = "0.000400000") -> CallRecord:
    """A call of one attempt."""
    attempt = {
        "id": new_id(),
        "number": 1,
        "provider": "openai",
        "model": "a-model",
        "price_version": "v1",
        "status": "success",
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_usd": cost_usd,
        "latency_ms": 5,
    }
    return CallRecord(Decimal(cost_usd), {"prompt_tokens": 10, "completion_tokens": 20, "channel": "api"}, [attempt])


def own_key(service: psycopg.Connection[tuple[object, ...]], principal: Principal, **changes: Any) -> UUID:
    """A key of the principal's, of which nothing was used; `changes` are columns."""
    values = {
        "id": new_id(),
        "org_id": principal.org_id,
        "user_id": principal.user_id,
        "is_shared": False,
        "provider": "openai",
        "name": "A key",
        "secret": b"encrypted",
        "last_four": "abcd",
        "limit_usd_month": None,
        "expires_at": None,
        **changes,
    }
    columns, marks = ", ".join(values), ", ".join(f"%({name})s" for name in values)
    service.execute(
        f"INSERT INTO provider_keys ({columns}, created_at, month_start, month_end) "
        f"SELECT {marks}, assay_now(), p.starts_at, p.ends_at FROM organisations o "
        "CROSS JOIN LATERAL meter_period('month', NULL, assay_now(), o.zone) p WHERE o.id = %(org_id)s",
        values,
    )
    key_id = values["id"]
    assert isinstance(key_id, UUID)
    return key_id
