"""Values of a portfolio by day, from its book and closes: matrices of symbols × days, no loop over days (pure).

A day's value of a holding is its quantity in the shares of that day × all splits after it that prices are told after ×
the close × the rate to the portfolio's currency. A close that is missing on a day on which others of the same dataset
and exchange traded is missing; on a day on which none did, the last close is carried.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from core.portfolio.benchmark import MOST_CARRIED_DAYS
from core.portfolio.book_arrays import BookArrays, Moved, Stepped
from core.portfolio.series import Days, Floats, Flows, Series

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Market = tuple[UUID, str | None]
"""Dataset and exchange: what trades on the same days."""
NO_DAYS: Days = np.empty(0, "datetime64[D]")
NO_CLOSES: Floats = np.empty(0, np.float64)


class Rates(Protocol):
    """Rates between currencies; `core.market.fx.Fx` has them."""

    @property
    def version(self) -> str:
        """Changes with whatever the rates come from."""

    def series(self, currency: str, base: str, days: Days) -> Floats:
        """Units of `base` for one of `currency` on each day; NaN where there is none."""


@dataclass(frozen=True, slots=True)
class History:
    """What prices of a symbol are made of."""

    days: Days = field(default_factory=lambda: NO_DAYS)
    """Of its bars, in order."""
    close: Floats = field(default_factory=lambda: NO_CLOSES)
    """In the shares of the as-of day; NaN where a bar has none."""
    market: Market | None = None
    """None where nothing serves the symbol."""
    currency: str = ""
    splits: tuple[tuple[date, float], ...] = ()
    """Day and ratio of each that closes are told after, in order."""
    raw_splits: tuple[tuple[date, float], ...] = ()
    """Of each that only the user told, and closes before it are not told after."""

    def factor(self, on: Days) -> Floats:
        """Shares of the last day for one of each of some days, by the splits that closes are told after."""
        return _after(self.splits, on)

    def raw_factor(self, on: Days) -> Floats:
        """The same by those that they are not told after."""
        return _after(self.raw_splits, on)


def _after(splits: Sequence[tuple[date, float]], on: Days) -> Floats:
    """The product of all ratios of splits after each of some days."""
    if not splits:
        return np.ones(len(on))
    days = np.array([day for day, _ in splits], "datetime64[D]")
    after = np.append(np.cumprod([ratio for _, ratio in reversed(splits)])[::-1], 1.0)
    found: Floats = after[np.searchsorted(days, on, side="right")]
    return found


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be valued."""

    book: BookArrays
    histories: Sequence[History]
    """Of each symbol of the book; closes from `MOST_CARRIED_DAYS` before `since` on, if not all."""
    benchmark: History | None
    rates: Rates
    since: date
    """The first day that is wanted."""
    after: np.datetime64 | None = None
    """The last valuation day before it; flows since then count on the next."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Valuation days, and what is so on each: matrices of shape (symbols, days)."""

    days: Days
    quantity: Floats
    is_session: Bools
    """Whether the symbol's market traded, as far as others that are held show."""


def valued(task: Task) -> Series:
    """The part of the series from `since` on."""
    grid = _grid(task)
    price, gaps = _prices(task, grid)
    with np.errstate(invalid="ignore"):
        holdings = np.where(grid.quantity == 0, 0.0, grid.quantity * price)
    cash, cash_gaps = _cash(task, grid.days)
    into, moved = _holding_flows(task, grid.days, price)
    inflow = _binned(task, task.book.inflow, grid.days) + np.maximum(moved, 0.0).sum(axis=0)
    outflow = _binned(task, task.book.outflow, grid.days) + np.maximum(-moved, 0.0).sum(axis=0)
    value = cash + holdings.sum(axis=0)
    value[np.isnan(inflow) | np.isnan(outflow)] = np.nan
    needed = np.isnan(holdings) | np.isnan(moved)
    pending = _pending(task, grid.days)
    return Series(
        days=grid.days,
        value=value,
        cash=cash,
        inflow=inflow,
        outflow=outflow,
        missing=_missing(task, grid.days, value, needed, [*gaps, *cash_gaps]),
        symbols=task.book.symbols,
        holdings=holdings,
        holding_flows=into,
        pending_inflow=pending[0],
        pending_outflow=pending[1],
        flows=_flows(task, grid.days, price),
    )


def joined(before: Series, since: date, part: Series) -> Series:
    """A series whose days from `since` on are those of another."""
    end = int(np.searchsorted(before.days, np.datetime64(since, "D")))
    rows = {symbol: row for row, symbol in enumerate(part.symbols)}
    old = [row for row, symbol in enumerate(before.symbols) if symbol in rows]
    new = [rows[before.symbols[row]] for row in old]

    def matrix(first: Floats, second: Floats) -> Floats:
        whole = np.zeros((len(part.symbols), end + len(part.days)))
        whole[new, :end] = first[old, :end]
        whole[:, end:] = second
        return whole

    def line(first: Floats, second: Floats) -> Floats:
        return np.concatenate((first[:end], second))

    return Series(
        days=np.concatenate((before.days[:end], part.days)),
        value=line(before.value, part.value),
        cash=line(before.cash, part.cash),
        inflow=line(before.inflow, part.inflow),
        outflow=line(before.outflow, part.outflow),
        missing={day: names for day, names in before.missing.items() if day < since} | dict(part.missing),
        symbols=part.symbols,
        holdings=matrix(before.holdings, part.holdings),
        holding_flows=matrix(before.holding_flows, part.holding_flows),
        pending_inflow=part.pending_inflow,
        pending_outflow=part.pending_outflow,
        flows=_joined_flows(before, end, part),
    )


def nothing(symbols: tuple[str, ...] = ()) -> Series:
    """A series of no days."""
    none, no_days = np.empty(0), np.empty((len(symbols), 0))
    return Series(NO_DAYS, none, none, none, none, {}, symbols, no_days, no_days)


def _grid(task: Task) -> _Grid:
    """The valuation days from `since` on.

    A day is one where a symbol that is held has a bar, or the benchmark, where it is of the same market. While nothing
    is held, it is one where a symbol that once was held, or the benchmark, has a bar. While something that is held has
    no close that could be carried, days of the benchmark are too, and those on which money or shares move: they have no
    value.
    """
    book, histories = task.book, task.histories
    first = np.datetime64(max(task.since, book.first_day or task.since), "D")
    own = [_offsets(history.days, first) for history in histories]
    other = np.empty(0, np.int64) if task.benchmark is None else _offsets(task.benchmark.days, first)
    moved = _offsets(np.unique(np.concatenate((book.inflow.days, book.outflow.days, book.shares.days))), first)
    traded = np.zeros(max((int(each[-1]) + 1 for each in (*own, other, moved) if len(each)), default=0), bool)
    for each in (*own, other, moved):
        traded[each] = True
    days, place = first + np.flatnonzero(traded), np.cumsum(traded) - 1
    shape = (len(histories), len(days))
    quantity, has_bar, is_active, is_past = np.zeros(shape), *(np.zeros(shape, bool) for _ in range(3))
    for row, steps in enumerate(book.quantities):
        has_bar[row, place[own[row]]] = True
        begins, passed = np.searchsorted(days, steps.days, "left"), np.searchsorted(days, steps.days, "right")
        quantity[row] = _held(steps, begins, len(days))
        is_active[row] = (quantity[row] != 0) | (_held(steps, passed, len(days)) != 0)
        is_active[row, begins[begins != passed]] = True
        is_past[row, begins[0] if len(begins) else len(days) :] = True
    of_benchmark = np.zeros(len(days), bool)
    of_benchmark[place[other]] = True
    is_session, is_wanted = _sessions(task, has_bar & is_active, is_active, of_benchmark)
    is_idle = ~is_active.any(axis=0)
    is_wanted |= is_idle & (of_benchmark | (has_bar & is_past).any(axis=0))
    is_asked = of_benchmark.copy()
    is_asked[place[moved]] = True
    columns = np.flatnonzero(is_asked & ~is_wanted)
    is_wanted[columns] = _is_unpriced(task, days[columns], is_active[:, columns])
    if is_wanted.all():
        return _Grid(days, quantity, is_session)
    return _Grid(days[is_wanted], quantity[:, is_wanted], is_session[:, is_wanted])


def _offsets(days: Days, first: np.datetime64) -> Ints:
    """Of those from a day on, how many days after it each is."""
    found: Ints = (days[np.searchsorted(days, first) :] - first).astype(np.int64)
    return found


def _is_unpriced(task: Task, days: Days, is_active: Bools) -> Bools:
    """Whether any symbol that is held on each of some days has no close of that day, nor one that is carried."""
    found = np.zeros(len(days), bool)
    if len(days):
        nowhere = np.zeros(len(days), bool)
        for row in np.flatnonzero(is_active.any(axis=1)).tolist():
            found |= is_active[row] & np.isnan(_closes(task.histories[row], days, nowhere))
    return found


def _held(steps: Stepped, begins: Ints, number: int) -> Floats:
    """What holds on each of so many days, where each step begins at one of them."""
    lengths = np.append(begins, number)
    lengths[1:] -= begins
    found: Floats = np.repeat(np.concatenate(([0.0], steps.values)), lengths)
    return found


def _sessions(task: Task, is_traded: Bools, is_active: Bools, of_benchmark: Bools) -> tuple[Bools, Bools]:
    """Whether the market of each symbol traded on each day, and whether any of a symbol that is held did."""
    is_session = np.zeros(is_active.shape, bool)
    any_session = np.zeros(is_active.shape[1], bool)
    rows_of: dict[Market, list[int]] = {}
    for row, history in enumerate(task.histories):
        if history.market is not None:
            rows_of.setdefault(history.market, []).append(row)
    for market, rows in rows_of.items():
        found = is_traded[rows].any(axis=0)
        if task.benchmark is not None and task.benchmark.market == market:
            found |= of_benchmark & is_active[rows].any(axis=0)
        is_session[rows] = found
        any_session |= found
    return is_session, any_session


def _prices(task: Task, grid: _Grid) -> tuple[Floats, list[tuple[Bools, str]]]:
    """Price of a share of each day in the portfolio's currency, and on which days which rates are not there."""
    book, days = task.book, grid.days
    price = np.full(grid.quantity.shape, np.nan)
    is_held = grid.quantity != 0
    for row, history in enumerate(task.histories):
        price[row] = _closes(history, days, grid.is_session[row])
        if history.splits:
            price[row] *= history.factor(days)
    gaps = []
    for currency in sorted({history.currency for history in task.histories} - {book.currency, ""}):
        rows = [row for row, history in enumerate(task.histories) if history.currency == currency]
        rate = task.rates.series(currency, book.currency, days)
        price[rows] *= rate
        gaps.append((np.isnan(rate) & is_held[rows].any(axis=0), f"{currency}/{book.currency}"))
    return price, gaps


def _closes(history: History, days: Days, is_session: Bools) -> Floats:
    """The close of each day; on days without a session the last one, in the shares of the day it stands in for."""
    begin = int(np.searchsorted(history.days, days[0])) if len(days) else 0
    if len(history.days) - begin == len(days) and (history.days[begin:] == days).all():
        return history.close[begin:]
    is_there = np.isfinite(history.close)
    known, closes = history.days[is_there], history.close[is_there]
    if not len(known):
        return np.full(len(days), np.nan)
    at = np.searchsorted(known, days, side="right") - 1
    age = (days - known[at]).astype(np.int64)
    is_usable = (at >= 0) & ((age == 0) | (~is_session & (age <= MOST_CARRIED_DAYS)))
    found: Floats = np.where(is_usable, closes[at], np.nan)
    if history.raw_splits:
        found = found * (history.raw_factor(days) / history.raw_factor(known[at]))
    return found


def _cash(task: Task, days: Days) -> tuple[Floats, list[tuple[Bools, str]]]:
    """All money at each day's end, and on which days which rates are not there."""
    base = task.book.currency
    total, gaps = np.zeros(len(days)), []
    for currency, steps in sorted(task.book.cash.items()):
        amount = steps.at(days)
        if currency != base and amount.any():
            rate = task.rates.series(currency, base, days)
            gaps.append((np.isnan(rate) & (amount != 0), f"{currency}/{base}"))
            amount = np.where(amount == 0, 0.0, amount * rate)
        total = total + amount
    return total, gaps


def _holding_flows(task: Task, days: Days, price: Floats) -> tuple[Floats, Floats]:
    """Money into each holding by day, and the value of shares that came from outside (below 0: that went there).

    Where no shares did, the second is one row of zeros in place of one for each symbol.
    """
    book, shape = task.book, price.shape
    into = _placed(task, book.into, days, shape)
    with np.errstate(invalid="ignore"):
        moved = np.zeros((1, shape[1]))
        if len(book.shares.days):
            net = _placed(task, book.shares, days, shape, in_shares_of=book.shares.symbols)
            moved = np.where(net == 0, 0.0, net * price)
            into = into + moved
        if len(book.exchanges.days):
            given = book.exchanges
            received = Moved(given.days, given.others, given.amounts)
            worth = _worth(task, received, days, price)
            into = into - _placed(task, Moved(given.days, given.symbols, worth), days, shape)
            into = into + _placed(task, Moved(given.days, given.others, worth), days, shape)
    return into, moved


def _flows(task: Task, days: Days, price: Floats) -> Flows:
    """What counts on one of these days, on its own day; shares at what they are worth on the day they count on."""
    book = task.book
    moved = np.concatenate((book.inflow.days, book.outflow.days, book.shares.days))
    worth = _worth(task, book.shares, days, price)
    amounts = np.concatenate((book.inflow.values, -book.outflow.values, worth))
    is_counted = _columns(task, moved, days)[1] & (amounts != 0)
    moved, amounts = moved[is_counted], amounts[is_counted]
    order = np.argsort(moved, kind="stable")
    return Flows(moved[order], amounts[order])


def _joined_flows(before: Series, end: int, part: Series) -> Flows | None:
    if before.flows is None or part.flows is None:
        return None
    kept = int(np.searchsorted(before.flows.days, before.days[end - 1], side="right")) if end else 0
    return Flows(
        np.concatenate((before.flows.days[:kept], part.flows.days)),
        np.concatenate((before.flows.amounts[:kept], part.flows.amounts)),
    )


def _worth(task: Task, moved: Moved, days: Days, price: Floats) -> Floats:
    """What shares are worth on the valuation day on which they count; 0 of those that count on none."""
    at, is_counted = _columns(task, moved.days, days)
    found = np.zeros(len(moved.days))
    amounts = moved.amounts * _share_factors(task, moved.symbols, moved.days, days, at)
    found[is_counted] = amounts[is_counted] * price[moved.symbols[is_counted], at[is_counted]]
    return found


def _columns(task: Task, moved: Days, days: Days) -> tuple[Ints, Bools]:
    """On which valuation day each of some days counts, and whether it does on one of these."""
    at = np.searchsorted(days, moved, side="left")
    is_counted = at < len(days)
    if task.after is not None:
        is_counted &= moved > task.after
    return np.minimum(at, max(len(days) - 1, 0)), is_counted


def _placed(task: Task, moved: Moved, days: Days, shape: tuple[int, ...], in_shares_of: Ints | None = None) -> Floats:
    """Amounts summed by symbol and valuation day; of shares, in those of that day."""
    at, is_counted = _columns(task, moved.days, days)
    amounts = moved.amounts
    if in_shares_of is not None and len(days):
        amounts = amounts * _share_factors(task, in_shares_of, moved.days, days, at)
    place = moved.symbols[is_counted] * shape[1] + at[is_counted]
    found = np.bincount(place, amounts[is_counted], minlength=shape[0] * shape[1])
    return found.astype(np.float64, copy=False).reshape(shape)


def _share_factors(task: Task, symbols: Ints, moved: Days, days: Days, at: Ints) -> Floats:
    """Shares of the valuation day for one of the day on which it moved."""
    found = np.ones(len(moved))
    if not len(days):
        return found
    for symbol in np.unique(symbols).tolist():
        history = task.histories[symbol]
        if history.splits or history.raw_splits:
            own = symbols == symbol
            when, counted = moved[own], days[at[own]]
            found[own] = history.factor(when) / history.factor(counted)
            found[own] *= history.raw_factor(when) / history.raw_factor(counted)
    return found


def _binned(task: Task, steps: Stepped, days: Days) -> Floats:
    """Money by valuation day."""
    at, is_counted = _columns(task, steps.days, days)
    found: Floats = np.bincount(at[is_counted], steps.values[is_counted], minlength=len(days)).astype(np.float64)
    return found


def _missing(
    task: Task, days: Days, value: Floats, needed: Bools, gaps: Sequence[tuple[Bools, str]]
) -> dict[date, tuple[str, ...]]:
    """Of each day without a value, what was not there: rates by their pair, else the symbols without a price."""
    lacking: dict[int, set[str]] = {}
    without_rate = {name.split("/")[0]: is_gap for is_gap, name in gaps}
    for row in np.flatnonzero(needed.any(axis=1)).tolist():
        is_gap = needed[row]
        currency = task.histories[row].currency
        if currency in without_rate:
            is_gap = is_gap & ~without_rate[currency]
        for at in np.flatnonzero(is_gap).tolist():
            lacking.setdefault(at, set()).add(task.book.symbols[row])
    for is_gap, name in gaps:
        for at in np.flatnonzero(is_gap).tolist():
            lacking.setdefault(at, set()).add(name)
    for day, names in task.book.unrated.items():
        columns, is_counted = _columns(task, np.array([day], "datetime64[D]"), days)
        if is_counted[0]:
            lacking.setdefault(int(columns[0]), set()).update(names)
    dates = days.astype(object)
    return {dates[at]: tuple(sorted(lacking.get(at, ()))) for at in np.flatnonzero(np.isnan(value)).tolist()}


def _pending(task: Task, days: Days) -> tuple[float, float]:
    """What moved after the last day, in and out; NaN where a rate or price is not known."""
    last = days[-1] if len(days) else task.after
    book = task.book
    ways = []
    for steps in (book.inflow, book.outflow):
        is_later = np.ones(len(steps.days), bool) if last is None else steps.days > last
        ways.append(float(steps.values[is_later].sum()))
    shares = book.shares
    is_later = np.ones(len(shares.days), bool) if last is None else shares.days > last
    for symbol in np.unique(shares.symbols[is_later]).tolist():
        own = is_later & (shares.symbols == symbol)
        history = task.histories[symbol]
        when = shares.days[own]
        prices = _closes(history, when, np.zeros(len(when), bool)) * history.factor(when)
        if history.currency not in ("", book.currency):
            prices = prices * task.rates.series(history.currency, book.currency, when)
        amounts = shares.amounts[own]
        ways[0 if amounts.sum() > 0 else 1] += abs(float((amounts * prices).sum()))
    return ways[0], ways[1]


def by_symbol(symbols: Sequence[str], histories: Mapping[str, History]) -> list[History]:
    """The history of each symbol; an empty one where nothing is known."""
    return [histories.get(symbol, History()) for symbol in symbols]
