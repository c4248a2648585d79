"""What is held, at the last known prices: the lines of holdings and money, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal

from core.market.as_of import AsOf
from core.market.instrument_index import Instrument
from core.market.quotes import Quote
from core.portfolio.book import Book, FxRates, Position, Split
from core.portfolio.income import income_by_symbol, share, total
from core.portfolio.report import CashLine, CostMethod, HoldingLine, Price, Rate, Ribbon
from core.portfolio.transactions import PLACES

MOST_AGE_DAYS = 4
"""Where the sessions of an exchange are not known, an older price is stale: a weekend and a holiday."""
CHANGE_PLACES = 4
"""Decimals of a day's change: sources round the change of a price."""
MONDAY_SINCE_FRIDAY = 3
"""Days from a Monday back to the weekday before."""
CASH, UNKNOWN = "Cash", "Unknown"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of the market at the moment that is seen."""

    as_of: AsOf
    fx: FxRates
    quotes: Mapping[str, Quote]
    instruments: Mapping[str, Instrument]
    closes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The last closes of each symbol, for spark lines."""
    targets: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """A portfolio at its last known prices."""

    holdings: Sequence[HoldingLine]
    """Largest value first."""
    cash: Sequence[CashLine]
    value: Decimal | None
    """Money included; None where a price or rate is missing."""
    cash_value: Decimal | None
    """None also where no cash is kept."""
    cost: Decimal | None
    """Of what is held, by the portfolio's method."""


def standing_of(book: Book, method: CostMethod, sight: Sight) -> Standing:
    """The lines of all that is held at the moment that is seen, with their sums."""
    cash = cash_lines(book, sight)
    income = income_by_symbol(book.payments)
    held = [position for position in book.positions.values() if position.quantity > 0]
    lines = [_line(book, position, method, sight, income.get(position.symbol, Decimal(0))) for position in held]
    money = total(line.value for line in cash)
    value = total((money, *(line.value for line in lines)))
    weighed = [replace(line, weight=share(line.value, value)) for line in lines]
    weighed.sort(key=lambda line: (line.value is None, -(line.value or 0), line.symbol))
    return Standing(
        holdings=tuple(weighed),
        cash=cash,
        value=value,
        cash_value=money if book.has_cash else None,
        cost=total(line.cost for line in lines),
    )


def cash_lines(book: Book, sight: Sight) -> tuple[CashLine, ...]:
    """The money of each currency at the day's end, the portfolio's own first; none of which nothing is left."""
    lines = []
    for currency in sorted(book.cash, key=lambda each: (each != book.currency, each)):
        amount = book.cash[currency][-1][1] if book.cash[currency] else Decimal(0)
        if amount:
            rate = sight.fx.rate(currency, book.currency, sight.as_of.day)
            lines.append(CashLine(currency, amount, rate, None if rate is None else round(amount * rate, PLACES)))
    return tuple(lines)


def total_gain(book: Book, value: Decimal | None, shares_in: Decimal | None) -> Decimal | None:
    """The value and all that went out, less all that came in.

    Args:
        book: whose flows of money are taken at the rates of their days.
        value: of the portfolio.
        shares_in: worth of the shares that were transferred in, less those transferred out, each at its day's price.
    """
    money_in = total(flow.amount_base for flow in book.money_flows)
    came = total((money_in, shares_in))
    return None if value is None or came is None else value - came


def day_change(lines: Iterable[HoldingLine]) -> tuple[Decimal | None, float | None]:
    """The change of all holdings since the session before, and as a fraction of what they were worth then.

    Holdings without a price of the last session are left out; None where there is none with one.
    """
    known = [(line.day_change, line.value) for line in lines if line.day_change is not None and line.value is not None]
    if not known:
        return None, None
    change = sum((each for each, _ in known), Decimal(0))
    before = sum((value - each for each, value in known), Decimal(0))
    return change, share(change, before)


def ribbon_of(standing: Standing, gain: Decimal | None, *, time_weighted: Rate, money_weighted: Rate) -> Ribbon:
    """What stands on top of a portfolio."""
    stale = [line for line in standing.holdings if line.price.is_stale]
    change, change_share = day_change(standing.holdings)
    return Ribbon(
        value=standing.value,
        day_change=change,
        day_change_share=change_share,
        total_gain=gain,
        time_weighted=time_weighted,
        money_weighted=money_weighted,
        cash=standing.cash_value,
        prices=len(standing.holdings),
        stale=len(stale),
        stale_share=share(total(line.value for line in stale), standing.value),
    )


def by_sector(standing: Standing) -> dict[str, Decimal]:
    """Known values by sector, largest first, with money as `Cash`."""
    parts = [(line.sector or UNKNOWN, line.value) for line in standing.holdings]
    return _parts([*parts, *((CASH, line.value) for line in standing.cash)])


def by_currency(standing: Standing) -> dict[str, Decimal]:
    """Known values by the currency of the price, money included, largest first."""
    parts = [(line.currency, line.value) for line in standing.holdings]
    return _parts([*parts, *((line.currency, line.value) for line in standing.cash)])


def _parts(parts: Iterable[tuple[str, Decimal | None]]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for name, value in parts:
        if value is not None:
            found[name] = found.get(name, Decimal(0)) + value
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _line(book: Book, position: Position, method: CostMethod, sight: Sight, income: Decimal | None) -> HoldingLine:
    symbol, instrument = position.symbol, sight.instruments.get(position.symbol)
    quote = sight.quotes.get(symbol) or Quote(symbol)
    price, notes = _price(quote, book.splits.get(symbol, ()), sight.as_of)
    currency = price.currency or (instrument.currency if instrument is not None else "") or position.currency
    if price.price is not None and price.currency is None:
        notes.append(f"Its source names no currency; its price is taken to be in {currency}.")
    rate = sight.fx.rate(currency, book.currency, sight.as_of.day)
    if rate is None:
        notes.append(f"No exchange rate from {currency} to {book.currency} is known for {sight.as_of.day}.")
    value = None if price.price is None or rate is None else round(position.quantity * price.price * rate, PLACES)
    is_fifo = method is CostMethod.FIFO
    cost = position.fifo_cost_base if is_fifo else position.average_cost_base
    unrealised = None if value is None or cost is None else value - cost
    return HoldingLine(
        symbol=symbol,
        name=instrument.name if instrument is not None else symbol,
        sector=instrument.sector if instrument is not None else "",
        currency=currency,
        quantity=position.quantity,
        price=price,
        fx_rate=rate,
        value=value,
        weight=None,
        cost=cost,
        fifo_cost=position.fifo_cost_base,
        average_cost=position.average_cost_base,
        unrealised=unrealised,
        unrealised_share=share(unrealised, cost),
        realised=position.realised_fifo_base if is_fifo else position.realised_average_base,
        income=income,
        day_change=_day_change(position, price, rate),
        target=sight.targets.get(symbol),
        lots=position.lots,
        closes=sight.closes.get(symbol, ()),
        note=" ".join(notes),
    )


def _price(quote: Quote, splits: Sequence[Split], as_of: AsOf) -> tuple[Price, list[str]]:
    """The price in the shares of the day that is seen, and what has to be said of it."""
    notes = []
    price = quote.price
    if price is None:
        notes.append("No price is known. " + " ".join(quote.problems) if quote.problems else "No price is known.")
    else:
        since, to_come = _splits_since(quote, splits, as_of)
        price = price * to_come / since if since != to_come else price
        if since != 1:
            notes.append("The last known price is from before a split, and is told in today's shares.")
        if to_come != 1:
            notes.append("Its prices are told in the shares after a later split; this one is told in those of the day.")
    if quote.is_generated:
        notes.append("Its prices are generated.")
    change = _change(quote, splits, as_of)
    found = Price(
        price=price,
        currency=quote.currency or None,
        as_of=quote.as_of,
        source=quote.source,
        origin=quote.origin,
        is_stale=_is_stale(quote, as_of),
        is_generated=quote.is_generated,
        change_pct=None if change is None else change * 100,
    )
    return found, notes


def _splits_since(quote: Quote, splits: Sequence[Split], as_of: AsOf) -> tuple[Decimal, Decimal]:
    """Shares of the day that is seen for one of those that a price is of, and shares after splits to come for one.

    Prices of the past come from bars, to which the market's splits were applied; a live price is as it was traded.
    A split to come is among those that are applied only where bars are told in the shares after it.
    """
    since, to_come = Decimal(1), Decimal(1)
    told_on = _day_of(quote, as_of)
    for split in splits:
        is_in_price = not as_of.is_live and (split.is_of_market or split.is_in_prices)
        if told_on < split.day <= as_of.day and not is_in_price:
            since *= split.ratio
        elif split.day > as_of.day and is_in_price:
            to_come *= split.ratio
    return since, to_come


def _change(quote: Quote, splits: Sequence[Split], as_of: AsOf) -> Decimal | None:
    """The change of a price as a fraction, without what a split does that the user alone tells.

    The split is dated between the weekday before and the price's own day. Where its ratio would make the change larger,
    the source compares prices of the same shares already.
    """
    if quote.change_pct is None or quote.change_pct <= -1:
        return quote.change_pct
    day, growth = _day_of(quote, as_of), 1 + quote.change_pct
    before = day - timedelta(days=MONDAY_SINCE_FRIDAY if day.weekday() == 0 else 1)
    for split in splits:
        is_own = not split.is_of_market and not split.is_in_prices
        if is_own and before < split.day <= day and abs((growth * split.ratio).ln()) < abs(growth.ln()):
            growth *= split.ratio
    return growth - 1


def _day_of(quote: Quote, as_of: AsOf) -> date:
    return as_of.day if quote.as_of is None else quote.as_of.date()


def _is_stale(quote: Quote, as_of: AsOf) -> bool:
    if quote.price is None or quote.as_of is None:
        return True
    if quote.is_stale is not None:
        return quote.is_stale
    return (as_of.moment - quote.as_of).days > MOST_AGE_DAYS


def _day_change(position: Position, price: Price, rate: Decimal | None) -> Decimal | None:
    """What the holding gained since the session before; shares that were bought that day, since their purchase."""
    if price.is_stale or price.price is None or price.change_pct is None or price.as_of is None or rate is None:
        return None
    bought, paid = _bought_on(position, price.as_of.date())
    growth = 1 + price.change_pct / 100
    if paid is None or growth <= 0:
        return None
    worth = price.price * rate
    return round((position.quantity - bought) * (worth - worth / growth) + bought * worth - paid, CHANGE_PLACES)


def _bought_on(position: Position, day: date) -> tuple[Decimal, Decimal | None]:
    lots = [lot for lot in position.lots if lot.acquired == day]
    return sum((lot.quantity for lot in lots), Decimal(0)), total(lot.cost_base for lot in lots)
