"""The statements of quotes and of who is fetching them; straight to the driver, each one round trip."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.db.engine import Driver

_LOOK = "SELECT symbol, age_s, state, price, currency, change_pct, as_of, origin FROM quote_look(%(symbols)s)"
_CLAIM = """
    SELECT symbol, age_s, state, price, currency, change_pct, as_of, origin
        FROM quote_claim(%(symbols)s, %(holder)s, %(lease_s)s)
"""
_EXTEND = "SELECT quote_extend(%(symbols)s, %(holder)s, %(lease_s)s)"
_SETTLE = """
    SELECT quote_settle(%(symbols)s, %(holder)s, %(missed)s::text[], %(miss_s)s, %(found)s::text[],
        %(prices)s::numeric[], %(currencies)s::text[], %(changes)s::numeric[], %(as_ofs)s::timestamptz[],
        %(origins)s::text[])
"""
_TRIM = "SELECT quote_trim(%(most)s)"


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
    state: str | None
    """running: somebody asks the sources; missed: they had nothing of it just now; lapsed: either is over."""


def look(driver: Driver, symbols: Sequence[str]) -> dict[str, LookRow]:
    """What is kept of each of these symbols, in their order, and whether somebody is fetching it."""
    return _looked(driver.execute(_LOOK, {"symbols": list(symbols)}))


def claim(driver: Driver, symbols: Sequence[str], holder: UUID, lease_s: float) -> dict[str, LookRow]:
    """Makes `holder` the one who fetches those that nobody does; gives what is kept of them by then."""
    return _looked(driver.execute(_CLAIM, {"symbols": list(symbols), "holder": holder, "lease_s": lease_s}))


def extend(driver: Driver, symbols: Sequence[str], holder: UUID, lease_s: float) -> None:
    """Gives the holder more time for what it still holds."""
    driver.execute(_EXTEND, {"symbols": list(symbols), "holder": holder, "lease_s": lease_s})


def settle(
    driver: Driver,
    symbols: Sequence[str],
    holder: UUID,
    *,
    found: Sequence[QuoteRow] = (),
    missed: Sequence[str] = (),
    miss_s: float,
) -> None:
    """Ends the holder's fetches of these symbols: keeps what was found in place of what was kept, as fetched at this
    moment; what the sources had nothing of need not be asked for again for `miss_s`. Those that another has taken over
    meanwhile are left to it."""
    values = {
        "symbols": list(symbols),
        "holder": holder,
        "missed": list(missed),
        "miss_s": miss_s,
        "found": [row.symbol for row in found],
        "prices": [row.price for row in found],
        "currencies": [row.currency for row in found],
        "changes": [row.change_pct for row in found],
        "as_ofs": [row.as_of for row in found],
        "origins": [row.origin for row in found],
    }
    driver.execute(_SETTLE, values)


def trim(driver: Driver, most: int) -> None:
    """Forgets fetches that were over an hour ago."""
    driver.execute(_TRIM, {"most": most})


def _looked(rows: Iterable[tuple[Any, ...]]) -> dict[str, LookRow]:
    return {
        symbol: LookRow(symbol, None if told[0] is None else QuoteRow(symbol, *told), age_s, state)
        for symbol, age_s, state, *told in rows
    }
