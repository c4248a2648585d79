"""Quotes: what a symbol is worth as of a moment, where that was learnt, and how old it is.

Live, in this order: what is kept and fresh, the sources one after another, what is kept of any age, nothing. As of any
other day: the bars of that day alone. A symbol is fetched by one request at a time, of all threads and processes: it
holds a lease on the symbol while it asks, in a row that says until when, so that a holder that dies keeps nobody
waiting for long. The others wait, and find the quote in the table.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol
from uuid import UUID

from core.clock import Clock
from core.db import quotes_dao as dao
from core.db.engine import Database
from core.db.quotes_dao import LookRow, QuoteRow
from core.errors import DatabaseUnavailable, InvalidRequest, NoData, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.quote_ladder import Climb, Instruments, Ladder, Traded, checked
from core.market.sources.contract import SourceQuote
from core.market.symbols import checked_symbol

MAX_SYMBOLS = 200
"""Symbols of one request."""
LONGEST = 64
"""Characters of what is looked at as a symbol; longer ones are none, however they go on."""
LEASE_S = 15.0
"""How long who fetches a symbol may be silent; longer than any one source takes, its turns and retries included."""
WAIT_S = 20.0
"""Longest wait for a quote that another request fetches; longer than a lease, so that a dead holder is replaced."""
FIRST_LOOK_S, LOOKS_GROW, LAST_LOOK_S = 0.02, 1.5, 0.25
"""Pauses between two looks of those who wait."""
MISS_S = 300.0
"""How long sources are not asked again for a symbol that none of them knows."""
TRIM_EVERY, TRIM_MOST = 200, 2_000
"""Fetches of one process between two looks for what is over, and how much of it is forgotten then."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Quote:
    """A price and where it comes from; or, without a price, that nothing is known."""

    symbol: str
    """As we spell it."""
    source: str = "none"
    """Where this answer was found: the live source that was just asked, `cache`, `stale`, `sample` or `none`."""
    price: Decimal | None = None
    currency: str | None = None
    """ISO 4217; None where neither source nor instrument says."""
    change_pct: Decimal | None = None
    """Change from the previous close, as a fraction."""
    as_of: datetime | None = None
    """When it was the price."""
    origin: str | None = None
    """The source it first came from."""
    age_s: int | None = None
    """Seconds since its origin told it; of a price as of another day, seconds before the moment that is seen."""
    is_stale: bool | None = None
    """Whether a session of its exchange has closed since it was the price; None where the exchange is not known."""
    is_generated: bool = False
    """Whether a program made the price up, of an instrument that does not exist."""
    problems: tuple[str, ...] = ()
    """What kept the sources from telling a newer one; sentences for a page."""


@dataclass(frozen=True, slots=True)
class PastQuote:
    """The last price that was known on a day."""

    quote: SourceQuote
    origin: str
    """The source of its bars: `sample` of those that are shipped."""


class HistoricalQuotes(Protocol):
    """Knows prices of the past."""

    def quotes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Mapping[str, PastQuote]:
        """The last price of each symbol, by symbol, as it was known at that moment; those without are left out.

        An organisation's own prices are known to it alone.
        """
        ...


class Sessions(Protocol):
    """Knows when exchanges trade."""

    def last_session(self, exchange: str, moment: datetime) -> date:
        """The last session that had closed by then; NotFound where the exchange is not known."""
        ...

    def is_open(self, exchange: str, moment: datetime) -> bool:
        """Whether a session was on at that moment."""
        ...

    def next_close(self, exchange: str, moment: datetime) -> datetime | None:
        """When the first session closed that closed after that moment."""
        ...


@dataclass(frozen=True, slots=True)
class QuoteParts:
    """What quotes are composed of."""

    database: Database
    ladder: Ladder
    past: HistoricalQuotes
    instruments: Instruments
    sessions: Sessions
    clock: Clock
    ttl_s: float
    """Seconds for which a quote is fresh."""


class Quotes:
    """Answers what symbols are worth."""

    def __init__(self, parts: QuoteParts) -> None:
        self._parts = parts
        self._fetches = itertools.count(1)

    def get(self, symbols: Iterable[str], as_of: AsOf, org_id: UUID | None = None) -> dict[str, Quote]:
        """The quotes of these symbols, in their order, as they were asked for in capitals; each fails alone.

        What cannot be a symbol has no quote, and nobody is asked for it; nor has, on live sources, an instrument that
        is generated. An organisation's own bars quote the past to it; live quotes are the same for all.

        Raises:
            InvalidRequest: more than MAX_SYMBOLS.
            DatabaseUnavailable: nothing is known, and nobody was asked.
        """
        asked = spelled(symbols)
        wanted = list(dict.fromkeys(symbol for symbol in asked.values() if symbol is not None))
        if not wanted:
            return {each: Quote(each) for each in asked}
        seen = _Seen(self._parts.instruments.many(wanted, as_of), self._parts.sessions, as_of.moment)
        if as_of.is_live:
            quotes = self._live([symbol for symbol in wanted if not seen.is_generated(symbol)], seen)
        else:
            quotes = self._past(wanted, seen, as_of, org_id)
        return {each: quotes.get(symbol or "") or Quote(symbol or each) for each, symbol in asked.items()}

    def _past(self, symbols: Sequence[str], seen: _Seen, as_of: AsOf, org_id: UUID | None) -> dict[str, Quote]:
        quotes = {}
        for symbol, past in self._parts.past.quotes(symbols, as_of, org_id).items():
            if past.quote.as_of > as_of.moment:  # nothing later is seen, whoever offers it
                continue
            try:
                row = checked(past.quote, symbol, seen.known.get(symbol), origin=past.origin)
            except NoData as error:
                quotes[symbol] = Quote(symbol, problems=(error.detail,))
                continue
            source = "sample" if past.origin == "sample" else "cache"
            quotes[symbol] = seen.quote(row, source, (as_of.moment - row.as_of).total_seconds())
        return quotes

    def _live(self, symbols: Sequence[str], seen: _Seen) -> dict[str, Quote]:
        """Looks, fetches what nobody does, and waits for what others fetch."""
        quotes: dict[str, Quote] = {}
        awaited: set[str] = set()
        pause_s, until = FIRST_LOOK_S, self._parts.clock.monotonic() + WAIT_S
        while left := [symbol for symbol in symbols if symbol not in quotes]:
            with self._parts.database.heart() as driver:
                rows = dao.look(driver, left)
            quotes |= {row.symbol: seen.kept(row, "cache") for row in rows.values() if self._is_fresh(row)}
            is_over = not self._parts.ladder.sources or self._parts.clock.monotonic() > until
            # What another fetched and did not bring would not be brought by asking once more, nor what nobody knows.
            given_up = {
                s for s, row in rows.items() if is_over or row.state == "missed" or (s in awaited and not row.state)
            }
            quotes |= {s: seen.kept(rows[s], "stale") for s in given_up - quotes.keys()}
            free = [symbol for symbol, row in rows.items() if symbol not in quotes and row.state != "running"]
            quotes |= self._fetched(free, seen) if free else {}
            awaited.update(symbol for symbol in left if symbol not in quotes)
            if awaited - quotes.keys():
                time.sleep(pause_s)
                pause_s = min(pause_s * LOOKS_GROW, LAST_LOOK_S)
        return quotes

    def _fetched(self, symbols: Sequence[str], seen: _Seen) -> dict[str, Quote]:
        """The quotes of those among these symbols that this request is the one to fetch."""
        holder = new_id()
        with self._parts.database.heart() as driver:
            mine = dao.claim(driver, symbols, holder, LEASE_S)
            if next(self._fetches) % TRIM_EVERY == 0:
                dao.trim(driver, TRIM_MOST)
        if not mine:
            return {}
        # Least known first: where an allowance does not reach for all, each has its turn.
        wanted = [row.symbol for row in sorted(mine.values(), key=_need) if not self._is_fresh(row)]

        def keep_lease() -> None:
            with self._parts.database.heart() as driver:
                dao.extend(driver, wanted, holder, LEASE_S)

        climb = Climb({}, {}, frozenset())
        try:
            climb = self._parts.ladder.climb(wanted, seen.known, on_next=keep_lease)
        finally:
            self._settle(list(mine), holder, climb)
        return {
            **{symbol: seen.kept(row, "cache") for symbol, row in mine.items()},
            **{symbol: seen.kept(mine[symbol], "stale", climb.problems[symbol]) for symbol in wanted},
            **{symbol: seen.quote(row, row.origin, 0.0) for symbol, row in climb.found.items()},
        }

    def _settle(self, symbols: Sequence[str], holder: UUID, climb: Climb) -> None:
        """Keeps what was found, and gives the leases back."""
        found, missed = list(climb.found.values()), list(climb.missed)
        try:
            with self._parts.database.heart() as driver:
                dao.settle(driver, symbols, holder, found=found, missed=missed, miss_s=MISS_S)
        except DatabaseUnavailable:  # whoever asked is answered all the same, and the leases lapse
            _log.warning("The quotes of %d symbols could not be kept.", len(found))

    def _is_fresh(self, row: LookRow) -> bool:
        return row.age_s is not None and row.age_s < self._parts.ttl_s


def spelled(symbols: Iterable[str]) -> dict[str, str | None]:
    """Each symbol as it was asked for, trimmed and in capitals, and as we spell it; None of what can be no symbol.

    Raises:
        InvalidRequest: more than MAX_SYMBOLS.
    """
    asked = list(dict.fromkeys(trimmed.upper() for symbol in symbols if (trimmed := symbol.strip())))
    if len(asked) > MAX_SYMBOLS:
        raise InvalidRequest(f"Ask for at most {MAX_SYMBOLS} symbols at once; these are {len(asked):,}.")
    return {each: _spelled(each[:LONGEST]) for each in asked}


@lru_cache(4_096)
def _spelled(asked: str) -> str | None:
    try:
        return checked_symbol(asked)
    except InvalidRequest:
        return None


@dataclass
class _Seen:
    """What quotes are seen with: the instruments they are of, and the moment."""

    known: Mapping[str, Traded]
    sessions: Sessions
    moment: datetime
    _lasts: dict[tuple[str, datetime], date | None] = field(default_factory=dict)

    def kept(self, row: LookRow, source: str, problems: tuple[str, ...] = ()) -> Quote:
        """The answer from what is kept of a symbol; none where that is nothing."""
        if row.kept is None or row.age_s is None:
            return Quote(row.symbol, problems=problems)
        return self.quote(row.kept, source, row.age_s, problems)

    def quote(self, row: QuoteRow, source: str, age_s: float, problems: tuple[str, ...] = ()) -> Quote:
        """The answer that a price makes."""
        return Quote(
            symbol=row.symbol,
            source=source,
            price=row.price,
            currency=row.currency,
            change_pct=row.change_pct,
            as_of=row.as_of,
            origin=row.origin,
            age_s=max(0, int(age_s)),
            is_stale=self._is_stale(row, age_s),
            is_generated=source == "sample" and self.is_generated(row.symbol),
            problems=problems,
        )

    def is_generated(self, symbol: str) -> bool:
        """Whether a program made the instrument up."""
        instrument = self.known.get(symbol)
        return instrument is not None and instrument.is_generated

    def _is_stale(self, row: QuoteRow, age_s: float) -> bool | None:
        instrument = self.known.get(row.symbol)
        if instrument is None or not instrument.exchange:
            return None
        exchange = instrument.exchange
        then, now = (self._last(exchange, moment) for moment in (row.as_of, self.moment))
        if then is None or now is None:
            return None
        # Whoever asks after a close is told the last trade before it: that is the price of this close.
        closed_at = self._close_after(exchange, row.as_of) if then < now else None
        if closed_at is not None and closed_at <= self.moment - timedelta(seconds=age_s):
            then = self._last(exchange, closed_at) or then
        return then < now

    def _close_after(self, exchange: str, moment: datetime) -> datetime | None:
        """When the session closed that was on at a moment; None where none was."""
        return self.sessions.next_close(exchange, moment) if self.sessions.is_open(exchange, moment) else None

    def _last(self, exchange: str, moment: datetime) -> date | None:
        key = (exchange, moment)
        if key not in self._lasts:
            try:
                self._lasts[key] = self.sessions.last_session(exchange, moment)
            except NotFound:
                self._lasts[key] = None
        return self._lasts[key]


def _need(row: LookRow) -> float:
    return float("-inf") if row.age_s is None else -row.age_s
