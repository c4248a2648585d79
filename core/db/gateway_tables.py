"""The tables of the gateway: how models fare, own keys, flags, experiments, and what guards found."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from core.db.schema import METADATA, Moment, Usd

model_states = Table(
    "model_states",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("rests", Integer, nullable=False),
    Column("rests_until", Moment),
    Column("probed_until", Moment),
    Column("blocked_until", Moment),
    Column("answered_at", Moment),
    Column("first_token_ms", Integer),
    Column("calls", BigInteger, nullable=False),
    Column("failed_calls", BigInteger, nullable=False),
    Column("failed_at", Moment),
    Column("failure", Text),
)

provider_keys = Table(
    "provider_keys",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("provider", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("secret", LargeBinary),
    Column("last_four", Text, nullable=False),
    Column("limit_usd_month", Usd),
    Column("month_start", Moment, nullable=False),
    Column("month_end", Moment, nullable=False),
    Column("used_usd", Usd, nullable=False),
    Column("held_usd", Usd, nullable=False),
    Column("expires_at", Moment),
    Column("warned_at", Moment),
    Column("last_used_at", Moment),
    Column("refused_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("id", "org_id"),
)

flags = Table(
    "flags",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("description", Text, nullable=False),
    Column("is_on", Boolean, nullable=False),
    Column("plans", ARRAY(Text), nullable=False),
    Column("org_ids", ARRAY(Uuid), nullable=False),
    Column("user_ids", ARRAY(Uuid), nullable=False),
    Column("percentage", Numeric(5, 2), nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Uuid, ForeignKey("users.id"), nullable=False),
)

experiments = Table(
    "experiments",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("task", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("percentage", Numeric(5, 2), nullable=False),
    Column("plans", ARRAY(Text), nullable=False),
    Column("org_ids", ARRAY(Uuid), nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("started_by", Uuid, ForeignKey("users.id"), nullable=False),
)

guard_events = Table(
    "guard_events",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("request_id", Uuid),
    Column("guard", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("score", Float),
    Column("found", Integer, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)
