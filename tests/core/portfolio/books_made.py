"""Books and sights of the market, made by hand: a test names what it is about, the rest is plain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from core.market.as_of import AsOf, Reason
from core.market.instrument_index import Instrument
from core.market.quotes import Quote
from core.portfolio.book import Book, Lot, Payment, Position
from core.portfolio.holdings import Sight
from core.portfolio.transactions import Kind

DAY = date(2010, 8, 20)
AS_OF = AsOf(DAY, Reason.SHIPPED, datetime(2026, 11, 20, 12, tzinfo=UTC))
LIVE = AsOf(DAY, Reason.LIVE, datetime(2010, 8, 20, 19, tzinfo=UTC))
CLOSE = datetime(2010, 8, 20, 20, tzinfo=UTC)


class Rates:
    """Rates that a test names: units of the second currency for one of the first."""

    def __init__(self, **rates: str) -> None:
        self._rates = {name: Decimal(rate) for name, rate in rates.items()}

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """1 where both are the same, None where the test named none."""
        return Decimal(1) if currency == base else self._rates.get(f"{currency}{base}")


def position(symbol: str = "AAPL", quantity: str = "10", cost: str = "1000", **changes: object) -> Position:
    """Shares that were bought together."""
    lot = Lot(date(2010, 1, 4), Decimal(quantity), Decimal(cost), "USD", Decimal(cost))
    made = Position(
        symbol=symbol,
        currency="USD",
        quantity=Decimal(quantity),
        lots=(lot,),
        fifo_cost=Decimal(cost),
        average_cost=Decimal(cost),
        fifo_cost_base=Decimal(cost),
        average_cost_base=Decimal(cost),
        bought_base=Decimal(cost),
        sold_base=Decimal(0),
        realised_fifo_base=Decimal(0),
        realised_average_base=Decimal(0),
        first_day=date(2010, 1, 4),
        last_day=date(2010, 1, 4),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def payment(
    day: date,
    gross: str,
    kind: Kind = Kind.DIVIDEND,
    *,
    symbol: str | None = "AAPL",
    taxes: str = "0",
    fees: str = "0",
    is_known: bool = True,
    number: int = 1,
) -> Payment:
    """A payment in dollars; without its rate nothing is known in the portfolio's currency."""
    amounts = [Decimal(each) for each in (gross, taxes, fees)]
    bases = amounts if is_known else [None, None, None]
    return Payment(UUID(int=number), kind, day, symbol, "USD", *amounts, *bases)


def book(*positions: Position, cash: Mapping[str, str] | None = None, **changes: object) -> Book:
    """A book in dollars of what is held; it keeps money where some is named."""
    made = Book(
        currency="USD",
        has_cash=cash is not None,
        first_day=date(2010, 1, 4),
        positions={each.symbol: each for each in positions},
        quantities={each.symbol: ((each.first_day, each.quantity),) for each in positions},
        splits={},
        cash={code: ((date(2010, 1, 4), Decimal(amount)),) for code, amount in (cash or {}).items()},
        disposals=(),
        payments=(),
        money_flows=(),
        share_flows=(),
        trade_fees_base=Decimal(0),
        problems=(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def quote(symbol: str = "AAPL", price: str | None = "120", **changes: object) -> Quote:
    """A price of the last session."""
    known = {} if price is None else {"source": "sample", "origin": "sample", "as_of": CLOSE, "currency": "USD"}
    made = Quote(symbol, price=None if price is None else Decimal(price), is_stale=price is None, **known)  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


def instrument(symbol: str, sector: str = "Technology", name: str = "") -> Instrument:
    """A stock in New York."""
    return Instrument(
        symbol, name or f"{symbol} Inc.", "XNAS", "USD", "stock", sector, "NASDAQ", None, None, None, False
    )


def sight(*quotes: Quote, as_of: AsOf = AS_OF, fx: Rates | None = None, **more: object) -> Sight:
    """The market at the end of the day, or another moment."""
    found = {each.symbol: each for each in quotes}
    instruments = {symbol: instrument(symbol) for symbol in found}
    return replace(Sight(as_of, fx or Rates(), found, instruments), **more)  # type: ignore[arg-type]
