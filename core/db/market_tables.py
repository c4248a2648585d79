"""The tables of market data: sources, quotes, instruments, universes, bars, news, filings, fundamentals."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

sources = Table(
    "sources",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("per_second", Integer),
    Column("per_minute", Integer),
    Column("per_day", Integer),
    Column("second_tick", BigInteger, nullable=False),
    Column("second_counts", ARRAY(Integer), nullable=False),
    Column("minute_tick", BigInteger, nullable=False),
    Column("minute_counts", ARRAY(Integer), nullable=False),
    Column("day", Date, nullable=False),
    Column("day_used", Integer, nullable=False),
    Column("blocked_until", Moment),
    Column("failures", Integer, nullable=False),
    Column("rests", Integer, nullable=False),
    Column("rests_until", Moment),
    Column("probed_until", Moment),
    Column("answered_at", Moment),
    Column("latency_ms", Integer),
    Column("failed_at", Moment),
    Column("failure", Text),
)

quotes = Table(
    "quotes",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("price", Numeric, nullable=False),
    Column("currency", Text),
    Column("change_pct", Numeric),
    Column("as_of", Moment, nullable=False),
    Column("origin", Text, nullable=False),
    Column("fetched_at", Moment, nullable=False),
)

quote_fetches = Table(
    "quote_fetches",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("holder", Uuid),
    Column("until", Moment, nullable=False),
)

news_articles = Table(
    "news_articles",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("url_key", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("published_at", Moment, nullable=False),
    Column("stored_at", Moment, nullable=False),
)

news_fetches = Table(
    "news_fetches",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("last_day", Date, primary_key=True),
    Column("asked_at", Moment, nullable=False),
    Column("fetched_at", Moment),
    Column("error", Text),
)

kept_readings = Table(
    "kept_readings",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    Column("fetched_at", Moment, nullable=False),
)

instruments = Table(
    "instruments",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("origin", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("market", Text, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("cik", BigInteger),
    Column("valid_to", Date),
    Column("delisted_on", Date),
    Column("is_generated", Boolean, nullable=False),
)

former_names = Table(
    "former_names",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("until", Date, nullable=False),
)

symbol_changes = Table(
    "symbol_changes",
    METADATA,
    Column("former", Text, primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("changed_on", Date, nullable=False),
)

instrument_version = Table(
    "instrument_version",
    METADATA,
    Column("is_only", Boolean, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("shipped_sha256", Text, nullable=False),
    Column("listed_at", Moment),
)

universes = Table(
    "universes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("is_generated", Boolean, nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
)

universe_members = Table(
    "universe_members",
    METADATA,
    Column("universe_id", Text, ForeignKey("universes.id", ondelete="CASCADE"), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("first_day", Date),
    Column("last_day", Date),
)

own_universes = Table(
    "own_universes",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("org_id", Uuid, ForeignKey("organisations.id"), nullable=False),
    Column("title", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("is_generated", Boolean, nullable=False),
    Column("first_day", Date),
    Column("last_day", Date),
    Column("updated_by", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
    UniqueConstraint("org_id", "title"),
)

own_universe_members = Table(
    "own_universe_members",
    METADATA,
    Column("universe_id", Uuid, ForeignKey("own_universes.id", ondelete="CASCADE"), primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("symbol", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("sector", Text, nullable=False),
    Column("exchange", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("first_day", Date),
    Column("last_day", Date),
)

bar_datasets = Table(
    "bar_datasets",
    METADATA,
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("org_id", Uuid, ForeignKey("organisations.id")),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("is_generated", Boolean, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

bar_files = Table(
    "bar_files",
    METADATA,
    Column("path", Text, primary_key=True),
    Column("dataset_id", Uuid, ForeignKey("bar_datasets.id"), nullable=False),
    Column("year", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("retired_at", Moment),
)

bar_series = Table(
    "bar_series",
    METADATA,
    Column("dataset_id", Uuid, ForeignKey("bar_datasets.id"), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("currency", Text),
    Column("exchange", Text),
    Column("adjustment", Text, nullable=False),
    Column("adjusted_through", Date),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("rows", Integer, nullable=False),
)

corporate_actions = Table(
    "corporate_actions",
    METADATA,
    Column("dataset_id", Uuid, ForeignKey("bar_datasets.id"), primary_key=True),
    Column("symbol", Text, primary_key=True),
    Column("ex_date", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("value", Numeric, nullable=False),
    Column("source", Text, nullable=False),
)
