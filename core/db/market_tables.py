"""The tables of market data: sources, quotes, instruments, universes, bars, news, filings, fundamentals."""

from __future__ import annotations

from sqlalchemy import Column, Date, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from core.db.schema import METADATA, Moment

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
