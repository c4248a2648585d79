"""Portfolios: ten thousand transactions over ten years and two hundred holdings, from nothing and with one more.

What is measured is what stands behind a page: the book, its values by day, and their returns beside a benchmark. The
transactions are at hand; bars come from the store, kept days from Postgres.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np

from core.db.engine import Database
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.market.bars import Bars
from core.market.calendars import Calendars
from core.market.fx import Fx
from core.portfolio.ledger import Books
from core.portfolio.performance import performance
from core.portfolio.portfolios import Portfolios, PortfolioSettings
from core.portfolio.transactions import Kind, Transaction
from core.portfolio.valuation import Valuer
from core.principal import Principal
from tests.bench.figures import Figure, Goal, figure
from tests.bench.ground import Ground
from tests.bench.records import fill_walks

TRANSACTIONS, HOLDINGS = 10_000, 200
FIRST, LAST = date(2015, 1, 2), date(2024, 12, 31)
WHOLE_GOAL, FURTHER_GOAL = Goal("p50", 2.0), Goal("p50", 100.0)
REPETITIONS, FURTHER = 5, 20
SALES, DIVIDENDS = 0.25, 0.35
"""Shares of all transactions, one upon the other; the rest are purchases."""
CURRENCY = "USD"
SEED = 8


def histories(ground: Ground) -> list[Figure]:
    """A portfolio in a process that knows nothing of it, then with one more transaction, new or old, one after another.

    Prices are random walks, generated as all bars of this measurement.
    """
    bench = ground.workbench
    store = bench.market.store
    sessions = Calendars(today=LAST).of("XNYS").between(FIRST, LAST)
    symbols = fill_walks(store, HOLDINGS, sessions)
    days = [day.astype(object) for day in sessions]
    rows = made_transactions(symbols, days, TRANSACTIONS // (10 if ground.is_quick else 1))
    asked = _Asked(bench.database, Bars(store), ground.member("Portfolio organisation", plan="enterprise"), symbols[0])
    portfolios = Portfolios(bench.database, bench.plans)
    whole, again, restarted = [], [], []
    for number in range(ground.repetitions(REPETITIONS)):
        asked.portfolio_id = portfolios.create(asked.principal, PortfolioSettings(name=f"Bench {number}")).id
        whole.append(asked.forgetting().seconds(rows))
        again.append(asked.seconds(rows) * 1000)
        restarted.append(asked.forgetting().seconds(rows))
    newest = [asked.seconds(more) * 1000 for more in _one_more(rows, symbols, days[-1:])]
    oldest = [asked.seconds(more) * 1000 for more in _one_more(rows, symbols, days[250:500])]
    name = f"{len(rows):,} transactions over ten years, {HOLDINGS} holdings"
    return [
        figure(f"{name}: from nothing", whole, unit="s", goals=(WHOLE_GOAL,), note="book, values by day, returns"),
        figure("the same with one more transaction, of the last day", newest, goals=(FURTHER_GOAL,)),
        figure("the same with one more transaction, eight or nine years old", oldest, goals=(FURTHER_GOAL,)),
        figure("the same with nothing new", again),
        figure("the same in another process, from kept days", restarted, unit="s"),
    ]


def made_transactions(symbols: Sequence[str], days: Sequence[date], number: int) -> list[Transaction]:
    """A deposit, then purchases, sales of what is held, and dividends, of each symbol in turn; deterministic."""
    random = np.random.Generator(np.random.PCG64(SEED))
    held = dict.fromkeys(symbols, 0)
    deposit = Decimal(1000) * number
    rows = [Transaction(Kind.DEPOSIT, days[0], CURRENCY, amount=deposit, id=new_id(), number=1)]
    for at, place in enumerate(sorted(random.integers(0, len(days), number - 1).tolist()), 2):
        symbol, chance = symbols[at % len(symbols)], random.random()
        if chance < SALES and held[symbol]:
            kind, shares, price = Kind.SELL, 3, Decimal("50.25")
        elif chance < DIVIDENDS and held[symbol]:
            dividend = Decimal("12.34")
            rows.append(
                Transaction(Kind.DIVIDEND, days[place], CURRENCY, symbol, amount=dividend, id=new_id(), number=at)
            )
            continue
        else:
            kind, shares, price = Kind.BUY, 6, Decimal("50.75")
        held[symbol] += shares if kind is Kind.BUY else -shares
        rows.append(
            Transaction(
                kind, days[place], CURRENCY, symbol, Decimal(shares), price, fees=Decimal("1.5"), id=new_id(), number=at
            )
        )
    return rows


class _Asked:
    """What a page asks, one service after another."""

    def __init__(self, database: Database, bars: Bars, principal: Principal, benchmark: str) -> None:
        self._database = database
        self._bars = bars
        self._benchmark = benchmark
        self._as_of = AsOf(LAST, Reason.SHIPPED, datetime.now(UTC))
        self._fx = Fx()
        self.principal = principal
        self.portfolio_id = UUID(int=0)
        self.forgetting()

    def forgetting(self) -> _Asked:
        """As a process that has computed nothing yet."""
        self._books, self._valuer = Books(self._bars, self._fx), Valuer(self._database, self._bars, self._fx)
        return self

    def seconds(self, rows: Sequence[Transaction]) -> float:
        """How long it takes until the returns are there."""
        who, as_of = self.principal, self._as_of
        begun = time.perf_counter()
        book = self._books.of(self.portfolio_id, rows, CURRENCY, True, as_of, who.org_id)
        series = self._valuer.series(who, self.portfolio_id, book, as_of, self._benchmark)
        closes = self._valuer.benchmark(who, self._benchmark, CURRENCY, as_of, series.days)
        found = performance(series, benchmark=self._benchmark, closes=closes)
        seconds = time.perf_counter() - begun
        if None in (found.time_weighted.value, found.money_weighted.value, found.benchmark_time_weighted.value):
            raise RuntimeError(f"A return is missing: {found.time_weighted.note or found.money_weighted.note}")
        return seconds


def _one_more(rows: Sequence[Transaction], symbols: Sequence[str], days: Sequence[date]) -> Iterator[list[Transaction]]:
    """The transactions with a further purchase each time, of another symbol and day."""
    more = list(rows)
    for at in range(FURTHER):
        day, symbol = days[at * len(days) // FURTHER], symbols[at % len(symbols)]
        shares, price = Decimal(2), Decimal("50.5")
        more = [*more, Transaction(Kind.BUY, day, CURRENCY, symbol, shares, price, id=new_id(), number=len(more) + 1)]
        yield more
