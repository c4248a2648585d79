"""The tables of research: parts of bundles, who agreed to them, and how many figures of answers were verified."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKeyConstraint, Integer, LargeBinary, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from core.db.schema import METADATA, Moment

research_parts = Table(
    "research_parts",
    METADATA,
    Column("portfolio_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("part", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("claim", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("symbols", ARRAY(Text), nullable=False),
    Column("content", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    Column("begun_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    ForeignKeyConstraint(["portfolio_id", "org_id"], ["portfolios.id", "portfolios.org_id"], ondelete="CASCADE"),
)

research_choices = Table(
    "research_choices",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("agreed_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

answer_checks = Table(
    "answer_checks",
    METADATA,
    Column("request_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("failed_steps", Integer, nullable=False),
    Column("figures", Integer, nullable=False),
    Column("verified", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)
