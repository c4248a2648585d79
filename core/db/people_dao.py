"""The statements of users, organisations and memberships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class UserRow:
    """A user, as they keep their profile."""

    id: UUID
    email: str
    name: str
    zone: str | None
    default_model: str | None
    uses_router: bool
    uses_credits: bool
    gets_notices: bool
    has_password: bool
    is_active: bool


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation, as its owners keep it."""

    id: UUID
    name: str
    plan: str
    zone: str
    risk_free_rate: Decimal
    benchmark: str
    allowed_models: list[str] | None
    allowed_providers: list[str] | None
    default_model: str | None
    asks_models: bool


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member, as the managers of the organisation see them."""

    user_id: UUID
    email: str
    name: str
    role: str
    joined_at: datetime
    is_active: bool
    """False where the operator deactivated the user."""


@dataclass(frozen=True, slots=True)
class BelongingRow:
    """An organisation that a user belongs to."""

    org_id: UUID
    name: str
    plan: str
    role: str


_USER = (
    "SELECT id, email, name, zone, default_model, uses_router, uses_credits, gets_notices, "
    "password_hash IS NOT NULL AS has_password, deactivated_at IS NULL AS is_active FROM users"
)
_ORGANISATION = (
    "SELECT id, name, plan, zone, risk_free_rate, benchmark, allowed_models, allowed_providers, default_model, "
    "asks_models FROM organisations"
)


def user(connection: Connection, user_id: UUID) -> UserRow:
    """A user; for the service role."""
    return UserRow(**connection.execute(text(f"{_USER} WHERE id = :id"), {"id": user_id}).mappings().one())


def user_by_email(connection: Connection, email: str) -> UserRow | None:
    """The user with that address; for the service role."""
    row = connection.execute(text(f"{_USER} WHERE email = :email"), {"email": email}).mappings().one_or_none()
    return UserRow(**row) if row else None


def add_user(connection: Connection, user_id: UUID, email: str, name: str, *, is_operator: bool = False) -> None:
    """Makes a user without a password."""
    connection.execute(
        text("INSERT INTO users (id, email, name, is_operator) VALUES (:id, :email, :name, :is_operator)"),
        {"id": user_id, "email": email, "name": name, "is_operator": is_operator},
    )


def make_operator(connection: Connection, user_id: UUID) -> bool:
    """Lets a user run the installation; False where they did already."""
    statement = text("UPDATE users SET is_operator = true WHERE id = :id AND NOT is_operator")
    return connection.execute(statement, {"id": user_id}).rowcount == 1


def change_user(
    connection: Connection,
    user_id: UUID,
    *,
    name: str,
    zone: str | None,
    default_model: str | None,
    uses_router: bool,
    uses_credits: bool,
    gets_notices: bool,
) -> None:
    """Keeps a user's profile."""
    connection.execute(
        text(
            "UPDATE users SET name = :name, zone = :zone, default_model = :default_model, uses_router = :uses_router, "
            "uses_credits = :uses_credits, gets_notices = :gets_notices WHERE id = :id"
        ),
        {
            "id": user_id,
            "name": name,
            "zone": zone,
            "default_model": default_model,
            "uses_router": uses_router,
            "uses_credits": uses_credits,
            "gets_notices": gets_notices,
        },
    )


def set_password_hash(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Gives a user a password."""
    connection.execute(
        text("UPDATE users SET password_hash = :hash WHERE id = :id"), {"id": user_id, "hash": password_hash}
    )


def holds_password(connection: Connection, user_id: UUID, password_hash: str | None) -> bool:
    """Whether this is still what the user's password is checked against; it stays so until the transaction ends."""
    found = connection.execute(
        text("SELECT true FROM users WHERE id = :id AND password_hash = :hash FOR NO KEY UPDATE"),
        {"id": user_id, "hash": password_hash},
    ).scalar()
    return found is True


def set_active(connection: Connection, user_id: UUID, *, is_active: bool) -> None:
    """Deactivates a user, or takes that back."""
    connection.execute(
        text(
            "UPDATE users SET deactivated_at = CASE WHEN :is_active THEN NULL "
            "ELSE coalesce(deactivated_at, assay_now()) END WHERE id = :id"
        ),
        {"id": user_id, "is_active": is_active},
    )


def organisations_named(connection: Connection, name: str) -> list[OrganisationRow]:
    """The organisations of that name, or of that id."""
    rows = connection.execute(
        text(f"{_ORGANISATION} WHERE name = :name OR id::text = lower(:name) ORDER BY created_at, id LIMIT 10"),
        {"name": name},
    ).mappings()
    return [OrganisationRow(**row) for row in rows]


def organisation(connection: Connection, org_id: UUID) -> OrganisationRow:
    """An organisation."""
    row = connection.execute(text(f"{_ORGANISATION} WHERE id = :id"), {"id": org_id}).mappings().one()
    return OrganisationRow(**row)


def lock_organisation(connection: Connection, org_id: UUID) -> OrganisationRow:
    """An organisation, whose members change one after the other until the transaction ends."""
    row = connection.execute(text(f"{_ORGANISATION} WHERE id = :id FOR UPDATE"), {"id": org_id}).mappings().one()
    return OrganisationRow(**row)


def lock_name(connection: Connection, name: str) -> None:
    """Lets organisations or users of one name be made, and the links of one address end, one after the other."""
    statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    connection.execute(statement, {"name": f"account {name}"})


def add_organisation(connection: Connection, org_id: UUID, name: str, plan: str) -> None:
    """Makes an organisation."""
    connection.execute(
        text("INSERT INTO organisations (id, name, plan) VALUES (:id, :name, :plan)"),
        {"id": org_id, "name": name, "plan": plan},
    )


@dataclass(frozen=True, slots=True)
class OrganisationChange:
    """What the managers of an organisation set for it."""

    name: str
    zone: str
    risk_free_rate: Decimal
    benchmark: str
    allowed_models: Sequence[str] | None
    allowed_providers: Sequence[str] | None
    default_model: str | None
    asks_models: bool


def change_organisation(connection: Connection, org_id: UUID, change: OrganisationChange) -> None:
    """Keeps an organisation's settings."""
    models, providers = change.allowed_models, change.allowed_providers
    lists = {
        "allowed_models": None if models is None else list(models),
        "allowed_providers": None if providers is None else list(providers),
    }
    connection.execute(
        text(
            "UPDATE organisations SET name = :name, zone = :zone, risk_free_rate = :risk_free_rate, "
            "benchmark = :benchmark, allowed_models = :allowed_models, allowed_providers = :allowed_providers, "
            "default_model = :default_model, asks_models = :asks_models WHERE id = :id"
        ),
        {"id": org_id, **asdict(change), **lists},
    )


def knows_zone(connection: Connection, zone: str) -> bool:
    """Whether the database can reckon in this zone."""
    statement = text("SELECT true FROM pg_timezone_names WHERE name = :zone LIMIT 1")
    return connection.execute(statement, {"zone": zone}).scalar() is True


def set_plan(connection: Connection, org_id: UUID, plan: str) -> None:
    """Puts an organisation on a plan, from its next request on."""
    connection.execute(text("UPDATE organisations SET plan = :plan WHERE id = :id"), {"id": org_id, "plan": plan})


def belongings(connection: Connection, user_id: UUID) -> list[BelongingRow]:
    """The organisations that a user belongs to, the first first; for the service role."""
    rows = connection.execute(
        text(
            "SELECT o.id AS org_id, o.name, o.plan, m.role FROM memberships m JOIN organisations o ON o.id = m.org_id "
            "WHERE m.user_id = :user_id AND m.ended_at IS NULL ORDER BY m.created_at, o.id"
        ),
        {"user_id": user_id},
    ).mappings()
    return [BelongingRow(**row) for row in rows]


def members(connection: Connection) -> list[MemberRow]:
    """The bound organisation's members as far as the bound member may see them; for the app role."""
    rows = connection.execute(
        text(
            "SELECT u.id AS user_id, u.email, u.name, m.role, m.created_at AS joined_at, "
            "u.deactivated_at IS NULL AS is_active FROM memberships m JOIN users u ON u.id = m.user_id "
            "WHERE m.org_id = bound_org() AND m.ended_at IS NULL "
            "ORDER BY array_position('{owner,admin,analyst,viewer}', m.role), lower(u.name), u.email"
        )
    ).mappings()
    return [MemberRow(**row) for row in rows]


def role_of(connection: Connection, org_id: UUID, user_id: UUID) -> str | None:
    """The role of a member; None for whoever does not belong to the organisation."""
    found = connection.execute(
        text("SELECT role FROM memberships WHERE org_id = :org_id AND user_id = :user_id AND ended_at IS NULL"),
        {"org_id": org_id, "user_id": user_id},
    ).scalar()
    return str(found) if found is not None else None


def count_members(connection: Connection, org_id: UUID) -> int:
    """Members of an organisation."""
    statement = "SELECT count(*) FROM memberships WHERE org_id = :org_id AND ended_at IS NULL"
    return int(connection.execute(text(statement), {"org_id": org_id}).scalar_one())


def has_other_owner(connection: Connection, org_id: UUID, user_id: UUID) -> bool:
    """Whether somebody else owns the organisation who was not deactivated."""
    found = connection.execute(
        text(
            "SELECT true FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.org_id = :org_id "
            "AND m.user_id <> :user_id AND m.role = 'owner' AND m.ended_at IS NULL AND u.deactivated_at IS NULL LIMIT 1"
        ),
        {"org_id": org_id, "user_id": user_id},
    ).scalar()
    return found is True


def first_owner(connection: Connection, org_id: UUID) -> UUID | None:
    """Who has owned an organisation for longest."""
    found: UUID | None = connection.execute(
        text(
            "SELECT user_id FROM memberships WHERE org_id = :org_id AND role = 'owner' AND ended_at IS NULL "
            "ORDER BY created_at, user_id LIMIT 1"
        ),
        {"org_id": org_id},
    ).scalar_one_or_none()
    return found


def put_membership(connection: Connection, org_id: UUID, user_id: UUID, role: str) -> bool:
    """Makes a user a member with that role, again where they had left; True where they were one with another role."""
    before = role_of(connection, org_id, user_id)
    connection.execute(
        text(
            "INSERT INTO memberships (org_id, user_id, role) VALUES (:org_id, :user_id, :role) "
            "ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role, ended_at = NULL"
        ),
        {"org_id": org_id, "user_id": user_id, "role": role},
    )
    return before is not None and before != role


def lock_membership(connection: Connection, org_id: UUID, user_id: UUID) -> bool:
    """Whether the user belongs to the organisation; that stays so, and is locked, until the transaction ends."""
    found = connection.execute(
        text(
            "SELECT true FROM memberships WHERE org_id = :org_id AND user_id = :user_id AND ended_at IS NULL "
            "FOR NO KEY UPDATE"
        ),
        {"org_id": org_id, "user_id": user_id},
    ).scalar()
    return found is True


def end_membership(connection: Connection, org_id: UUID, user_id: UUID) -> None:
    """Lets a member leave: the sessions and tokens of this membership end, what was used stays on the books."""
    of_member = {"org_id": org_id, "user_id": user_id}
    connection.execute(
        text("UPDATE memberships SET ended_at = assay_now() WHERE org_id = :org_id AND user_id = :user_id"), of_member
    )
    for table in ("sessions", "access_tokens"):
        connection.execute(
            text(
                f"UPDATE {table} SET revoked_at = assay_now() "  # noqa: S608 (two names of ours)
                "WHERE org_id = :org_id AND user_id = :user_id AND revoked_at IS NULL"
            ),
            of_member,
        )
