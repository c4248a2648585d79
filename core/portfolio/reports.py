"""What is said of a portfolio at one moment: composed of its book, its days and the market, and kept in the process.

A report is kept under all that it comes from: transactions and settings, targets, the date that is seen, bars,
exchange rates and, on live sources, the minute. A rerun of a page reads three small rows and computes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np

from core.accounts.profiles import Profiles
from core.db import portfolio_targets_dao
from core.db.engine import Database
from core.market.as_of import AsOf
from core.market.market import Market
from core.market.quotes import MAX_SYMBOLS, Quote
from core.market.symbols import checked_symbol
from core.portfolio.book import Book
from core.portfolio.checks import Checked, checks_of
from core.portfolio.holdings import Sight, Standing, by_currency, by_sector, ribbon_of, standing_of, total_gain
from core.portfolio.income import fees_of, income_of
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.performance import performance
from core.portfolio.portfolios import PortfolioInfo, Portfolios
from core.portfolio.remembered import Remembered
from core.portfolio.report import Performance, Report
from core.portfolio.series import Series
from core.portfolio.valuation import Valuer
from core.principal import Principal

SPARK_CLOSES = 60
"""Last closes of a holding that are drawn beside it."""
MINUTE_S = 60
"""So long a live report is of one moment."""
KEPT_S = 600.0
"""So long a report may be kept at most: names and sectors are not among what it is kept under."""
MOST_REPORTS, MOST_PERFORMANCES = 32, 128
"""Kept in one process."""


@dataclass(frozen=True, slots=True)
class ReportParts:
    """What reports are composed of."""

    database: Database
    portfolios: Portfolios
    journal: Journal
    books: Books
    valuer: Valuer
    market: Market
    profiles: Profiles


@dataclass(frozen=True, slots=True)
class _Seen:
    """A portfolio as somebody sees it, and everything that what is said of it comes from."""

    principal: Principal
    info: PortfolioInfo
    as_of: AsOf
    benchmark: str
    bars: int
    """How often bars were written."""
    rates: str
    """Version of the exchange rates."""

    @property
    def key(self) -> tuple[object, ...]:
        """The same while all that days and returns come from is."""
        info, as_of = self.info, self.as_of
        return (info.id, info.version, as_of.day, as_of.reason, self.bars, self.rates, self.benchmark)


@dataclass(frozen=True, slots=True)
class _Past:
    """What does not depend on the last prices."""

    book: Book
    series: Series


class Reports:
    """Reports and returns of portfolios that a principal sees."""

    def __init__(self, parts: ReportParts) -> None:
        self._parts = parts
        self._pasts: Remembered[_Past] = Remembered(MOST_REPORTS, life_s=KEPT_S)
        self._reports: Remembered[Report] = Remembered(MOST_REPORTS, life_s=KEPT_S)
        self._performances: Remembered[Performance] = Remembered(MOST_PERFORMANCES, life_s=KEPT_S)

    def of(self, principal: Principal, portfolio_id: UUID) -> Report:
        """All that is said of a portfolio as of the principal's date, without an analysis.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        seen = self._seen(principal, portfolio_id)
        targets = self._targets(principal, portfolio_id)
        minute = int(seen.as_of.now.timestamp() // MINUTE_S) if seen.as_of.is_live else 0
        key = (seen.key, seen.info.name, minute, tuple(sorted(targets.items())))
        return self._reports.of(key, lambda: self._report(seen, targets))

    def performance(
        self,
        principal: Principal,
        portfolio_id: UUID,
        *,
        first: date | None = None,
        last: date | None = None,
        benchmark: str | None = None,
    ) -> Performance:
        """Returns of a window, by default of the whole time, beside a benchmark; nothing after the principal's date.

        Args:
            principal: who asks.
            portfolio_id: of which portfolio.
            first: the first day whose gain is in the window.
            last: the last such day.
            benchmark: a symbol; None is the portfolio's, or else the organisation's.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
            InvalidRequest: a benchmark that cannot be a symbol.
        """
        return self._performance(self._seen(principal, portfolio_id), first, last, benchmark)

    def _seen(self, principal: Principal, portfolio_id: UUID) -> _Seen:
        parts = self._parts
        info = parts.portfolios.get(principal, portfolio_id)
        return _Seen(
            principal=principal,
            info=info,
            as_of=parts.market.time.of(principal),
            benchmark=info.benchmark or parts.profiles.organisation(principal).benchmark,
            bars=parts.market.store.writes(),
            rates=parts.market.fx.version,
        )

    def _targets(self, principal: Principal, portfolio_id: UUID) -> Mapping[str, Decimal]:
        with self._parts.database.app(principal) as connection:
            return portfolio_targets_dao.targets(connection, portfolio_id)

    def _past(self, seen: _Seen) -> _Past:
        return self._pasts.of(seen.key, lambda: self._computed(seen))

    def _computed(self, seen: _Seen) -> _Past:
        parts, info, principal = self._parts, seen.info, seen.principal
        transactions = parts.journal.transactions(principal, info.id)
        book = parts.books.of(info.id, transactions, info.currency, info.has_cash, seen.as_of, principal.org_id)
        return _Past(book, parts.valuer.series(principal, info.id, book, seen.as_of, seen.benchmark))

    def _performance(
        self, seen: _Seen, first: date | None = None, last: date | None = None, benchmark: str | None = None
    ) -> Performance:
        name = checked_symbol(benchmark) if benchmark else seen.benchmark

        def found() -> Performance:
            past = self._past(seen)
            days, currency = past.series.days, past.book.currency
            closes = self._parts.valuer.benchmark(seen.principal, name, currency, seen.as_of, days)
            return performance(past.series, benchmark=name, closes=closes, first=first, last=last)

        return self._performances.of((seen.key, name, first, last), found)

    def _report(self, seen: _Seen, targets: Mapping[str, Decimal]) -> Report:
        past, info = self._past(seen), seen.info
        book, series = past.book, past.series
        standing = standing_of(book, info.cost_method, self._sight(seen, book, targets))
        whole = self._performance(seen)
        gain = total_gain(book, standing.value, _shares_in(book, series))
        fees = fees_of(book.payments, book.trade_fees_base)
        return Report(
            portfolio_id=info.id,
            name=info.name,
            currency=info.currency,
            number=info.number,
            day=seen.as_of.day,
            cost_method=info.cost_method,
            ribbon=ribbon_of(standing, gain, time_weighted=whole.time_weighted, money_weighted=whole.money_weighted),
            holdings=standing.holdings,
            cash=standing.cash,
            series=series,
            disposals=sorted(book.disposals, key=lambda each: (each.day, each.symbol), reverse=True),
            income=income_of(book.payments, day=seen.as_of.day, value=standing.value, cost=standing.cost),
            checks=checks_of(Checked(standing, series, info.currency, fees=fees, gain=gain)),
            sectors=by_sector(standing),
            currencies=by_currency(standing),
            notes=tuple(_notes(book, standing)),
            splits=book.splits,
        )

    def _sight(self, seen: _Seen, book: Book, targets: Mapping[str, Decimal]) -> Sight:
        market, as_of, org_id = self._parts.market, seen.as_of, seen.principal.org_id
        held = sorted(symbol for symbol, position in book.positions.items() if position.quantity > 0)
        quotes: dict[str, Quote] = {}
        for begin in range(0, len(held), MAX_SYMBOLS):
            quotes |= market.quotes.get(held[begin : begin + MAX_SYMBOLS], as_of, org_id)
        return Sight(
            as_of=as_of,
            fx=market.fx,
            quotes=quotes,
            instruments=market.instruments.many(held, as_of, seen.principal) if held else {},
            closes=self._closes(held, as_of, org_id),
            targets=targets,
        )

    def _closes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID) -> dict[str, tuple[float, ...]]:
        if not symbols:
            return {}
        panel = self._parts.market.bars.panel(symbols, as_of, SPARK_CLOSES, org_id)
        closes = {symbol: panel.of(symbol).close for symbol in panel.symbols}
        return {symbol: tuple(each[~np.isnan(each)].tolist()) for symbol, each in closes.items()}


def _shares_in(book: Book, series: Series) -> Decimal | None:
    """What the shares that were transferred in on balance were worth on their days: all flows less those of money."""
    if not book.share_flows:
        return Decimal(0)
    everything = float(np.sum(series.inflow - series.outflow)) + series.pending_inflow - series.pending_outflow
    money = sum(float(flow.amount_base or 0) for flow in book.money_flows)
    return Decimal(str(round(everything - money, 6))) if np.isfinite(everything) else None


def _notes(book: Book, standing: Standing) -> Iterable[str]:
    """What a reader has to know of the figures."""
    yield from book.notes
    yield from (problem.words for problem in book.problems)
    there, count = sum(line.day_change is not None for line in standing.holdings), len(standing.holdings)
    if 0 < there < count:
        yield f"The day's change is of {there} of {count} holdings: the others have no price of the last session."
