"""The tables of portfolios: transactions, imports, targets, and what is derived and kept."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
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
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

portfolios = Table(
    "portfolios",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("cost_method", Text, nullable=False),
    Column("has_cash", Boolean, nullable=False),
    Column("benchmark", Text),
    Column("shared_with", Text),
    Column("edited_with", Text),
    Column("made_by", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
    UniqueConstraint("org_id", "user_id", "name"),
    UniqueConstraint("id", "org_id"),
)

portfolio_imports = Table(
    "portfolio_imports",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("preset", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("id", "portfolio_id"),
)

portfolio_transactions = Table(
    "portfolio_transactions",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), nullable=False),
    Column("org_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("currency", Text, nullable=False),
    Column("symbol", Text),
    Column("quantity", Numeric(28, 10)),
    Column("price", Numeric(28, 10)),
    Column("amount", Numeric(28, 10)),
    Column("fees", Numeric(28, 10), nullable=False),
    Column("taxes", Numeric(28, 10), nullable=False),
    Column("fx_rate", Numeric(28, 14)),
    Column("ratio", Numeric(28, 14)),
    Column("other_symbol", Text),
    Column("cost_share", Numeric(16, 14)),
    Column("note", Text, nullable=False),
    Column("identity", LargeBinary, nullable=False),
    Column("import_id", Uuid),
    Column("reverses", Uuid),
    Column("author", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    ForeignKeyConstraint(
        ["import_id", "portfolio_id"], ["portfolio_imports.id", "portfolio_imports.portfolio_id"], ondelete="CASCADE"
    ),
    ForeignKeyConstraint(
        ["reverses", "portfolio_id"],
        ["portfolio_transactions.id", "portfolio_transactions.portfolio_id"],
        ondelete="CASCADE",
    ),
    UniqueConstraint("portfolio_id", "number"),
    UniqueConstraint("id", "portfolio_id"),
)

portfolio_mappings = Table(
    "portfolio_mappings",
    METADATA,
    Column("org_id", Uuid, primary_key=True),
    Column("user_id", Uuid, primary_key=True),
    Column("headings", LargeBinary, primary_key=True),
    Column("mapping", JSONB, nullable=False),
    Column("updated_at", Moment, nullable=False),
    ForeignKeyConstraint(["org_id", "user_id"], ["memberships.org_id", "memberships.user_id"]),
)

portfolio_targets = Table(
    "portfolio_targets",
    METADATA,
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("symbol", Text, primary_key=True),
    Column("weight", Numeric(9, 8), nullable=False),
)

portfolio_days = Table(
    "portfolio_days",
    METADATA,
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("computed_at", Moment, nullable=False),
)

portfolio_analyses = Table(
    "portfolio_analyses",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("portfolio_id", Uuid, ForeignKey("portfolios.id", ondelete="CASCADE")),
    Column("key", LargeBinary, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    UniqueConstraint("org_id", "key"),
)
