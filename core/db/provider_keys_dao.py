"""The statements of own keys of providers, and of rotation over everything that is encrypted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

KEPT_AFTER_END = timedelta(days=30)
"""So long a revoked key is still listed."""

_SEEN = text(
    """
    SELECT id, user_id, is_shared, provider, name, last_four, limit_usd_month,
        CASE WHEN month_end > assay_now() THEN used_usd ELSE 0 END AS used_usd,
        CASE WHEN month_end > assay_now() THEN held_usd ELSE 0 END AS held_usd,
        month_end, expires_at, last_used_at, refused_at, created_at, revoked_at, assay_now() AS at
    FROM provider_keys
    WHERE org_id = bound_org() AND coalesce(revoked_at > assay_now() - :kept, true) AND coalesce(id = :id, true)
    ORDER BY revoked_at IS NOT NULL, provider, is_shared, created_at DESC, id LIMIT :most
    """
)
_USABLE = text(
    """
    SELECT k.id, k.provider, k.name, k.last_four, k.is_shared, k.secret,
        coalesce(k.expires_at <= assay_now(), false) AS has_expired
    FROM provider_keys k
        JOIN memberships m ON m.org_id = k.org_id AND m.user_id = :user_id AND m.ended_at IS NULL AND m.role <> 'viewer'
        JOIN users u ON u.id = m.user_id AND u.deactivated_at IS NULL
    WHERE k.org_id = :org_id AND (k.is_shared OR k.user_id = :user_id) AND k.revoked_at IS NULL
    ORDER BY k.provider, k.is_shared
    """
)
_COUNT = text("SELECT count(*) FROM provider_keys WHERE org_id = :org_id AND user_id = :user_id AND revoked_at IS NULL")
_ADD = text(
    """
    INSERT INTO provider_keys (id, org_id, user_id, is_shared, provider, name, secret, last_four, limit_usd_month,
        month_start, month_end, expires_at, created_at)
    SELECT :id, :org_id, :user_id, :is_shared, :provider, :name, :secret, :last_four, :limit_usd_month,
        p.starts_at, p.ends_at, :expires_at, assay_now()
    FROM organisations o CROSS JOIN LATERAL meter_period('month', NULL, assay_now(), o.zone) p WHERE o.id = :org_id
    ON CONFLICT DO NOTHING RETURNING id
    """
)
_LOCKED = text(
    """
    SELECT is_shared, provider, name, limit_usd_month, expires_at FROM provider_keys
    WHERE id = :id AND org_id = :org_id AND (is_shared OR user_id = :user_id) AND revoked_at IS NULL FOR UPDATE
    """
)
_CHANGE = text(
    """
    UPDATE provider_keys SET name = :name, limit_usd_month = :limit_usd_month,
        warned_at = CASE WHEN expires_at IS NOT DISTINCT FROM :expires_at THEN warned_at END, expires_at = :expires_at
    WHERE id = :id
    """
)
_REPLACE = text("UPDATE provider_keys SET secret = :secret, last_four = :last_four, refused_at = NULL WHERE id = :id")
_REVOKE = text("UPDATE provider_keys SET revoked_at = assay_now(), secret = NULL WHERE id = :id")
_REFUSED = text(
    """
    UPDATE provider_keys SET refused_at = assay_now()
    WHERE id = :id AND org_id = :org_id AND (is_shared OR user_id = :user_id) AND revoked_at IS NULL
        AND refused_at IS NULL
    RETURNING id, org_id, user_id, is_shared, provider, name, last_four, expires_at, false AS has_expired
    """
)
_DUE_WARNINGS = text(
    """
    UPDATE provider_keys SET warned_at = assay_now() WHERE id IN (
        SELECT id FROM provider_keys
        WHERE revoked_at IS NULL AND expires_at <= assay_now() + :ahead
            AND (warned_at IS NULL OR (expires_at <= assay_now() AND warned_at < expires_at))
        ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED)
    RETURNING id, org_id, user_id, is_shared, provider, name, last_four, expires_at,
        expires_at <= assay_now() AS has_expired
    """
)
_KEEPERS = text(
    """
    SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.org_id = :org_id AND m.ended_at IS NULL AND u.deactivated_at IS NULL
        AND CASE WHEN :is_shared THEN m.role IN ('owner', 'admin') ELSE m.user_id = :user_id END
    ORDER BY m.user_id LIMIT :most
    """
)


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as those see it who may: never the key itself."""

    id: UUID
    user_id: UUID
    is_shared: bool
    provider: str
    name: str
    last_four: str
    limit_usd_month: Decimal | None
    used_usd: Decimal
    """In the running month of the organisation's zone, by our table of prices."""
    held_usd: Decimal
    """For requests under way."""
    month_end: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    refused_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    at: datetime
    """When it was read, by the database's clock."""


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A key that a caller may use."""

    id: UUID
    provider: str
    name: str
    last_four: str
    is_shared: bool
    secret: bytes = field(repr=False)
    """Encrypted."""
    has_expired: bool


@dataclass(frozen=True, slots=True)
class LockedKey:
    """What of a key can be changed, in a transaction that has locked it."""

    is_shared: bool
    provider: str
    name: str
    limit_usd_month: Decimal | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class TroubledKey:
    """A key of which somebody is to be told."""

    id: UUID
    org_id: UUID
    user_id: UUID
    is_shared: bool
    provider: str
    name: str
    last_four: str
    expires_at: datetime | None
    has_expired: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to keep; `secret` is encrypted."""

    id: UUID
    org_id: UUID
    user_id: UUID
    is_shared: bool
    provider: str
    name: str
    secret: bytes = field(repr=False)
    last_four: str
    limit_usd_month: Decimal | None
    expires_at: datetime | None


def seen(connection: Connection, key_id: UUID | None = None, *, most: int) -> list[KeyRow]:
    """The keys that the bound member sees, or that of one id: their own and the organisation's; for the app role."""
    values = {"id": key_id, "kept": KEPT_AFTER_END, "most": most}
    return [KeyRow(**row) for row in connection.execute(_SEEN, values).mappings()]


def usable(connection: Connection, org_id: UUID, user_id: UUID) -> list[SecretRow]:
    """The keys that a member may use, expired ones included, where they may ask at all; for the service role."""
    rows = connection.execute(_USABLE, {"org_id": org_id, "user_id": user_id}).mappings()
    return [SecretRow(**{**row, "secret": bytes(row["secret"])}) for row in rows]


def count(connection: Connection, org_id: UUID, user_id: UUID) -> int:
    """How many keys a member has given that are not revoked."""
    return int(connection.execute(_COUNT, {"org_id": org_id, "user_id": user_id}).scalar_one())


def is_past(connection: Connection, moment: datetime) -> bool:
    """Whether a moment has come, by the database's clock."""
    return bool(connection.execute(text("SELECT :moment <= assay_now()"), {"moment": moment}).scalar_one())


def add(connection: Connection, key: NewKey) -> bool:
    """Keeps a key; False where there is one of the provider already."""
    values = {name: getattr(key, name) for name in NewKey.__slots__}
    return connection.execute(_ADD, values).scalar() is not None


def locked(connection: Connection, key_id: UUID, *, org_id: UUID, user_id: UUID) -> LockedKey | None:
    """A key that the member sees and that is not revoked; nobody else changes it before this transaction ends."""
    row = connection.execute(_LOCKED, {"id": key_id, "org_id": org_id, "user_id": user_id}).one_or_none()
    return LockedKey(*row) if row else None


def change(connection: Connection, key_id: UUID, changed: LockedKey) -> None:
    """Gives a key another name, limit or expiry."""
    connection.execute(
        _CHANGE,
        {
            "id": key_id,
            "name": changed.name,
            "limit_usd_month": changed.limit_usd_month,
            "expires_at": changed.expires_at,
        },
    )


def replace_secret(connection: Connection, key_id: UUID, *, secret: bytes, last_four: str) -> None:
    """Puts another secret, encrypted, in the place of a key's."""
    connection.execute(_REPLACE, {"id": key_id, "secret": secret, "last_four": last_four})


def revoke(connection: Connection, key_id: UUID) -> None:
    """Ends a key; its secret is gone."""
    connection.execute(_REVOKE, {"id": key_id})


def note_refused(connection: Connection, key_id: UUID, *, org_id: UUID, user_id: UUID) -> TroubledKey | None:
    """Notes that its provider did not accept a key; None where that is known, or it is not the member's to use."""
    row = connection.execute(_REFUSED, {"id": key_id, "org_id": org_id, "user_id": user_id}).one_or_none()
    return TroubledKey(*row) if row else None


def due_warnings(connection: Connection, *, ahead: timedelta, most: int) -> list[TroubledKey]:
    """Keys that expire within `ahead`, or have expired, of which nobody was told; they count as told."""
    return [TroubledKey(*row) for row in connection.execute(_DUE_WARNINGS, {"ahead": ahead, "most": most})]


def keepers(connection: Connection, key: TroubledKey, *, most: int) -> list[UUID]:
    """Who is told of a key: its owner; of a shared one the organisation's owners and admins."""
    values = {"org_id": key.org_id, "is_shared": key.is_shared, "user_id": key.user_id, "most": most}
    return list(connection.execute(_KEEPERS, values).scalars())


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column whose values are encrypted under ENCRYPTION_KEYS; its table has an `id`."""

    table: str
    column: str
    is_text: bool
    """Whether it is kept as text, marked; otherwise as bytes."""


ENCRYPTED = (
    EncryptedColumn("alerts", "webhook_secret", is_text=True),
    EncryptedColumn("provider_keys", "secret", is_text=False),
    EncryptedColumn("oversight_channels", "url", is_text=True),
    EncryptedColumn("oversight_channels", "secret", is_text=True),
)
"""Everything that rotation goes over; the test of the schema finds what is missing here."""


def encrypted(connection: Connection, place: EncryptedColumn, *, after: UUID, most: int) -> Sequence[tuple[UUID, Any]]:
    """Values of one column by id, those after an id first, locked until the transaction ends."""
    statement = (
        f"SELECT id, {place.column} FROM {place.table} WHERE {place.column} IS NOT NULL AND id > :after "  # noqa: S608 (names of this module)
        "ORDER BY id LIMIT :most FOR UPDATE"
    )
    rows = connection.execute(text(statement), {"after": after, "most": most})
    return [(row[0], row[1] if place.is_text else bytes(row[1])) for row in rows]


def write_encrypted(connection: Connection, place: EncryptedColumn, row_id: UUID, value: str | bytes) -> None:
    """Puts a value in the place of another of one column."""
    statement = f"UPDATE {place.table} SET {place.column} = :value WHERE id = :id"  # noqa: S608 (names of this module)
    connection.execute(text(statement), {"id": row_id, "value": value})
