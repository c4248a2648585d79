"""The tables of verdicts: what models were shown and said, what became of it, batches, and their settings."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment, Usd

verdict_snapshots = Table(
    "verdict_snapshots",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("signal_id", Uuid, ForeignKey("signals.id")),
    Column("hash", LargeBinary, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("created_at", Moment, nullable=False),
)

verdicts = Table(
    "verdicts",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id")),
    Column("job_id", Uuid),
    Column("purpose", Text, nullable=False),
    Column("snapshot_id", Uuid, ForeignKey("verdict_snapshots.id"), nullable=False),
    Column("signal_id", Uuid, ForeignKey("signals.id")),
    Column("universe_id", Text),
    Column("symbol", Text, nullable=False),
    Column("signal_type", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("signal_day", Date),
    Column("own_confidence", Double),
    Column("base_rate", Double),
    Column("decided_on", Date),
    Column("is_retrospective", Boolean, nullable=False),
    Column("is_generated", Boolean, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("answer", JSONB, nullable=False),
    Column("numbers", Integer, nullable=False),
    Column("numbers_verified", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("is_offline", Boolean, nullable=False),
    Column("prompt_version", Text, nullable=False),
    Column("price_version", Text, nullable=False),
    Column("charged_usd", Usd, nullable=False),
    Column("call_usd", Usd, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("request_id", Uuid, nullable=False),
    Column("is_cached", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("org_id", "request_id", "snapshot_id", name="uq_verdicts_request_id"),
)

verdict_scores = Table(
    "verdict_scores",
    METADATA,
    Column("verdict_id", Uuid, ForeignKey("verdicts.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("entry_day", Date, nullable=False),
    Column("benchmark", Text),
    Column("exit_5", Date),
    Column("move_5", Double),
    Column("benchmark_5", Double),
    Column("exit_20", Date),
    Column("move_20", Double),
    Column("benchmark_20", Double),
    Column("scored_at", Moment, nullable=False),
)

verdict_batches = Table(
    "verdict_batches",
    METADATA,
    Column("job_id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("started_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("is_nightly", Boolean, nullable=False),
    Column("parent_id", Uuid),
    Column("universe_id", Text, nullable=False),
    Column("signal_day", Date, nullable=False),
    Column("model", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("stopped_code", Text),
    Column("stopped_reason", Text),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
)

verdict_batch_items = Table(
    "verdict_batch_items",
    METADATA,
    Column("job_id", Uuid, ForeignKey("verdict_batches.job_id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("number", Integer, primary_key=True),
    Column("signal_id", Uuid, ForeignKey("signals.id", ondelete="CASCADE"), nullable=False),
    Column("symbol", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("verdict_id", Uuid, ForeignKey("verdicts.id")),
    Column("problem", Text),
    UniqueConstraint("job_id", "signal_id", name="uq_verdict_batch_items_signal_id"),
)

verdict_settings = Table(
    "verdict_settings",
    METADATA,
    Column("org_id", Uuid, ForeignKey("organisations.id"), primary_key=True),
    Column("is_nightly", Boolean, nullable=False),
    Column("universe_id", Text),
    Column("most", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("switched_on_by", Uuid, ForeignKey("users.id")),
    Column("uses_quality", Boolean, nullable=False),
    Column("updated_at", Moment, nullable=False),
)
