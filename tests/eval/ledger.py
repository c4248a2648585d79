"""What the demo's transactions come to: quantities, costs, days, flows and returns, in plain Python.

Quantities are told in shares of the as-of day throughout, so that splits change nothing. Conventions: the last close
stands in on a day without a session of its dataset; a flow counts on the first valuation day from its own on; without
cash, purchases and fees come from outside and proceeds and payments, net of tax, go there.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from tests.eval.shipped import AS_OF, PORTFOLIOS, Row, bars, rate, shares_since, transactions

BENCHMARK = "SP500"
CARRIED_DAYS = 14
DAYS_A_YEAR = 365
NOTHING = 1e-9


def base_of(portfolio: str) -> str:
    """The portfolio's currency."""
    return PORTFOLIOS[portfolio][1]


def in_base(portfolio: str, row: Row, amount: float) -> float:
    """An amount of a transaction in the portfolio's currency, at its own rate or the market's of its day."""
    told = row.fx_rate if row.currency != base_of(portfolio) else None
    return amount * (told if told is not None else rate(row.currency, base_of(portfolio), row.day))


def moved(row: Row) -> float:
    """What a transaction brings (above 0) or takes in money, in its own currency."""
    costs = row.fees + row.taxes
    if row.kind in ("Buy", "Withdrawal", "Fee", "Tax"):
        return -row.gross - costs
    return row.gross - costs


@dataclass
class Position:
    """What is left of one symbol, with both costs in the portfolio's currency."""

    lots: list[tuple[float, float]] = field(default_factory=list)
    """Quantity and cost of each, oldest first."""
    quantity: float = 0.0
    average_cost: float = 0.0
    realised_fifo: float = 0.0
    realised_average: float = 0.0

    @property
    def fifo_cost(self) -> float:
        """Of what is left, first in first out."""
        return sum(cost for _, cost in self.lots)

    def buy(self, quantity: float, cost: float) -> None:
        """Adds a lot."""
        self.lots.append((quantity, cost))
        self.quantity += quantity
        self.average_cost += cost

    def sell(self, quantity: float, proceeds: float) -> None:
        """Takes the oldest lots, and the average's share."""
        average = self.average_cost * quantity / self.quantity
        left, fifo = quantity, 0.0
        while left > NOTHING:
            there, cost = self.lots[0]
            taken = min(there, left)
            fifo += cost * taken / there
            left -= taken
            if there - taken > NOTHING:
                self.lots[0] = (there - taken, cost * (there - taken) / there)
            else:
                self.lots.pop(0)
        self.quantity -= quantity
        self.average_cost -= average
        self.realised_fifo += proceeds - fifo
        self.realised_average += proceeds - average


@cache
def positions(portfolio: str) -> dict[str, Position]:
    """By symbol, those that are closed too."""
    found: dict[str, Position] = {}
    for row in transactions(portfolio):
        if row.kind not in ("Buy", "Sell"):
            continue
        position = found.setdefault(row.symbol, Position())
        quantity, money = row.quantity * shares_since(row.symbol, row.day), in_base(portfolio, row, abs(moved(row)))
        if row.kind == "Buy":
            position.buy(quantity, money)
        else:
            position.sell(quantity, money)
    return found


def held(portfolio: str) -> dict[str, Position]:
    """What is held on the as-of day."""
    return {symbol: each for symbol, each in positions(portfolio).items() if each.quantity > NOTHING}


def cost(portfolio: str, symbol: str) -> float:
    """Of what is held, by the portfolio's method."""
    position = positions(portfolio)[symbol]
    return position.fifo_cost if PORTFOLIOS[portfolio][2] == "fifo" else position.average_cost


def worth(portfolio: str, symbol: str) -> float:
    """Of a holding at its last close."""
    history = bars(symbol)
    return held(portfolio)[symbol].quantity * history.close[-1] * rate(history.currency, base_of(portfolio), AS_OF)


def cash(portfolio: str) -> float:
    """Money on the as-of day; 0 where none is kept."""
    return sum(moved(row) for row in transactions(portfolio)) if PORTFOLIOS[portfolio][3] else 0.0


def value(portfolio: str) -> float:
    """Of all that is held, money included."""
    return cash(portfolio) + sum(worth(portfolio, symbol) for symbol in held(portfolio))


@dataclass(frozen=True)
class Curve:
    """A portfolio by day."""

    days: tuple[date, ...]
    value: tuple[float, ...]
    inflow: tuple[float, ...]
    outflow: tuple[float, ...]
    holdings: dict[str, tuple[float, ...]]
    """Value of each symbol."""
    flows: tuple[tuple[date, float], ...]
    """From (above 0) and to outside, on their own days."""

    @property
    def factors(self) -> tuple[float, ...]:
        """(value + outflow) ÷ (value before + inflow) of each day."""
        before = (0.0, *self.value[:-1])
        return tuple(
            (self.value[at] + self.outflow[at]) / (before[at] + self.inflow[at]) for at in range(len(self.days))
        )

    def places(self, first: date | None, last: date | None) -> tuple[int, int]:
        """Of the first day of a window, and of the one after its last."""
        begin = 0 if first is None else bisect_left(self.days, first)
        end = len(self.days) if last is None else bisect_left(self.days, last + timedelta(days=1))
        return begin, end


def _price(symbol: str, day: date, rivals: Sequence[str]) -> float:
    """The close of a day, or the last one where none of its dataset that is held traded.

    Raises:
        KeyError: a bar is missing.
    """
    history = bars(symbol)
    at = history.up_to(day) - 1
    if history.days[at] == day:
        return history.close[at]
    for rival in rivals:
        other = bars(rival)
        if other.dataset == history.dataset and other.days[other.up_to(day) - 1] == day:
            raise KeyError(f"{symbol} has no bar of {day}, and {rival} has one.")
    if (day - history.days[at]).days > CARRIED_DAYS:
        raise KeyError(f"The last bar of {symbol} before {day} is too old.")
    return history.close[at]


def _quantities(portfolio: str, day: date) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in transactions(portfolio):
        if row.day <= day and row.kind in ("Buy", "Sell"):
            change = row.quantity * shares_since(row.symbol, row.day) * (1 if row.kind == "Buy" else -1)
            found[row.symbol] = found.get(row.symbol, 0.0) + change
    return found


def _valuation_days(portfolio: str) -> list[date]:
    rows = transactions(portfolio)
    first = rows[0].day
    changes = sorted({row.day for row in rows if row.kind in ("Buy", "Sell")})
    found = {day for day in bars(BENCHMARK).days if first <= day < changes[0]}
    for begin, end in zip(changes, [*changes[1:], AS_OF + timedelta(days=1)], strict=True):
        traded = {row.symbol for row in rows if row.day == begin and row.kind in ("Buy", "Sell")}
        for symbol, quantity in _quantities(portfolio, begin).items():
            for day in bars(symbol).days:
                if begin <= day < end and (quantity > NOTHING or (symbol in traded and day == begin)):
                    found.add(day)
    return sorted(found)


@cache
def curve(portfolio: str) -> Curve:
    """The values of a portfolio by day since its first transaction."""
    keeps_cash, base = PORTFOLIOS[portfolio][3], base_of(portfolio)
    days = _valuation_days(portfolio)
    symbols = list(positions(portfolio))
    inflow, outflow, flows = [0.0] * len(days), [0.0] * len(days), []
    for row in transactions(portfolio):
        amount = moved(row) if row.kind in ("Deposit", "Withdrawal") else -moved(row)
        if keeps_cash and row.kind not in ("Deposit", "Withdrawal"):
            continue
        told = in_base(portfolio, row, amount)
        at = bisect_left(days, row.day)
        inflow[at] += max(told, 0.0)
        outflow[at] += max(-told, 0.0)
        flows.append((row.day, told))
    values, holdings = [], {symbol: [0.0] * len(days) for symbol in symbols}
    for at, day in enumerate(days):
        quantities = {symbol: n for symbol, n in _quantities(portfolio, day).items() if n > NOTHING}
        for symbol, quantity in quantities.items():
            price = _price(symbol, day, list(quantities)) * rate(bars(symbol).currency, base, day)
            holdings[symbol][at] = quantity * price
        money = sum(moved(row) for row in transactions(portfolio) if row.day <= day) if keeps_cash else 0.0
        values.append(money + sum(holdings[symbol][at] for symbol in symbols))
    return Curve(
        days=tuple(days),
        value=tuple(values),
        inflow=tuple(inflow),
        outflow=tuple(outflow),
        holdings={symbol: tuple(each) for symbol, each in holdings.items()},
        flows=tuple(flows),
    )


def time_weighted(portfolio: str, first: date | None = None, last: date | None = None) -> float:
    """The product of the daily factors of a window, less 1."""
    found = curve(portfolio)
    begin, end = found.places(first, last)
    product = 1.0
    for factor in found.factors[begin:end]:
        product *= factor
    return product - 1


def money_weighted(portfolio: str) -> float:
    """The yearly rate (ACT/365) at which all flows and the last value come to nothing, by halving."""
    found = curve(portfolio)
    flows = [*((day, -amount) for day, amount in found.flows), (found.days[-1], found.value[-1])]
    start = min(day for day, _ in flows)

    def present(yearly: float) -> float:
        return sum(amount / math.pow(1 + yearly, (day - start).days / DAYS_A_YEAR) for day, amount in flows)

    low, high = -0.9, 5.0
    for _ in range(200):
        middle = (low + high) / 2
        if present(low) * present(middle) <= 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def gains(portfolio: str, first: date | None, last: date | None) -> dict[str, float]:
    """Of each symbol held in a window: value at its end less that at its start less what was bought on balance.

    Dividends are no part of it.
    """
    found = curve(portfolio)
    begin, end = found.places(first, last)
    first_day, last_day = found.days[begin], found.days[end - 1]
    gained = {
        symbol: values[end - 1] - (values[begin - 1] if begin else 0.0) for symbol, values in found.holdings.items()
    }
    for row in transactions(portfolio):
        if row.kind in ("Buy", "Sell") and first_day <= row.day <= last_day:
            gained[row.symbol] += in_base(portfolio, row, moved(row))
    return {
        symbol: gain for symbol, gain in gained.items() if gain or any(found.holdings[symbol][max(begin - 1, 0) : end])
    }
