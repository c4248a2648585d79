"""The tables of credits: wallets, the ledger, free credits, boosts, and the plans of an organisation in time."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.db.schema import METADATA, Credits, Moment

wallets = Table(
    "wallets",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("available", Credits, nullable=False),
    Column("held", Credits, nullable=False),
    Column("overdraft", Credits, nullable=False),
)

credit_lots = Table(
    "credit_lots",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("wallets.org_id"), nullable=False),
    Column("granted", Credits, nullable=False),
    Column("remaining", Credits, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

free_days = Table(
    "free_days",
    METADATA,
    Column("user_id", Uuid, ForeignKey("users.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("granted", Credits, nullable=False),
    Column("used", Credits, nullable=False),
    Column("held", Credits, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("org_id", Uuid, ForeignKey("wallets.org_id"), nullable=False),
    Column("user_id", Uuid),
    Column("at", Moment, nullable=False),
    Column("kind", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount", Credits, nullable=False),
    Column("author", Uuid),
    Column("reason", Text),
    Column("hold_id", Uuid, ForeignKey("holds.id")),
    Column("payment", Text),
    Column("lot_id", Uuid, ForeignKey("credit_lots.id")),
    Column("free_day", Date),
    Column("idempotency_key", Text, nullable=False),
    UniqueConstraint("idempotency_key"),
)

boosts = Table(
    "boosts",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("user_id", Uuid),
    Column("metric", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("requested_at", Moment, nullable=False),
    Column("decided_by", Uuid, ForeignKey("users.id")),
    Column("decided_at", Moment),
    Column("note", Text),
    ForeignKeyConstraint(
        ["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"], name="fk_boosts_user_id_memberships"
    ),
)

organisation_plans = Table(
    "organisation_plans",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("starts_at", Moment, primary_key=True),
    Column("plan", Text, ForeignKey("plan_limits.plan"), nullable=False),
)
