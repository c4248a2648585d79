"""The statements of what was fetched to be read: news, and kept answers about filings and figures."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, text

_CLAIM = text(
    """
    INSERT INTO news_fetches AS f (symbol, source, last_day, asked_at)
        VALUES (:symbol, :source, :last_day, assay_now())
        ON CONFLICT (symbol, source, last_day) DO UPDATE SET asked_at = excluded.asked_at
            WHERE f.asked_at <= excluded.asked_at - make_interval(secs => :retry_s)
                AND (f.fetched_at IS NULL OR f.fetched_at <= excluded.asked_at - make_interval(secs => :fresh_s))
        RETURNING true
    """
)
_ANSWERED = text(
    "UPDATE news_fetches SET fetched_at = assay_now(), error = NULL "
    "WHERE symbol = :symbol AND source = :source AND last_day = :last_day"
)
_FAILED = text(
    "UPDATE news_fetches SET error = :error WHERE symbol = :symbol AND source = :source AND last_day = :last_day"
)
_FETCHES = text(
    """
    SELECT f.symbol, f.source, f.error,
        extract(epoch FROM assay_now() - (
            SELECT max(g.fetched_at) FROM news_fetches g
            WHERE g.symbol = f.symbol AND g.source = f.source AND g.last_day <= f.last_day))::float AS age_s
    FROM news_fetches f
    WHERE f.symbol = ANY (:symbols) AND f.source = ANY (:sources) AND f.last_day = :last_day
    """
)
_PUT_ARTICLE = text(
    """
    INSERT INTO news_articles (symbol, source, url_key, url, title, publisher, summary, published_at, stored_at)
        VALUES (:symbol, :source, :url_key, :url, :title, :publisher, :summary, :published_at, assay_now())
        ON CONFLICT (symbol, source, url_key) DO UPDATE SET title = excluded.title, publisher = excluded.publisher,
            summary = excluded.summary, published_at = excluded.published_at, stored_at = excluded.stored_at
    """
)
_TRIM_ARTICLES = text(
    """
    WITH gone AS (
        DELETE FROM news_articles WHERE (symbol, source, url_key) IN (
            SELECT symbol, source, url_key FROM news_articles WHERE symbol = :symbol AND source = :source
            ORDER BY stored_at DESC OFFSET :most)
        RETURNING stored_at)
    DELETE FROM news_fetches WHERE symbol = :symbol AND source = :source AND last_day <> :last_day
        AND EXISTS (SELECT FROM gone WHERE stored_at BETWEEN asked_at AND fetched_at)
    """
)
_TRIM_FETCHES = text(
    "DELETE FROM news_fetches WHERE symbol = :symbol AND source = :source "
    "AND asked_at < assay_now() - make_interval(days => :days)"
)
_ARTICLES = text(
    """
    SELECT symbol, source, url, title, publisher, summary, published_at FROM news_articles
    WHERE symbol = ANY (:symbols) AND source = ANY (:sources) AND published_at BETWEEN :since AND :until
    ORDER BY published_at DESC, title LIMIT :most
    """
)
_KEPT = text(
    "SELECT value, source, extract(epoch FROM assay_now() - fetched_at)::float AS age_s FROM kept_readings "
    "WHERE kind = :kind AND subject = :subject"
)
_KEEP = text(
    """
    INSERT INTO kept_readings (kind, subject, source, value, fetched_at)
        VALUES (:kind, :subject, :source, cast(:value AS jsonb), assay_now())
        ON CONFLICT (kind, subject) DO UPDATE SET source = excluded.source, value = excluded.value,
            fetched_at = excluded.fetched_at
    """
)
_TRIM_KEPT = text(
    """
    DELETE FROM kept_readings WHERE kind = :kind AND fetched_at <= (
        SELECT fetched_at FROM kept_readings WHERE kind = :kind ORDER BY fetched_at DESC OFFSET :most LIMIT 1)
    """
)
_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class FetchRow:
    """How a source stands for the news of one instrument."""

    symbol: str
    source: str
    error: str | None
    """Kind of the failure that its last asking ended with."""
    age_s: float | None
    """Seconds since it last answered, for this day or one before; None: never."""


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """An article that a source told of an instrument."""

    symbol: str
    source: str
    url: str
    title: str
    publisher: str
    summary: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class KeptRow:
    """A kept answer and how old it is."""

    value: Any
    source: str
    age_s: float


def claim_fetch(
    connection: Connection, symbol: str, source: str, last_day: date, *, fresh_s: float, retry_s: float
) -> bool:
    """Takes it upon this process to ask a source; False where what is there is fresh, or it is being asked."""
    values = {"symbol": symbol, "source": source, "last_day": last_day, "fresh_s": fresh_s, "retry_s": retry_s}
    return connection.execute(_CLAIM, values).scalar() is not None


def put_articles(
    connection: Connection, symbol: str, source: str, last_day: date, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Keeps what a source answered, which may be nothing; the row that is given last is forgotten last."""
    if rows:
        connection.execute(_PUT_ARTICLE, [{**row, "symbol": symbol, "source": source} for row in rows])
    connection.execute(_ANSWERED, {"symbol": symbol, "source": source, "last_day": last_day})


def fetch_failed(connection: Connection, symbol: str, source: str, last_day: date, error: str) -> None:
    """Notes that a source failed, and how."""
    connection.execute(_FAILED, {"symbol": symbol, "source": source, "last_day": last_day, "error": error})


def trim_news(connection: Connection, symbol: str, source: str, last_day: date, *, most: int, days: int) -> None:
    """Forgets the articles beyond `most` that were told the longest ago, and askings of so many days ago.

    Another day's asking of which an article is gone is forgotten too, so that it is asked anew.
    """
    connection.execute(_TRIM_ARTICLES, {"symbol": symbol, "source": source, "last_day": last_day, "most": most})
    connection.execute(_TRIM_FETCHES, {"symbol": symbol, "source": source, "days": days})


def fetches(connection: Connection, symbols: Sequence[str], sources: Sequence[str], last_day: date) -> list[FetchRow]:
    """How the sources stand for these instruments up to a day."""
    values = {"symbols": list(symbols), "sources": list(sources), "last_day": last_day}
    return [FetchRow(**row) for row in connection.execute(_FETCHES, values).mappings()]


def articles(
    connection: Connection,
    symbols: Sequence[str],
    sources: Sequence[str],
    *,
    since: datetime,
    until: datetime,
    most: int,
) -> list[ArticleRow]:
    """What the sources told of these instruments, newest first; nothing later than `until`."""
    values = {"symbols": list(symbols), "sources": list(sources), "since": since, "until": until, "most": most}
    return [ArticleRow(**row) for row in connection.execute(_ARTICLES, values).mappings()]


def kept(connection: Connection, kind: str, subject: str) -> KeptRow | None:
    """What is kept under that name, of any age."""
    row = connection.execute(_KEPT, {"kind": kind, "subject": subject}).one_or_none()
    return None if row is None else KeptRow(row.value, row.source, row.age_s)


def keep(connection: Connection, kind: str, subject: str, source: str, value: object, *, most: int) -> None:
    """Keeps an answer in place of the one before; of its kind, the newest `most` stay."""
    document = json.dumps(_storable(value), default=str)
    connection.execute(_KEEP, {"kind": kind, "subject": subject, "source": source, "value": document})
    connection.execute(_TRIM_KEPT, {"kind": kind, "most": most})


def _storable(value: object) -> object:
    """The value without what the database takes in no text: NULs and halves of characters."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("", value)
    if isinstance(value, Mapping):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list | tuple) else value
