"""The tables of the screener: scans, signals, records, screens, alerts."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

signal_records = Table(
    "signal_records",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("universe_id", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("formula_version", Integer, nullable=False),
    Column("bars_version", Text, nullable=False),
    Column("computed_at", Moment, nullable=False),
    Column("figures", JSONB, nullable=False),
)

scans = Table(
    "scans",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("universe_id", Text, nullable=False),
    Column("exchange", Text),
    Column("as_of", Date, nullable=False),
    Column("formula_version", Integer, nullable=False),
    Column("bars_version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("scanned", Integer),
    Column("skipped", JSONB),
    Column("market", JSONB),
    Column("results", LargeBinary),
    Column("failure", Text),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("stamped_at", Moment),
    Column("duration_ms", Integer),
)

scan_parts = Table(
    "scan_parts",
    METADATA,
    Column("scan_id", Uuid, ForeignKey("scans.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("symbols", ARRAY(Text), nullable=False),
    Column("result", LargeBinary),
)

signals = Table(
    "signals",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("scan_id", Uuid, ForeignKey("scans.id", ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid),
    Column("symbol", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("confirmed_at", Date, nullable=False),
    Column("close", Double, nullable=False),
    Column("entry", Double),
    Column("stop", Double),
    Column("target", Double),
    Column("reward_risk", Double),
    Column("confidence", Double),
    Column("confidence_n", Integer, nullable=False),
    Column("base_rate", Double),
    Column("shape", JSONB),
    UniqueConstraint("scan_id", "symbol", "type", "confirmed_at"),
)

alerts = Table(
    "alerts",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("screen_id", Uuid, nullable=False),
    Column("universe_id", Text, nullable=False),
    Column("tells_in_app", Boolean, nullable=False),
    Column("tells_by_mail", Boolean, nullable=False),
    Column("webhook_url", Text),
    Column("webhook_secret", Text),
    Column("is_paused", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("silent_because", Text),
    Column("screen_version", Integer),
    Column("scan_id", Uuid),
    Column("as_of", Date),
    Column("scanned_at", Moment),
    Column("own_as_of", Date),
    Column("matching", Integer),
    Column("told_at", Moment),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

alert_matches = Table(
    "alert_matches",
    METADATA,
    Column("alert_id", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("scan_id", Uuid, nullable=False),
    Column("since", Date, nullable=False),
)

alert_deliveries = Table(
    "alert_deliveries",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("alert_id", Uuid, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("scan_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("message", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment),
    Column("said", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    UniqueConstraint("alert_id", "scan_id", "channel"),
)

screens = Table(
    "screens",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("shared_with", Text),
    Column("made_by", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("org_id", "user_id", "name"),
)

screen_versions = Table(
    "screen_versions",
    METADATA,
    Column("screen_id", Uuid, ForeignKey("screens.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("number", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("criteria", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
)
