"""From transactions to what they come to: the book of a portfolio."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from core.market.as_of import AsOf
from core.market.bars import Bars
from core.portfolio.book import Book, FxRates
from core.portfolio.market_facts import BarFacts, MarketFacts, NoFacts
from core.portfolio.transactions import Transaction


class NoRates:
    """No rate between two currencies is known."""

    version = ""

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """1 where both are the same, else None."""
        return Decimal(1) if currency == base else None


class Books:
    """Computes books; threads may share one. What was computed is kept, and only what changed is computed again."""

    def __init__(self, bars: Bars | None = None, fx: FxRates | None = None) -> None:
        """`bars` and `fx` are what `of` asks; without bars no splits of the market are known, without rates none."""
        self._bars = bars
        self._fx = fx

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
        return self.book(key, transactions, currency, has_cash, facts, self._fx or NoRates(), until=until or as_of.day)

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
        raise NotImplementedError
