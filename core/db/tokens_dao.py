"""The statements of access tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as its owner sees it: never the token itself."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


def add_token(
    connection: Connection,
    *,
    token_id: UUID,
    token_hash: bytes,
    user_id: UUID,
    org_id: UUID,
    name: str,
    scopes: Sequence[str],
    life: timedelta | None,
) -> None:
    """Keeps an access token's hash; without a `life` it does not expire."""
    connection.execute(
        text(
            "INSERT INTO access_tokens (id, token_hash, user_id, org_id, name, created_at, expires_at, scopes) "
            "VALUES (:id, :hash, :user_id, :org_id, :name, assay_now(), assay_now() + cast(:life AS interval), :scopes)"
        ),
        {
            "id": token_id,
            "hash": token_hash,
            "user_id": user_id,
            "org_id": org_id,
            "name": name,
            "scopes": list(scopes),
            "life": life,
        },
    )


def tokens(connection: Connection) -> list[TokenRow]:
    """The bound member's tokens that are valid, the newest first; for the app role."""
    rows = connection.execute(
        text(
            "SELECT id, name, scopes, created_at, expires_at, last_used_at FROM access_tokens "
            "WHERE org_id = bound_org() AND user_id = bound_user() AND revoked_at IS NULL "
            "AND coalesce(expires_at > assay_now(), true) ORDER BY created_at DESC, id"
        )
    ).mappings()
    return [TokenRow(**row) for row in rows]


def count_tokens(connection: Connection, user_id: UUID, org_id: UUID) -> int:
    """Valid tokens of a member; for the service role."""
    statement = (
        "SELECT count(*) FROM access_tokens WHERE org_id = :org_id AND user_id = :user_id AND revoked_at IS NULL "
        "AND coalesce(expires_at > assay_now(), true)"
    )
    return int(connection.execute(text(statement), {"org_id": org_id, "user_id": user_id}).scalar_one())


def touch_token(connection: Connection, token_id: UUID) -> None:
    """Notes that a token was used."""
    connection.execute(text("UPDATE access_tokens SET last_used_at = assay_now() WHERE id = :id"), {"id": token_id})


def revoke_token(connection: Connection, token_id: UUID, user_id: UUID, org_id: UUID) -> bool:
    """Ends one of a member's tokens; False where there is none of that id that is valid."""
    ended = connection.execute(
        text(
            "UPDATE access_tokens SET revoked_at = assay_now() WHERE id = :id AND user_id = :user_id "
            "AND org_id = :org_id AND revoked_at IS NULL RETURNING id"
        ),
        {"id": token_id, "user_id": user_id, "org_id": org_id},
    ).scalar()
    return ended is not None
