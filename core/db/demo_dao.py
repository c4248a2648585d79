"""The statements that fill the demo with usage, so that the books balance, and that put an old demo out of the way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

_TURN = (
    text("SELECT set_config('statement_timeout', :wait, true)"),
    text("SELECT pg_advisory_xact_lock(hashtextextended('demo', 0))"),
)
_NOW = text("SELECT assay_now()")
_MEMBERS = text(
    """
    SELECT DISTINCT ON (u.email) u.email, m.org_id, m.user_id, o.plan, o.zone, p.chat_queries_day,
        p.signal_validations_day, p.portfolio_analyses_day, p.free_credits_day,
        o.zone <> 'UTC' OR EXISTS (SELECT FROM usage_log l WHERE l.org_id = o.id)
            OR EXISTS (SELECT FROM holds h WHERE h.org_id = o.id) AS has_used
    FROM users u JOIN memberships m ON m.user_id = u.id AND m.ended_at IS NULL JOIN organisations o ON o.id = m.org_id
        JOIN plan_limits p ON p.plan = o.plan
    WHERE u.email = ANY (:emails) ORDER BY u.email, m.created_at
    """
)
_BACKDATE = (
    text("UPDATE users SET created_at = :at WHERE id = :user_id AND created_at > :at"),
    text("UPDATE memberships SET created_at = :at WHERE org_id = :org_id AND user_id = :user_id AND created_at > :at"),
    text("UPDATE organisations SET created_at = :at WHERE id = :org_id AND created_at > :at"),
    text("UPDATE organisation_plans SET starts_at = :at WHERE org_id = :org_id AND starts_at > :at"),
)
_ROWS = """
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (id uuid, request_id uuid, attempt_id uuid,
        created_at timestamptz, resolved_at timestamptz, status text, feature text, provider text, model text,
        price_version text, prompt_tokens integer, completion_tokens integer, held_usd numeric, cost_usd numeric,
        charged_usd numeric, saved_usd numeric, credits_held numeric, credits numeric, free_granted numeric,
        free_held numeric, free_charged numeric, latency_ms integer, first_token_ms integer, error_code text,
        cache_level text, intent text, complexity text, counts_request boolean, conversation_id uuid)
"""
_HOLDS = text(
    f"""
    INSERT INTO holds (id, org_id, user_id, state, cover, feature, provider, model, price_version, quota_held,
            request_held, held_usd, credits_held, quota_charged, request_charged, charged_usd, credits_charged,
            cost_usd, day_start, month_start, org_day_start, org_month_start, created_at, expires_at, in_flight_at,
            resolved_at, resolution, request_id, bound_usd, plan, free_held, free_charged, free_day,
            conversation_id)
        SELECT r.id, :org_id, :user_id, CASE r.status WHEN 'failed' THEN 'released' ELSE 'settled' END,
            CASE WHEN r.credits_held > 0 THEN 'credits' ELSE 'plan' END, r.feature, r.provider, r.model,
            r.price_version, c.quota, r.counts_request::integer, r.held_usd, r.credits_held, c.quota * c.charged,
            r.counts_request::integer * c.charged, r.charged_usd, r.credits, r.cost_usd, c.day, c.month, c.day, c.month,
            r.created_at, r.created_at + interval '150 seconds', r.created_at, r.resolved_at, r.status, r.request_id,
            r.held_usd, :plan, r.free_held, r.free_charged,
            CASE WHEN r.credits_held > 0 THEN (r.created_at AT TIME ZONE 'UTC')::date END,
            r.conversation_id
        FROM ({_ROWS}) r CROSS JOIN LATERAL (SELECT date_trunc('day', r.created_at, 'UTC') AS day,
            date_trunc('month', r.created_at, 'UTC') AS month, (r.status <> 'failed')::integer AS charged,
            (r.feature IS NOT NULL AND r.credits_held = 0)::integer AS quota) c
        WHERE r.status NOT IN ('cached', 'denied')
    """  # noqa: S608 (the rows are written above)
)
_ATTEMPTS = text(
    f"""
    INSERT INTO attempts (id, hold_id, org_id, user_id, number, provider, model, price_version, status, error_code,
            prompt_tokens, completion_tokens, cost_usd, latency_ms, at)
        SELECT r.attempt_id, r.id, :org_id, :user_id, 1, r.provider, r.model, r.price_version, r.status, r.error_code,
            r.prompt_tokens, r.completion_tokens, r.cost_usd, r.latency_ms, r.resolved_at
        FROM ({_ROWS}) r WHERE r.status NOT IN ('cached', 'denied') AND r.price_version <> 'free'
    """  # noqa: S608 (the rows are written above)
)
_USAGE = text(
    f"""
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, channel, status, feature, provider, model,
            price_version, prompt_tokens, completion_tokens, cost_usd, charged_usd, latency_ms, first_token_ms,
            error_code, cache_level, saved_usd, intent, complexity, plan, credits, cover, experiment_id, arm,
            conversation_id)
        SELECT r.id, r.resolved_at, :org_id, :user_id, r.request_id, c.hold_id, :channel, r.status, r.feature,
            r.provider, r.model, CASE WHEN c.hold_id IS NOT NULL THEN r.price_version END, r.prompt_tokens,
            r.completion_tokens, r.cost_usd, r.charged_usd, r.latency_ms, r.first_token_ms, r.error_code, r.cache_level,
            r.saved_usd, r.intent, r.complexity, :plan, r.credits,
            CASE WHEN c.hold_id IS NULL THEN NULL WHEN r.credits_held > 0 THEN 'credits' ELSE 'plan' END, x.id,
            CASE WHEN x.id IS NOT NULL THEN :arm END, r.conversation_id
        FROM ({_ROWS}) r CROSS JOIN LATERAL (
            SELECT CASE WHEN r.status NOT IN ('cached', 'denied') THEN r.id END AS hold_id) c
            LEFT JOIN experiments x ON :org_id = ANY (x.org_ids) AND r.feature = 'chat_query' AND c.hold_id IS NOT NULL
                AND r.created_at >= x.started_at AND r.created_at < x.ended_at
        ORDER BY r.resolved_at
    """  # noqa: S608 (the rows are written above)
)
_WALLET = text("INSERT INTO wallets (org_id) VALUES (:org_id) ON CONFLICT DO NOTHING")
_GRANT = text(
    """
    INSERT INTO ledger_entries (org_id, at, kind, debit, credit, amount, reason, idempotency_key)
        VALUES (:org_id, :at, 'grant', 'promotion', 'available', :amount, :reason, 'demo:' || :org_id)
    """
)
_LET_SPEND = (
    text("UPDATE users SET uses_credits = true WHERE id = :user_id"),
    text("UPDATE memberships SET credits_cap_month = :cap WHERE org_id = :org_id AND user_id = :user_id"),
)
_FREE_DAYS = text(
    f"""
    INSERT INTO free_days (user_id, day)
        SELECT :user_id, (r.created_at AT TIME ZONE 'UTC')::date FROM ({_ROWS}) r WHERE r.free_granted > 0
        ON CONFLICT DO NOTHING
    """  # noqa: S608 (the rows are written above)
)
_ENTRIES = text(
    f"""
    INSERT INTO ledger_entries (org_id, user_id, at, kind, debit, credit, amount, hold_id, free_day, idempotency_key)
        SELECT :org_id, :user_id, e.at, e.kind, e.debit, e.credit, e.amount,
            CASE WHEN e.kind <> 'grant' THEN r.id END, CASE WHEN e.is_free THEN d.day END,
            CASE WHEN e.kind = 'grant' THEN 'free:' || :user_id || ':' || d.day
                ELSE e.kind || CASE WHEN e.is_free THEN ':free:' ELSE ':' END || r.id END
        FROM ({_ROWS}) r CROSS JOIN LATERAL (SELECT (r.created_at AT TIME ZONE 'UTC')::date AS day) d
            CROSS JOIN LATERAL (VALUES
                (0, r.created_at, 'grant', 'promotion', 'free', r.free_granted, true),
                (1, r.created_at, 'hold', 'free', 'free_held', r.free_held, true),
                (2, r.created_at, 'hold', 'available', 'held', r.credits_held - r.free_held, false),
                (3, r.resolved_at, 'charge', 'free_held', 'revenue', r.free_charged, true),
                (4, r.resolved_at, 'charge', 'held', 'revenue', r.credits - r.free_charged, false),
                (5, r.resolved_at, 'release', 'free_held', 'free', r.free_held - r.free_charged, true),
                (6, r.resolved_at, 'release', 'held', 'available',
                    r.credits_held - r.free_held - r.credits + r.free_charged, false)
            ) AS e (nth, at, kind, debit, credit, amount, is_free)
        WHERE e.amount > 0 ORDER BY r.created_at, e.nth
    """  # noqa: S608 (the rows are written above)
)
_SUMS = """
    coalesce(sum(quota_charged) FILTER (WHERE feature = 'chat_query'), 0) AS chats,
    coalesce(sum(quota_charged) FILTER (WHERE feature = 'portfolio_analysis'), 0) AS analyses,
    coalesce(sum(quota_charged) FILTER (WHERE feature = 'signal_validation'), 0) AS validations,
    sum(request_charged) AS requests, sum(charged_usd) AS charge, sum(credits_charged - free_charged) AS credits
"""
_METERS = text("SELECT make_meters(m.org_id, m.user_id) FROM memberships m WHERE m.org_id = ANY (:org_ids)")
_CLOSED = text(
    f"""
    INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, chat_query_used, portfolio_analysis_used,
            signal_validation_used, request_used, charge_usd_used, credits_used)
        SELECT s.org_id, s.user_id, 'day', s.day_start, s.day_start + interval '1 day', s.chats, s.analyses, 0, 0, 0, 0
            FROM (SELECT org_id, user_id, day_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids)
                GROUP BY 1, 2, 3) s JOIN member_meters m USING (org_id, user_id) WHERE s.day_start < m.day_start
        UNION ALL
        SELECT s.org_id, :nobody, 'day', s.day_start, s.day_start + interval '1 day', 0, 0, s.validations, 0, 0, 0
            FROM (SELECT org_id, day_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids) GROUP BY 1, 2) s
                JOIN org_meters o USING (org_id) WHERE s.day_start < o.day_start
        UNION ALL
        SELECT s.org_id, s.user_id, 'month', s.month_start, s.month_start + interval '1 month', 0, 0, 0, s.requests,
                s.charge, s.credits
            FROM (SELECT org_id, user_id, month_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids)
                GROUP BY 1, 2, 3) s JOIN member_meters m USING (org_id, user_id) WHERE s.month_start < m.month_start
        UNION ALL
        SELECT s.org_id, :nobody, 'month', s.month_start, s.month_start + interval '1 month', 0, 0, 0, 0, s.charge, 0
            FROM (SELECT org_id, month_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids) GROUP BY 1, 2) s
                JOIN org_meters o USING (org_id) WHERE s.month_start < o.month_start
    """  # noqa: S608 (the sums are written above)
)
_RUNNING = (
    text(
        f"""
        UPDATE member_meters m SET chat_query_used = s.chats, portfolio_analysis_used = s.analyses
            FROM (SELECT org_id, user_id, day_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids)
                GROUP BY 1, 2, 3) s
            WHERE s.org_id = m.org_id AND s.user_id = m.user_id AND s.day_start = m.day_start
        """  # noqa: S608 (the sums are written above)
    ),
    text(
        f"""
        UPDATE org_meters o SET signal_validation_used = s.validations
            FROM (SELECT org_id, day_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids) GROUP BY 1, 2) s
            WHERE s.org_id = o.org_id AND s.day_start = o.day_start
        """  # noqa: S608 (the sums are written above)
    ),
    text(
        f"""
        UPDATE member_meters m SET request_used = s.requests, charge_usd_used = s.charge, credits_used = s.credits
            FROM (SELECT org_id, user_id, month_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids)
                GROUP BY 1, 2, 3) s
            WHERE s.org_id = m.org_id AND s.user_id = m.user_id AND s.month_start = m.month_start
        """  # noqa: S608 (the sums are written above)
    ),
    text(
        f"""
        UPDATE org_meters o SET charge_usd_used = s.charge
            FROM (SELECT org_id, month_start, {_SUMS} FROM holds WHERE org_id = ANY (:org_ids) GROUP BY 1, 2) s
            WHERE s.org_id = o.org_id AND s.month_start = o.month_start
        """  # noqa: S608 (the sums are written above)
    ),
)
_RETIRE = (
    text(
        """
        UPDATE organisations o SET name = left('Retired: ' || o.name, 200), plan = 'free'
        WHERE o.name = ANY (:org_names) AND EXISTS (SELECT FROM memberships m JOIN users u ON u.id = m.user_id
            WHERE m.org_id = o.id AND u.email = ANY (:emails))
        """
    ),
    text(
        """
        UPDATE memberships m SET ended_at = assay_now() FROM users u
        WHERE u.id = m.user_id AND u.email = ANY (:emails) AND m.ended_at IS NULL
        """
    ),
    text(
        """
        UPDATE access_tokens t SET revoked_at = assay_now() FROM users u
        WHERE u.id = t.user_id AND u.email = ANY (:emails) AND t.revoked_at IS NULL
        """
    ),
    text(
        """
        UPDATE sessions s SET revoked_at = assay_now() FROM users u
        WHERE u.id = s.user_id AND u.email = ANY (:emails) AND s.revoked_at IS NULL
        """
    ),
    text("DELETE FROM sign_in_tickets t USING users u WHERE u.id = t.user_id AND u.email = ANY (:emails)"),
    text(
        """
        UPDATE users SET deactivated_at = coalesce(deactivated_at, assay_now()),
            email = 'retired-' || replace(id::text, '-', '') || '@demo.example'
        WHERE email = ANY (:emails)
        """
    ),
)
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class MemberRow:
    """Somebody of the demo; the columns of the statement, in its order."""

    email: str
    org_id: UUID
    user_id: UUID
    plan: str
    zone: str
    chat_queries_day: int | None
    signal_validations_day: int | None
    portfolio_analyses_day: int | None
    free_credits_day: int
    has_used: bool
    """Whether the organisation has used anything, or counts its days in another zone: then nothing is written."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose requests are written, and what they are marked with."""

    org_id: UUID
    user_id: UUID
    plan: str
    channel: str
    arm: str | None = None
    """Of the experiment that the organisation's chat questions of its time took part in."""


def take_turn(transaction: Connection, wait: timedelta) -> None:
    """Waits until no other transaction makes the demo; the turn ends with this one."""
    for statement in _TURN:
        transaction.execute(statement, {"wait": f"{wait.total_seconds():.0f}s"})


def now(transaction: Connection) -> datetime:
    """The present moment, by the clock of the books."""
    at: datetime = transaction.execute(_NOW).scalar_one()
    return at


def members(transaction: Connection, emails: Sequence[str]) -> list[MemberRow]:
    """The people of the demo, each in their first organisation."""
    return [MemberRow(*row) for row in transaction.execute(_MEMBERS, {"emails": list(emails)})]


def backdate(transaction: Connection, whose: Whose, first: date) -> None:
    """Lets the member and the organisation have been there since a day."""
    values = {"org_id": whose.org_id, "user_id": whose.user_id, "at": datetime.fromisoformat(f"{first}T00:00:00+00:00")}
    for statement in _BACKDATE:
        transaction.execute(statement, values)


def grant(transaction: Connection, whose: Whose, amount: Decimal, *, reason: str, at: datetime) -> None:
    """Gives the organisation credits."""
    transaction.execute(_WALLET, {"org_id": whose.org_id})
    transaction.execute(_GRANT, {"org_id": whose.org_id, "amount": amount, "reason": reason, "at": at})


def let_spend(transaction: Connection, whose: Whose, cap: Decimal) -> None:
    """Lets the member spend credits, of the organisation's at most so many a month."""
    for statement in _LET_SPEND:
        transaction.execute(statement, {"org_id": whose.org_id, "user_id": whose.user_id, "cap": cap})


def add(transaction: Connection, whose: Whose, rows: Sequence[dict[str, Any]]) -> None:
    """Writes requests that have ended: holds, attempts, entries of the ledger, and the log; no counters."""
    values = {**asdict(whose), "rows": json.dumps(rows)}
    for statement in (_HOLDS, _ATTEMPTS, _USAGE, _FREE_DAYS, _ENTRIES):
        transaction.execute(statement, values)


def count(transaction: Connection, org_ids: Sequence[UUID]) -> None:
    """Makes the counters of organisations that have used nothing else say what `add` wrote."""
    values = {"org_ids": list(dict.fromkeys(org_ids)), "nobody": _NOBODY}
    for statement in (_METERS, _CLOSED, *_RUNNING):
        transaction.execute(statement, values)


def retire(transaction: Connection, emails: Sequence[str], org_names: Sequence[str]) -> int:
    """Ends the access of these people and frees their addresses and the names of organisations; how many there were.

    Nothing is deleted: what they did stays on the books. What they had is on no paid plan any more.
    """
    values = {"emails": list(emails), "org_names": list(org_names)}
    *before, last = _RETIRE
    for statement in before:
        transaction.execute(statement, values)
    return transaction.execute(last, values).rowcount
