"""The statements of one-time links and invitations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link that was mailed and is still good."""

    purpose: str
    """`join` or `reset`."""
    email: str
    name: str
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """An invitation that nobody accepted yet, as the managers of the organisation see it."""

    id: UUID
    email: str
    role: str
    invited_by: UUID
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitedRow:
    """An invitation that is good, as whoever holds its link sees it."""

    id: UUID
    org_id: UUID
    org_name: str
    email: str
    role: str
    invited_by: str
    """Name of whoever invites."""


_LINK = "SELECT purpose, email, name, user_id FROM one_time_links WHERE token_hash = :hash AND expires_at > assay_now()"
_INVITED = """
    SELECT i.id, i.org_id, o.name AS org_name, i.email, i.role, u.name AS invited_by
    FROM invitations i JOIN organisations o ON o.id = i.org_id JOIN users u ON u.id = i.invited_by
    WHERE i.token_hash = :hash AND i.expires_at > assay_now()
"""


def add_link(
    connection: Connection,
    *,
    token_hash: bytes,
    purpose: str,
    email: str,
    name: str,
    user_id: UUID | None,
    life: timedelta,
) -> None:
    """Keeps a link's hash; those that are late are cleared away."""
    connection.execute(text("DELETE FROM one_time_links WHERE expires_at < assay_now()"))
    connection.execute(
        text(
            "INSERT INTO one_time_links (token_hash, purpose, email, name, user_id, created_at, expires_at) "
            "VALUES (:hash, :purpose, :email, :name, :user_id, assay_now(), assay_now() + :life)"
        ),
        {"hash": token_hash, "purpose": purpose, "email": email, "name": name, "user_id": user_id, "life": life},
    )


def link(connection: Connection, token_hash: bytes) -> LinkRow | None:
    """What a link is good for; None where it is unknown, used or late."""
    row = connection.execute(text(_LINK), {"hash": token_hash}).mappings().one_or_none()
    return LinkRow(**row) if row else None


def lock_link(connection: Connection, token_hash: bytes) -> LinkRow | None:
    """The same, for whoever is about to follow it: another has to wait, and finds it used."""
    row = connection.execute(text(f"{_LINK} FOR UPDATE"), {"hash": token_hash}).mappings().one_or_none()
    return LinkRow(**row) if row else None


def end_links(connection: Connection, email: str) -> None:
    """Ends every link of an address."""
    connection.execute(text("DELETE FROM one_time_links WHERE email = :email"), {"email": email})


def put_invitation(
    connection: Connection,
    *,
    invitation_id: UUID,
    org_id: UUID,
    email: str,
    role: str,
    token_hash: bytes,
    invited_by: UUID,
    life: timedelta,
) -> None:
    """Keeps an invitation, in place of an earlier one of the same address."""
    connection.execute(
        text(
            "INSERT INTO invitations (id, org_id, email, role, token_hash, invited_by, created_at, expires_at) "
            "VALUES (:id, :org_id, :email, :role, :hash, :invited_by, assay_now(), assay_now() + :life) "
            "ON CONFLICT (org_id, email) DO UPDATE SET id = excluded.id, role = excluded.role, "
            "token_hash = excluded.token_hash, invited_by = excluded.invited_by, created_at = excluded.created_at, "
            "expires_at = excluded.expires_at"
        ),
        {
            "id": invitation_id,
            "org_id": org_id,
            "email": email,
            "role": role,
            "hash": token_hash,
            "invited_by": invited_by,
            "life": life,
        },
    )


def invitations(connection: Connection) -> list[InvitationRow]:
    """The bound organisation's invitations, the newest first; for the app role of its managers."""
    rows = connection.execute(
        text(
            "SELECT id, email, role, invited_by, created_at, expires_at FROM invitations WHERE org_id = bound_org() "
            "ORDER BY created_at DESC, id"
        )
    ).mappings()
    return [InvitationRow(**row) for row in rows]


def invitation_of(connection: Connection, org_id: UUID, invitation_id: UUID) -> InvitationRow | None:
    """One invitation of an organisation."""
    row = (
        connection.execute(
            text(
                "SELECT id, email, role, invited_by, created_at, expires_at FROM invitations "
                "WHERE org_id = :org_id AND id = :id"
            ),
            {"org_id": org_id, "id": invitation_id},
        )
        .mappings()
        .one_or_none()
    )
    return InvitationRow(**row) if row else None


def role_invited(connection: Connection, org_id: UUID, email: str) -> str | None:
    """The role of an address's invitation to an organisation; None where there is none."""
    statement = "SELECT role FROM invitations WHERE org_id = :org_id AND email = :email"
    found = connection.execute(text(statement), {"org_id": org_id, "email": email}).scalar()
    return str(found) if found is not None else None


def count_invitations(connection: Connection, org_id: UUID, *, but: str) -> int:
    """Open invitations of an organisation to others than that address: each may become a member."""
    statement = (
        "SELECT count(*) FROM invitations WHERE org_id = :org_id AND email <> :email AND expires_at > assay_now()"
    )
    return int(connection.execute(text(statement), {"org_id": org_id, "email": but}).scalar_one())


def invited(connection: Connection, token_hash: bytes) -> InvitedRow | None:
    """What an invitation's link is good for; None where it is unknown, taken back, accepted or late."""
    row = connection.execute(text(_INVITED), {"hash": token_hash}).mappings().one_or_none()
    return InvitedRow(**row) if row else None


def lock_invited(connection: Connection, token_hash: bytes) -> InvitedRow | None:
    """The same, for whoever is about to accept it: another has to wait, and finds it gone."""
    row = connection.execute(text(f"{_INVITED} FOR UPDATE OF i"), {"hash": token_hash}).mappings().one_or_none()
    return InvitedRow(**row) if row else None


def end_invitations_by(connection: Connection, user_id: UUID, *, org_id: UUID | None = None) -> None:
    """Ends the invitations that a user sent, to one organisation or (None) to all: they may not invite any more."""
    statement = (
        "DELETE FROM invitations WHERE invited_by = :user_id AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id)"
    )
    connection.execute(text(statement), {"user_id": user_id, "org_id": org_id})


def delete_invitation(connection: Connection, invitation_id: UUID, org_id: UUID) -> bool:
    """Ends an invitation of an organisation; False where there is none of that id."""
    deleted = connection.execute(
        text("DELETE FROM invitations WHERE id = :id AND org_id = :org_id RETURNING id"),
        {"id": invitation_id, "org_id": org_id},
    ).scalar()
    return deleted is not None
