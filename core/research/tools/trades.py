"""How a portfolio stands after trades that nobody enters: quantities, costs, gains and money, in exact amounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Literal

from core.errors import InvalidRequest
from core.portfolio.report import CostMethod, HoldingLine

ZERO = Decimal(0)
PLACES = Decimal("0.000001")
"""To which a quantity is rounded down that an amount of money comes to."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares that were bought together; the cost is in the portfolio's currency, None where it is not known."""

    quantity: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of one symbol, at a known price."""

    symbol: str
    name: str
    currency: str
    price: Decimal
    """Of a share, in `currency`."""
    fx_rate: Decimal
    """Portfolio's currency for one of `currency`."""
    lots: tuple[Lot, ...] = ()
    """The oldest first; of a moving average, one."""
    realised: Decimal | None = ZERO
    """By the trades alone."""

    @property
    def quantity(self) -> Decimal:
        """Shares."""
        return sum((lot.quantity for lot in self.lots), ZERO)

    @property
    def value(self) -> Decimal:
        """In the portfolio's currency."""
        return self.quantity * self.price * self.fx_rate

    @property
    def cost(self) -> Decimal | None:
        """Of what is held; None where a part of it is not known."""
        return _total(lot.cost for lot in self.lots)

    @property
    def unrealised(self) -> Decimal | None:
        """Value less cost."""
        return None if self.cost is None else self.value - self.cost


@dataclass(frozen=True, slots=True)
class Order:
    """A trade that is supposed."""

    side: Literal["buy", "sell"]
    symbol: str
    quantity: Decimal
    price: Decimal
    """Of a share, in the currency of the position."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """After all trades."""

    positions: Mapping[str, Position]
    """By symbol; those of which nothing is left are there with no lots."""
    paid: Decimal
    """For purchases less what sales brought, in the portfolio's currency."""


def position_of(line: HoldingLine, method: CostMethod) -> Position | None:
    """A holding as it stands; None where its price or rate is not known."""
    if line.price.price is None or line.fx_rate is None:
        return None
    if method is CostMethod.FIFO:
        lots = tuple(Lot(lot.quantity, lot.cost_base) for lot in line.lots)
    else:
        lots = (Lot(line.quantity, line.cost),)
    return Position(line.symbol, line.name, line.currency, line.price.price, line.fx_rate, lots)


def quantity_for(amount: Decimal, position: Position, price: Decimal) -> Decimal:
    """Shares that an amount of the portfolio's currency comes to, rounded down.

    Raises:
        InvalidRequest: it is less than the smallest part of a share.
    """
    unit = price * position.fx_rate
    quantity = (amount / unit).quantize(PLACES, ROUND_DOWN) if unit > 0 else ZERO
    if quantity <= 0:
        raise InvalidRequest(f"The amount {amount:,f} is too small for any {position.symbol}.")
    return quantity


def traded(positions: Mapping[str, Position], orders: Sequence[Order], method: CostMethod) -> Outcome:
    """The positions after trades, one after another; without costs of trading.

    Raises:
        InvalidRequest: more is sold than is held then.
    """
    found = dict(positions)
    paid = ZERO
    for order in orders:
        position = found[order.symbol]
        value = order.quantity * order.price * position.fx_rate
        if order.side == "buy":
            found[order.symbol] = replace(position, lots=_joined((*position.lots, Lot(order.quantity, value)), method))
            paid += value
        else:
            found[order.symbol] = _sold(position, order.quantity, value)
            paid -= value
    return Outcome(found, paid)


def _sold(position: Position, quantity: Decimal, proceeds: Decimal) -> Position:
    if quantity > position.quantity:
        raise InvalidRequest(
            f"{_plain(quantity)} {position.symbol} are more than the {_plain(position.quantity)} that are held."
        )
    left, rest = quantity, []
    cost: Decimal | None = ZERO
    for lot in position.lots:
        taken = min(left, lot.quantity)
        left -= taken
        part = None if lot.cost is None else lot.cost * taken / lot.quantity if taken else ZERO
        cost = None if cost is None or (taken and part is None) else cost + (part or ZERO)
        if taken < lot.quantity:
            rest.append(Lot(lot.quantity - taken, None if lot.cost is None else lot.cost - (part or ZERO)))
    gain = None if cost is None or position.realised is None else position.realised + proceeds - cost
    return replace(position, lots=tuple(rest), realised=gain)


def _joined(lots: tuple[Lot, ...], method: CostMethod) -> tuple[Lot, ...]:
    if method is CostMethod.FIFO:
        return lots
    return (Lot(sum((lot.quantity for lot in lots), ZERO), _total(lot.cost for lot in lots)),)


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    found = ZERO
    for amount in amounts:
        if amount is None:
            return None
        found += amount
    return found


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"
