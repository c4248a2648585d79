"""Instruments: what a symbol, a name or a CIK means as of a day."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from core.clock import Clock
from core.db import instruments_dao as dao
from core.db.engine import Database
from core.errors import InvalidRequest, SourceDown
from core.market.as_of import AsOf
from core.market.gate import Gate
from core.market.instrument_index import Instrument, InstrumentIndex, near_among
from core.market.shipped_lists import STOCK, ShippedLists
from core.market.sources.contract import FilingSource, Listing
from core.market.symbols import (
    EXCHANGES,
    HOME,
    MARKETS,
    MAX_SEARCH_CHARS,
    MAX_SYMBOL_CHARS,
    alias,
    canonical,
    checked_symbol,
    exchange_of,
    visible,
)
from core.principal import Principal

__all__ = ["Found", "Instrument", "Instruments", "Refreshed"]

MAX_INSTRUMENTS = 50_000
MAX_OWN = 20_000
"""Members of an organisation's own universes that near misses are looked for among."""
MAX_CANDIDATES = 20
MAX_SUGGESTIONS = 5
LOOKED_AT_EVERY_S = 1.0
"""So often a process asks whether its copy of all instruments is old."""
MAX_NAME_CHARS = 200
LIST_LIFE = timedelta(days=1)
"""So long a list of tickers is taken for new."""
LEAST_SHARE_LISTED = 0.5
"""A list with a smaller share of what was listed before is taken for a broken one."""

_CIK = re.compile(r"(?:CIK\s?)?(\d{1,10})", re.IGNORECASE | re.ASCII)
_LETTERS = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Found:
    """What a search brought."""

    exact: Instrument | None = None
    """What the text means, where it means one thing."""
    candidates: tuple[Instrument, ...] = ()
    """What it may mean, the likeliest first; `exact` is among them."""
    suggestions: tuple[Instrument, ...] = ()
    """Near misses, where there are no candidates."""
    note: str = ""
    """How the symbol changed, where it did."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a list of tickers changed."""

    listed: int
    added: int
    renamed: int
    delisted: int
    refused: int
    """Lines that cannot be a symbol or have no name of a company."""


class Instruments:
    """Search over the shipped universes, a list of tickers, and an organisation's own universes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._version = -1
        self._looked_at = float("-inf")
        self._index = InstrumentIndex((), (), ())

    def find(self, text: str, as_of: AsOf, principal: Principal | None = None) -> Found:
        """What a symbol, a name or a CIK means, with what else it may mean; the organisation's own come first.

        Raises:
            InvalidRequest: the text is longer than any name.
        """
        sought = " ".join(visible(text[: 10 * MAX_SEARCH_CHARS]).split())
        if len(sought) > MAX_SEARCH_CHARS:
            raise InvalidRequest(f"A symbol, name or CIK has at most {MAX_SEARCH_CHARS} characters.")
        if not sought:
            return Found()
        index, day = self._current(), as_of.day
        if cik := _CIK.fullmatch(sought):
            shares = tuple(index.of_cik(int(cik[1]), day)[:MAX_CANDIDATES])
            if shares:
                return Found(shares[0] if len(shares) == 1 else None, shares)
        symbol = canonical(sought)[:MAX_SYMBOL_CHARS]
        own, own_exact = self._own([symbol], principal, sought.upper())
        resolved = index.resolve(symbol, day)
        exact = own_exact.get(symbol) or (resolved.instrument if resolved else None)
        ranked = index.ranked(sought.upper(), day, most=MAX_CANDIDATES)
        candidates = _distinct([*([exact] if exact else ()), *own, *ranked])[:MAX_CANDIDATES]
        note = resolved.note if resolved and symbol not in own_exact else ""
        if candidates:
            return Found(exact, candidates, note=note)
        near = [
            *near_among(sought.upper(), self._own_members(principal), most=MAX_SUGGESTIONS),
            *index.near(sought.upper(), day, most=MAX_SUGGESTIONS),
        ]
        return Found(suggestions=_distinct(near)[:MAX_SUGGESTIONS])

    def unheld(self, text: str) -> Instrument | None:
        """What a live source can be asked for though no universe holds it: of the exchange that the symbol tells.

        None for what cannot be a symbol.
        """
        try:
            symbol = checked_symbol(text)
        except InvalidRequest:
            return None
        exchange = exchange_of(symbol)
        return Instrument(
            symbol=symbol,
            name=symbol,
            exchange=exchange.code,
            currency=exchange.currency,
            kind="",
            sector="",
            market="" if exchange.code == HOME else exchange.name,
            cik=None,
            known_to=None,
            delisted_on=None,
            is_generated=False,
        )

    def get(self, symbol: str, as_of: AsOf | None = None, principal: Principal | None = None) -> Instrument | None:
        """The instrument of exactly this symbol, as we spell it; None where nothing is known of it."""
        return self.many([symbol], as_of, principal).get(symbol)

    def many(
        self, symbols: Iterable[str], as_of: AsOf | None = None, principal: Principal | None = None
    ) -> dict[str, Instrument]:
        """The instruments of these symbols that are known, by symbol; those of the organisation itself first."""
        wanted = list(dict.fromkeys(symbols))
        index, day = self._current(), as_of.day if as_of else self._clock.now().date()
        _, own = self._own(wanted, principal)
        found = {symbol: own.get(symbol) or index.at(symbol, day) for symbol in wanted}
        return {symbol: each for symbol, each in found.items() if each is not None}

    def of_cik(self, cik: int, as_of: AsOf | None = None) -> Instrument | None:
        """The first instrument of a company; None where none is known."""
        return next(iter(self._current().of_cik(cik, as_of.day if as_of else self._clock.now().date())), None)

    def alias(self, symbol: str, source: str) -> str:
        """Our symbol as a source spells it; raises as `core.market.symbols.alias`."""
        return alias(symbol, source)

    def load_shipped(self, lists: ShippedLists) -> bool:
        """Takes over what is shipped, once; True where it was new."""
        with self._database.service() as connection:
            if dao.version(connection).shipped_sha256 == lists.sha256:
                return False
            known = dao.lock_version(connection)
            if known.shipped_sha256 == lists.sha256:
                return False  # another process was faster
            shipped = {row.symbol: row for row in lists.instruments if row.origin == "universe"}.values()
            listed = [row for row in lists.instruments if row.origin == "listing"]
            dao.put_instruments(connection, shipped)
            dao.put_instruments(connection, listed, replaces=known.listed_at is None)
            dao.add_symbol_changes(connection, lists.changes)
            for place, universe in enumerate(lists.universes):
                dao.put_universe(connection, universe, place)
            dao.raise_version(connection, shipped_sha256=lists.sha256)
        self._looked_at = float("-inf")
        return True

    def refresh_from(self, gate: Gate, source: FilingSource, *, older_than: timedelta = LIST_LIFE) -> Refreshed | None:
        """Asks a source for its list of tickers, where what is known is older; None where it is not.

        Raises:
            RateLimited, SourceDown: the source failed, or its list is not whole; what was known stays.
        """
        with self._database.service() as connection:
            listed_at = dao.version(connection).listed_at
        if listed_at is not None and self._clock.now() - listed_at < older_than:
            return None
        return self.refresh(gate.call(source, source.tickers))

    def refresh(self, listings: Sequence[Listing]) -> Refreshed:
        """Takes over the SEC's list of tickers: new ones, other names and symbols, and which are no longer listed.

        Raises:
            SourceDown: the list is so much shorter than before that it cannot be whole; nothing is changed.
        """
        day = self._clock.now().date()
        read = [row for row in map(_listed, listings) if row is not None]
        rows = {row.symbol: row for row in reversed(read)}  # the first of two counts
        with self._database.service() as connection:
            state = dao.lock_version(connection)
            changes = _Changes(rows, dao.listed(connection), day, is_first=state.listed_at is None)
            dao.put_instruments(connection, changes.written)
            dao.add_former_names(connection, changes.names)
            dao.add_symbol_changes(connection, changes.symbols)
            dao.raise_version(connection, is_listed=True)
        self._looked_at = float("-inf")
        return Refreshed(
            listed=len(rows),
            added=len(changes.new),
            renamed=len(changes.symbols),
            delisted=len(changes.gone) - len(changes.symbols),
            refused=len(listings) - len(rows),
        )

    def _current(self) -> InstrumentIndex:
        """All instruments, read anew where they have changed."""
        with self._lock:
            now = self._clock.monotonic()
            if now - self._looked_at < LOOKED_AT_EVERY_S:
                return self._index
            with self._database.snapshot() as connection:
                version = dao.version(connection).version
                if version != self._version:
                    rows = dao.instruments(connection, most=MAX_INSTRUMENTS)
                    former, changes = dao.former_names(connection), dao.symbol_changes(connection)
                    self._index, self._version = InstrumentIndex(rows, former, changes), version
            self._looked_at = now
            return self._index

    def _own(
        self, symbols: Sequence[str], principal: Principal | None, sought: str = ""
    ) -> tuple[list[Instrument], dict[str, Instrument]]:
        """What the organisation's own universes have: everything, and by symbol what has one of these symbols."""
        if principal is None:
            return [], {}
        most = len(symbols) + MAX_CANDIDATES
        with self._database.app(principal) as connection:
            rows = dao.own_found(connection, symbols, sought, most=most)
        return [_own(row) for row in rows], {row.symbol: _own(row) for row in rows if row.is_exact}

    def _own_members(self, principal: Principal | None) -> list[Instrument]:
        """Everything that the organisation's own universes have."""
        if principal is None:
            return []
        with self._database.app(principal) as connection:
            return [_own(row) for row in dao.own_members(connection, most=MAX_OWN)]


class _Changes:
    """What a list of tickers says anew."""

    def __init__(
        self, rows: dict[str, dao.InstrumentRow], known: dict[str, dao.InstrumentRow], day: date, *, is_first: bool
    ) -> None:
        active = {symbol: row for symbol, row in known.items() if row.delisted_on is None and row.valid_to is None}
        self.gone = active.keys() - rows.keys()
        self.new = rows.keys() - known.keys()
        if len(active) - len(self.gone) < LEAST_SHARE_LISTED * len(active):
            raise SourceDown("The list of tickers is not whole; what was known before is kept.", source="sec_edgar")
        moved = self._moved(rows, known)
        self.symbols = [dao.SymbolChange(former, symbol, day) for former, symbol in moved.items()]
        self.names = [
            dao.FormerName(symbol, known[symbol].name, day)
            for symbol in rows.keys() & known.keys()
            if not is_first and not _is_same_name(rows[symbol].name, known[symbol].name)
        ]
        self.written = [
            _merged(row, known[symbol]) if symbol in known and row.cik == known[symbol].cik else row
            for symbol, row in rows.items()
        ]
        for symbol in self.gone:
            self.written.append(replace(known[symbol], delisted_on=None if symbol in moved else day, valid_to=day))

    def _moved(self, rows: dict[str, dao.InstrumentRow], known: dict[str, dao.InstrumentRow]) -> dict[str, str]:
        """Symbols of companies that lost one and got one."""
        lost = Counter(known[symbol].cik for symbol in self.gone)
        got = Counter(rows[symbol].cik for symbol in self.new)
        by_cik = {rows[symbol].cik: symbol for symbol in self.new}
        ciks = {symbol: known[symbol].cik for symbol in sorted(self.gone)}
        return {symbol: by_cik[cik] for symbol, cik in ciks.items() if cik and lost[cik] == got[cik] == 1}


def _listed(listing: Listing) -> dao.InstrumentRow | None:
    """A line of the list, as it is kept; None where it says nothing of use."""
    try:
        symbol = checked_symbol(listing.symbol)
    except InvalidRequest:
        return None
    name = " ".join(visible(listing.name[: 10 * MAX_NAME_CHARS]).split())[:MAX_NAME_CHARS]
    market = (listing.exchange or "")[:MAX_SYMBOL_CHARS]
    if not name:
        return None
    exchange = EXCHANGES[MARKETS.get(market.upper(), HOME)]
    return dao.InstrumentRow(
        symbol=symbol,
        origin="listing",
        name=name,
        market=market,
        exchange=exchange.code,
        currency=exchange.currency,
        kind=STOCK,
        sector="",
        cik=listing.cik if listing.cik and 0 < listing.cik < 10**10 else None,
        valid_to=None,
        delisted_on=None,
        is_generated=False,
    )


def _merged(row: dao.InstrumentRow, known: dao.InstrumentRow) -> dao.InstrumentRow:
    """What the list says anew of a company: a name in other letters is the same, and one list names no market."""
    name = known.name if _is_same_name(row.name, known.name) else row.name
    if row.market:
        return replace(row, name=name)
    return replace(row, name=name, market=known.market, exchange=known.exchange, currency=known.currency)


def _own(row: dao.OwnFoundRow) -> Instrument:
    return Instrument(
        symbol=row.symbol,
        name=row.name,
        exchange=row.exchange,
        currency=row.currency,
        kind=STOCK,
        sector=row.sector,
        market=EXCHANGES[row.exchange].name,
        cik=None,
        known_to=None,
        delisted_on=None,
        is_generated=row.is_generated,
        is_own=True,
    )


def _distinct(instruments: Iterable[Instrument]) -> tuple[Instrument, ...]:
    kept: dict[str, Instrument] = {}
    for each in instruments:
        kept.setdefault(each.symbol, each)
    return tuple(kept.values())


def _is_same_name(one: str, other: str) -> bool:
    return _LETTERS.sub("", one.upper()) == _LETTERS.sub("", other.upper())
