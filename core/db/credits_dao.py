"""The statements of credits: the wallet, its ledger, caps, boosts and pooled allowances.

Credits are moved by the functions of `data/migrations/functions/45_credits.sql` alone; each call names the movement by
a key of its own, and the same key again moves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, text

from core.db.engine import Driver

TakenOut = Literal["done", "repeated", "insufficient"]

_BALANCE = text(
    """
    SELECT coalesce(w.available, 0) AS available, coalesce(w.held, 0) AS held, coalesce(w.overdraft, 0) AS overdraft,
        coalesce(f.granted, p.free_credits_day)::numeric AS daily_free,
        coalesce(f.granted - f.used - f.held, p.free_credits_day)::numeric AS daily_free_remaining,
        s.credits_cap_month AS cap_month,
        CASE WHEN m.month_end > assay_now() THEN m.credits_used + m.credits_held ELSE 0 END AS cap_used,
        m.month_end AS cap_resets_at, u.uses_credits
    FROM memberships s JOIN organisations o ON o.id = s.org_id JOIN plan_limits p ON p.plan = o.plan
        JOIN users u ON u.id = s.user_id
        LEFT JOIN wallets w ON w.org_id = s.org_id
        LEFT JOIN free_days f ON f.user_id = s.user_id AND f.day = free_day_now()
        LEFT JOIN member_meters m ON m.org_id = s.org_id AND m.user_id = s.user_id
    WHERE s.org_id = :org_id AND s.user_id = :user_id
    """
)
_ENTRIES = text(
    """
    SELECT e.id, e.at, e.org_id, e.user_id, e.kind, e.debit, e.credit, e.amount, e.author, e.reason, e.hold_id,
        e.payment, e.free_day
    FROM ledger_entries e
    WHERE e.org_id = :org_id AND (CAST(:before AS bigint) IS NULL OR e.id < :before)
        AND (CAST(:user_id AS uuid) IS NULL OR e.user_id = :user_id)
    ORDER BY e.id DESC LIMIT :most
    """
)
_PUT_IN = text(
    "SELECT put_in(:org_id, :kind, :amount, :key, :user_id, :author, :reason, :payment, "
    "CAST(:expires_at AS timestamptz))"
)
_MOVED = text("SELECT amount FROM ledger_entries WHERE idempotency_key = :key")
_TAKE_OUT = text("SELECT take_out(:org_id, :kind, :amount, :key, :user_id, :author, :reason, :payment)")
_DEBIT = "SELECT debit_credits(%(org_id)s, %(amount)s, %(key)s, %(user_id)s)"
_DUE = text(
    "SELECT org_id FROM credit_lots WHERE remaining > 0 AND expires_at <= assay_now() "
    "GROUP BY org_id ORDER BY min(expires_at) LIMIT :most"
)
_EXPIRE = text("SELECT expire_lots(:org_id)")
_SET_CAP = text(
    "UPDATE memberships SET credits_cap_month = :cap WHERE org_id = :org_id AND user_id = :user_id AND ended_at IS NULL"
)
_SET_POOLING = text("SELECT set_pooling(:org_id, :pools)")
_ADD_BOOST = text(
    """
    INSERT INTO boosts (id, org_id, user_id, metric, amount, starts_at, ends_at, reason, requested_by, requested_at)
    SELECT :id, :org_id, :user_id, :metric, :amount, n.at, n.at + make_interval(secs => :life_s), :reason,
        :requested_by, n.at
    FROM (SELECT assay_now() AS at) n
    RETURNING id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by, requested_at,
        decided_by, decided_at, note
    """
)
_DECIDE_BOOST = text("SELECT * FROM decide_boost(:id, :org_id, :grants, :decided_by, :note, :amount, :life_s)")
_END_BOOST = text("SELECT * FROM end_boost(:id, :org_id, :decided_by, :note)")
_BOOSTS = text(
    """
    SELECT id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by, requested_at,
        decided_by, decided_at, note
    FROM boosts
    WHERE (CAST(:org_id AS uuid) IS NULL OR org_id = :org_id) AND state = ANY (:states)
        AND (NOT :in_force OR (starts_at <= assay_now() AND ends_at > assay_now()))
    ORDER BY requested_at DESC, id LIMIT :most
    """
)
_BOOST = text(
    """
    SELECT id, org_id, user_id, metric, amount, starts_at, ends_at, reason, state, requested_by, requested_at,
        decided_by, decided_at, note
    FROM boosts WHERE id = :id AND (CAST(:org_id AS uuid) IS NULL OR org_id = :org_id)
    """
)
_PLAN_LIMIT = text(
    "SELECT CAST(to_jsonb(p) ->> :metric AS integer) FROM organisations g JOIN plan_limits p ON p.plan = g.plan "
    "WHERE g.id = :org_id FOR NO KEY UPDATE OF g"
)
_PLAN_AT = text("SELECT plan_at(:org_id, :moment)")


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """The credits of a member: their organisation's wallet, today's free ones, and their own cap."""

    available: Decimal
    held: Decimal
    overdraft: Decimal
    daily_free: Decimal
    daily_free_remaining: Decimal
    cap_month: Decimal | None
    cap_used: Decimal
    """Credits of the wallet that were used or are held this month."""
    cap_resets_at: datetime | None
    uses_credits: bool


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One movement; `core.db.credits_tables` and the migration say which accounts there are."""

    id: int
    at: datetime
    org_id: UUID
    user_id: UUID | None
    kind: str
    debit: str
    credit: str
    amount: Decimal
    author: UUID | None
    reason: str | None
    hold_id: UUID | None
    payment: str | None
    free_day: date | None


@dataclass(frozen=True, slots=True)
class BoostRow:
    """A limit raised for a time, or asked to be."""

    id: UUID
    org_id: UUID
    user_id: UUID | None
    """None: each member of the organisation."""
    metric: str
    amount: int
    starts_at: datetime
    ends_at: datetime
    reason: str
    state: str
    """requested, granted, refused or ended."""
    requested_by: UUID
    requested_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Movement:
    """Credits that come into a wallet or are taken out, named by a key that is never used twice."""

    org_id: UUID
    amount: Decimal
    """Above 0, at most six decimals."""
    key: str
    user_id: UUID | None = None
    author: UUID | None = None
    reason: str | None = None
    payment: str | None = None


def balance(connection: Connection, org_id: UUID, user_id: UUID) -> BalanceRow | None:
    """What a member has; None where there is no such membership."""
    row = connection.execute(_BALANCE, {"org_id": org_id, "user_id": user_id}).mappings().one_or_none()
    return BalanceRow(**row) if row else None


def entries(
    connection: Connection, org_id: UUID, *, user_id: UUID | None = None, before: int | None = None, most: int = 100
) -> list[EntryRow]:
    """Entries of an organisation, or of one of its users, newest first; under the app role those it may see.

    `before` is the id of the last entry of the page before.
    """
    values = {"org_id": org_id, "user_id": user_id, "before": before, "most": most}
    return [EntryRow(**row) for row in connection.execute(_ENTRIES, values).mappings()]


def put_in(
    connection: Connection,
    kind: Literal["grant", "purchase", "reversal", "adjustment"],
    movement: Movement,
    *,
    expires_at: datetime | None = None,
) -> bool:
    """Adds credits, which repay an overdraft first; False where this key has added them before.

    Only a grant ends (`expires_at`). The wallet is made where there is none, and stays locked.
    """
    values = {**_moved(movement), "kind": kind, "expires_at": expires_at}
    return bool(connection.execute(_PUT_IN, values).scalar_one())


def moved(connection: Connection, key: str) -> Decimal | None:
    """What the movement of this key moved; None: nothing was."""
    amount: Decimal | None = connection.execute(_MOVED, {"key": key}).scalar_one_or_none()
    return amount


def take_out(connection: Connection, kind: Literal["refund", "adjustment"], movement: Movement) -> TakenOut:
    """Takes credits out: a refund also what is not there, by an overdraft; an adjustment only what is available."""
    found: TakenOut = connection.execute(_TAKE_OUT, {**_moved(movement), "kind": kind}).scalar_one()
    return found


def debit(driver: Driver, org_id: UUID, amount: Decimal, key: str, *, user_id: UUID | None = None) -> bool:
    """Charges a wallet at once, in one round trip, without a hold; False where it has less, or the key was used."""
    values = {"org_id": org_id, "amount": amount, "key": key, "user_id": user_id}
    row = driver.execute(_DEBIT, values).fetchone()
    assert row is not None
    return bool(row[0])


def due_wallets(connection: Connection, *, most: int) -> list[UUID]:
    """Organisations with granted credits whose end has come."""
    return list(connection.execute(_DUE, {"most": most}).scalars())


def expire(connection: Connection, org_id: UUID) -> int:
    """Takes the granted credits of an organisation whose end has come; says of how many grants.

    Those that are held for a request stay until it ends: it was reserved before.
    """
    return int(connection.execute(_EXPIRE, {"org_id": org_id}).scalar_one())


def set_cap(connection: Connection, org_id: UUID, user_id: UUID, cap: Decimal | None) -> bool:
    """Sets the most of the wallet's credits that a member may use in a month; False where they do not belong to it."""
    return connection.execute(_SET_CAP, {"org_id": org_id, "user_id": user_id, "cap": cap}).rowcount == 1


def set_pooling(connection: Connection, org_id: UUID, pools: bool) -> None:
    """Makes the quotas of an organisation's members one of all together, or, after this month, each their own again."""
    connection.execute(_SET_POOLING, {"org_id": org_id, "pools": pools})


def add_boost(connection: Connection, values: dict[str, Any]) -> BoostRow:
    """Asks for a boost from now on; `values` has id, org_id, user_id, metric, amount, life_s, reason, requested_by."""
    return BoostRow(**connection.execute(_ADD_BOOST, values).mappings().one())


def decide_boost(
    connection: Connection,
    boost_id: UUID,
    org_id: UUID | None,
    *,
    grants: bool,
    decided_by: UUID,
    note: str | None,
    amount: int | None = None,
    life_s: float | None = None,
) -> BoostRow | None:
    """Grants a boost from now on, as asked or with another amount or life, or refuses it.

    None where there is no such request (of this organisation, unless `org_id` is None), or it was decided.
    """
    values = {
        "id": boost_id,
        "org_id": org_id,
        "grants": grants,
        "decided_by": decided_by,
        "note": note,
        "amount": amount,
        "life_s": life_s,
    }
    return _boost(connection.execute(_DECIDE_BOOST, values).mappings().one())


def end_boost(
    connection: Connection, boost_id: UUID, org_id: UUID | None, *, decided_by: UUID, note: str | None
) -> BoostRow | None:
    """Ends a granted boost now; None where there is none."""
    values = {"id": boost_id, "org_id": org_id, "decided_by": decided_by, "note": note}
    return _boost(connection.execute(_END_BOOST, values).mappings().one())


def boost(connection: Connection, boost_id: UUID, org_id: UUID | None) -> BoostRow | None:
    """A boost (of this organisation, unless `org_id` is None); None where there is none."""
    row = connection.execute(_BOOST, {"id": boost_id, "org_id": org_id}).mappings().one_or_none()
    return BoostRow(**row) if row else None


def boosts(
    connection: Connection, org_id: UUID | None, states: Sequence[str], *, in_force: bool = False, most: int = 200
) -> list[BoostRow]:
    """Boosts of an organisation, or of all, newest first; under the app role those it may see."""
    values = {"org_id": org_id, "states": list(states), "in_force": in_force, "most": most}
    return [BoostRow(**row) for row in connection.execute(_BOOSTS, values).mappings()]


def lock_plan_limit(connection: Connection, org_id: UUID, metric: str) -> int | None:
    """What an organisation's plan allows of a metric (None: without limit); the organisation is locked."""
    limit: int | None = connection.execute(_PLAN_LIMIT, {"org_id": org_id, "metric": metric}).scalar_one_or_none()
    return limit


def plan_at(connection: Connection, org_id: UUID, moment: datetime) -> str | None:
    """The plan that an organisation was on at a moment."""
    plan: str | None = connection.execute(_PLAN_AT, {"org_id": org_id, "moment": moment}).scalar_one()
    return plan


def _boost(row: Any) -> BoostRow | None:
    return BoostRow(**row) if row["id"] is not None else None


def _moved(movement: Movement) -> dict[str, Any]:
    return {
        "org_id": movement.org_id,
        "amount": movement.amount,
        "key": movement.key,
        "user_id": movement.user_id,
        "author": movement.author,
        "reason": movement.reason,
        "payment": movement.payment,
    }
