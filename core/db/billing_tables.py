"""The tables of what is bought: customers, payments, subscriptions, and Stripe's events."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.db.schema import METADATA, Credits, Moment

billing_accounts = Table(
    "billing_accounts",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("customer_id", Text, unique=True),
    Column("checkout_id", Text),
    Column("checkout_by", Uuid),
    Column("applied_plan", Text),
    Column("created_at", Moment, nullable=False),
)

payments = Table(
    "payments",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("package_id", Text, nullable=False),
    Column("credits", Credits, nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("intent_id", Text),
    Column("checkout_id", Text),
    Column("request_key", Text),
    Column("body_sha256", LargeBinary),
    Column("refunded_minor", BigInteger, nullable=False),
    Column("refunds_as_of", Moment),
    Column("taken_credits", Credits, nullable=False),
    Column("said", Text),
    Column("created_at", Moment, nullable=False),
    Column("asked_at", Moment),
    Column("credited_at", Moment),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("intent_id"),
    UniqueConstraint("checkout_id"),
)

payment_disputes = Table(
    "payment_disputes",
    METADATA,
    Column("dispute_id", Text, primary_key=True),
    Column("payment_id", Uuid, ForeignKey("payments.id"), nullable=False),
    Column("amount_minor", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("as_of", Moment, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    METADATA,
    Column("subscription_id", Text, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("plan", Text, nullable=False),
    Column("seats", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("period_end", Moment, nullable=False),
    Column("ends_at_period_end", Boolean, nullable=False),
    Column("schedule_id", Text),
    Column("next_plan", Text),
    Column("next_seats", Integer),
    Column("grace_until", Moment),
    Column("asked_by", Uuid),
    Column("asked_at", Moment),
    Column("gone_at", Moment),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("read_at", Moment, nullable=False),
)

plan_prices = Table(
    "plan_prices",
    METADATA,
    Column("price_id", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("said", Text),
)

stripe_events = Table(
    "stripe_events",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("account", Text),
    Column("created_at", Moment, nullable=False),
    Column("body", Text),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due_at", Moment),
    Column("said", Text),
    Column("received_at", Moment, nullable=False),
    Column("finished_at", Moment),
)
