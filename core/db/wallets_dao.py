"""What a wallet shows, and what each member may spend of it in a month, and has spent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

_CAPS = text(
    """
    SELECT s.user_id, u.name, u.email, s.credits_cap_month AS cap_month,
        (CASE WHEN m.month_end > assay_now() THEN m.credits_used + m.credits_held ELSE 0 END)::numeric AS used
    FROM memberships s JOIN users u ON u.id = s.user_id
        LEFT JOIN member_meters m ON m.org_id = s.org_id AND m.user_id = s.user_id
    WHERE s.org_id = :org_id AND s.ended_at IS NULL
    ORDER BY used DESC, lower(u.name), u.email LIMIT :most
    """
)
_CAP = text(
    "SELECT credits_cap_month FROM memberships WHERE org_id = :org_id AND user_id = :user_id AND ended_at IS NULL "
    "FOR NO KEY UPDATE"
)
_SHOWN = text("SELECT available - overdraft FROM wallets WHERE org_id = :org_id")
_NOW = text("SELECT assay_now()")


@dataclass(frozen=True, slots=True)
class CapRow:
    """A member's cap and what it has been used for this month."""

    user_id: UUID
    name: str
    email: str
    cap_month: Decimal | None
    used: Decimal


@dataclass(frozen=True, slots=True)
class KeptCap:
    """A member's cap as it stands; None: there is none."""

    cap_month: Decimal | None


def caps(connection: Connection, org_id: UUID, *, most: int) -> list[CapRow]:
    """The members of an organisation, those first who spent most."""
    return [CapRow(**row) for row in connection.execute(_CAPS, {"org_id": org_id, "most": most}).mappings()]


def lock_cap(connection: Connection, org_id: UUID, user_id: UUID) -> KeptCap | None:
    """The cap of a member, locked; None where they do not belong to the organisation."""
    row = connection.execute(_CAP, {"org_id": org_id, "user_id": user_id}).one_or_none()
    return KeptCap(row.credits_cap_month) if row else None


def shown_balance(connection: Connection, org_id: UUID) -> Decimal:
    """The balance of an organisation as it is shown: available less overdraft."""
    found: Decimal | None = connection.execute(_SHOWN, {"org_id": org_id}).scalar_one_or_none()
    return Decimal(0) if found is None else found


def now(connection: Connection) -> datetime:
    """The database's time."""
    moment: datetime = connection.execute(_NOW).scalar_one()
    return moment
