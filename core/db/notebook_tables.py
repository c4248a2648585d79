"""The tables of what analysts keep: watchlists, theses, checklists."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
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
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

watchlists = Table(
    "watchlists",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("shared_with", Text),
    Column("made_by", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("org_id", "user_id", "name"),
)

watchlist_symbols = Table(
    "watchlist_symbols",
    METADATA,
    Column("watchlist_id", Uuid, ForeignKey("watchlists.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("symbol", Text, primary_key=True),
    Column("place", Integer, nullable=False),
)

thesis_versions = Table(
    "thesis_versions",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("is_shared", Boolean, nullable=False),
    Column("number", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

checklist_templates = Table(
    "checklist_templates",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("items", JSONB, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
)

checklist_ticks = Table(
    "checklist_ticks",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("template", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("ticked_by", Text, nullable=False),
    Column("ticked_at", Moment, nullable=False),
    Column("as_of", Date, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)
