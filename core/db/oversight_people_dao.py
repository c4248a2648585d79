"""The statements of oversight over people and organisations; for the service role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection, text

EVERYTHING = UUID(int=0)
"""In the place of an organisation: all of them."""
_FOUND = """
    FROM memberships m JOIN users u ON u.id = m.user_id JOIN organisations o ON o.id = m.org_id
    WHERE m.ended_at IS NULL AND (cast(:org_id AS uuid) IS NULL OR m.org_id = :org_id)
        AND (:words = '' OR u.email ILIKE :words OR u.name ILIKE :words OR o.name ILIKE :words
            OR m.user_id::text = :exact OR m.org_id::text = :exact)
        AND (:role = '' OR m.role = :role) AND (:plan = '' OR o.plan = :plan)
        AND (cast(:is_active AS boolean) IS NULL OR (u.deactivated_at IS NULL) = :is_active)
"""
_PEOPLE = text(
    f"""
    SELECT p.*, greatest(
            (SELECT max(s.seen_at) FROM sessions s WHERE s.user_id = p.user_id AND s.org_id = p.org_id),
            (SELECT max(t.last_used_at) FROM access_tokens t WHERE t.user_id = p.user_id AND t.org_id = p.org_id)
        ) AS seen_at
    FROM (SELECT m.org_id, o.name AS org_name, o.plan, m.user_id, u.email, u.name, m.role, m.created_at AS joined_at,
            u.deactivated_at IS NULL AS is_active, u.is_operator, m.credits_cap_month AS cap_month,
            m.budget_usd_month AS budget_usd, count(*) OVER () AS total
        {_FOUND} ORDER BY u.email, o.name, m.org_id LIMIT :most OFFSET :skipped) p
    ORDER BY p.email, p.org_name, p.org_id
    """  # noqa: S608 (the condition is written above)
)
_ORGANISATIONS = text(
    """
    SELECT o.id, o.name, o.plan, o.zone, o.created_at, o.pools_allowances AS pools, o.budget_usd_month,
        CASE WHEN NOT o.pools_allowances AND pools_at(o, assay_now()) THEN o.pools_until END AS pools_until,
        coalesce(w.available - w.overdraft, 0) AS balance, m.members, m.owners, count(*) OVER () AS total
    FROM organisations o LEFT JOIN wallets w ON w.org_id = o.id
        CROSS JOIN LATERAL (SELECT count(*) AS members, count(*) FILTER (WHERE s.role = 'owner') AS owners
            FROM memberships s JOIN users u ON u.id = s.user_id
            WHERE s.org_id = o.id AND s.ended_at IS NULL AND u.deactivated_at IS NULL) m
    WHERE (cast(:org_id AS uuid) IS NULL OR o.id = :org_id) AND (:plan = '' OR o.plan = :plan)
        AND (:words = '' OR o.name ILIKE :words OR o.id::text = :exact)
    ORDER BY lower(o.name), o.id LIMIT :most OFFSET :skipped
    """
)
_PARTS = text(
    """
    SELECT o.plan, o.zone, pools_at(o, assay_now()) AS is_pooled, p.chat_queries_day, p.portfolio_analyses_day,
        p.sec_filings_month, p.signal_validations_day, p.requests_month, p.requests_minute, p.requests_hour,
        p.signal_validations_minute, p.concurrent_requests, p.request_ceiling_usd,
        s.budget_usd_month AS user_budget_usd, o.budget_usd_month AS org_budget_usd,
        (SELECT count(*) FROM memberships a JOIN users u ON u.id = a.user_id
            WHERE a.org_id = o.id AND a.ended_at IS NULL AND a.role <> 'viewer' AND u.deactivated_at IS NULL) AS askers,
        assay_now() AS at
    FROM organisations o JOIN plan_limits p ON p.plan = o.plan
        JOIN memberships s ON s.org_id = o.id AND s.user_id = :user_id
    WHERE o.id = :org_id
    """
)
_BOOSTS = text(
    """
    SELECT id, metric, amount, user_id, starts_at, ends_at, reason FROM boosts
    WHERE org_id = :org_id AND state = 'granted' AND starts_at <= assay_now() AND ends_at > assay_now()
    ORDER BY ends_at, id
    """
)
_LOCK_USER = text(
    "SELECT id, email, is_operator, deactivated_at IS NULL AS is_active FROM users WHERE id = :id FOR UPDATE"
)
_LEFT_WITHOUT_OWNER = text(
    """
    SELECT o.name FROM memberships m JOIN organisations o ON o.id = m.org_id
    WHERE m.user_id = :user_id AND m.role = 'owner' AND m.ended_at IS NULL
        AND EXISTS (SELECT FROM memberships x JOIN users u ON u.id = x.user_id WHERE x.org_id = m.org_id
            AND x.user_id <> m.user_id AND x.ended_at IS NULL AND u.deactivated_at IS NULL)
        AND NOT EXISTS (SELECT FROM memberships x JOIN users u ON u.id = x.user_id WHERE x.org_id = m.org_id
            AND x.user_id <> m.user_id AND x.ended_at IS NULL AND x.role = 'owner' AND u.deactivated_at IS NULL)
    ORDER BY o.name LIMIT 1
    """
)
_LOCK_OWNED = text(
    """
    SELECT o.id FROM organisations o JOIN memberships m ON m.org_id = o.id
    WHERE m.user_id = :user_id AND m.role = 'owner' AND m.ended_at IS NULL ORDER BY o.id FOR UPDATE OF o
    """
)
_REVOKE_TOKEN = text(
    """
    UPDATE access_tokens SET revoked_at = assay_now() WHERE id = :id AND revoked_at IS NULL
        AND (cast(:org_id AS uuid) IS NULL OR org_id = :org_id) RETURNING org_id, user_id
    """
)
# A file that was applied to all was applied to each organisation, and one that was to any, not to all once more.
_APPLIED = text(
    """
    SELECT min(applied_at) FROM bulk_changes
    WHERE digest = :digest AND (reach IN (:reach, :everything) OR :reach = :everything)
    """
)
_LOCK_FILE = text("SELECT pg_advisory_xact_lock(hashtextextended(encode(:digest, 'hex'), 0))")
_APPLY = text(
    """
    INSERT INTO bulk_changes (digest, reach, lines, applied_by, applied_at)
        VALUES (:digest, :reach, :lines, :applied_by, assay_now()) ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Sought:
    """Who or what is looked for."""

    words: str = ""
    """In the name, the address or the organisation's name; or an id."""
    role: str = ""
    plan: str = ""
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A member of an organisation, as those see them who run it or the installation."""

    org_id: UUID
    org_name: str
    plan: str
    user_id: UUID
    email: str
    name: str
    role: str
    joined_at: datetime
    is_active: bool
    is_operator: bool
    cap_month: Decimal | None
    """Most credits of the wallet in a month; None: there is no cap."""
    budget_usd: Decimal | None
    """What their calls may cost in a month; None: no budget of their own."""
    total: int
    """How many are found in all."""
    seen_at: datetime | None
    """When a session or token of this membership was last used."""


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation, as those see it who run it or the installation."""

    id: UUID
    name: str
    plan: str
    zone: str
    created_at: datetime
    pools: bool
    """Whether its members' quotas are one."""
    pools_until: datetime | None
    """When they are each member's own again, where pooling was switched off and lasts its month; None: it was not."""
    budget_usd_month: Decimal | None
    balance: Decimal
    """Credits: available less overdraft."""
    members: int
    """Active ones."""
    owners: int
    total: int
    """How many are found in all."""


@dataclass(frozen=True, slots=True)
class PartsRow:
    """What the limits of a member are made of."""

    plan: str
    zone: str
    is_pooled: bool
    chat_queries_day: int | None
    portfolio_analyses_day: int | None
    sec_filings_month: int | None
    signal_validations_day: int | None
    requests_month: int | None
    requests_minute: int | None
    requests_hour: int | None
    signal_validations_minute: int | None
    concurrent_requests: int | None
    request_ceiling_usd: Decimal | None
    user_budget_usd: Decimal | None
    org_budget_usd: Decimal | None
    askers: int
    """Active members who may ask, and share what is pooled."""
    at: datetime


@dataclass(frozen=True, slots=True)
class BoostRow:
    """A boost that is in force."""

    id: UUID
    metric: str
    amount: int
    user_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A user's account, locked."""

    id: UUID
    email: str
    is_operator: bool
    is_active: bool


def people(connection: Connection, org_id: UUID | None, sought: Sought, *, skipped: int, most: int) -> list[PersonRow]:
    """Members of an organisation, or of all, by address."""
    values = {"role": sought.role, "plan": sought.plan, "is_active": sought.is_active, **_words(sought.words)}
    rows = connection.execute(_PEOPLE, {"org_id": org_id, "skipped": skipped, "most": most, **values}).mappings()
    return [PersonRow(**row) for row in rows]


def organisations(
    connection: Connection, org_id: UUID | None, sought: Sought, *, skipped: int, most: int
) -> list[OrganisationRow]:
    """One organisation, or those that are found, by name."""
    values = {"plan": sought.plan, "skipped": skipped, "most": most, **_words(sought.words)}
    return [
        OrganisationRow(**row) for row in connection.execute(_ORGANISATIONS, {"org_id": org_id, **values}).mappings()
    ]


def parts(connection: Connection, org_id: UUID, user_id: UUID) -> PartsRow | None:
    """What the limits of a member are made of; None where there is no such membership."""
    row = connection.execute(_PARTS, {"org_id": org_id, "user_id": user_id}).mappings().one_or_none()
    return PartsRow(**row) if row else None


def boosts_in_force(connection: Connection, org_id: UUID) -> Sequence[BoostRow]:
    """The boosts of an organisation and its members that are in force now."""
    return [BoostRow(**row) for row in connection.execute(_BOOSTS, {"org_id": org_id}).mappings()]


def lock_account(connection: Connection, user_id: UUID) -> AccountRow | None:
    """A user's account, which changes one after the other until the transaction ends, after all organisations that
    they own; None where there is none."""
    connection.execute(_LOCK_OWNED, {"user_id": user_id})
    row = connection.execute(_LOCK_USER, {"id": user_id}).mappings().one_or_none()
    return AccountRow(**row) if row else None


def left_without_owner(connection: Connection, user_id: UUID) -> str | None:
    """Name of an organisation whose other members would be left without an active owner; None where there is none."""
    name: str | None = connection.execute(_LEFT_WITHOUT_OWNER, {"user_id": user_id}).scalar_one_or_none()
    return name


def revoke_token(connection: Connection, token_id: UUID, org_id: UUID | None) -> tuple[UUID, UUID] | None:
    """Ends a token of an organisation, or of any; gives whose it was, or None where there is no such valid one."""
    row = connection.execute(_REVOKE_TOKEN, {"id": token_id, "org_id": org_id}).one_or_none()
    return (row.org_id, row.user_id) if row else None


def applied_at(connection: Connection, digest: bytes, reach: UUID | None) -> datetime | None:
    """When a file was applied to an organisation, or (None) to any at all; None: it was not."""
    values = {"digest": digest, "reach": reach or EVERYTHING, "everything": EVERYTHING}
    found: datetime | None = connection.execute(_APPLIED, values).scalar_one()
    return found


def note_applied(connection: Connection, digest: bytes, reach: UUID | None, *, lines: int, applied_by: UUID) -> bool:
    """Notes that a file is applied in this transaction, others of which wait for it; False where it was before."""
    connection.execute(_LOCK_FILE, {"digest": digest})
    if applied_at(connection, digest, reach) is not None:
        return False
    values = {"digest": digest, "reach": reach or EVERYTHING, "lines": lines, "applied_by": applied_by}
    return connection.execute(_APPLY, values).rowcount == 1


def now(connection: Connection) -> datetime:
    """The moment, by the database's clock."""
    found: datetime = connection.execute(text("SELECT assay_now()")).scalar_one()
    return found


def _words(words: str) -> dict[str, str]:
    """The pattern of what somebody typed, in which nothing is a sign of patterns."""
    typed = words.strip()
    escaped = typed.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {"words": f"%{escaped}%" if typed else "", "exact": typed.lower()}
