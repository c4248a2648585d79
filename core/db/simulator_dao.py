"""The statements of the plan simulator: the log of a plan's organisations with their holds; reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_AT = "coalesce(h.created_at, l.at)"
_COUNTS_REQUEST = """
    CASE WHEN h.id IS NULL THEN coalesce(l.feature, 'chat_query') IN ('chat_query', 'signal_validation')
        ELSE h.request_held > 0 END
"""
_KEEPS_QUOTA = "(h.id IS NULL OR greatest(h.quota_charged, h.request_charged) > 0)"
# A call belongs to the moment in which it was reserved, a refusal to its own. The log has an index by its own time; an
# hour more lets in what was reserved before the end and settled after it. Holds are looked at where it matters alone.
_RESERVED = "coalesce((SELECT r.created_at FROM holds r WHERE r.id = l.hold_id), l.at)"
_ASKED = f"""
    SELECT l.* FROM usage_log l
    WHERE l.org_id = ANY (:org_ids) AND (l.hold_id IS NOT NULL OR l.status = 'denied' AND l.error_code = ANY (:codes))
        AND l.at >= :starts_at AND l.at < cast(:ends_at AS timestamptz) + interval '1 hour'
        AND (l.at >= cast(:starts_at AS timestamptz) + interval '1 hour' OR {_RESERVED} >= :starts_at)
        AND (l.at < :ends_at OR {_RESERVED} < :ends_at)
"""  # noqa: S608 (what is put in is written above)
_REQUESTS = text(
    f"""
    SELECT l.at AS logged_at, {_AT} AS at, least(coalesce(h.resolved_at, l.at), h.expires_at) AS ends_at,
        l.org_id, l.user_id, l.feature, l.model, CASE WHEN l.status = 'denied' THEN l.error_code END AS refused_by,
        coalesce(h.acts_as, 'member') AS acts_as, {_COUNTS_REQUEST} AS counts_request,
        {_KEEPS_QUOTA} AS keeps_quota, coalesce(h.held_usd, 0) AS held_usd,
        CASE WHEN l.own_key THEN 0 ELSE l.cost_usd END AS cost_usd,
        l.credits - coalesce(h.free_charged, 0) AS paid_credits, coalesce(h.cover = 'credits', false) AS on_credits,
        u.uses_credits
    FROM ({_ASKED} ORDER BY l.at, l.id LIMIT :most) l JOIN users u ON u.id = l.user_id
        LEFT JOIN holds h ON h.id = l.hold_id
    ORDER BY l.at, l.id
    """  # noqa: S608 (what is put in is written above)
)
_SUMS = text(
    f"""
    SELECT min({_AT}) AS at, l.org_id, l.user_id, l.feature, coalesce(h.acts_as, 'member') AS acts_as,
        {_COUNTS_REQUEST} AS counts_request, count(*) AS count,
        count(*) FILTER (WHERE h.cover = 'credits') AS on_credits
    FROM ({_ASKED}) l JOIN organisations o ON o.id = l.org_id LEFT JOIN holds h ON h.id = l.hold_id
    WHERE {_KEEPS_QUOTA}
    GROUP BY ({_AT} AT TIME ZONE o.zone)::date, 2, 3, 4, 5, 6 ORDER BY 1 DESC, 2, 3, 4, 5, 6 LIMIT :most
    """  # noqa: S608 (what is put in is written above)
)
_ORGANISATIONS = text(
    """
    WITH spans AS (
        SELECT org_id, plan, starts_at, row_number() OVER w = 1 AS is_first, lead(starts_at) OVER w AS ends_at
        FROM organisation_plans WINDOW w AS (PARTITION BY org_id ORDER BY starts_at)),
    on_plan AS (
        SELECT org_id, array_agg(CASE WHEN is_first THEN :starts_at ELSE greatest(starts_at, :starts_at) END
                ORDER BY starts_at) AS begins,
            array_agg(coalesce(least(ends_at, :ends_at), :ends_at) ORDER BY starts_at) AS ends
        FROM spans WHERE plan = :plan AND (is_first OR starts_at < :ends_at) AND coalesce(ends_at > :starts_at, true)
        GROUP BY 1)
    SELECT o.id, o.name, o.zone, pools_at(o, assay_now()) AS is_pooled, m.members, m.askers, p.begins, p.ends
    FROM on_plan p JOIN organisations o ON o.id = p.org_id CROSS JOIN LATERAL (
        SELECT count(*) AS members, count(*) FILTER (WHERE s.role <> 'viewer') AS askers
        FROM memberships s JOIN users u ON u.id = s.user_id
        WHERE s.org_id = o.id AND s.ended_at IS NULL AND u.deactivated_at IS NULL) m
    WHERE m.members > 0 ORDER BY o.created_at, o.id LIMIT :most
    """
)
_BOOSTS = text(
    """
    SELECT org_id, user_id, metric, amount, starts_at, ends_at FROM boosts
    WHERE org_id = ANY (:org_ids) AND state IN ('granted', 'ended') AND starts_at < :ends_at AND ends_at > :starts_at
    ORDER BY starts_at, id LIMIT :most
    """
)
_KNOWN = text(
    """
    SELECT p.org_id, p.user_id, min((p.starts_at AT TIME ZONE o.zone)::date) AS month
    FROM meter_periods p JOIN organisations o ON o.id = p.org_id
    WHERE p.org_id = ANY (:org_ids) AND p.period = 'month' AND p.starts_at < :starts_at
        AND p.user_id <> '00000000-0000-0000-0000-000000000000'
    GROUP BY p.org_id, p.user_id
    """
)
_NAMES = text("SELECT id, email FROM users WHERE id = ANY (:ids)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose requests, reserved or refused from when to when, and which refusals."""

    org_ids: Sequence[UUID]
    starts_at: datetime
    ends_at: datetime
    codes: Sequence[str]

    @property
    def values(self) -> dict[str, object]:
        """As a statement takes them."""
        return {
            "org_ids": list(self.org_ids),
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "codes": list(self.codes),
        }


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request of the log, with what its hold says."""

    logged_at: datetime
    at: datetime
    """When it was reserved, or refused."""
    ends_at: datetime
    org_id: UUID
    user_id: UUID
    feature: str | None
    model: str
    refused_by: str | None
    """The code of the refusal."""
    acts_as: str
    counts_request: bool
    keeps_quota: bool
    held_usd: Decimal
    cost_usd: Decimal
    paid_credits: Decimal
    """Without free ones."""
    on_credits: bool
    uses_credits: bool


@dataclass(frozen=True, slots=True)
class SumRow:
    """How many requests of one kind a member asked on one day of their organisation."""

    at: datetime
    """Of the first."""
    org_id: UUID
    user_id: UUID
    feature: str | None
    acts_as: str
    counts_request: bool
    count: int
    """Those that gave their quota back left out."""
    on_credits: int


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation with an active member that was on the plan within a time."""

    id: UUID
    name: str
    zone: str
    is_pooled: bool
    members: int
    """Active ones, today."""
    askers: int
    """Those of them who may ask, and share what is pooled."""
    begins: list[datetime]
    ends: list[datetime]
    """Of each time on the plan."""

    def was_on_plan(self, moment: datetime) -> bool:
        """Whether it was on the plan at a moment of that time."""
        return any(begin <= moment < end for begin, end in zip(self.begins, self.ends, strict=True))


@dataclass(frozen=True, slots=True)
class BoostRow:
    """A boost that was in force at some time of the period."""

    org_id: UUID
    user_id: UUID | None
    metric: str
    amount: int
    starts_at: datetime
    ends_at: datetime


def requests(connection: Connection, wanted: Wanted, *, most: int) -> list[RequestRow]:
    """What was asked, in the order of the log, at most so many rows of it."""
    return [RequestRow(**row) for row in connection.execute(_REQUESTS, {**wanted.values, "most": most}).mappings()]


def sums(connection: Connection, wanted: Wanted, *, most: int) -> list[SumRow]:
    """How much was asked by member, feature and day of the organisation's zone, in order; of more the latest."""
    rows = connection.execute(_SUMS, {**wanted.values, "most": most}).mappings()
    return [SumRow(**row) for row in rows][::-1]


def organisations(
    connection: Connection, plan: str, starts_at: datetime, ends_at: datetime, *, most: int
) -> list[OrganisationRow]:
    """The organisations that were on a plan within a time, the oldest first; each before its first plan too."""
    found = connection.execute(_ORGANISATIONS, {"plan": plan, "starts_at": starts_at, "ends_at": ends_at, "most": most})
    return [OrganisationRow(**row) for row in found.mappings()]


def boosts(connection: Connection, wanted: Wanted, *, most: int) -> list[BoostRow]:
    """Boosts of these organisations that were in force within the time."""
    return [BoostRow(**row) for row in connection.execute(_BOOSTS, {**wanted.values, "most": most}).mappings()]


def known_since(connection: Connection, wanted: Wanted) -> dict[tuple[UUID, UUID], date]:
    """The month in which each member of these organisations was metered first, of those who were before the time."""
    rows = connection.execute(_KNOWN, wanted.values).mappings()
    return {(row["org_id"], row["user_id"]): row["month"] for row in rows}


def emails(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The addresses of users."""
    return {row["id"]: row["email"] for row in connection.execute(_NAMES, {"ids": list(user_ids)}).mappings()}
