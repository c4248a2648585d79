"""The statements of metering. Those of the heart go straight to the driver: one round trip, and nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString, TypeVar
from uuid import UUID

from psycopg.rows import args_row
from sqlalchemy import Connection, text

from core.db.engine import Driver

_Row = TypeVar("_Row")
_NO_CREDITS = Decimal(0)

_RESERVE = """
    SELECT r.outcome, r.hold_id, r.plan, r.lifetime_s, r.denied_at, r.quota_metric, r.quota_limit, r.quota_used,
        r.quota_resets_at, r.rate_limit, r.rate_used, r.rate_resets_at, (r.denial).code, (r.denial).metric,
        (r.denial).scope, (r.denial).maximum, (r.denial).used, (r.denial).resets_at, r.entry, r.entry_life_s, r.cover
    FROM reserve(%(hold_id)s, %(request_id)s, %(org_id)s, %(user_id)s, %(feature)s, %(provider)s, %(model)s,
        %(price_version)s, %(held_usd)s, %(lifetime_s)s, %(counts_request)s, %(own_key)s, %(conversation_id)s,
        %(acts_as)s, %(credits)s, %(route)s, %(key)s, %(body_sha256)s, %(flight_key)s, %(cache_scope)s, %(cache_key)s,
        %(key_id)s) AS r
"""
_MARK = "SELECT mark_in_flight(%(hold_id)s)"
_TOP_UP = "SELECT top_up(%(hold_id)s, %(held_usd)s, %(credits)s)"
_SETTLE = (
    "SELECT outcome, changed, charged_usd, quota_charged, quota_used, credits_charged "
    "FROM settle(%(hold_id)s, %(outcome)s, %(charged_usd)s, %(cost_usd)s, %(usage)s::jsonb, %(attempts)s::jsonb, "
    "%(entry)s::jsonb, %(answer)s::jsonb, %(credits)s)"
)
_RELEASE = (
    "SELECT outcome, changed, charged_usd, quota_charged, quota_used, credits_charged "
    "FROM release(%(hold_id)s, %(status)s, %(cost_usd)s, %(usage)s::jsonb, %(attempts)s::jsonb)"
)
_EXPIRE = "SELECT expire_hold(%(hold_id)s)"
_FOLLOW = "SELECT follow_flight(%(hold_id)s)"
_LEAVE = "SELECT leave_flight(%(hold_id)s)"
_IS_FOLLOWED = "SELECT is_followed(%(hold_id)s)"
_REPEATED = text(
    """
    SELECT h.state IN ('reserved', 'in_flight') AS is_running, h.body_sha256 = :body_sha256 AS is_same, k.value
    FROM holds h LEFT JOIN kept_answers k ON k.hold_id = h.id
    WHERE h.org_id = :org_id AND h.user_id = :user_id AND h.idempotency_route = :route AND h.idempotency_key = :key
        AND h.state IN ('reserved', 'in_flight', 'settled') AND h.created_at > assay_now() - interval '24 hours'
        AND (h.state = 'settled' OR h.expires_at > assay_now())
    """
)
_FORGET_REPEATS = text("DELETE FROM kept_answers WHERE expires_at <= assay_now()")
_OVERDUE = text(
    "SELECT id FROM holds WHERE org_id = :org_id AND state IN ('reserved', 'in_flight') AND expires_at <= assay_now() "
    "ORDER BY expires_at LIMIT :most"
)
_OVERDUE_ALL = text(
    "SELECT id FROM holds WHERE state IN ('reserved', 'in_flight') AND expires_at <= assay_now() "
    "ORDER BY expires_at LIMIT :most"
)
_ALLOWANCES = text("SELECT * FROM allowances()")
_PLANS = text(
    """
    INSERT INTO plan_limits (plan, chat_queries_day, portfolio_analyses_day, sec_filings_month, signal_validations_day,
        requests_month, requests_minute, requests_hour, signal_validations_minute, concurrent_requests,
        request_ceiling_usd, carry_over_share, free_credits_day, checksum)
    VALUES (:plan, :chat_queries_day, :portfolio_analyses_day, :sec_filings_month, :signal_validations_day,
        :requests_month, :requests_minute, :requests_hour, :signal_validations_minute, :concurrent_requests,
        :request_ceiling_usd, :carry_over_share, :free_credits_day, :checksum)
    ON CONFLICT (plan) DO UPDATE SET chat_queries_day = excluded.chat_queries_day,
        portfolio_analyses_day = excluded.portfolio_analyses_day, sec_filings_month = excluded.sec_filings_month,
        signal_validations_day = excluded.signal_validations_day, requests_month = excluded.requests_month,
        requests_minute = excluded.requests_minute, requests_hour = excluded.requests_hour,
        signal_validations_minute = excluded.signal_validations_minute,
        concurrent_requests = excluded.concurrent_requests, request_ceiling_usd = excluded.request_ceiling_usd,
        carry_over_share = excluded.carry_over_share, free_credits_day = excluded.free_credits_day,
        checksum = excluded.checksum
    WHERE plan_limits.checksum <> excluded.checksum
    """
)
_PLANS_IN_USE = text("SELECT DISTINCT plan FROM organisations WHERE plan <> ALL (:plans)")
_FREE_ROW = text(
    """
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, conversation_id, channel, status, feature, provider,
        model, prompt_tokens, completion_tokens, error_code, cache_level, saved_usd, plan)
    VALUES (:id, :at, :org_id, :user_id, :request_id, :conversation_id, :channel, :status, :feature, :provider, :model,
        :prompt_tokens, :completion_tokens, :error_code, :cache_level, :saved_usd, :plan)
    ON CONFLICT (id, at) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class ReservationRow:
    """What `reserve` answered; the denial's columns are None where the hold was granted."""

    outcome: str
    hold_id: UUID | None
    plan: str | None
    lifetime_s: Decimal | None
    denied_at: datetime | None
    quota_metric: str | None
    quota_limit: int | None
    quota_used: int | None
    quota_resets_at: datetime | None
    rate_limit: int | None
    rate_used: int | None
    rate_resets_at: datetime | None
    code: str | None
    metric: str | None
    scope: str | None
    maximum: Decimal | None
    used: Decimal | None
    resets_at: datetime | None
    entry: Mapping[str, Any] | None
    """The answer that the shared cache holds, where that is the outcome."""
    entry_life_s: Decimal | None
    cover: str | None
    """What a granted hold is counted against: `plan`, or `credits`."""


@dataclass(frozen=True, slots=True)
class ResolutionRow:
    """How a hold ended; `changed` is False where it had ended before."""

    outcome: str
    changed: bool
    charged_usd: Decimal
    quota_charged: int
    quota_used: int | None
    credits_charged: Decimal


@dataclass(frozen=True, slots=True)
class RepeatRow:
    """The request that an Idempotency-Key names."""

    is_running: bool
    is_same: bool
    """Whether it had the same body."""
    value: Mapping[str, Any] | None
    """Its answer, where it has one."""


@dataclass(frozen=True, slots=True)
class AllowanceRow:
    """One limit of the bound membership as it stands now; `maximum` is None where unlimited."""

    metric: str
    scope: str
    period: str
    maximum: Decimal | None
    used: Decimal
    starts_at: datetime
    ends_at: datetime


def reserve(driver: Driver, values: Mapping[str, Any]) -> ReservationRow:
    """Takes a hold, or says which limit refuses.

    `credits` is the worst case in credits, which is taken where the plan's allowance alone refuses; 0 takes none.
    """
    return _one(driver, ReservationRow, _RESERVE, {"credits": 0, **values})


def mark_in_flight(driver: Driver, hold_id: UUID) -> bool:
    """Marks a hold before its call; False where it may not be called any more."""
    return _one(driver, bool, _MARK, {"hold_id": hold_id})


def top_up(driver: Driver, hold_id: UUID, held_usd: Decimal, credits: Decimal = _NO_CREDITS) -> bool:
    """Raises a hold to another worst case, and in credits where it holds some; False where a limit refuses."""
    return _one(driver, bool, _TOP_UP, {"hold_id": hold_id, "held_usd": held_usd, "credits": credits})


def settle(
    driver: Driver,
    hold_id: UUID,
    *,
    outcome: str,
    charged_usd: Decimal,
    cost_usd: Decimal,
    usage: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
    entry: Mapping[str, Any] | None,
    answer: Mapping[str, Any] | None,
    credits: Decimal = _NO_CREDITS,
) -> ResolutionRow:
    """Charges a call that answered; keeps its answer in the cache and for a repeat of its request.

    `credits` is what it came to in credits, and is charged where the hold is covered by them.
    """
    values = {
        "hold_id": hold_id,
        "outcome": outcome,
        "charged_usd": charged_usd,
        "cost_usd": cost_usd,
        "credits": credits,
    }
    kept = {"entry": _document(entry), "answer": _document(answer)}
    return _one(driver, ResolutionRow, _SETTLE, {**values, **kept, **_documents(usage, attempts)})


def release(
    driver: Driver,
    hold_id: UUID,
    *,
    status: str,
    cost_usd: Decimal,
    usage: Mapping[str, Any],
    attempts: Sequence[Mapping[str, Any]],
) -> ResolutionRow:
    """Returns what a failed call held."""
    values = {"hold_id": hold_id, "status": status, "cost_usd": cost_usd}
    return _one(driver, ResolutionRow, _RELEASE, {**values, **_documents(usage, attempts)})


def expire(driver: Driver, hold_id: UUID) -> bool:
    """Ends an overdue hold; False where it had ended, or is not overdue."""
    return _one(driver, bool, _EXPIRE, {"hold_id": hold_id})


def follow(driver: Driver, hold_id: UUID) -> str:
    """Looks at a flight's leader: `flying`, or how its hold ended."""
    return _one(driver, str, _FOLLOW, {"hold_id": hold_id})


def leave(driver: Driver, hold_id: UUID) -> None:
    """Follows a flight no longer."""
    driver.execute(_LEAVE, {"hold_id": hold_id})


def is_followed(driver: Driver, hold_id: UUID) -> bool:
    """Whether another process waits for this hold's answer."""
    return _one(driver, bool, _IS_FOLLOWED, {"hold_id": hold_id})


def repeated(connection: Connection, values: Mapping[str, Any]) -> RepeatRow | None:
    """The request of a member that an Idempotency-Key names, while it runs or for a day after it was answered."""
    row = connection.execute(_REPEATED, values).one_or_none()
    return RepeatRow(row.is_running, row.is_same, row.value) if row else None


def forget_repeats(connection: Connection) -> None:
    """Forgets the answers that no repeat can ask for any more."""
    connection.execute(_FORGET_REPEATS)


def overdue(connection: Connection, org_id: UUID | None, *, most: int) -> list[UUID]:
    """Holds that should have ended, of one organisation or (None) of all, oldest first."""
    statement = _OVERDUE_ALL if org_id is None else _OVERDUE
    return list(connection.execute(statement, {"org_id": org_id, "most": most}).scalars())


def allowances(connection: Connection) -> list[AllowanceRow]:
    """What the bound principal may still use."""
    return [AllowanceRow(**row) for row in connection.execute(_ALLOWANCES).mappings()]


def plans(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """The limits of every plan as they are enforced, by name; they stay so until the transaction ends."""
    rows = connection.execute(text("SELECT * FROM plan_limits ORDER BY plan FOR NO KEY UPDATE")).mappings()
    return {row["plan"]: dict(row) for row in rows}


def write_plans(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Makes the limits that `reserve` reads those of the plans file."""
    connection.execute(_PLANS, list(rows))


def plans_without_limits(connection: Connection, plans: Sequence[str]) -> list[str]:
    """Plans that organisations are on and that are none of `plans`."""
    return list(connection.execute(_PLANS_IN_USE, {"plans": list(plans)}).scalars())


def add_free_rows(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Logs cached answers and denials: rows without a hold or a cost; those that are there stay as they are."""
    connection.execute(_FREE_ROW, list(rows))


def now(connection: Connection) -> datetime:
    """The time of the one clock."""
    moment: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return moment


def _document(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value, default=str)


def _documents(usage: Mapping[str, Any], attempts: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {"usage": json.dumps(usage, default=str), "attempts": json.dumps(attempts, default=str)}


def _one(driver: Driver, shape: Callable[..., _Row], statement: LiteralString, values: Mapping[str, Any]) -> _Row:
    """The one row of a statement of the heart, its columns in the order of the shape's fields."""
    row = driver.cursor(row_factory=args_row(shape)).execute(statement, values).fetchone()
    assert row is not None
    return row
