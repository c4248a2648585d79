"""The statements of sign-in by OpenID Connect: whose a provider's subject is, and which answers were used."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, text


def use_answer(connection: Connection, fingerprint: bytes) -> bool:
    """Notes that a provider's answer was used; False where it had been. It is good for minutes, and kept for a day."""
    connection.execute(text("DELETE FROM openid_answers WHERE expires_at < assay_now()"))
    added = connection.execute(
        text(
            "INSERT INTO openid_answers (fingerprint, expires_at) "
            "VALUES (:fingerprint, assay_now() + interval '1 day') ON CONFLICT DO NOTHING RETURNING true"
        ),
        {"fingerprint": fingerprint},
    ).scalar()
    return added is True


def use_identity(connection: Connection, issuer: str, subject: str) -> UUID | None:
    """Whose a provider's subject is, noting that it was used; None: nobody's yet."""
    found = connection.execute(
        text(
            "UPDATE openid_identities SET last_used_at = assay_now() WHERE issuer = :issuer AND subject = :subject "
            "RETURNING user_id"
        ),
        {"issuer": issuer, "subject": subject},
    ).scalar()
    return found if isinstance(found, UUID) else None


def add_identity(connection: Connection, issuer: str, subject: str, user_id: UUID) -> None:
    """Makes a provider's subject a user's."""
    connection.execute(
        text(
            "INSERT INTO openid_identities (issuer, subject, user_id, created_at, last_used_at) "
            "VALUES (:issuer, :subject, :user_id, assay_now(), assay_now())"
        ),
        {"issuer": issuer, "subject": subject, "user_id": user_id},
    )
