"""What becomes of a file's rows beside what is in the portfolio: known already, impossible, or worth a notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Protocol
from uuid import UUID

from core.errors import NotFound, PlanRequired
from core.ids import new_id
from core.market.as_of import AsOf
from core.market.calendars import FIRST_DAY, Calendars
from core.market.instruments import Instrument, Instruments
from core.market.market_time import MarketTime
from core.market.symbols import EXCHANGES, exchange_of
from core.portfolio.book import Book
from core.portfolio.imports.mapping import Planned
from core.portfolio.imports.outcomes import Fate, RowFate, SymbolUse
from core.portfolio.imports.presets import Preset
from core.portfolio.imports.reading import Sheet
from core.portfolio.imports.symbols import Called, is_isin
from core.portfolio.journal import Journal
from core.portfolio.portfolios import PortfolioInfo, Portfolios
from core.portfolio.transactions import TRADES, Draft, Transaction, identities, in_force
from core.principal import Principal

MOST_ROUNDS = 20
"""So often rows are left out that would sell more than is held without others that were left out."""
MOST_NEAR = 50
"""Unknown symbols that near misses are looked for of; the others are told without."""
MOST_MEANT = 3
Fresh = list[list[tuple[Draft, bytes]]]
"""Of each row the drafts that are new, with their identities in the file."""


class Ledger(Protocol):
    """What transactions come to; `core.portfolio.ledger.Books` is one."""

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
        """The book of a portfolio's rows."""


@dataclass(frozen=True, slots=True)
class ImportParts:
    """What imports stand on."""

    journal: Journal
    portfolios: Portfolios
    books: Ledger
    instruments: Instruments
    calendars: Calendars
    market_time: MarketTime
    presets: Mapping[str, Preset]
    """By id; the generic one is among them."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was read for a portfolio."""

    name: str
    sheet: Sheet
    read: Planned
    is_remembered: bool
    info: PortfolioInfo
    as_of: AsOf
    latest: date


@dataclass(frozen=True, slots=True)
class Judge:
    """Tells what becomes of the rows of one file."""

    parts: ImportParts
    principal: Principal
    file: File

    def judge(self, rows: list[RowFate], names: Mapping[str, Called]) -> tuple[Fresh, list[SymbolUse], tuple[str, ...]]:
        """Changes the rows to what becomes of them.

        Args:
            rows: each read by itself.
            names: what the file calls a security, by the symbol that was taken for it.

        Returns:
            What is new, the symbols of the file, and what would no longer hold of the transactions that are there.
        """
        fresh = self._without_known(rows)
        problems = self._refuse_problems(rows) if any(fresh) else ()
        return fresh, self._noticed(rows, names), problems

    def _without_known(self, rows: list[RowFate]) -> Fresh:
        """Marks the rows that are there already; gives the drafts of each row that are new, with their identities."""
        principal, portfolio_id = self.principal, self.file.info.id
        drafts = [draft for row in rows for draft in row.drafts]
        known = set(self.parts.journal.known(principal, portfolio_id))
        if any(not draft.reference for draft in drafts):
            # A broker's number is not kept: what was exported here has none, and is known by the rest of its content.
            known.update(identities(in_force(self.parts.journal.transactions(principal, portfolio_id))))
        marks = iter(identities(drafts))
        fresh: Fresh = []
        first: dict[str, RowFate] = {}
        for at, row in enumerate(rows):
            pairs = [(draft, next(marks)) for draft in row.drafts]
            new = [pair for pair in pairs if pair[1] not in known]
            fresh.append(new)
            if not pairs:
                continue
            alike = first.setdefault(row.text, row)
            if not new:
                rows[at] = replace(row, fate=Fate.KNOWN, reason="The same is in the portfolio already.")
            elif alike is not row and alike.drafts == row.drafts:
                words = f"It is the same as line {alike.line}, and is taken for another one."
                rows[at] = replace(row, drafts=tuple(draft for draft, _ in new), notices=(*row.notices, words))
            elif len(new) < len(pairs):
                rows[at] = replace(row, drafts=tuple(draft for draft, _ in new))
        return fresh

    def _refuse_problems(self, rows: list[RowFate]) -> tuple[str, ...]:
        """Refuses rows that cannot be beside the others, as a sale of more than is held.

        Returns:
            What would no longer hold of the transactions that are there.
        """
        standing = self.parts.journal.transactions(self.principal, self.file.info.id)
        had = {problem.transaction_id for problem in self._book(standing).problems}
        for _ in range(MOST_ROUNDS):
            places: dict[UUID, int] = {}
            made = list(standing)
            for at, row in enumerate(rows):
                if row.fate is Fate.ADDED:
                    for draft in row.drafts:
                        places[(one := _transaction(draft, len(made) + 1)).id] = at
                        made.append(one)
            book = self._book(made)
            new = [problem for problem in book.problems if problem.transaction_id not in had]
            own = [problem for problem in new if problem.transaction_id in places]
            for problem in own:
                at = places[problem.transaction_id]
                rows[at] = replace(rows[at], fate=Fate.REFUSED, reason=problem.words)
            if not own:
                return tuple(f"What was entered before would not hold any more: {each.words}" for each in new[:3])
        return ("So many rows hang together that cannot be that they were not all found; import fewer at once.",)

    def no_room(self, drafts: Sequence[Draft]) -> str:
        """Why the organisation's plan has no room for what would be held with the drafts; empty where it has."""
        standing = self.parts.journal.transactions(self.principal, self.file.info.id)
        made = [_transaction(draft, number) for number, draft in enumerate(drafts, len(standing) + 1)]
        before, after = self._book(standing), self._book([*standing, *made])
        try:
            self.parts.journal.check_room(self.principal, before, after, drafts)
        except PlanRequired as error:
            return error.detail
        return ""

    def _book(self, transactions: Sequence[Transaction]) -> Book:
        info, as_of = self.file.info, self.file.as_of
        until = as_of.now.date() + timedelta(days=1)
        return self.parts.books.of(
            info.id, transactions, info.currency, info.has_cash, as_of, self.principal.org_id, until=until
        )

    def _noticed(self, rows: list[RowFate], names: Mapping[str, Called]) -> list[SymbolUse]:
        """Adds to rows what should be known of their symbols and days; gives the symbols of the file."""
        count = Counter(symbol for row in rows for symbol in {draft.symbol for draft in row.drafts} if symbol)
        symbols = list(dict.fromkeys([*names, *count]))
        known = self.parts.instruments.many(symbols, self.file.as_of, self.principal)
        sought = [symbol for symbol in symbols if symbol not in known][:MOST_NEAR]
        near = {symbol: self._near(symbol, names) for symbol in sought}
        uses = [
            SymbolUse(
                (called := names.get(symbol, Called(symbol))).theirs,
                symbol,
                called.name,
                count[symbol],
                symbol in known,
                near.get(symbol, ()),
            )
            for symbol in symbols
        ]
        closed = self._closed_days(rows, known)
        words = {use.ours: _unknown(use) for use in uses if not use.is_known}
        for at, row in enumerate(rows):
            if row.fate is not Fate.ADDED:
                continue
            first = row.drafts[0]
            notices = [words[first.symbol]] if first.symbol in words else []
            if first.kind in TRADES and (market := closed.get((first.symbol or "", first.day))):
                notices.append(f"On {first.day} {market} had no session.")
            if notices:
                rows[at] = replace(row, notices=(*row.notices, *notices))
        return uses

    def _near(self, symbol: str, names: Mapping[str, Called]) -> tuple[str, ...]:
        """Known symbols that an unknown one may mean: by the name that the file has, or by its letters."""
        for text in (names[symbol].name if symbol in names else "", "" if is_isin(symbol) else symbol):
            if text:
                found = self.parts.instruments.find(text[:80], self.file.as_of, self.principal)
                if near := [each.symbol for each in (*found.candidates, *found.suggestions)][:MOST_MEANT]:
                    return tuple(near)
        return ()

    def _closed_days(self, rows: Iterable[RowFate], known: Mapping[str, Instrument]) -> dict[tuple[str, date], str]:
        """Names of exchanges by the symbol and day of a trade on which they had no session."""
        trades = {(draft.symbol, draft.day) for row in rows for draft in row.drafts if draft.kind in TRADES}
        sessions: dict[str, tuple[frozenset[date], date]] = {}
        closed: dict[tuple[str, date], str] = {}
        for symbol, day in trades:
            if symbol is None or day < FIRST_DAY:
                continue
            exchange = known[symbol].exchange if symbol in known else exchange_of(symbol).code
            if exchange not in sessions:
                sessions[exchange] = self._sessions(exchange)
            days, last = sessions[exchange]
            if day <= last and day not in days:
                closed[symbol, day] = EXCHANGES[exchange].name if exchange in EXCHANGES else exchange
        return closed

    def _sessions(self, exchange: str) -> tuple[frozenset[date], date]:
        try:
            found = self.parts.calendars.of(exchange)
        except NotFound:
            return frozenset(), date.min
        return frozenset(found.days.tolist()), found.last_known


def _transaction(draft: Draft, number: int) -> Transaction:
    return Transaction(
        draft.kind,
        draft.day,
        draft.currency,
        draft.symbol,
        draft.quantity,
        draft.price,
        draft.amount,
        draft.fees,
        draft.taxes,
        draft.fx_rate,
        draft.ratio,
        draft.other_symbol,
        draft.cost_share,
        draft.note,
        id=new_id(),
        number=number,
    )


def _unknown(use: SymbolUse) -> str:
    near = f" It may be {' or '.join(use.near)}." if use.near else ""
    what = f"{use.ours} is an ISIN" if is_isin(use.ours) else f"{use.ours} is not known here"
    return f"{what}: no prices are known of it.{near}"
