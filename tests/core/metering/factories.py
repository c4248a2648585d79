"""What a test of the meter needs and does not want to spell out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.ids import new_id
from core.metering.meter import CallRecord, Feature, HoldRequest


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
