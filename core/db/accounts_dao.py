"""The statements of accounts: organisations, users, memberships, sign-in, sessions and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from psycopg.rows import args_row
from sqlalchemy import Connection, text

from core.db.engine import Driver

_WHO = """
    u.id AS user_id, u.email, u.name, u.zone AS user_zone, u.is_operator, o.id AS org_id, o.name AS org_name, o.plan,
    o.zone AS org_zone, m.role
    FROM memberships m JOIN users u ON u.id = m.user_id JOIN organisations o ON o.id = m.org_id
"""
_OF_SESSION = text(
    f"""
    SELECT s.id AS credential_id, s.seen_at < assay_now() - interval '1 minute' AS is_long_unseen, {_WHO}
    JOIN sessions s ON s.org_id = m.org_id AND s.user_id = m.user_id
    WHERE s.session_hash = :hash AND s.revoked_at IS NULL AND s.expires_at > assay_now() AND u.deactivated_at IS NULL
    """
)
_OF_TOKEN = f"""
    SELECT t.id AS credential_id, coalesce(t.last_used_at < assay_now() - interval '1 minute', true) AS is_long_unseen,
    {_WHO}
    JOIN access_tokens t ON t.org_id = m.org_id AND t.user_id = m.user_id
    WHERE t.token_hash = %(hash)s AND t.revoked_at IS NULL AND coalesce(t.expires_at > assay_now(), true)
        AND u.deactivated_at IS NULL
"""
_OF_MEMBER = text(
    f"SELECT NULL::uuid AS credential_id, false AS is_long_unseen, {_WHO} WHERE m.user_id = :user_id "
    "AND (cast(:org_name AS text) IS NULL OR o.name = :org_name) ORDER BY m.created_at LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class WhoRow:
    """A membership with its user and organisation."""

    credential_id: UUID | None
    is_long_unseen: bool
    user_id: UUID
    email: str
    name: str
    user_zone: str | None
    is_operator: bool
    org_id: UUID
    org_name: str
    plan: str
    org_zone: str
    role: str


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """What a password is checked against."""

    user_id: UUID
    password_hash: str | None
    org_id: UUID
    """The first organisation of the user."""


def who_of_session(connection: Connection, session_hash: bytes) -> WhoRow | None:
    """The member whose valid session this is."""
    row = connection.execute(_OF_SESSION, {"hash": session_hash}).mappings().one_or_none()
    return WhoRow(**row) if row else None


def who_of_token(driver: Driver, token_hash: bytes) -> WhoRow | None:
    """The member whose valid token this is; straight on the driver, since every call of the API asks it."""
    return driver.cursor(row_factory=args_row(WhoRow)).execute(_OF_TOKEN, {"hash": token_hash}).fetchone()


def who_of_member(connection: Connection, user_id: UUID, org_name: str | None) -> WhoRow | None:
    """The user's membership in that organisation, or (None) the first one."""
    row = connection.execute(_OF_MEMBER, {"user_id": user_id, "org_name": org_name}).mappings().one_or_none()
    return WhoRow(**row) if row else None


def credential(connection: Connection, email: str) -> CredentialRow | None:
    """What the password of this address is checked against; None where nobody active has it."""
    statement = text(
        "SELECT u.id AS user_id, u.password_hash, m.org_id FROM users u JOIN memberships m ON m.user_id = u.id "
        "WHERE u.email = :email AND u.deactivated_at IS NULL ORDER BY m.created_at LIMIT 1"
    )
    row = connection.execute(statement, {"email": email}).mappings().one_or_none()
    return CredentialRow(**row) if row else None


def count_attempt(connection: Connection, subject: str, window: timedelta) -> int:
    """Counts one attempt of a subject, and says how many it made within the window, this one included.

    Attempts are counted in buckets of five seconds; one that the window cuts counts whole.
    """
    connection.execute(
        text(
            "INSERT INTO attempt_buckets (subject, bucket, attempts) "
            "VALUES (:subject, date_bin('5 seconds', assay_now(), '2000-01-01Z'), 1) "
            "ON CONFLICT (subject, bucket) DO UPDATE SET attempts = attempt_buckets.attempts + 1"
        ),
        {"subject": subject},
    )
    total = connection.execute(
        text(
            "SELECT sum(attempts) FROM attempt_buckets WHERE subject = :subject "
            "AND bucket >= date_bin('5 seconds', assay_now(), '2000-01-01Z') - :window"
        ),
        {"subject": subject, "window": window},
    ).scalar_one()
    return int(total)


def forget_attempts(connection: Connection, subject: str) -> None:
    """Clears a subject's attempts, and those of everyone that are older than a day."""
    connection.execute(
        text("DELETE FROM attempt_buckets WHERE subject = :subject OR bucket < assay_now() - interval '1 day'"),
        {"subject": subject},
    )


def add_ticket(connection: Connection, ticket_hash: bytes, user_id: UUID, org_id: UUID, life: timedelta) -> None:
    """Keeps a one-time ticket; those that nobody redeemed are cleared away."""
    connection.execute(text("DELETE FROM sign_in_tickets WHERE expires_at < assay_now()"))
    connection.execute(
        text("INSERT INTO sign_in_tickets VALUES (:hash, :user_id, :org_id, assay_now() + :life)"),
        {"hash": ticket_hash, "user_id": user_id, "org_id": org_id, "life": life},
    )


def take_ticket(connection: Connection, ticket_hash: bytes) -> tuple[UUID, UUID] | None:
    """Redeems a ticket once: the user's and the organisation's id, or None where it is unknown, used or late."""
    row = connection.execute(
        text(
            "DELETE FROM sign_in_tickets WHERE ticket_hash = :hash "
            "RETURNING user_id, org_id, expires_at > assay_now() AS live"
        ),
        {"hash": ticket_hash},
    ).one_or_none()
    return (row.user_id, row.org_id) if row is not None and row.live else None


def add_session(
    connection: Connection,
    *,
    session_id: UUID,
    session_hash: bytes,
    user_id: UUID,
    org_id: UUID,
    life: timedelta,
    address: str,
    agent: str,
) -> None:
    """Opens a session."""
    connection.execute(
        text(
            "INSERT INTO sessions (id, session_hash, user_id, org_id, created_at, seen_at, expires_at, address, agent) "
            "VALUES (:id, :hash, :user_id, :org_id, assay_now(), assay_now(), assay_now() + :life, :address, :agent)"
        ),
        {
            "id": session_id,
            "hash": session_hash,
            "user_id": user_id,
            "org_id": org_id,
            "life": life,
            "address": address,
            "agent": agent,
        },
    )


def touch_session(connection: Connection, session_id: UUID) -> None:
    """Notes that a session was used."""
    connection.execute(text("UPDATE sessions SET seen_at = assay_now() WHERE id = :id"), {"id": session_id})


def touch_token(connection: Connection, token_id: UUID) -> None:
    """Notes that a token was used."""
    connection.execute(text("UPDATE access_tokens SET last_used_at = assay_now() WHERE id = :id"), {"id": token_id})


def revoke_session(connection: Connection, session_hash: bytes) -> None:
    """Ends a session."""
    connection.execute(
        text("UPDATE sessions SET revoked_at = assay_now() WHERE session_hash = :hash AND revoked_at IS NULL"),
        {"hash": session_hash},
    )


def revoke_sessions_of(connection: Connection, user_id: UUID) -> None:
    """Ends every session of a user."""
    connection.execute(
        text("UPDATE sessions SET revoked_at = assay_now() WHERE user_id = :user_id AND revoked_at IS NULL"),
        {"user_id": user_id},
    )


def organisation(connection: Connection, name: str) -> tuple[UUID, str] | None:
    """Id and plan of the organisation of that name."""
    row = connection.execute(
        text("SELECT id, plan FROM organisations WHERE name = :name"), {"name": name}
    ).one_or_none()
    return (row.id, row.plan) if row else None


def add_organisation(connection: Connection, org_id: UUID, name: str, plan: str) -> None:
    """Makes an organisation."""
    connection.execute(
        text("INSERT INTO organisations (id, name, plan) VALUES (:id, :name, :plan)"),
        {"id": org_id, "name": name, "plan": plan},
    )


def set_plan(connection: Connection, org_id: UUID, plan: str) -> None:
    """Puts an organisation on a plan, from its next request on."""
    connection.execute(text("UPDATE organisations SET plan = :plan WHERE id = :id"), {"id": org_id, "plan": plan})


def user_of(connection: Connection, email: str) -> UUID | None:
    """Id of the user with that address."""
    found = connection.execute(text("SELECT id FROM users WHERE email = :email"), {"email": email}).scalar()
    return found if isinstance(found, UUID) else None


def add_user(connection: Connection, user_id: UUID, email: str, name: str, *, is_operator: bool) -> None:
    """Makes a user without a password."""
    connection.execute(
        text("INSERT INTO users (id, email, name, is_operator) VALUES (:id, :email, :name, :is_operator)"),
        {"id": user_id, "email": email, "name": name, "is_operator": is_operator},
    )


def set_password_hash(connection: Connection, user_id: UUID, password_hash: str) -> None:
    """Gives a user a password."""
    connection.execute(
        text("UPDATE users SET password_hash = :hash WHERE id = :id"), {"id": user_id, "hash": password_hash}
    )


def put_membership(connection: Connection, org_id: UUID, user_id: UUID, role: str) -> bool:
    """Makes a user a member with that role; True where an existing role changed."""
    before = connection.execute(
        text("SELECT role FROM memberships WHERE org_id = :org_id AND user_id = :user_id"),
        {"org_id": org_id, "user_id": user_id},
    ).scalar()
    connection.execute(
        text(
            "INSERT INTO memberships (org_id, user_id, role) VALUES (:org_id, :user_id, :role) "
            "ON CONFLICT (org_id, user_id) DO UPDATE SET role = excluded.role"
        ),
        {"org_id": org_id, "user_id": user_id, "role": role},
    )
    return before is not None and before != role


def add_token(
    connection: Connection, *, token_id: UUID, token_hash: bytes, user_id: UUID, org_id: UUID, name: str
) -> None:
    """Keeps an access token's hash."""
    connection.execute(
        text(
            "INSERT INTO access_tokens (id, token_hash, user_id, org_id, name, created_at) "
            "VALUES (:id, :hash, :user_id, :org_id, :name, assay_now())"
        ),
        {"id": token_id, "hash": token_hash, "user_id": user_id, "org_id": org_id, "name": name},
    )
