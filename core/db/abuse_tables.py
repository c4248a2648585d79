"""The tables of what shows abuse, and of bulk changes."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Integer, LargeBinary, Table, Text, Uuid

from core.db.schema import METADATA, Moment

token_uses = Table(
    "token_uses",
    METADATA,
    Column("token_id", Uuid, ForeignKey("access_tokens.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("address_hash", LargeBinary, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("minutes", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
)

bulk_changes = Table(
    "bulk_changes",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("reach", Uuid, primary_key=True),
    Column("lines", Integer, nullable=False),
    Column("applied_by", Uuid, ForeignKey("users.id"), nullable=False),
    Column("applied_at", Moment, nullable=False),
)
