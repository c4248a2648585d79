"""What the rules of alerts look at, each in one statement, read some rows at a time; for the service role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, TextClause, text

from core.db.oversight_alerts_dao import now
from core.db.overview_dao import Within, own_key_cost
from core.db.rollups_dao import Sums, days_back, sums

AT_ONCE = 2_000
"""Rows of a statement that are in memory at one time; all of them are read, the worst first."""
MAX_ORGANISATIONS = 1_000_000
"""That asked something on one day."""

# A limit as it stands: the plan's, what was carried over, and boosts in force; pooled ones are their organisation's.
# What is held for requests under way is left out: it comes and goes, and would have an alert come and go with it.
_QUOTAS = text(
    """
    WITH mine AS (
        SELECT m.org_id, m.user_id, v.metric, v.used, v.starts_at, v.ends_at, v.base, v.carry, n.at,
            g.pools_allowances AND v.is_quota AS is_pooled, v.is_quota AND o.boosts_until > n.at AS has_boosts
        FROM (SELECT assay_now() AS at) n CROSS JOIN member_meters m
            JOIN organisations g ON g.id = m.org_id JOIN plan_limits l ON l.plan = g.plan
            JOIN memberships s ON s.org_id = m.org_id AND s.user_id = m.user_id AND s.ended_at IS NULL
            JOIN users u ON u.id = m.user_id AND u.deactivated_at IS NULL
            LEFT JOIN org_meters o ON o.org_id = m.org_id
            CROSS JOIN LATERAL (VALUES
                ('chat_queries_day', l.chat_queries_day::numeric, 0, m.chat_query_used::numeric, m.day_start, m.day_end,
                    true),
                ('portfolio_analyses_day', l.portfolio_analyses_day, 0, m.portfolio_analysis_used, m.day_start,
                    m.day_end, true),
                ('sec_filings_month', l.sec_filings_month, m.sec_filing_carry, m.sec_filing_used, m.month_start,
                    m.month_end, true),
                ('requests_month', l.requests_month, m.request_carry, m.request_used, m.month_start, m.month_end, true),
                ('budget_usd_month', s.budget_usd_month, 0, m.charge_usd_used, m.month_start, m.month_end, false)
            ) v (metric, base, carry, used, starts_at, ends_at, is_quota)
        WHERE v.base IS NOT NULL AND v.starts_at <= n.at AND v.ends_at > n.at
    ), pools AS (
        SELECT p.org_id, p.metric, sum(p.used) AS used, max(p.base) AS base, sum(p.carry) AS carry,
            min(p.starts_at) AS starts_at, max(p.ends_at) AS ends_at, max(p.at) AS at,
            bool_or(p.has_boosts) AS has_boosts,
            (SELECT count(*) FROM memberships s JOIN users u ON u.id = s.user_id WHERE s.org_id = p.org_id
                AND s.ended_at IS NULL AND s.role <> 'viewer' AND u.deactivated_at IS NULL) AS members
        FROM mine p WHERE p.is_pooled GROUP BY p.org_id, p.metric
    ), all_of_them AS (
        SELECT p.org_id, p.user_id, p.metric, p.used, p.base + p.carry + CASE WHEN p.has_boosts THEN coalesce((
                SELECT sum(b.amount) FROM boosts b WHERE b.org_id = p.org_id AND b.metric = p.metric
                    AND b.state = 'granted' AND b.starts_at <= p.at AND b.ends_at > p.at
                    AND coalesce(b.user_id = p.user_id, true)), 0) ELSE 0 END AS maximum, p.starts_at, p.ends_at, p.at
        FROM mine p WHERE NOT p.is_pooled AND p.used > 0
        UNION ALL
        SELECT p.org_id, NULL, p.metric, p.used, p.base * p.members + p.carry + CASE WHEN p.has_boosts THEN coalesce((
                SELECT sum(b.amount) FROM boosts b WHERE b.org_id = p.org_id AND b.metric = p.metric
                    AND b.state = 'granted' AND b.starts_at <= p.at AND b.ends_at > p.at), 0) ELSE 0 END,
            p.starts_at, p.ends_at, p.at
        FROM pools p WHERE p.used > 0
        UNION ALL
        SELECT o.org_id, NULL, v.metric, v.used, v.base + CASE WHEN o.boosts_until > n.at AND v.is_quota THEN
                coalesce((SELECT sum(b.amount) FROM boosts b WHERE b.org_id = o.org_id AND b.metric = v.metric
                    AND b.state = 'granted' AND b.starts_at <= n.at AND b.ends_at > n.at), 0) ELSE 0 END,
            v.starts_at, v.ends_at, n.at
        FROM (SELECT assay_now() AS at) n CROSS JOIN org_meters o
            JOIN organisations g ON g.id = o.org_id JOIN plan_limits l ON l.plan = g.plan
            CROSS JOIN LATERAL (VALUES
                ('signal_validations_day', l.signal_validations_day::numeric, o.signal_validation_used::numeric,
                    o.day_start, o.day_end, true),
                ('budget_usd_month', g.budget_usd_month, o.charge_usd_used, o.month_start, o.month_end, false)
            ) v (metric, base, used, starts_at, ends_at, is_quota)
        WHERE v.base IS NOT NULL AND v.used > 0 AND v.starts_at <= n.at AND v.ends_at > n.at
    ), shares AS (
        SELECT *, CASE WHEN maximum > 0 THEN used / maximum ELSE 1 END AS share,
            extract(epoch FROM at - starts_at) / extract(epoch FROM ends_at - starts_at) AS elapsed
        FROM all_of_them
    )
    SELECT s.org_id, s.user_id, s.metric, s.used, s.maximum, s.share, s.starts_at, s.ends_at, g.zone,
        CASE WHEN s.metric LIKE '%\\_month' AND s.elapsed >= :least_elapsed THEN s.share / s.elapsed END AS projected
    FROM shares s JOIN organisations g ON g.id = s.org_id
    WHERE s.share >= :share OR (s.metric LIKE '%\\_month' AND s.elapsed >= :least_elapsed AND s.share >= :least_share
        AND s.share / s.elapsed >= :projected)
    ORDER BY s.share DESC, s.org_id, s.user_id, s.metric
    """
)
_KEYS = text(
    """
    SELECT id, org_id, CASE WHEN is_shared THEN NULL ELSE user_id END AS user_id, provider, name, last_four, expires_at,
        expires_at <= assay_now() AS has_expired
    FROM provider_keys
    WHERE revoked_at IS NULL AND expires_at <= assay_now() + :ahead AND expires_at > assay_now() - :after
    ORDER BY expires_at, id
    """
)
_PLANS = text(
    """
    SELECT s.org_id, s.subscription_id, s.plan, CASE WHEN s.grace_until IS NOT NULL THEN s.grace_until
            ELSE s.period_end END AS ends_at, s.grace_until IS NOT NULL AS is_unpaid, s.next_plan
    FROM subscriptions s
    WHERE (s.grace_until BETWEEN assay_now() AND assay_now() + :ahead)
        OR (s.ends_at_period_end AND s.status IN ('active', 'trialing', 'past_due')
            AND s.period_end BETWEEN assay_now() AND assay_now() + :ahead)
    ORDER BY 4, s.subscription_id
    """
)
_CIRCUITS = text(
    """
    SELECT provider, model, failures, rests, failed_at, failure FROM model_states
    WHERE rests_until IS NOT NULL ORDER BY provider, model
    """
)
# Calls alone: what the cache answered or a limit refused says nothing of a provider, and neither does an own key, nor a
# request that could not be answered by anybody. A provider of which the alert fires is measured by its last calls where
# the window has too few: that it is asked less does not mean that it answers.
_CALL = "hold_id IS NOT NULL AND NOT own_key AND error_code IS DISTINCT FROM 'invalid_request'"
_IS_FAILED = "status IN ('failed', 'broken', 'unresolved')"
_ERRORS = text(
    f"""
    WITH recent AS (
        SELECT provider, status, error_code FROM usage_log
        WHERE at > assay_now() - cast(:window AS interval) AND at <= assay_now() AND {_CALL}
    ), enough AS (SELECT provider FROM recent GROUP BY provider HAVING count(*) >= :least), measured AS (
        SELECT r.* FROM recent r WHERE provider IN (SELECT provider FROM enough)
        UNION ALL
        SELECT l.* FROM (SELECT DISTINCT subject AS provider FROM oversight_alerts
                WHERE rule = :rule AND cleared_at IS NULL) f
            CROSS JOIN LATERAL (
                SELECT u.provider, u.status, u.error_code FROM usage_log u
                WHERE u.provider = f.provider AND u.at > assay_now() - cast(:memory AS interval)
                    AND u.at <= assay_now() AND {_CALL} ORDER BY u.at DESC LIMIT :least) l
        WHERE f.provider NOT IN (SELECT provider FROM enough)
    )
    SELECT provider, count(*) AS calls, count(*) FILTER (WHERE {_IS_FAILED}) AS failed,
        mode() WITHIN GROUP (ORDER BY error_code) FILTER (WHERE {_IS_FAILED}) AS error_code
    FROM measured GROUP BY provider ORDER BY 3::numeric / count(*) DESC, provider
    """  # noqa: S608 (constants of this module)
)
_WATCHED = text(
    """
    SELECT org_id FROM oversight_rules
    WHERE rule = :rule AND is_on AND threshold IS NOT NULL AND org_id IS NOT NULL
    """
)
_JOBS = text(
    """
    SELECT org_id, kind, count(*) AS failed, (array_agg(error ORDER BY finished_at DESC))[1] AS error
    FROM jobs WHERE status = 'failed' AND finished_at > assay_now() - :window
    GROUP BY org_id, kind ORDER BY count(*) DESC, org_id, kind
    """
)


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """A quota or a budget that is used for the most part, or will be at this pace."""

    org_id: UUID
    user_id: UUID | None
    """Whose it is; None: their organisation's."""
    metric: str
    used: Decimal
    maximum: Decimal
    share: Decimal
    """Used part; a limit of 0 counts as used up."""
    starts_at: datetime
    ends_at: datetime
    zone: str
    projected: Decimal | None
    """Part that will be used at the end of the month at the pace so far; None where it is too early to say."""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """An own key that expires soon, or has just expired."""

    id: UUID
    org_id: UUID
    user_id: UUID | None
    """Whose it is; None: the organisation's."""
    provider: str
    name: str
    last_four: str
    expires_at: datetime
    has_expired: bool


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A subscription that ends soon."""

    org_id: UUID
    subscription_id: str
    plan: str
    ends_at: datetime
    is_unpaid: bool
    """Whether it ends since it was not paid; otherwise somebody ended it."""
    next_plan: str | None


@dataclass(frozen=True, slots=True)
class CircuitRow:
    """A provider or a model whose circuit is not closed."""

    provider: str
    model: str
    """Empty: the provider as a whole."""
    failures: int
    rests: int
    failed_at: datetime | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class ErrorsRow:
    """A provider's calls in a window."""

    provider: str
    calls: int
    failed: int
    error_code: str | None
    """The one that is seen most."""


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the calls of this UTC day came to."""

    org_id: UUID | None
    usd: Decimal
    calls: int
    day: datetime


@dataclass(frozen=True, slots=True)
class FailedJobsRow:
    """Jobs of a kind that failed lately."""

    org_id: UUID | None
    kind: str
    failed: int
    error: str | None
    """Of the last."""


_Row = TypeVar("_Row")


def quotas(
    connection: Connection, *, share: Decimal, projected: Decimal, least_elapsed: Decimal, least_share: Decimal
) -> Iterator[QuotaRow]:
    """Quotas and budgets of the running periods, of members and organisations, of which `share` or more is used.

    Or of which `projected` or more will be by the end of the month, told once `least_elapsed` of it is over and
    `least_share` of them is used.
    """
    values = {"share": share, "projected": projected, "least_elapsed": least_elapsed, "least_share": least_share}
    return _rows(connection, _QUOTAS, QuotaRow, **values)


def expiring_keys(connection: Connection, *, ahead: timedelta, after: timedelta) -> Iterator[KeyRow]:
    """Own keys that expire within `ahead`, or expired within `after`."""
    return _rows(connection, _KEYS, KeyRow, ahead=ahead, after=after)


def ending_plans(connection: Connection, *, ahead: timedelta) -> Iterator[PlanRow]:
    """Subscriptions that end within `ahead`."""
    return _rows(connection, _PLANS, PlanRow, ahead=ahead)


def open_circuits(connection: Connection) -> Iterator[CircuitRow]:
    """Providers and models that are left alone, or of which the next call is to find out."""
    return _rows(connection, _CIRCUITS, CircuitRow)


def errors(
    connection: Connection, *, rule: str, window: timedelta, memory: timedelta, least: int
) -> Iterator[ErrorsRow]:
    """Calls of each provider that had at least so many within the window.

    Of a provider of which an alert of the rule fires, its last calls within `memory`, where the window has fewer.
    """
    return _rows(connection, _ERRORS, ErrorsRow, rule=rule, window=window, memory=memory, least=least)


def costs_today(connection: Connection, *, rule: str) -> Iterator[CostRow]:
    """What the calls of this UTC day came to: for the installation, by what providers charge it, own keys left out;
    for organisations that set a threshold for the rule, by what they are charged. For a snapshot."""
    span = days_back(now(connection), 1, None)
    [total] = sums(connection, span)
    own = own_key_cost(connection, Within(span.starts_at, span.ends_at, None))
    yield CostRow(None, total.cost_usd - sum(own.values(), Decimal(0)), _calls(total), span.starts_at)
    watched = set(connection.execute(_WATCHED, {"rule": rule}).scalars())
    if watched:
        for each in sums(connection, span, ("org_id",), most=MAX_ORGANISATIONS):
            if each.keys[0] in watched:
                yield CostRow(each.keys[0], each.charged_usd, _calls(each), span.starts_at)


def failed_jobs(connection: Connection, *, window: timedelta) -> Iterator[FailedJobsRow]:
    """Jobs that failed within the window, by organisation and kind."""
    return _rows(connection, _JOBS, FailedJobsRow, window=window)


def bound(connection: Connection, *, within_s: int) -> None:
    """Ends each further statement of the transaction that takes longer; it fails as if the database were away."""
    connection.execute(text(f"SET LOCAL statement_timeout = {within_s * 1000:d}"))


def _rows(connection: Connection, statement: TextClause, row: type[_Row], **values: Any) -> Iterator[_Row]:
    found = connection.execute(statement, values, execution_options={"yield_per": AT_ONCE})
    return (row(**each) for each in found.mappings())


def _calls(found: Sums) -> int:
    return found.requests - found.cached - found.denied
