"""Transactions, markets and rates for tests of the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.portfolio.book import Book, FxRates
from core.portfolio.ledger import Books, NoRates
from core.portfolio.market_facts import MarketFacts, NoFacts
from core.portfolio.transactions import Kind, Transaction

BEGIN = date(2010, 1, 4)
LAST = date(2011, 12, 30)
PORTFOLIO = UUID(int=7)
_NUMBERS = ("quantity", "price", "amount", "fees", "taxes", "fx_rate", "ratio", "cost_share")
_versions = itertools.count(1)


def day(number: int) -> date:
    """A day, so many after the first."""
    return BEGIN + timedelta(days=number)


def made(kind: Kind, on: date | int, symbol: str | None = "AAA", **fields: Any) -> Transaction:
    """A transaction; numbers may be given as text."""
    given: dict[str, Any] = {name: Decimal(str(value)) if name in _NUMBERS else value for name, value in fields.items()}
    when = on if isinstance(on, date) else day(on)
    return Transaction(kind=kind, day=when, symbol=symbol, **{"currency": "USD", **given})


def numbered(*rows: Transaction) -> list[Transaction]:
    """Rows as they would be entered one after another."""
    return [replace(row, number=place, id=UUID(int=place)) for place, row in enumerate(rows, 1)]


@dataclass(frozen=True)
class Facts:
    """A market with some splits and jumps of closes."""

    told: Mapping[str, Sequence[tuple[date, str]]] = field(default_factory=dict)
    jumps: Mapping[date, float] = field(default_factory=dict)
    usual_jump: float | None = None
    to_come: Facts | None = None
    """The market as it is known later, where that differs."""
    version: str = field(default_factory=lambda: f"version {next(_versions)}")

    def expect(self, symbols: Collection[str]) -> None:
        """Nothing has to be looked up."""

    def splits(self, symbol: str) -> Sequence[tuple[date, Decimal]]:
        """As they were given."""
        return [(on, Decimal(ratio)) for on, ratio in self.told.get(symbol, ())]

    def jump(self, symbol: str, day: date) -> float | None:
        """As it was given of a day."""
        return self.jumps.get(day, self.usual_jump)

    def later(self) -> Facts:
        """As it was given, else the same."""
        return self.to_come or self


@dataclass(frozen=True)
class Fixings:
    """Rates of some days: by currency and base, what one is on and after a day."""

    fixed: Mapping[tuple[str, str], Mapping[date, str]]
    version: str = field(default_factory=lambda: f"version {next(_versions)}")

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """The last fixing of the week before."""
        if currency == base:
            return Decimal(1)
        fixed = self.fixed.get((currency, base), {})
        known = [on for on in fixed if on <= day <= on + timedelta(days=7)]
        return Decimal(fixed[max(known)]) if known else None


def book_of(
    rows: Sequence[Transaction],
    *,
    facts: MarketFacts | None = None,
    fx: FxRates | None = None,
    currency: str = "USD",
    has_cash: bool = True,
    until: date = LAST,
) -> Book:
    """The book of rows, computed anew."""
    given = (facts or NoFacts(), fx or NoRates())
    return Books().book(PORTFOLIO, rows, currency, has_cash, *given, until=until)
