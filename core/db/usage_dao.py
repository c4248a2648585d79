"""The statements behind usage figures, as the bound principal may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_BY_DAY = text(
    """
    SELECT (at AT TIME ZONE :zone)::date AS day, provider, model, count(*) AS requests,
        count(*) FILTER (WHERE status = 'cached') AS cached, count(*) FILTER (WHERE status = 'denied') AS denied,
        coalesce(sum(prompt_tokens) FILTER (WHERE hold_id IS NOT NULL), 0) AS prompt_tokens,
        coalesce(sum(completion_tokens) FILTER (WHERE hold_id IS NOT NULL), 0) AS completion_tokens,
        sum(charged_usd) AS charged_usd, sum(cost_usd) AS cost_usd
    FROM usage_log
    WHERE org_id = :org_id AND at >= (:first)::date::timestamp AT TIME ZONE :zone
        AND at < ((:last)::date + 1)::timestamp AT TIME ZONE :zone
        AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
_LOG = text(
    """
    SELECT l.id, l.at, l.user_id, l.request_id, l.conversation_id, l.channel, l.status, l.feature, l.provider, l.model,
        l.prompt_tokens, l.completion_tokens, l.estimated, l.cost_usd, l.charged_usd, l.latency_ms, l.first_token_ms,
        l.error_code
    FROM usage_log l
    WHERE l.org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR l.user_id = :user_id)
        AND l.at >= (:first)::date::timestamp AT TIME ZONE :zone
        AND l.at < ((:last)::date + 1)::timestamp AT TIME ZONE :zone
        AND (cardinality(cast(:statuses AS text[])) = 0 OR l.status = ANY (cast(:statuses AS text[])))
        AND (cardinality(cast(:models AS text[])) = 0 OR l.model = ANY (cast(:models AS text[])))
        AND (cast(:before AS uuid) IS NULL OR l.id < :before)
    ORDER BY l.id DESC LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class DayRow:
    """One day, provider and model; the columns of the statement, in its order."""

    day: date
    provider: str
    model: str
    requests: int
    cached: int
    denied: int
    prompt_tokens: int
    completion_tokens: int
    charged_usd: Decimal
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class LogRow:
    """One request; the columns of the statement, in its order."""

    id: UUID
    at: datetime
    user_id: UUID
    request_id: UUID
    conversation_id: UUID | None
    channel: str
    status: str
    feature: str | None
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost_usd: Decimal
    charged_usd: Decimal
    latency_ms: int
    first_token_ms: int | None
    error_code: str | None


def by_day(
    connection: Connection, *, org_id: UUID, user_id: UUID | None, zone: str, first: date, last: date
) -> list[DayRow]:
    """Totals per day of the zone, provider and model; `user_id` None is everyone whom the principal may see."""
    values = {"org_id": org_id, "user_id": user_id, "zone": zone, "first": first, "last": last}
    return [DayRow(*row) for row in connection.execute(_BY_DAY, values).all()]


def log(
    connection: Connection,
    *,
    org_id: UUID,
    user_id: UUID | None,
    zone: str,
    first: date,
    last: date,
    statuses: Sequence[str],
    models: Sequence[str],
    before: UUID | None,
    most: int,
) -> list[LogRow]:
    """Requests, newest first; `before` is the id of the last row of the page before."""
    values = {
        "org_id": org_id,
        "user_id": user_id,
        "zone": zone,
        "first": first,
        "last": last,
        "statuses": list(statuses),
        "models": list(models),
        "before": before,
        "most": most,
    }
    return [LogRow(*row) for row in connection.execute(_LOG, values).all()]
