"""The statements of sign-in: who has a session or token, attempts and delays, tickets, sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from psycopg.rows import args_row
from sqlalchemy import Connection, text

from core.db.engine import Driver

_WHO = """
    u.id AS user_id, u.email, u.name, u.zone AS user_zone, u.is_operator, u.default_model, u.uses_router,
    o.id AS org_id, o.name AS org_name, o.plan, o.zone AS org_zone, o.allowed_models,
    o.allowed_providers, o.default_model AS org_default_model, o.asks_models, m.role
    FROM memberships m JOIN users u ON u.id = m.user_id JOIN organisations o ON o.id = m.org_id
"""
_ACTIVE = "m.ended_at IS NULL AND u.deactivated_at IS NULL"
_OF_SESSION = f"""
    SELECT s.id AS credential_id, s.seen_at < assay_now() - interval '1 minute' AS is_long_unseen, NULL AS scopes,
    s.as_of, {_WHO}
    JOIN sessions s ON s.org_id = m.org_id AND s.user_id = m.user_id
    WHERE s.session_hash = %(hash)s AND s.revoked_at IS NULL AND s.expires_at > assay_now() AND {_ACTIVE}
"""
_OF_TOKEN = f"""
    SELECT t.id AS credential_id, coalesce(t.last_used_at < assay_now() - interval '1 minute', true) AS is_long_unseen,
    t.scopes, NULL::date AS as_of, {_WHO}
    JOIN access_tokens t ON t.org_id = m.org_id AND t.user_id = m.user_id
    WHERE t.token_hash = %(hash)s AND t.revoked_at IS NULL AND coalesce(t.expires_at > assay_now(), true) AND {_ACTIVE}
"""
_OF_MEMBER = text(
    f"SELECT NULL::uuid AS credential_id, false AS is_long_unseen, NULL AS scopes, NULL::date AS as_of, {_WHO} "
    f"WHERE m.user_id = :user_id AND m.org_id = :org_id AND {_ACTIVE}"
)
_TAKE_TICKET = text(
    """
    DELETE FROM sign_in_tickets t USING memberships m JOIN users u ON u.id = m.user_id
    WHERE t.ticket_hash = :hash AND m.org_id = t.org_id AND m.user_id = t.user_id
    RETURNING t.user_id, t.org_id, t.method,
        t.expires_at > assay_now() AND m.ended_at IS NULL AND u.deactivated_at IS NULL AS live
    """
)
_CREDENTIAL = text(
    """
    SELECT u.id AS user_id, u.email, u.password_hash, m.org_id FROM users u
    LEFT JOIN LATERAL (
        SELECT m.org_id FROM memberships m WHERE m.user_id = u.id AND m.ended_at IS NULL
        ORDER BY (SELECT max(s.seen_at) FROM sessions s WHERE s.user_id = u.id AND s.org_id = m.org_id) DESC NULLS LAST,
            m.created_at, m.org_id
        LIMIT 1) m ON true
    WHERE (u.email = :email OR u.id = :user_id) AND u.deactivated_at IS NULL
    """
)


@dataclass(frozen=True, slots=True)
class WhoRow:
    """A membership with its user and organisation."""

    credential_id: UUID | None
    is_long_unseen: bool
    scopes: list[str] | None
    """None is all."""
    as_of: date | None
    """The date that the session's user chose to see the market as of."""
    user_id: UUID
    email: str
    name: str
    user_zone: str | None
    is_operator: bool
    default_model: str | None
    uses_router: bool
    org_id: UUID
    org_name: str
    plan: str
    org_zone: str
    allowed_models: list[str] | None
    allowed_providers: list[str] | None
    org_default_model: str | None
    asks_models: bool
    role: str


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """What a password is checked against."""

    user_id: UUID
    email: str
    password_hash: str | None
    org_id: UUID | None
    """The organisation that the user was in last; None where they belong to none any more."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its owner sees it."""

    id: UUID
    org_id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str
    agent: str
    method: str


def who_of_session(driver: Driver, session_hash: bytes) -> WhoRow | None:
    """The member whose valid session this is; straight on the driver, since every run of a page asks it."""
    return driver.cursor(row_factory=args_row(WhoRow)).execute(_OF_SESSION, {"hash": session_hash}).fetchone()


def who_of_token(driver: Driver, token_hash: bytes) -> WhoRow | None:
    """The member whose valid token this is; likewise, for every call of the API."""
    return driver.cursor(row_factory=args_row(WhoRow)).execute(_OF_TOKEN, {"hash": token_hash}).fetchone()


def who_of_member(connection: Connection, user_id: UUID, org_id: UUID) -> WhoRow | None:
    """The user's membership in that organisation."""
    row = connection.execute(_OF_MEMBER, {"user_id": user_id, "org_id": org_id}).mappings().one_or_none()
    return WhoRow(**row) if row else None


def credential(
    connection: Connection, *, email: str | None = None, user_id: UUID | None = None
) -> CredentialRow | None:
    """What the password of this address, or of this user, is checked against; None where nobody active has it."""
    row = connection.execute(_CREDENTIAL, {"email": email, "user_id": user_id}).mappings().one_or_none()
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


def take_turn(
    connection: Connection, subject: str, *, free: int, longest: timedelta, forgotten_after: timedelta
) -> int | None:
    """Counts an attempt as failed until `forgive` says otherwise, and gives None; or, where the subject has to wait,
    counts nothing and gives the seconds.

    The first `free` attempts follow one another at once; then the wait doubles from one second, up to `longest`.
    """
    taken = connection.execute(
        text(
            """
            INSERT INTO sign_in_delays AS d (subject, failures, blocked_until, seen_at)
            VALUES (:subject, 1, assay_now() + sign_in_wait(1, :free, :longest), assay_now())
            ON CONFLICT (subject) DO UPDATE SET
                failures = CASE WHEN d.seen_at < assay_now() - :forgotten THEN 1 ELSE d.failures + 1 END,
                blocked_until = assay_now() + sign_in_wait(
                    CASE WHEN d.seen_at < assay_now() - :forgotten THEN 1 ELSE d.failures + 1 END, :free, :longest),
                seen_at = assay_now()
            WHERE d.blocked_until <= assay_now()
            RETURNING d.subject
            """
        ),
        {"subject": subject, "free": free, "longest": longest, "forgotten": forgotten_after},
    ).scalar()
    if taken is not None:
        return None
    return int(
        connection.execute(
            text(
                "SELECT greatest(1, ceil(extract(epoch FROM blocked_until - assay_now()))) FROM sign_in_delays "
                "WHERE subject = :subject"
            ),
            {"subject": subject},
        ).scalar_one()
    )


def wait_of(connection: Connection, subject: str) -> int:
    """The seconds for which a subject has to wait now; 0: it may try."""
    waits = connection.execute(
        text(
            "SELECT ceil(extract(epoch FROM blocked_until - assay_now())) FROM sign_in_delays "
            "WHERE subject = :subject AND blocked_until > assay_now()"
        ),
        {"subject": subject},
    ).scalar()
    return int(waits or 0)


def forgive(connection: Connection, subject: str, *, wholly: bool) -> None:
    """Takes back the attempt that succeeded, or (`wholly`) all of the subject's."""
    statement = (
        "DELETE FROM sign_in_delays WHERE subject = :subject"
        if wholly
        else "UPDATE sign_in_delays SET failures = greatest(0, failures - 1), blocked_until = assay_now() "
        "WHERE subject = :subject"
    )
    connection.execute(text(statement), {"subject": subject})


def clear_attempts(connection: Connection) -> None:
    """Forgets the attempts and delays of everyone that are older than a day."""
    connection.execute(text("DELETE FROM attempt_buckets WHERE bucket < assay_now() - interval '1 day'"))
    connection.execute(
        text(
            "DELETE FROM sign_in_delays WHERE subject IN (SELECT subject FROM sign_in_delays "
            "WHERE seen_at < assay_now() - interval '1 day' FOR UPDATE SKIP LOCKED)"
        )
    )


def add_ticket(
    connection: Connection, ticket_hash: bytes, user_id: UUID, org_id: UUID, life: timedelta, *, method: str
) -> None:
    """Keeps a one-time ticket; those that nobody redeemed are cleared away."""
    connection.execute(text("DELETE FROM sign_in_tickets WHERE expires_at < assay_now()"))
    connection.execute(
        text(
            "INSERT INTO sign_in_tickets (ticket_hash, user_id, org_id, expires_at, method) "
            "VALUES (:hash, :user_id, :org_id, assay_now() + :life, :method)"
        ),
        {"hash": ticket_hash, "user_id": user_id, "org_id": org_id, "life": life, "method": method},
    )


def take_ticket(connection: Connection, ticket_hash: bytes) -> tuple[UUID, UUID, str] | None:
    """Redeems a ticket once: the user's and the organisation's id and how they signed in; None where it is unknown,
    used or late, or where the member has left meanwhile."""
    row = connection.execute(_TAKE_TICKET, {"hash": ticket_hash}).one_or_none()
    return (row.user_id, row.org_id, row.method) if row is not None and row.live else None


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
    method: str,
) -> None:
    """Opens a session."""
    connection.execute(
        text(
            "INSERT INTO sessions (id, session_hash, user_id, org_id, created_at, seen_at, expires_at, address, agent, "
            "method) VALUES (:id, :hash, :user_id, :org_id, assay_now(), assay_now(), assay_now() + :life, :address, "
            ":agent, :method)"
        ),
        {
            "id": session_id,
            "hash": session_hash,
            "user_id": user_id,
            "org_id": org_id,
            "life": life,
            "address": address,
            "agent": agent,
            "method": method,
        },
    )


def touch_session(connection: Connection, session_id: UUID, *, life: timedelta, longest: timedelta) -> None:
    """Notes that a session was used, and lets it live on, but never longer than `longest` after it was opened."""
    connection.execute(
        text(
            "UPDATE sessions SET seen_at = assay_now(), "
            "expires_at = greatest(expires_at, least(assay_now() + :life, created_at + :longest)) WHERE id = :id"
        ),
        {"id": session_id, "life": life, "longest": longest},
    )


def sessions(connection: Connection) -> list[SessionRow]:
    """The bound user's open sessions, the last used first; for the app role."""
    rows = connection.execute(
        text(
            "SELECT id, org_id, created_at, seen_at, expires_at, address, agent, method FROM sessions "
            "WHERE user_id = bound_user() AND revoked_at IS NULL AND expires_at > assay_now() ORDER BY seen_at DESC, id"
        )
    ).mappings()
    return [SessionRow(**row) for row in rows]


def move_session(connection: Connection, session_id: UUID, user_id: UUID, org_id: UUID) -> bool:
    """Puts a user's session into another organisation of theirs; False where they do not belong to it."""
    moved = connection.execute(
        text(
            "UPDATE sessions s SET org_id = m.org_id FROM memberships m WHERE s.id = :id AND s.user_id = :user_id "
            "AND s.revoked_at IS NULL AND m.org_id = :org_id AND m.user_id = s.user_id AND m.ended_at IS NULL "
            "RETURNING s.id"
        ),
        {"id": session_id, "user_id": user_id, "org_id": org_id},
    ).scalar()
    return moved is not None


def set_as_of(connection: Connection, session_id: UUID, user_id: UUID, day: date | None) -> bool:
    """Keeps the date that a user's session sees the market as of; False where it has ended."""
    kept = connection.execute(
        text(
            "UPDATE sessions SET as_of = :day WHERE id = :id AND user_id = :user_id AND revoked_at IS NULL "
            "AND expires_at > assay_now() RETURNING id"
        ),
        {"id": session_id, "user_id": user_id, "day": day},
    ).scalar()
    return kept is not None


def revoke_session(connection: Connection, session_hash: bytes) -> tuple[UUID, UUID, UUID] | None:
    """Ends a session; gives its id, user and organisation, or None where there is none that is open."""
    ended = connection.execute(
        text(
            "UPDATE sessions SET revoked_at = assay_now() WHERE session_hash = :hash AND revoked_at IS NULL "
            "RETURNING id, user_id, org_id"
        ),
        {"hash": session_hash},
    ).one_or_none()
    return None if ended is None else (ended[0], ended[1], ended[2])


def revoke_own_session(connection: Connection, session_id: UUID, user_id: UUID) -> bool:
    """Ends one of a user's sessions; False where they have none of that id that is open."""
    ended = connection.execute(
        text(
            "UPDATE sessions SET revoked_at = assay_now() WHERE id = :id AND user_id = :user_id "
            "AND revoked_at IS NULL RETURNING id"
        ),
        {"id": session_id, "user_id": user_id},
    ).scalar()
    return ended is not None


def revoke_sessions_of(connection: Connection, user_id: UUID, *, but: UUID | None = None) -> int:
    """Ends every session of a user, or all but one; gives their number. Tickets not yet redeemed end with them."""
    connection.execute(text("DELETE FROM sign_in_tickets WHERE user_id = :user_id"), {"user_id": user_id})
    ended = connection.execute(
        text(
            "UPDATE sessions SET revoked_at = assay_now() WHERE user_id = :user_id AND revoked_at IS NULL "
            "AND id IS DISTINCT FROM :but RETURNING id"
        ),
        {"user_id": user_id, "but": but},
    ).all()
    return len(ended)
