"""A market of a test's own with a valuer on it, and transactions valued by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

from core.db.engine import Database
from core.market.as_of import AsOf, Reason
from core.market.bar_store import BarStore, Batch, DatasetKey, SeriesFacts
from core.market.bars import Bars
from core.market.fx import Fx
from core.market.sources.contract import Adjustment, CorporateAction
from core.portfolio.book import Book
from core.portfolio.ledger import Books
from core.portfolio.series import Floats, Series
from core.portfolio.transactions import Transaction
from core.portfolio.valuation import Valuer
from core.principal import Principal, Role
from tests.core.market.bars_made import NOW, frame_of

PORTFOLIO = UUID(int=11)
WHO = Principal(UUID(int=1), UUID(int=2), Role.ANALYST, "team", "session", "UTC", "ann@test.example", "Ann", "Acme")
DAYS = [date(2010, 1, 4) + timedelta(days=week * 7 + weekday) for week in range(4) for weekday in range(5)]
"""Twenty weekdays; the first is a Monday."""
LAST = DAYS[-1]


@dataclass(frozen=True)
class Ground:
    """A store of bars, and a valuer on it."""

    database: Database
    folder: Path
    store: BarStore
    bars: Bars
    fx: Fx
    valuer: Valuer

    @classmethod
    def on(cls, database: Database, folder: Path) -> Ground:
        """An empty one."""
        store = BarStore(database, folder)
        bars, fx = Bars(store), Fx()
        return cls(database, folder, store, bars, fx, Valuer(database, bars, fx))

    def fresh(self) -> Valuer:
        """A valuer that has computed nothing yet, as in another process."""
        return Valuer(self.database, self.bars, self.fx)

    def write(
        self,
        closes: Mapping[str, Mapping[date, float]],
        *,
        dataset: str = "test",
        currency: str = "USD",
        exchange: str = "XNYS",
        adjusted_through: date | None = None,
        actions: Mapping[str, Sequence[CorporateAction]] | None = None,
    ) -> None:
        """Writes closes by symbol and day."""
        adjustment = Adjustment.RAW if adjusted_through is None else Adjustment.SPLIT
        facts = {
            symbol: SeriesFacts(
                currency, exchange, adjustment, adjusted_through, tuple((actions or {}).get(symbol, ()))
            )
            for symbol in closes
        }
        self.store.write(DatasetKey("fetched", dataset, "a test"), Batch(frame_of(closes), facts))

    def book(
        self,
        rows: Sequence[Transaction],
        *,
        until: date = LAST,
        currency: str = "USD",
        has_cash: bool = True,
        books: Books | None = None,
    ) -> Book:
        """What transactions come to."""
        made = books or Books(self.bars, self.fx)
        return made.of(PORTFOLIO, rows, currency, has_cash, seen(until), WHO.org_id)

    def series(
        self,
        rows: Sequence[Transaction],
        *,
        until: date = LAST,
        currency: str = "USD",
        has_cash: bool = True,
        benchmark: str | None = None,
        valuer: Valuer | None = None,
    ) -> Series:
        """Their values by day, computed anew unless a valuer is given."""
        book = self.book(rows, until=until, currency=currency, has_cash=has_cash)
        return (valuer or self.fresh()).series(WHO, PORTFOLIO, book, seen(until), benchmark)


def seen(until: date) -> AsOf:
    """The market as of the last day of what is there."""
    return AsOf(until, Reason.SHIPPED, NOW)


def flat(*closes: float, days: Sequence[date] = DAYS) -> dict[date, float]:
    """Closes on the first days; the last of them on the rest."""
    return {day: closes[min(place, len(closes) - 1)] for place, day in enumerate(days)}


def on(series: Series, line: Floats, day: date) -> float:
    """What a line says of a day."""
    at = int(np.searchsorted(series.days, np.datetime64(day, "D")))
    assert series.days[at] == np.datetime64(day, "D")
    return float(line[at])


def assert_same(one: Series, other: Series) -> None:
    """Two series say the same, to the last digits of a float."""
    assert one.days.tolist() == other.days.tolist()
    assert one.symbols == other.symbols
    assert dict(one.missing) == dict(other.missing)
    for name in ("value", "cash", "inflow", "outflow", "holdings", "holding_flows"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-9, equal_nan=True, err_msg=name
        )
    assert one.flows is not None
    assert other.flows is not None
    assert one.flows.days.tolist() == other.flows.days.tolist()
    np.testing.assert_allclose(one.flows.amounts, other.flows.amounts, rtol=1e-12, equal_nan=True)
    for name in ("pending_inflow", "pending_outflow"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12, err_msg=name)
