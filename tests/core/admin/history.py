"""A history of requests, written into the log as the heart writes it: each call with its hold, others with none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from core.ids import new_id
from core.principal import Principal

WITHOUT_HOLD = frozenset({"cached", "denied"})


class History:
    """Writes requests of members at moments of the past."""

    def __init__(self, service: psycopg.Connection[tuple[object, ...]]) -> None:
        self._service = service

    def ask(self, who: Principal, at: datetime, *, status: str = "success", times: int = 1, **values: Any) -> None:
        """As many requests of one kind; what is not given is a small call to GPT-4o mini."""
        free = values.pop("free_charged", 0)
        for _ in range(times):
            row: dict[str, Any] = {
                "id": new_id(),
                "at": at,
                "org_id": who.org_id,
                "user_id": who.user_id,
                "request_id": new_id(),
                "hold_id": None if status in WITHOUT_HOLD else new_id(),
                "channel": "page",
                "status": status,
                "feature": "chat_query",
                "provider": "openai",
                "model": "gpt-4o-mini",
                "price_version": "openai/2026",
                "latency_ms": 100,
                "plan": who.plan,
                "credits": 0,
                "cover": "credits" if values.get("credits") else "plan",
                **values,
            }
            if row["hold_id"] is not None:
                self._hold(row, free)
            self._insert("usage_log", row)

    def tried(self, who: Principal, at: datetime, *, status: str = "success", times: int = 1, **values: Any) -> None:
        """As many calls to a provider, each of a hold of its own."""
        for _ in range(times):
            hold = {"at": at, "org_id": who.org_id, "user_id": who.user_id, "hold_id": new_id()}
            told = {"provider": "openai", "model": "gpt-4o-mini", "price_version": "openai/2026", **values}
            named = {name: told[name] for name in ("provider", "model", "price_version")}
            self._hold({**hold, **named, "feature": "chat_query", "plan": who.plan, "request_id": new_id()}, 0)
            row = {"id": new_id(), **hold, "number": 1, "status": status, "latency_ms": 100, **told}
            self._insert("attempts", row)

    def _hold(self, row: dict[str, Any], free: object) -> None:
        taken, charged = row.get("credits", 0), row.get("charged_usd", 0)
        self._insert(
            "holds",
            {
                "id": row["hold_id"],
                **{name: row[name] for name in ("org_id", "user_id", "request_id", "feature", "provider", "model")},
                **{name: row[name] for name in ("price_version", "plan")},
                "state": "settled",
                "resolution": "settled",
                "cover": "credits" if taken else "plan",
                "own_key": row.get("own_key", False),
                **dict.fromkeys(("quota_held", "request_held"), 0),
                **dict.fromkeys(("held_usd", "bound_usd", "charged_usd"), charged),
                **dict.fromkeys(("credits_held", "credits_charged"), taken),
                **dict.fromkeys(("free_held", "free_charged"), free),
                "free_day": row["at"].date() if free else None,
                **dict.fromkeys(("day_start", "month_start", "org_day_start", "org_month_start"), row["at"]),
                **dict.fromkeys(("created_at", "expires_at", "in_flight_at", "resolved_at"), row["at"]),
            },
        )

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        columns, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        self._service.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})", row)
