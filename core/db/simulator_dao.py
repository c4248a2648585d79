"""The statements of the plan simulator: the log of a plan's organisations with their holds; reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

# A call belongs to the moment in which it was reserved, a refusal to its own. The log is cut by its own time, in the
# order of its index; an hour more lets in what was reserved before the end and settled after it.
_REQUESTS = text(
    """
    SELECT coalesce(h.created_at, l.at) AS at, least(coalesce(h.resolved_at, l.at), h.expires_at) AS ends_at,
        l.org_id, l.user_id, l.feature, l.model, l.status = 'denied' AS was_refused,
        coalesce(h.acts_as, 'member') AS acts_as,
        CASE WHEN h.id IS NULL THEN coalesce(l.feature, 'chat_query') IN ('chat_query', 'signal_validation')
            ELSE h.request_held > 0 END AS counts_request,
        CASE WHEN h.id IS NULL THEN true ELSE greatest(h.quota_charged, h.request_charged) > 0 END AS keeps_quota,
        coalesce(h.held_usd, 0) AS held_usd, CASE WHEN l.own_key THEN 0 ELSE l.cost_usd END AS cost_usd,
        l.credits, coalesce(h.cover, 'plan') = 'credits' AS on_credits, u.uses_credits
    FROM (SELECT l.* FROM usage_log l JOIN organisations o ON o.id = l.org_id
            WHERE o.plan = :plan AND l.at >= :starts_at AND l.at < cast(:ends_at AS timestamptz) + interval '1 hour'
                AND (l.hold_id IS NOT NULL OR l.status = 'denied' AND l.error_code = ANY (:codes))
            ORDER BY l.at, l.id LIMIT :most) l
        JOIN users u ON u.id = l.user_id LEFT JOIN holds h ON h.id = l.hold_id
    WHERE coalesce(h.created_at, l.at) >= :starts_at AND coalesce(h.created_at, l.at) < :ends_at
    ORDER BY 1, l.id
    """
)
_ORGANISATIONS = text(
    """
    SELECT o.id, o.name, o.zone, o.pools_allowances AS is_pooled,
        (SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id
            WHERE m.org_id = o.id AND m.ended_at IS NULL AND u.deactivated_at IS NULL) AS members,
        (SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = o.id
            AND m.ended_at IS NULL AND m.role <> 'viewer' AND u.deactivated_at IS NULL) AS askers
    FROM organisations o WHERE o.plan = :plan ORDER BY o.created_at, o.id LIMIT :most
    """
)
_BOOSTS = text(
    """
    SELECT b.org_id, b.user_id, b.metric, b.amount, b.starts_at, b.ends_at
    FROM boosts b JOIN organisations o ON o.id = b.org_id
    WHERE o.plan = :plan AND b.state IN ('granted', 'ended') AND b.starts_at < :ends_at AND b.ends_at > :starts_at
    ORDER BY b.starts_at, b.id LIMIT :most
    """
)
_KNOWN = text(
    """
    SELECT p.org_id, p.user_id, min((p.starts_at AT TIME ZONE o.zone)::date) AS month
    FROM meter_periods p JOIN organisations o ON o.id = p.org_id
    WHERE o.plan = :plan AND p.period = 'month' AND p.starts_at < :starts_at
        AND p.user_id <> '00000000-0000-0000-0000-000000000000'
    GROUP BY p.org_id, p.user_id
    """
)
_NAMES = text("SELECT id, email FROM users WHERE id = ANY (:ids)")


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request of the log, with what its hold says."""

    at: datetime
    ends_at: datetime
    org_id: UUID
    user_id: UUID
    feature: str | None
    model: str
    was_refused: bool
    acts_as: str
    counts_request: bool
    keeps_quota: bool
    held_usd: Decimal
    cost_usd: Decimal
    credits: Decimal
    on_credits: bool
    uses_credits: bool


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation on the plan."""

    id: UUID
    name: str
    zone: str
    is_pooled: bool
    members: int
    """Active ones."""
    askers: int
    """Those of them who may ask, and share what is pooled."""


@dataclass(frozen=True, slots=True)
class BoostRow:
    """A boost that was in force at some time of the period."""

    org_id: UUID
    user_id: UUID | None
    metric: str
    amount: int
    starts_at: datetime
    ends_at: datetime


def requests(
    connection: Connection, plan: str, starts_at: datetime, ends_at: datetime, *, codes: Sequence[str], most: int
) -> list[RequestRow]:
    """What members of the plan's organisations asked, in order, at most so many rows of the log; refusals with one of
    these codes alone."""
    values = {"plan": plan, "starts_at": starts_at, "ends_at": ends_at, "codes": list(codes), "most": most}
    return [RequestRow(**row) for row in connection.execute(_REQUESTS, values).mappings()]


def organisations(connection: Connection, plan: str, *, most: int) -> list[OrganisationRow]:
    """The organisations that are on a plan now, the oldest first."""
    found = connection.execute(_ORGANISATIONS, {"plan": plan, "most": most})
    return [OrganisationRow(**row) for row in found.mappings()]


def boosts(connection: Connection, plan: str, starts_at: datetime, ends_at: datetime, *, most: int) -> list[BoostRow]:
    """Boosts of the plan's organisations that were in force within the period."""
    values = {"plan": plan, "starts_at": starts_at, "ends_at": ends_at, "most": most}
    return [BoostRow(**row) for row in connection.execute(_BOOSTS, values).mappings()]


def known_since(connection: Connection, plan: str, starts_at: datetime) -> dict[tuple[UUID, UUID], date]:
    """The month in which each member of the plan's organisations was metered first, of those who were before."""
    rows = connection.execute(_KNOWN, {"plan": plan, "starts_at": starts_at}).mappings()
    return {(row["org_id"], row["user_id"]): row["month"] for row in rows}


def emails(connection: Connection, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The addresses of users."""
    return {row["id"]: row["email"] for row in connection.execute(_NAMES, {"ids": list(user_ids)}).mappings()}
