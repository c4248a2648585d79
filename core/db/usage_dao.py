"""The statements behind usage figures, as the bound principal may see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
        sum(charged_usd) AS charged_usd, sum(cost_usd) AS cost_usd, sum(saved_usd) AS saved_usd
    FROM usage_log
    WHERE org_id = :org_id AND at >= (:first)::date::timestamp AT TIME ZONE :zone
        AND at < ((:last)::date + 1)::timestamp AT TIME ZONE :zone
        AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """
)
_LOG_COLUMNS = """
    l.id, l.at, l.user_id, l.request_id, l.conversation_id, l.channel, l.status, l.feature, l.provider, l.model,
    l.prompt_tokens, l.completion_tokens, l.estimated, l.cost_usd, l.charged_usd, l.latency_ms, l.first_token_ms,
    l.error_code, l.cached_prompt_tokens, l.quarantine, l.cache_level, l.saved_usd, l.plan, l.cover, l.credits
"""
_LOG = text(
    f"""
    SELECT l.*, u.name AS user_name FROM (
    SELECT {_LOG_COLUMNS}
    FROM usage_log l
    WHERE l.org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR l.user_id = :user_id)
        AND l.at >= :starts_at AND l.at < :ends_at
        AND (cardinality(cast(:statuses AS text[])) = 0 OR l.status = ANY (cast(:statuses AS text[])))
        AND (cardinality(cast(:models AS text[])) = 0 OR l.model = ANY (cast(:models AS text[])))
        AND (cast(:before_id AS uuid) IS NULL OR (l.at, l.id) < (cast(:before_at AS timestamptz), :before_id))
    ORDER BY l.at DESC, l.id DESC LIMIT :most
    ) l LEFT JOIN users u ON u.id = l.user_id ORDER BY l.at DESC, l.id DESC
    """  # noqa: S608 (the columns are written above)
)
DIMENSIONS = {
    "day": "((at AT TIME ZONE :zone)::date)::text",
    "model": "model",
    "provider": "provider",
    "user": "user_id::text",
    "feature": "feature",
    "status": "status",
    "channel": "channel",
}
"""What usage can be grouped by, and the value that a row is grouped under."""
_TOTALS = {
    name: text(
        f"""
        SELECT grouping(key) = 1 AS is_total, key, count(*) AS requests,
            count(*) FILTER (WHERE status = 'cached') AS cached, count(*) FILTER (WHERE status = 'denied') AS denied,
            count(*) FILTER (WHERE status IN ('failed', 'broken')) AS failed,
            coalesce(sum(prompt_tokens) FILTER (WHERE hold_id IS NOT NULL), 0) AS prompt_tokens,
            coalesce(sum(completion_tokens) FILTER (WHERE hold_id IS NOT NULL), 0) AS completion_tokens,
            coalesce(sum(charged_usd), 0) AS charged_usd, coalesce(sum(cost_usd), 0) AS cost_usd,
            coalesce(sum(saved_usd), 0) AS saved_usd
        FROM (SELECT {key} AS key, * FROM usage_log
            WHERE org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
                AND at >= :starts_at AND at < :ends_at) AS logged
        GROUP BY GROUPING SETS ((key), ())
        ORDER BY is_total DESC, {"key" if name == "day" else "charged_usd DESC, requests DESC, key"} LIMIT :most
        """  # noqa: S608 (the expressions are written above)
    )
    for name, key in DIMENSIONS.items()
}
_COUNT = text(
    """
    SELECT count(*) FROM (SELECT FROM usage_log
        WHERE org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
            AND at >= :starts_at AND at < :ends_at
            AND (cardinality(cast(:statuses AS text[])) = 0 OR status = ANY (cast(:statuses AS text[])))
            AND (cardinality(cast(:models AS text[])) = 0 OR model = ANY (cast(:models AS text[])))
        LIMIT :most) found
    """
)
_SPEND = text(
    """
    SELECT feature, model, count(*) FILTER (WHERE status <> 'denied') AS requests,
        coalesce(sum(charged_usd), 0) AS charged_usd, coalesce(sum(cost_usd), 0) AS cost_usd,
        coalesce(sum(credits), 0) AS credits, count(*) FILTER (WHERE status = 'success') AS answered,
        coalesce(sum(latency_ms) FILTER (WHERE status = 'success'), 0) AS latency_ms
    FROM usage_log
    WHERE org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
        AND at >= :starts_at AND at < :ends_at
    GROUP BY 1, 2 HAVING bool_or(status <> 'denied') ORDER BY 4 DESC, 3 DESC, 1, 2 LIMIT :most
    """
)
_PROMPTS = text(
    """
    SELECT intent, substring(prompt_version FROM '[+]template-([0-9a-f]{8})/') AS template, count(*) AS requests
    FROM (SELECT intent, prompt_version FROM usage_log
        WHERE org_id = :org_id AND (cast(:user_id AS uuid) IS NULL OR user_id = :user_id)
            AND at >= :starts_at AND at < :ends_at AND status <> 'denied'
            AND (intent IS NOT NULL OR prompt_version IS NOT NULL)
        ORDER BY at DESC LIMIT :newest) asked
    GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT :most
    """
)
_ZONE = text("SELECT zone FROM organisations WHERE id = :org_id")
_PROVIDERS = text(
    """
    SELECT provider, count(*) AS calls, count(*) FILTER (WHERE status IN ('failed', 'broken')) AS failures,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms) FILTER (WHERE status = 'success') AS latency_ms_p50
    FROM attempts WHERE at >= assay_now() - interval '1 hour' GROUP BY provider
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
    saved_usd: Decimal
    """What the calls cost whose answers were given again."""


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
    cached_prompt_tokens: int = 0
    quarantine: str | None = None
    cache_level: str | None = None
    saved_usd: Decimal = Decimal(0)
    plan: str | None = None
    cover: str | None = None
    """What it was counted against: `plan` or `credits`; None: nothing."""
    credits: Decimal = Decimal(0)
    user_name: str | None = None
    """Who asked, where the principal may know."""


@dataclass(frozen=True, slots=True)
class TotalRow:
    """The sums of one group, or of all; the columns of the statement, in its order."""

    is_total: bool
    key: str | None
    requests: int
    cached: int
    denied: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    charged_usd: Decimal
    cost_usd: Decimal
    saved_usd: Decimal


@dataclass(frozen=True, slots=True)
class SpendRow:
    """What one feature cost on one model; the columns of the statement, in its order."""

    feature: str | None
    """None: an AI request that is counted as no feature."""
    model: str
    requests: int
    """Those that were not denied."""
    charged_usd: Decimal
    cost_usd: Decimal
    credits: Decimal
    answered: int
    """By a call that succeeded: n of the mean time."""
    latency_ms: int
    """Summed over the answered."""


@dataclass(frozen=True, slots=True)
class PromptRow:
    """How often questions of one kind were asked; the columns of the statement, in its order."""

    intent: str | None
    template: str | None
    """The last eight digits of the id of the template it was made of."""
    requests: int


@dataclass(frozen=True, slots=True)
class ProviderCallsRow:
    """How a provider's calls of the last hour went; the columns of the statement, in its order."""

    provider: str
    calls: int
    failures: int
    latency_ms_p50: int | None


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose requests are read, and from which moment to which."""

    org_id: UUID
    user_id: UUID | None
    """None is everyone whom the principal may see."""
    starts_at: datetime
    ends_at: datetime
    """The first moment that is not part of it."""


def by_day(
    connection: Connection, *, org_id: UUID, user_id: UUID | None, zone: str, first: date, last: date
) -> list[DayRow]:
    """Totals per day of the zone, provider and model; `user_id` None is everyone whom the principal may see."""
    values = {"org_id": org_id, "user_id": user_id, "zone": zone, "first": first, "last": last}
    return [DayRow(*row) for row in connection.execute(_BY_DAY, values).all()]


def log(
    connection: Connection,
    reach: Reach,
    *,
    statuses: Sequence[str],
    models: Sequence[str],
    before: tuple[datetime, UUID] | None,
    most: int,
) -> list[LogRow]:
    """Requests, newest first; `before` is the time and the id of the last row of the page before."""
    before_at, before_id = before or (None, None)
    values = {
        **asdict(reach),
        "statuses": list(statuses),
        "models": list(models),
        "before_at": before_at,
        "before_id": before_id,
        "most": most,
    }
    return [LogRow(*row) for row in connection.execute(_LOG, values).all()]


def count(connection: Connection, reach: Reach, *, statuses: Sequence[str], models: Sequence[str], most: int) -> int:
    """How many requests the log has of these, counted up to `most`."""
    values = {**asdict(reach), "statuses": list(statuses), "models": list(models), "most": most}
    return int(connection.execute(_COUNT, values).scalar_one())


def spend(connection: Connection, reach: Reach, *, most: int) -> list[SpendRow]:
    """What was spent by feature and model, the dearest first."""
    return [SpendRow(*row) for row in connection.execute(_SPEND, {**asdict(reach), "most": most}).all()]


def prompts(connection: Connection, reach: Reach, *, newest: int, most: int) -> list[PromptRow]:
    """What kinds of questions the newest so many were, the most frequent first; never their texts."""
    values = {**asdict(reach), "newest": newest, "most": most}
    return [PromptRow(*row) for row in connection.execute(_PROMPTS, values).all()]


def totals(connection: Connection, reach: Reach, *, group_by: str, zone: str, most: int) -> list[TotalRow]:
    """The sums of all requests, then those of at most `most` groups: days in their order, others dearest first."""
    values = {**asdict(reach), "most": most + 1}
    if group_by == "day":
        values["zone"] = zone
    return [TotalRow(*row) for row in connection.execute(_TOTALS[group_by], values).all()]


def zone_of(connection: Connection, org_id: UUID) -> str:
    """The zone of an organisation's calendar periods."""
    return str(connection.execute(_ZONE, {"org_id": org_id}).scalar_one())


def calls_by_provider(connection: Connection) -> list[ProviderCallsRow]:
    """The calls of the last hour, of all organisations; for the service role."""
    return [ProviderCallsRow(*row) for row in connection.execute(_PROVIDERS).all()]
