"""The statements behind the overview that are no sums over the log; for the service role. No `org_id`: everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

# How long each organisation was on each plan within a time, and what its active members of today make of it in seats;
# one without any is left out.
_PLAN_DAYS = text(
    """
    WITH spans AS (
        SELECT org_id, plan, starts_at, lead(starts_at) OVER (PARTITION BY org_id ORDER BY starts_at) AS ends_at
        FROM organisation_plans WHERE cast(:org_id AS uuid) IS NULL OR org_id = :org_id),
    within AS (
        SELECT org_id, plan, greatest(starts_at, :starts_at) AS starts_at, least(ends_at, :ends_at) AS ends_at
        FROM spans WHERE starts_at < :ends_at AND (ends_at IS NULL OR ends_at > :starts_at)),
    seats AS (
        SELECT m.org_id, count(*) AS seats FROM memberships m JOIN users u ON u.id = m.user_id
        WHERE m.ended_at IS NULL AND u.deactivated_at IS NULL
            AND (cast(:org_id AS uuid) IS NULL OR m.org_id = :org_id) GROUP BY 1)
    SELECT w.plan, count(DISTINCT w.org_id) AS organisations,
        sum(extract(epoch FROM w.ends_at - w.starts_at)) / 86400 AS days,
        sum(extract(epoch FROM w.ends_at - w.starts_at) * s.seats) / 86400 AS seat_days
    FROM within w JOIN seats s ON s.org_id = w.org_id GROUP BY 1 ORDER BY 1
    """
)
_FREE_CREDITS = text(
    """
    SELECT coalesce(plan, '') AS plan, sum(free_charged) AS credits FROM holds
    WHERE free_charged > 0 AND resolved_at >= :starts_at AND resolved_at < :ends_at
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    GROUP BY 1
    """
)
_OWN_KEYS = text(
    """
    SELECT coalesce(plan, '') AS plan, sum(cost_usd) AS cost_usd FROM usage_log
    WHERE own_key AND at >= :starts_at AND at < :ends_at AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    GROUP BY 1
    """
)
_CONVERSION = text(
    """
    WITH spans AS (
        SELECT org_id, plan, starts_at, lead(starts_at) OVER w AS ends_at, lead(plan) OVER w AS next_plan
        FROM organisation_plans WINDOW w AS (PARTITION BY org_id ORDER BY starts_at))
    SELECT count(DISTINCT org_id) FILTER (WHERE plan = ANY (:free)) AS on_free,
        count(DISTINCT org_id) FILTER (WHERE plan = ANY (:free) AND ends_at < :ends_at
            AND next_plan <> ALL (:free)) AS converted,
        count(DISTINCT org_id) FILTER (WHERE plan <> ALL (:free)) AS on_paid,
        count(DISTINCT org_id) FILTER (WHERE plan <> ALL (:free) AND ends_at < :ends_at
            AND next_plan = ANY (:free)) AS lapsed
    FROM spans WHERE starts_at < :ends_at AND (ends_at IS NULL OR ends_at >= :starts_at)
    """
)
_TRIES = text(
    """
    SELECT count(*) AS tries, count(*) FILTER (WHERE status IN ('failed', 'broken')) AS failed,
        count(*) FILTER (WHERE error_code = 'provider_timeout') AS timed_out
    FROM attempts WHERE at >= assay_now() - make_interval(hours => :hours)
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)
    """
)
# A quota as the heart has it (`allowances()`): a pool's use is of all who ever asked in it. A boost only raises a
# limit: who is far from their own is left out before boosts are looked for.
_NEAR = text(
    """
    WITH n AS MATERIALIZED (SELECT assay_now() AS moment),
    meters AS (
        SELECT m.org_id, m.user_id, v.metric, v.used, v.maximum, v.ends_at
        FROM n CROSS JOIN member_meters m
            JOIN memberships s ON s.org_id = m.org_id AND s.user_id = m.user_id AND s.ended_at IS NULL
            JOIN organisations g ON g.id = m.org_id AND NOT pools_at(g, n.moment) JOIN plan_limits l ON l.plan = g.plan
            CROSS JOIN LATERAL (VALUES
                ('chat_queries_day', m.chat_query_used + m.chat_query_held, l.chat_queries_day, m.day_end),
                ('portfolio_analyses_day', m.portfolio_analysis_used + m.portfolio_analysis_held,
                    l.portfolio_analyses_day, m.day_end),
                ('sec_filings_month', m.sec_filing_used + m.sec_filing_held, l.sec_filings_month + m.sec_filing_carry,
                    m.month_end),
                ('requests_month', m.request_used + m.request_held, l.requests_month + m.request_carry, m.month_end)
            ) AS v (metric, used, maximum, ends_at)
        WHERE v.ends_at > n.moment AND (cast(:org_id AS uuid) IS NULL OR m.org_id = :org_id)),
    pools AS (
        SELECT g.id AS org_id, v.metric, v.used, v.maximum, v.ends_at
        FROM n CROSS JOIN organisations g JOIN plan_limits l ON l.plan = g.plan
            CROSS JOIN LATERAL raised_limits(g.id, :nobody, n.moment, true) x
            CROSS JOIN LATERAL meter_period('day', NULL, n.moment, g.zone) d
            CROSS JOIN LATERAL meter_period('month', NULL, n.moment, g.zone) e
            CROSS JOIN LATERAL (VALUES
                ('chat_queries_day', x.chat, l.chat_queries_day * x.members + x.chat_boost, d.ends_at),
                ('portfolio_analyses_day', x.analysis, l.portfolio_analyses_day * x.members + x.analysis_boost,
                    d.ends_at),
                ('sec_filings_month', x.filing, l.sec_filings_month * x.members + x.filing_boost + x.filing_carry,
                    e.ends_at),
                ('requests_month', x.request, l.requests_month * x.members + x.request_boost + x.request_carry,
                    e.ends_at)
            ) AS v (metric, used, maximum, ends_at)
        WHERE pools_at(g, n.moment) AND (cast(:org_id AS uuid) IS NULL OR g.id = :org_id)),
    near AS (
        SELECT org_id, user_id, metric, used, maximum, ends_at FROM meters
            WHERE used > 0 AND used >= :share * maximum
        UNION ALL SELECT o.org_id, NULL, 'signal_validations_day', o.signal_validation_used + o.signal_validation_held,
                l.signal_validations_day, o.day_end
            FROM n CROSS JOIN org_meters o JOIN organisations g ON g.id = o.org_id JOIN plan_limits l ON l.plan = g.plan
            WHERE o.day_end > n.moment AND o.signal_validation_used + o.signal_validation_held > 0
                AND o.signal_validation_used + o.signal_validation_held >= :share * l.signal_validations_day
                AND (cast(:org_id AS uuid) IS NULL OR o.org_id = :org_id)),
    raised AS (
        SELECT r.org_id, r.user_id, r.metric, r.used, r.ends_at, r.maximum + coalesce((
            SELECT sum(b.amount) FROM boosts b WHERE b.org_id = r.org_id AND b.state = 'granted'
                AND b.metric = r.metric AND b.starts_at <= n.moment AND b.ends_at > n.moment
                AND (b.user_id IS NULL OR b.user_id = r.user_id)), 0) AS maximum
        FROM near r CROSS JOIN n
        UNION ALL SELECT org_id, NULL, metric, used, ends_at, maximum FROM pools WHERE used > 0),
    found AS (SELECT * FROM raised WHERE used >= :share * maximum)
    SELECT f.org_id, g.name AS org_name, f.user_id, u.name AS user_name, u.email, f.metric, f.used, f.maximum,
        f.ends_at, (SELECT count(DISTINCT user_id) FROM found) AS users
    FROM found f JOIN organisations g ON g.id = f.org_id LEFT JOIN users u ON u.id = f.user_id
    ORDER BY f.used::numeric / nullif(f.maximum, 0) DESC NULLS FIRST, g.name, u.email, f.metric LIMIT :most
    """
)
_NOW = text("SELECT assay_now()")
_NAMES = text("SELECT id, name FROM organisations WHERE id = ANY (:ids)")
_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM organisations WHERE cast(:org_id AS uuid) IS NULL OR id = :org_id) AS organisations,
        (SELECT count(DISTINCT user_id) FROM memberships
            WHERE ended_at IS NULL AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)) AS members
    """
)


@dataclass(frozen=True, slots=True)
class PlanDaysRow:
    """How long organisations were on a plan, within a time."""

    plan: str
    organisations: int
    days: Decimal
    """Summed over organisations."""
    seat_days: Decimal
    """The same times the active members that each has now."""


@dataclass(frozen=True, slots=True)
class ConversionRow:
    """How many organisations were on plans that cost nothing, and on others, and which of them changed sides."""

    on_free: int
    converted: int
    on_paid: int
    lapsed: int


@dataclass(frozen=True, slots=True)
class TriesRow:
    """Calls to providers, each try by itself."""

    tries: int
    failed: int
    timed_out: int


@dataclass(frozen=True, slots=True)
class NearRow:
    """Who has used most of a quota; the columns of the statement, in its order."""

    org_id: UUID
    org_name: str
    user_id: UUID | None
    """None: it is the organisation's quota."""
    user_name: str | None
    email: str | None
    metric: str
    used: int
    maximum: int
    resets_at: datetime
    users: int
    """People in all who have used most of some quota, however many rows are read."""


@dataclass(frozen=True, slots=True)
class CountsRow:
    """How many organisations there are, and people in them."""

    organisations: int
    members: int


@dataclass(frozen=True, slots=True)
class Within:
    """Whose, and from when to when."""

    starts_at: datetime
    ends_at: datetime
    org_id: UUID | None

    @property
    def values(self) -> dict[str, object]:
        """As a statement takes them."""
        return {"starts_at": self.starts_at, "ends_at": self.ends_at, "org_id": self.org_id}


def plan_days(connection: Connection, within: Within) -> list[PlanDaysRow]:
    """How long organisations were on each plan."""
    return [PlanDaysRow(*row) for row in connection.execute(_PLAN_DAYS, within.values).all()]


def free_credits(connection: Connection, within: Within) -> dict[str, Decimal]:
    """Free credits that were charged, by the plan of the request."""
    return {row.plan: row.credits for row in connection.execute(_FREE_CREDITS, within.values).all()}


def own_key_cost(connection: Connection, within: Within) -> dict[str, Decimal]:
    """What providers billed to own keys, by the plan of the request."""
    return {row.plan: row.cost_usd for row in connection.execute(_OWN_KEYS, within.values).all()}


def conversion(connection: Connection, starts_at: datetime, ends_at: datetime, *, free: Sequence[str]) -> ConversionRow:
    """Which organisations left plans that cost nothing, or came back to them; `free` are those plans."""
    values = {"starts_at": starts_at, "ends_at": ends_at, "free": list(free)}
    return ConversionRow(*connection.execute(_CONVERSION, values).one())


def tries(connection: Connection, org_id: UUID | None, *, hours: int) -> TriesRow:
    """The calls of the last hours."""
    return TriesRow(*connection.execute(_TRIES, {"org_id": org_id, "hours": hours}).one())


def near_limits(connection: Connection, org_id: UUID | None, *, share: Decimal, most: int) -> list[NearRow]:
    """Who has used this share of a quota, or more, the most first; what is held counts as used."""
    values = {"org_id": org_id, "share": share, "most": most, "nobody": UUID(int=0)}
    return [NearRow(*row) for row in connection.execute(_NEAR, values).all()]


def names(connection: Connection, org_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The names of organisations."""
    return {row.id: row.name for row in connection.execute(_NAMES, {"ids": list(org_ids)}).all()}


def counts(connection: Connection, org_id: UUID | None) -> CountsRow:
    """How many organisations and people there are."""
    return CountsRow(*connection.execute(_COUNTS, {"org_id": org_id}).one())


def now(connection: Connection) -> datetime:
    """The moment by the database's clock."""
    moment: datetime = connection.execute(_NOW).scalar_one()
    return moment
