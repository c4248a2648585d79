"""The statements of monthly budgets, of organisations and of their members; for the service role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_FOUND = text(
    """
    SELECT o.id AS org_id, o.name, o.zone, o.budget_usd_month AS budget_usd,
        CASE WHEN m.month_end > n.at THEN m.charge_usd_used ELSE 0 END AS used_usd,
        CASE WHEN m.month_end > n.at THEN m.month_start END AS starts_at,
        CASE WHEN m.month_end > n.at THEN m.month_end END AS resets_at, n.at
    FROM (SELECT assay_now() AS at) n CROSS JOIN organisations o LEFT JOIN org_meters m ON m.org_id = o.id
    WHERE (cast(:org_id AS uuid) IS NULL OR o.id = :org_id)
        AND (:words = '' OR position(lower(:words) IN lower(o.name)) > 0 OR o.id::text = lower(:words))
    ORDER BY o.budget_usd_month IS NULL, lower(o.name), o.id LIMIT :most
    """
)
_SET = text("UPDATE organisations SET budget_usd_month = :budget_usd WHERE id = :org_id")
_OF_MEMBER = text(
    "SELECT u.email, s.budget_usd_month AS budget_usd FROM memberships s JOIN users u ON u.id = s.user_id "
    "WHERE s.org_id = :org_id AND s.user_id = :user_id AND s.ended_at IS NULL"
)
_SET_OF_MEMBER = text(
    "UPDATE memberships SET budget_usd_month = :budget_usd WHERE org_id = :org_id AND user_id = :user_id"
)


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """What an organisation may be charged in a month, and what it was in the running one."""

    org_id: UUID
    name: str
    zone: str
    budget_usd: Decimal | None
    """None: there is none."""
    used_usd: Decimal
    starts_at: datetime | None
    """Of the running month; None where nothing was asked in it yet."""
    resets_at: datetime | None
    at: datetime
    """When it was read."""


@dataclass(frozen=True, slots=True)
class MemberBudgetRow:
    """What a member may be charged in a month."""

    email: str
    budget_usd: Decimal | None
    """None: there is none."""


def budgets(connection: Connection, org_id: UUID | None, words: str, *, most: int) -> Sequence[BudgetRow]:
    """One organisation's, or those of the organisations that are found: first who has one, by name."""
    rows = connection.execute(_FOUND, {"org_id": org_id, "words": words.strip(), "most": most}).mappings()
    return [BudgetRow(**row) for row in rows]


def set_budget(connection: Connection, org_id: UUID, budget_usd: Decimal | None) -> None:
    """Sets an organisation's budget; None ends it."""
    connection.execute(_SET, {"org_id": org_id, "budget_usd": budget_usd})


def budget_of_member(connection: Connection, org_id: UUID, user_id: UUID) -> MemberBudgetRow | None:
    """A member's own budget; None: there is no such member."""
    row = connection.execute(_OF_MEMBER, {"org_id": org_id, "user_id": user_id}).mappings().one_or_none()
    return None if row is None else MemberBudgetRow(**row)


def set_budget_of_member(connection: Connection, org_id: UUID, user_id: UUID, budget_usd: Decimal | None) -> None:
    """Sets a member's own budget; None ends it."""
    connection.execute(_SET_OF_MEMBER, {"org_id": org_id, "user_id": user_id, "budget_usd": budget_usd})
