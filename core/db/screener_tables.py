"""The tables of the screener: scans, signals, records, screens, alerts."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Integer, Table, Text, Uuid
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
