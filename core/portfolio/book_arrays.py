"""A book as arrays: what valuing its days takes, and from which day on two books differ."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from core.portfolio.book import Book, MoneyFlow, Split, Steps
from core.portfolio.series import Days, Floats
from core.portfolio.transactions import Kind

EPOCH = date(1970, 1, 1).toordinal()
DIGEST_BYTES = 8

Ints = NDArray[np.int64]
_INTO: Mapping[Kind, float] = {Kind.DIVIDEND: -1.0, Kind.INTEREST: -1.0, Kind.FEE: 1.0}
"""Payments that count for the holding they are of, and which way; taxes are told apart."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """What holds from each day on."""

    days: Days
    values: Floats

    def at(self, on: Days) -> Floats:
        """What holds at the end of some days; 0 before the first."""
        if not len(self.days):
            return np.zeros(len(on))
        place = np.searchsorted(self.days, on, side="right") - 1
        found: Floats = np.where(place >= 0, self.values[place], 0.0)
        return found


@dataclass(frozen=True, slots=True)
class Moved:
    """Amounts on days, of symbols by their number in the book."""

    days: Days
    symbols: Ints
    amounts: Floats
    others: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    """Of exchanges, the symbol whose shares were received."""


@dataclass(frozen=True, slots=True)
class BookArrays:
    """The book in floats; every amount of money but `cash` is in its currency, and NaN where the rate is not known."""

    currency: str
    first_day: date | None
    """On which anything in these arrays happens first; None where nothing does."""
    symbols: tuple[str, ...]
    """All that was ever held, in order."""
    quantities: tuple[Stepped, ...]
    """Of each symbol, in the shares of that day."""
    price_currencies: tuple[str, ...]
    """Of each symbol's last purchase: of a price whose currency is not told."""
    own_splits: tuple[tuple[Split, ...], ...]
    """Of each symbol, those that only the user told and that are in its prices."""
    raw_splits: tuple[tuple[Split, ...], ...]
    """Of each symbol, those that only the user told and that closes before them are not told after."""
    cash: Mapping[str, Stepped]
    """By currency, in that currency."""
    inflow: Stepped
    """Money from outside by event; not summed."""
    outflow: Stepped
    unrated: Mapping[date, tuple[str, ...]]
    """Days of flows whose rate is not known, and which rates those are."""
    shares: Moved
    """Transfers of shares, in those of that day."""
    into: Moved
    """Money that went into holdings, less what came out."""
    exchanges: Moved

    def digests(self) -> tuple[Days, NDArray[np.void]]:
        """Of each day on which something happens, a digest of all of it: days in order, and `DIGEST_BYTES` of each."""
        parts: list[tuple[Ints, Days, Floats]] = []
        for name, symbol_steps in zip(self.symbols, self.quantities, strict=True):
            parts.append(_tagged(f"quantity {name}", symbol_steps))
        parts += [_tagged(f"cash {currency}", steps) for currency, steps in self.cash.items()]
        parts += [_tagged("inflow", self.inflow), _tagged("outflow", self.outflow)]
        for what, moved in (("shares", self.shares), ("into", self.into), ("exchange", self.exchanges)):
            tags = np.array([_tag(f"{what} {name}") for name in self.symbols], np.int64)
            tagged = tags[moved.symbols]
            if len(moved.others):
                tagged = tagged * 31 + tags[moved.others]
            parts.append((tagged, moved.days, moved.amounts))
        tags, days, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((values, tags, days))
        tags, days, values = tags[order], days[order], values[order]
        table = np.stack((tags, days.astype(np.int64), values.view(np.int64)), axis=1)
        begins = np.flatnonzero(np.concatenate((np.ones(min(len(days), 1), bool), days[1:] != days[:-1])))
        ends = [*begins[1:].tolist(), len(days)]
        content = table.tobytes()
        width = table.shape[1] * 8
        digests = [
            hashlib.blake2b(content[begin * width : end * width], digest_size=DIGEST_BYTES).digest()
            for begin, end in zip(begins.tolist(), ends, strict=False)
        ]
        return days[begins], np.frombuffer(b"".join(digests), dtype=f"V{DIGEST_BYTES}")

    def form(self) -> str:
        """A digest of what changes every day where it differs: the currency, and whose prices tell a user's split."""
        splits = [
            (name, own, raw)
            for name, own, raw in zip(self.symbols, self.own_splits, self.raw_splits, strict=True)
            if own or raw
        ]
        text = f"{self.currency}\x1f{splits!r}"
        return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


class BookReader:
    """Turns books into arrays; of what is the same object as in the book before, the arrays are too."""

    def __init__(self) -> None:
        self._steps: dict[str, tuple[Steps, Stepped]] = {}

    def arrays(self, book: Book) -> BookArrays:
        """The book as arrays."""
        symbols = tuple(sorted(book.quantities))
        numbers = {symbol: number for number, symbol in enumerate(symbols)}
        quantities = tuple(self._stepped(symbol, book.quantities[symbol]) for symbol in symbols)
        kept = {symbol: self._steps[symbol] for symbol in symbols}
        self._steps = kept
        inflow, outflow, unrated = _money(book)
        cash = {currency: _stepped(steps) for currency, steps in book.cash.items()}
        shares, into, exchanges = _shares(book, numbers), _into(book, numbers), _exchanges(book, numbers)
        return BookArrays(
            currency=book.currency,
            first_day=_first_day((*quantities, *cash.values(), inflow, outflow, shares, into, exchanges)),
            symbols=symbols,
            quantities=quantities,
            price_currencies=tuple(_currency(book, symbol) for symbol in symbols),
            own_splits=tuple(_own_splits(book, symbol, is_in_prices=True) for symbol in symbols),
            raw_splits=tuple(_own_splits(book, symbol, is_in_prices=False) for symbol in symbols),
            cash=cash,
            inflow=inflow,
            outflow=outflow,
            unrated=unrated,
            shares=shares,
            into=into,
            exchanges=exchanges,
        )

    def _stepped(self, symbol: str, steps: Steps) -> Stepped:
        known = self._steps.get(symbol)
        if known is None or known[0] is not steps:
            self._steps[symbol] = known = (steps, _stepped(steps))
        return known[1]


def first_change(before: tuple[Days, NDArray[np.void]], after: tuple[Days, NDArray[np.void]]) -> date | None:
    """The first day on which two books tell something different; None where they never do."""
    (old_days, old), (new_days, new) = before, after
    both = min(len(old_days), len(new_days))
    differs = (old_days[:both] != new_days[:both]) | (old[:both] != new[:both])
    if differs.any():
        at = int(np.argmax(differs))
        first: date = min(old_days[at], new_days[at]).astype("datetime64[D]").astype(object)
        return first
    longer = old_days if len(old_days) > both else new_days
    if len(longer) == both:
        return None
    further: date = longer[both].astype("datetime64[D]").astype(object)
    return further


def days_of(days: Iterable[date]) -> Days:
    """Dates as datetime64[D]."""
    found: Days = (np.fromiter(map(date.toordinal, days), np.int64) - EPOCH).view("datetime64[D]")
    return found


def _stepped(steps: Steps) -> Stepped:
    return Stepped(days_of(day for day, _ in steps), np.array([float(value) for _, value in steps], np.float64))


def _moved(rows: Sequence[tuple[date, int, float]]) -> Moved:
    return Moved(
        days_of(row[0] for row in rows),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
    )


def _currency(book: Book, symbol: str) -> str:
    position = book.positions.get(symbol)
    return book.currency if position is None else position.currency


def _own_splits(book: Book, symbol: str, *, is_in_prices: bool) -> tuple[Split, ...]:
    splits = book.splits.get(symbol, ())
    return tuple(split for split in splits if split.is_in_prices is is_in_prices and not split.is_of_market)


def _first_day(parts: Iterable[Stepped | Moved]) -> date | None:
    firsts = [part.days.min() for part in parts if len(part.days)]
    if not firsts:
        return None
    found: date = min(firsts).astype("datetime64[D]").astype(object)
    return found


def _number(amount: Decimal | None) -> float:
    return float("nan") if amount is None else float(amount)


def _money(book: Book) -> tuple[Stepped, Stepped, dict[date, tuple[str, ...]]]:
    """Money in and out, and the rates that it lacks. The same amount in and out on one day has only passed through."""
    passed = _passed_through(book.money_flows)
    ways: tuple[list[tuple[date, Decimal]], ...] = ([], [])
    unrated: dict[date, set[str]] = {}
    for flow in book.money_flows:
        key = (flow.day, flow.currency, flow.amount)
        if passed[key]:
            passed[key] -= 1
            continue
        if flow.amount_base is None:
            unrated.setdefault(flow.day, set()).add(f"{flow.currency}/{book.currency}")
        amount = Decimal("nan") if flow.amount_base is None else abs(flow.amount_base)
        ways[0 if flow.amount > 0 else 1].append((flow.day, amount))
    inflow, outflow = (_stepped(tuple(way)) for way in ways)
    return inflow, outflow, {day: tuple(sorted(names)) for day, names in unrated.items()}


def _passed_through(flows: Sequence[MoneyFlow]) -> Counter[tuple[date, str, Decimal]]:
    """How many flows of each day, currency and amount came in and went out again."""
    counts = Counter((flow.day, flow.currency, flow.amount) for flow in flows)
    passed: Counter[tuple[date, str, Decimal]] = Counter()
    for (day, currency, amount), number in counts.items():
        both = min(number, counts.get((day, currency, -amount), 0))
        if both:
            passed[day, currency, amount] = both
    return passed


def _shares(book: Book, numbers: Mapping[str, int]) -> Moved:
    known = [flow for flow in book.share_flows if flow.symbol in numbers]
    return _moved([(flow.day, numbers[flow.symbol], float(flow.quantity)) for flow in known])


def _into(book: Book, numbers: Mapping[str, int]) -> Moved:
    rows = [
        (flow.day, numbers[flow.symbol], _number(flow.amount_base))
        for flow in book.holding_flows
        if flow.symbol in numbers
    ]
    for payment in book.payments:
        way, number = _INTO.get(payment.kind), numbers.get(payment.symbol or "")
        if way is not None and number is not None:
            rows.append((payment.day, number, way * _number(payment.gross_base)))
    return _moved(rows)


def _exchanges(book: Book, numbers: Mapping[str, int]) -> Moved:
    known = [each for each in book.exchanges if each.symbol in numbers and each.other_symbol in numbers]
    moved = _moved([(each.day, numbers[each.symbol], float(each.quantity)) for each in known])
    others = np.array([numbers[each.other_symbol] for each in known], np.int64)
    return Moved(moved.days, moved.symbols, moved.amounts, others)


def _tag(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")


def _tagged(text: str, steps: Stepped) -> tuple[Ints, Days, Floats]:
    return np.full(len(steps.days), _tag(text), np.int64), steps.days, steps.values
