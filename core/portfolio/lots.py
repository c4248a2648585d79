"""Shares of one symbol and what they cost: lots that leave first in, first out, and beside them a moving average.

Both are kept in the transactions' currency and in the portfolio's. A part of a cost is booked to ten decimals and what
stays is the rest, so that nothing is lost by rounding. A cost that is not known is None, and so is every sum that it is
a part of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, pairwise

from core.portfolio.exact import CLOSED, CONTEXT, NOTHING, part_of, times

WHOLE = Decimal(1)
UNKNOWN = Decimal(-1)
"""Stands before every cost."""


@dataclass(slots=True)
class OpenLot:
    """Shares that came together, as far as they are still held."""

    acquired: date
    quantity: Decimal
    currency: str
    cost: Decimal | None
    cost_base: Decimal | None

    @property
    def place(self) -> tuple[date, str, Decimal, Decimal]:
        """Where it stands in the line of lots: by day, then by the cost of a share, never by the order of entry."""
        return self.acquired, self.currency, self._a_share(self.cost), self._a_share(self.cost_base)

    def parted(self, quantity: Decimal) -> OpenLot:
        """Takes a part of it out; the rest stays."""
        cost = None if self.cost is None else part_of(self.cost, quantity, self.quantity)
        base = None if self.cost_base is None else part_of(self.cost_base, quantity, self.quantity)
        self.quantity -= quantity
        self.lower(cost, base)
        return OpenLot(self.acquired, quantity, self.currency, cost, base)

    def parted_cost(self, share: Decimal, quantity: Decimal) -> OpenLot:
        """Takes a share of its cost out, for other shares; its own stay."""
        cost = None if self.cost is None else part_of(self.cost, share, WHOLE)
        base = None if self.cost_base is None else part_of(self.cost_base, share, WHOLE)
        self.lower(cost, base)
        return OpenLot(self.acquired, quantity, self.currency, cost, base)

    def lower(self, cost: Decimal | None, base: Decimal | None) -> None:
        """Takes a part of the cost away; what is not known leaves a rest that is not."""
        self.cost = None if self.cost is None or cost is None else self.cost - cost
        self.cost_base = None if self.cost_base is None or base is None else self.cost_base - base

    def _a_share(self, cost: Decimal | None) -> Decimal:
        return UNKNOWN if cost is None or not self.quantity else CONTEXT.divide(cost, self.quantity)


@dataclass(slots=True)
class Cost:
    """A cost by currency, and in the portfolio's own."""

    by_currency: dict[str, Decimal] = field(default_factory=dict)
    is_known: bool = True
    """Whether every part of `by_currency` is."""
    base: Decimal | None = NOTHING

    def add(self, currency: str, cost: Decimal | None, base: Decimal | None) -> None:
        """Adds a cost; one that is not known makes the sum unknown."""
        if cost is None:
            self.is_known = False
        else:
            self.by_currency[currency] = self.by_currency.get(currency, NOTHING) + cost
        self.base = None if self.base is None or base is None else self.base + base

    def add_all(self, other: Cost) -> None:
        """Adds another sum."""
        for currency, cost in other.by_currency.items():
            self.by_currency[currency] = self.by_currency.get(currency, NOTHING) + cost
        self.is_known &= other.is_known
        self.base = None if self.base is None or other.base is None else self.base + other.base

    def part(self, quantity: Decimal, of: Decimal) -> Cost:
        """What falls to a quantity of a whole, which is taken out."""
        parts = {currency: part_of(cost, quantity, of) for currency, cost in self.by_currency.items()}
        base = None if self.base is None else part_of(self.base, quantity, of)
        for currency, cost in parts.items():
            self.by_currency[currency] -= cost
        if self.base is not None and base is not None:
            self.base -= base
        return Cost(parts, self.is_known, base)

    def within(self, currency: str) -> Decimal | None:
        """The whole cost in one currency; None where a part of it is in another, or not known."""
        if not self.is_known or any(cost for other, cost in self.by_currency.items() if other != currency):
            return None
        return self.by_currency.get(currency, NOTHING)


def cost_of(lots: Iterable[OpenLot]) -> Cost:
    """What lots cost together."""
    found = Cost()
    for lot in lots:
        found.add(lot.currency, lot.cost, lot.cost_base)
    return found


@dataclass(frozen=True, slots=True)
class Removed:
    """Shares that left, and their cost by both methods."""

    lots: tuple[OpenLot, ...]
    average: Cost


class Shares:
    """What is held of one symbol."""

    def __init__(self) -> None:
        self.quantity = NOTHING
        self.lots: deque[OpenLot] = deque()
        self.average = Cost()

    def receive(self, lots: Iterable[OpenLot]) -> None:
        """Adds shares that are the latest, by the order of their lots."""
        for lot in sorted(lots, key=lambda lot: lot.place):
            self.lots.append(lot)
            self.quantity += lot.quantity
            self.average.add(lot.currency, lot.cost, lot.cost_base)

    def carry(self, lots: Iterable[OpenLot], average: Cost) -> None:
        """Adds shares that are as old as those that they were exchanged for, and their moving average's cost."""
        added = list(lots)
        self.lots = deque(sorted([*self.lots, *added], key=lambda lot: lot.place))
        self.quantity += sum((lot.quantity for lot in added), NOTHING)
        self.average.add_all(average)

    def remove(self, quantity: Decimal) -> Removed:
        """Takes shares out, the oldest first; all of them where next to nothing would be left."""
        if self.quantity - quantity < CLOSED:
            return self.remove_all()
        average = self.average.part(quantity, self.quantity)
        self.quantity -= quantity
        taken, left = [], quantity
        while left:
            lot = self.lots.popleft() if self.lots[0].quantity <= left else self.lots[0].parted(left)
            left -= lot.quantity
            taken.append(lot)
        return Removed(tuple(taken), average)

    def remove_all(self) -> Removed:
        """Takes everything out."""
        removed = Removed(tuple(self.lots), self.average)
        self.quantity, self.lots, self.average = NOTHING, deque(), Cost()
        return removed

    def split(self, ratio: Fraction) -> None:
        """Exchanges every share for new ones; no cost changes."""
        for lot, quantity in zip(self.lots, self.in_other_shares(ratio), strict=True):
            lot.quantity = quantity
        self.quantity = sum((lot.quantity for lot in self.lots), NOTHING)

    def in_other_shares(self, ratio: Fraction) -> list[Decimal]:
        """Each lot's quantity times a ratio; their sum is the rounded product of the whole, however many lots."""
        sums = [NOTHING, *(times(total, ratio) for total in accumulate(lot.quantity for lot in self.lots))]
        return [after - before for before, after in pairwise(sums)]

    def spin_off(self, ratio: Fraction, share: Decimal) -> Removed:
        """Shares of another company, lot for lot of the same days, which take a share of each lot's cost with them."""
        quantities = self.in_other_shares(ratio)
        lots = tuple(lot.parted_cost(share, new) for lot, new in zip(self.lots, quantities, strict=True))
        return Removed(lots, self.average.part(share, WHOLE))
