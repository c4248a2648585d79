"""The table of what operators decide of providers and models."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Numeric, Table, Text, Uuid

from core.db.schema import METADATA, Moment

model_switches = Table(
    "model_switches",
    METADATA,
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("weight", Numeric(5, 2), nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("changed_by", Uuid, ForeignKey("users.id"), nullable=False),
)
