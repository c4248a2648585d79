"""The tables of oversight: alerts, their channels and deliveries."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment, Usd

oversight_alerts = Table(
    "oversight_alerts",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("user_id", Uuid, ForeignKey("users.id")),
    Column("subject", Text, nullable=False),
    Column("period", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("value", Usd, nullable=False),
    Column("threshold", Usd, nullable=False),
    Column("is_muted", Boolean, nullable=False),
    Column("told_at", Moment),
    Column("raised_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("cleared_at", Moment),
    Column("acknowledged_at", Moment),
    Column("acknowledged_by", Uuid, ForeignKey("users.id")),
)

oversight_rules = Table(
    "oversight_rules",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("rule", Text, nullable=False),
    Column("is_on", Boolean, nullable=False),
    Column("threshold", Usd),
    Column("muted_until", Moment),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Uuid, ForeignKey("users.id"), nullable=False),
)

oversight_channels = Table(
    "oversight_channels",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", Text),
    Column("least_level", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("created_by", Uuid, ForeignKey("users.id"), nullable=False),
)

oversight_deliveries = Table(
    "oversight_deliveries",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("alert_id", Uuid, ForeignKey("oversight_alerts.id", ondelete="CASCADE")),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("user_id", Uuid, ForeignKey("users.id")),
    Column("channel", Text, nullable=False),
    Column("channel_id", Uuid),
    Column("event", Text, nullable=False),
    Column("message", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment),
    Column("quiet_until", Moment),
    Column("said", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
)
