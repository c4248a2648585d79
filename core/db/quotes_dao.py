"""The statements of quotes and of who is fetching them; straight to the driver, each one round trip.

Rows of several symbols are locked in the order of their symbols, so that no two statements wait for one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.db.engine import Driver

_LOOK = """
    SELECT s.symbol, extract(epoch FROM n.moment - q.fetched_at)::float8,
        CASE WHEN f.symbol IS NULL THEN NULL WHEN f.until <= n.moment THEN 'lapsed' WHEN f.holder IS NULL THEN 'missed'
            ELSE 'running' END,
        q.price, q.currency, q.change_pct, q.as_of, q.origin
    FROM unnest(%(symbols)s::text[]) WITH ORDINALITY AS s (symbol, place)
        CROSS JOIN (SELECT assay_now() AS moment) AS n
        LEFT JOIN quotes q ON q.symbol = s.symbol LEFT JOIN quote_fetches f ON f.symbol = s.symbol
    ORDER BY s.place
"""
_CLAIM = """
    INSERT INTO quote_fetches (symbol, holder, until)
        SELECT s.symbol, %(holder)s, assay_now() + make_interval(secs => %(lease_s)s)
        FROM unnest(%(symbols)s::text[]) AS s (symbol) ORDER BY s.symbol
    ON CONFLICT (symbol) DO UPDATE SET holder = excluded.holder, until = excluded.until
        WHERE quote_fetches.until <= assay_now()
    RETURNING symbol
"""
_EXTEND = """
    WITH mine AS (
        SELECT symbol FROM quote_fetches WHERE symbol = ANY(%(symbols)s) AND holder = %(holder)s
        ORDER BY symbol FOR UPDATE)
    UPDATE quote_fetches f SET until = assay_now() + make_interval(secs => %(lease_s)s) FROM mine
        WHERE f.symbol = mine.symbol
"""
_RELEASE = """
    WITH mine AS (
        SELECT symbol FROM quote_fetches WHERE symbol = ANY(%(symbols)s) AND holder = %(holder)s
        ORDER BY symbol FOR UPDATE),
    gone AS (
        DELETE FROM quote_fetches f USING mine WHERE f.symbol = mine.symbol
            AND NOT f.symbol = ANY(%(missed)s::text[]))
    UPDATE quote_fetches f SET holder = NULL, until = assay_now() + make_interval(secs => %(miss_s)s) FROM mine
        WHERE f.symbol = mine.symbol AND f.symbol = ANY(%(missed)s::text[])
"""
_KEEP = """
    INSERT INTO quotes (symbol, price, currency, change_pct, as_of, origin, fetched_at)
        SELECT *, assay_now() FROM unnest(%(symbols)s::text[], %(prices)s::numeric[], %(currencies)s::text[],
            %(changes)s::numeric[], %(as_ofs)s::timestamptz[], %(origins)s::text[]) AS s (symbol) ORDER BY s.symbol
    ON CONFLICT (symbol) DO UPDATE SET price = excluded.price, currency = excluded.currency,
        change_pct = excluded.change_pct, as_of = excluded.as_of, origin = excluded.origin,
        fetched_at = excluded.fetched_at
"""
_TRIM = """
    DELETE FROM quote_fetches WHERE symbol IN (
        SELECT symbol FROM quote_fetches WHERE until < assay_now() - interval '1 hour' LIMIT %(most)s
        FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """A price that a source told; the columns of `quotes`."""

    symbol: str
    price: Decimal
    currency: str | None
    change_pct: Decimal | None
    as_of: datetime
    origin: str


@dataclass(frozen=True, slots=True)
class LookRow:
    """What is known of a symbol at this moment."""

    symbol: str
    kept: QuoteRow | None
    age_s: float | None
    """Seconds since the quote was fetched."""
    fetch: str | None
    """running: somebody asks the sources; missed: they had nothing of it just now; lapsed: either is over."""


def look(driver: Driver, symbols: Sequence[str]) -> list[LookRow]:
    """What is kept of each of these symbols, in their order, and whether somebody is fetching it."""
    rows = driver.execute(_LOOK, {"symbols": list(symbols)})
    return [
        LookRow(symbol, None if told[0] is None else QuoteRow(symbol, *told), age_s, fetch)
        for symbol, age_s, fetch, *told in rows
    ]


def claim(driver: Driver, symbols: Sequence[str], holder: UUID, lease_s: float) -> set[str]:
    """Makes `holder` the one who fetches those that nobody does; says which."""
    rows = driver.execute(_CLAIM, {"symbols": list(symbols), "holder": holder, "lease_s": lease_s})
    return {row[0] for row in rows}


def extend(driver: Driver, symbols: Sequence[str], holder: UUID, lease_s: float) -> None:
    """Gives the holder more time for what it still holds."""
    driver.execute(_EXTEND, {"symbols": list(symbols), "holder": holder, "lease_s": lease_s})


def release(driver: Driver, symbols: Sequence[str], holder: UUID, *, missed: Sequence[str], miss_s: float) -> None:
    """Ends the holder's fetches; those the sources had nothing of need not be asked for again for `miss_s`."""
    values = {"symbols": list(symbols), "holder": holder, "missed": list(missed), "miss_s": miss_s}
    driver.execute(_RELEASE, values)


def keep(driver: Driver, rows: Sequence[QuoteRow]) -> None:
    """Keeps the quotes in place of older ones, as fetched at this moment."""
    values = {
        "symbols": [row.symbol for row in rows],
        "prices": [row.price for row in rows],
        "currencies": [row.currency for row in rows],
        "changes": [row.change_pct for row in rows],
        "as_ofs": [row.as_of for row in rows],
        "origins": [row.origin for row in rows],
    }
    driver.execute(_KEEP, values)


def trim(driver: Driver, most: int) -> None:
    """Forgets fetches that were over an hour ago."""
    driver.execute(_TRIM, {"most": most})
