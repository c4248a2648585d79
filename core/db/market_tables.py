"""The tables of market data: sources, quotes, instruments, universes, bars, news, filings, fundamentals."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Date, Integer, Numeric, Table, Text, Uuid
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
