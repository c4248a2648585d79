"""The tables of rolled-up usage: the log by hour, by day and organisation, by quarter, by day and user."""

from __future__ import annotations

from math import ceil
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text, Uuid
from sqlalchemy.types import TypeEngine

from core.db.schema import METADATA, Credits, Moment, Usd

LATENCY_STEP = 1.18
LATENCY_STEPS_MS = tuple(ceil(10 * LATENCY_STEP**number) for number in range(63))
"""Where one bucket of latencies ends and the next begins: 10 ms, and 18 % more each time, up to 4.8 minutes."""
COUNTS = (
    *("requests", "answered", "cached", "denied", "failed", "broken", "cut", "unresolved"),
    *("prompt_tokens", "completion_tokens"),
)
MONEY = ("cost_usd", "charged_usd", "saved_usd", "credits")
MEASURES = (*COUNTS, *MONEY, "latency_ms")
"""What every rollup sums, in the order of its columns: `answered` are those of status success, `latency_ms` is summed
over them, tokens are those of calls (a cached answer has none)."""
LATENCIES = tuple(f"ms_{number}" for number in range(len(LATENCY_STEPS_MS) + 1))
"""Answered requests by latency: bucket n begins with LATENCY_STEPS_MS[n - 1]; bucket 0 is what took less than 10 ms."""


_WITH_LATENCIES = ("usage_all_days", "usage_org_days")


def _rollup(name: str, **keys: TypeEngine[Any] | type[TypeEngine[Any]]) -> Table:
    return Table(
        name,
        METADATA,
        *(Column(key, kind, primary_key=True) for key, kind in keys.items()),
        *(Column(count, BigInteger, nullable=False) for count in COUNTS),
        *(Column(amount, Credits if amount == "credits" else Usd, nullable=False) for amount in MONEY),
        Column("latency_ms", BigInteger, nullable=False),
        *(Column(latency, Integer, nullable=False) for latency in LATENCIES if name in _WITH_LATENCIES),
    )


usage_hours = _rollup("usage_hours", hour=Moment, provider=Text, model=Text, feature=Text, channel=Text, plan=Text)
usage_all_days = _rollup("usage_all_days", day=Moment, provider=Text, model=Text, feature=Text, plan=Text)
usage_org_days = _rollup("usage_org_days", day=Moment, org_id=Uuid, provider=Text, model=Text, feature=Text, plan=Text)
usage_org_quarters = _rollup("usage_org_quarters", quarter=Moment, org_id=Uuid, provider=Text, model=Text)
usage_days = _rollup(
    "usage_days", day=Moment, org_id=Uuid, user_id=Uuid, provider=Text, model=Text, feature=Text, plan=Text
)
usage_user_days = _rollup("usage_user_days", day=Moment, org_id=Uuid, user_id=Uuid, plan=Text)

usage_progress = Table(
    "usage_progress",
    METADATA,
    Column("is_only", Boolean, primary_key=True),
    Column("rolled_until", Moment, nullable=False),
    Column("kept_from", Moment),
    Column("cleared_from", Moment),
)

usage_late_hours = Table(
    "usage_late_hours",
    METADATA,
    Column("hour", Moment, primary_key=True),
    Column("written_by", BigInteger, primary_key=True),
)
