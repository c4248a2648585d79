"""From transactions to what they come to: the book of a portfolio.

A book is put together from parts: one for each symbol, or for symbols that spin-offs and mergers lead between, and one
for each year of what has no symbol. A part is kept as long as its transactions, splits and rates are the same, so that
one more transaction costs one part; the result is that of computing everything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, localcontext
from uuid import UUID

from core.market.as_of import AsOf
from core.market.bars import Bars
from core.portfolio.book import Book, FxRates, Split
from core.portfolio.exact import CONTEXT
from core.portfolio.joining import joined
from core.portfolio.market_facts import BarFacts, MarketFacts, MarketSplits, NoFacts
from core.portfolio.money import Rates, order_of
from core.portfolio.parts import Part, part_of_money, part_of_symbols
from core.portfolio.splits import applied_splits
from core.portfolio.transactions import SPLITS, Transaction

MOST_KEPT = 500
"""Books whose parts are kept, each for the day it was computed for."""
MOST_ROWS_KEPT = 100_000
"""Transactions of all of them; a single book may have more."""

Name = tuple[int, tuple[str, ...]]
"""Of a part: 0 and its symbols in order, or a year and none."""
Jumps = Mapping[tuple[str, date], float | None]


class NoRates:
    """No rate between two currencies is known."""

    version = ""

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """1 where both are the same, else None."""
        return Decimal(1) if currency == base else None


@dataclass(frozen=True, slots=True)
class _KeptPart:
    """A part and what it came from, beside rates and settings."""

    rows: Sequence[Transaction]
    coming: Sequence[Transaction]
    """Splits that are entered of days after what is seen."""
    splits: Mapping[str, MarketSplits]
    jumps: Jumps
    """What was asked of closes, and the answers."""
    part: Part


@dataclass(frozen=True, slots=True)
class _Kept:
    """A book and its parts, and what all of them came from."""

    rows: Sequence[Transaction]
    until: date
    settings: tuple[str, bool]
    facts_version: str
    fx: FxRates
    fx_version: str
    parts: Mapping[Name, _KeptPart]
    book: Book


class Books:
    """Computes books; threads may share one. What was computed is kept, and only what changed is computed again."""

    def __init__(self, bars: Bars | None = None, fx: FxRates | None = None) -> None:
        """`bars` and `fx` are what `of` asks; without bars no splits of the market are known, without rates none."""
        self._bars = bars
        self._fx: FxRates = NoRates() if fx is None else fx
        self._kept: dict[tuple[UUID, date], _Kept] = {}
        self._lock = threading.Lock()

    def of(
        self,
        key: UUID,
        transactions: Sequence[Transaction],
        currency: str,
        has_cash: bool,
        as_of: AsOf,
        org_id: UUID | None = None,
        *,
        until: date | None = None,
    ) -> Book:
        """The book by the workbench's own bars and rates.

        Args:
            key: the portfolio's id: under it is kept what is needed to compute less the next time.
            transactions: all rows of the portfolio; those that are not in force are left out.
            currency: the portfolio's.
            has_cash: whether it keeps cash.
            as_of: the market's day: splits of the market after it are not seen.
            org_id: whose own bars may be read.
            until: transactions after it are not seen; the as-of day where it is not given.
        """
        facts = NoFacts() if self._bars is None else BarFacts(self._bars, as_of, org_id)
        return self.book(key, transactions, currency, has_cash, facts, self._fx, until=until or as_of.day)

    def book(
        self,
        key: UUID,
        transactions: Sequence[Transaction],
        currency: str,
        has_cash: bool,
        facts: MarketFacts,
        fx: FxRates,
        *,
        until: date,
    ) -> Book:
        """The same by any facts and rates."""
        rows, settings = tuple(transactions), (currency, has_cash)
        facts_version, fx_version = facts.version, fx.version
        kept = self._recalled(key, until)
        fitting = kept if kept is not None and _fits(kept, settings, fx, fx_version) else None
        is_same_market = fitting is not None and fitting.facts_version == facts_version
        if fitting is not None and is_same_market and fitting.until == until and fitting.rows == rows:
            return fitting.book
        seen = [row for row in rows if row.is_in_force and row.day <= until]
        coming = [row for row in rows if row.is_in_force and row.day > until and row.kind in SPLITS]
        with localcontext(CONTEXT):
            computing = _Computing(facts, Rates(currency, fx), has_cash, fitting, is_same_market)
            parts = computing.parts(seen, coming)
            first_day = min((row.day for row in seen), default=None)
            book = joined([parts[name].part for name in sorted(parts)], currency, has_cash, first_day)
        self._keep(key, _Kept(rows, until, settings, facts_version, fx, fx_version, parts, book))
        return book

    def _recalled(self, key: UUID, until: date) -> _Kept | None:
        """What was computed for the day, else the last that was computed of the portfolio."""
        with self._lock:
            found = self._kept.get((key, until))
            if found is None:
                found = next((self._kept[each] for each in reversed(self._kept) if each[0] == key), None)
            return found

    def _keep(self, key: UUID, kept: _Kept) -> None:
        with self._lock:
            self._kept.pop((key, kept.until), None)
            self._kept[key, kept.until] = kept
            rows = sum(len(each.rows) for each in self._kept.values())
            while len(self._kept) > 1 and (rows > MOST_ROWS_KEPT or len(self._kept) > MOST_KEPT):
                rows -= len(self._kept.pop(next(iter(self._kept))).rows)


def _fits(kept: _Kept, settings: tuple[str, bool], fx: FxRates, fx_version: str) -> bool:
    """Whether parts that were kept may hold still: of the same settings and rates."""
    return kept.settings == settings and kept.fx is fx and kept.fx_version == fx_version


class _Computing:
    """Computes the parts of one book, or takes those that are known."""

    def __init__(
        self, facts: MarketFacts, rates: Rates, has_cash: bool, kept: _Kept | None, is_same_market: bool
    ) -> None:
        self._facts = facts
        self._rates = rates
        self._has_cash = has_cash
        self._known: Mapping[Name, _KeptPart] = {} if kept is None else kept.parts
        self._is_same_market = is_same_market
        self._coming: dict[str, list[Transaction]] = {}

    def parts(self, rows: Sequence[Transaction], coming: Sequence[Transaction]) -> dict[Name, _KeptPart]:
        """All parts, by name.

        Args:
            rows: those in force and seen, in the order of entry.
            coming: splits of later days. Bars may be told in the shares after them; nothing else is seen of them.
        """
        for row in coming:
            self._coming.setdefault(row.symbol or "", []).append(row)
        groups = _groups(rows)
        asked = [name for name, of_part in groups.items() if self._is_asked(name, of_part)]
        self._facts.expect([symbol for _, symbols in asked for symbol in symbols])
        return {name: self._part(name, of_part) for name, of_part in groups.items()}

    def _is_asked(self, name: Name, rows: Sequence[Transaction]) -> bool:
        """Whether the market is asked about a part."""
        known = self._known.get(name)
        return known is None or not self._is_same_market or known.rows != rows

    def _part(self, name: Name, rows: Sequence[Transaction]) -> _KeptPart:
        known, symbols = self._known.get(name), name[1]
        coming = tuple(row for symbol in symbols for row in self._coming.get(symbol, ()))
        if known is not None and known.rows == rows and known.coming == coming and self._is_unmoved(known):
            return known
        in_order = sorted(rows, key=order_of)
        if not symbols:
            return _KeptPart(rows, (), {}, {}, part_of_money(in_order, self._rates, has_cash=self._has_cash))
        splits = {symbol: tuple(self._facts.splits(symbol)) for symbol in symbols}
        told: dict[str, list[Transaction]] = {symbol: [] for symbol in symbols}
        for row in in_order:
            if row.kind in SPLITS:
                told[row.symbol or ""].append(row)
        jumps: dict[tuple[str, date], float | None] = {}
        applied = {
            symbol: applied_splits(told[symbol], splits[symbol], self._asking(symbol, jumps)) for symbol in symbols
        }
        part = part_of_symbols(in_order, applied, self._rates, has_cash=self._has_cash)
        if coming:
            part = replace(
                part,
                splits={
                    symbol: (*each, *self._in_prices(symbol, told[symbol])) for symbol, each in part.splits.items()
                },
            )
        return _KeptPart(rows, coming, splits, jumps, part)

    def _in_prices(self, symbol: str, told: Sequence[Transaction]) -> Iterable[Split]:
        """Splits to come that only transactions tell of, and that bars are told after already."""
        coming = self._coming.get(symbol)
        if not coming:
            return ()
        later = self._facts.later()
        found = applied_splits([*told, *coming], later.splits(symbol), lambda day: later.jump(symbol, day))
        days = {row.day for row in coming}
        return [each for each in found.splits if each.is_in_prices and not each.is_of_market and each.day in days]

    def _asking(self, symbol: str, answers: dict[tuple[str, date], float | None]) -> Callable[[date], float | None]:
        """Asks how closes move over a day, and notes the answer."""

        def jump(day: date) -> float | None:
            answers[symbol, day] = self._facts.jump(symbol, day)
            return answers[symbol, day]

        return jump

    def _is_unmoved(self, known: _KeptPart) -> bool:
        """Whether the market says what it said when a part was computed."""
        if self._is_same_market or known.coming:
            return self._is_same_market
        return all(tuple(self._facts.splits(symbol)) == splits for symbol, splits in known.splits.items()) and all(
            self._facts.jump(symbol, day) == answer for (symbol, day), answer in known.jumps.items()
        )


def _groups(rows: Sequence[Transaction]) -> dict[Name, list[Transaction]]:
    """Transactions by the part that they belong to, in the order of entry."""
    found: dict[Name, list[Transaction]] = {}
    names = _linked(rows)
    for row in rows:
        if row.symbol is None:
            name: Name = (row.day.year, ())
        else:
            name = names.get(row.symbol) or names.setdefault(row.symbol, (0, (row.symbol,)))
        of_part = found.get(name)
        if of_part is None:
            found[name] = [row]
        else:
            of_part.append(row)
    return found


def _linked(rows: Sequence[Transaction]) -> dict[str, Name]:
    """The parts of symbols that spin-offs and mergers lead between."""
    sets: dict[str, set[str]] = {}
    for row in rows:
        if row.symbol is not None and row.other_symbol is not None:
            one, other = sets.get(row.symbol, {row.symbol}), sets.get(row.other_symbol, {row.other_symbol})
            one |= other
            for symbol in one:
                sets[symbol] = one
    return {symbol: (0, tuple(sorted(together))) for symbol, together in sets.items()}
