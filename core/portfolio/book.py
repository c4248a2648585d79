"""What a portfolio's transactions come to, before any price: positions and their lots, sales, payments, money, flows.

Everything is exact: Decimals of the currency that a transaction was in, and of the portfolio's own (`_base`) by the
rate of the trade's day. None stands where that rate is not known; it is never taken to be 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from core.portfolio.transactions import Kind


class FxRates(Protocol):
    """Rates between currencies; `core.market.fx` has them."""

    def rate(self, currency: str, base: str, day: date) -> Decimal | None:
        """Units of `base` for one of `currency` on a day, or the last day before it on which it was fixed; None where
        there is none within a week. 1 where both are the same."""

    @property
    def version(self) -> str:
        """Changes with what is known."""


@dataclass(frozen=True, slots=True)
class Split:
    """A split of a symbol as it is applied: once, whoever told of it."""

    day: date
    """From its beginning on the shares are new ones."""
    ratio: Decimal
    """New shares for one old."""
    is_of_market: bool
    """Told by the market's data; a user's own that the market confirms is this one too."""
    is_in_prices: bool
    """Whether the bars before it are already told in new shares, though the market's data do not list it."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Shares that were bought together, as far as they are still held (first in, first out)."""

    acquired: date
    quantity: Decimal
    """In the shares of the last day."""
    cost: Decimal | None
    """Of what is left, fees and taxes included, in `currency`; None where shares came from elsewhere without it."""
    currency: str
    cost_base: Decimal | None


@dataclass(frozen=True, slots=True)
class Disposal:
    """Shares that left by sale or merger, with what they had cost by both methods."""

    transaction_id: UUID
    symbol: str
    day: date
    quantity: Decimal
    currency: str
    proceeds: Decimal
    """After fees and taxes."""
    fifo_cost: Decimal | None
    """In `currency`; None where lots in several currencies were sold together."""
    average_cost: Decimal | None
    proceeds_base: Decimal | None
    fifo_cost_base: Decimal | None
    average_cost_base: Decimal | None
    acquired: date
    """The oldest lot's."""


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that was paid for holding something, or for having an account."""

    transaction_id: UUID
    kind: Kind
    """dividend, interest, fee or tax."""
    day: date
    symbol: str | None
    currency: str
    gross: Decimal
    """As entered: of fees and taxes what was paid; negative where it was given back."""
    taxes: Decimal
    fees: Decimal
    gross_base: Decimal | None
    taxes_base: Decimal | None
    fees_base: Decimal | None


@dataclass(frozen=True, slots=True)
class Position:
    """What became of one symbol: what is held of it, and what is over."""

    symbol: str
    currency: str
    """Of its last purchase."""
    quantity: Decimal
    """0 where nothing is held any more."""
    lots: tuple[Lot, ...]
    fifo_cost: Decimal | None
    """Of what is held, in `currency`; None where lots are in several currencies."""
    average_cost: Decimal | None
    fifo_cost_base: Decimal | None
    average_cost_base: Decimal | None
    bought_base: Decimal | None
    """All that was ever paid for it, fees and taxes included."""
    sold_base: Decimal | None
    """All that sales ever brought, after fees and taxes."""
    realised_fifo_base: Decimal | None
    """Of all sales; 0 where there were none."""
    realised_average_base: Decimal | None
    first_day: date
    last_day: date
    """Of its last transaction."""


@dataclass(frozen=True, slots=True)
class MoneyFlow:
    """Money that came from outside (above 0) or went there (below)."""

    day: date
    currency: str
    amount: Decimal
    fx_rate: Decimal | None
    """Where the transaction told it."""
    amount_base: Decimal | None


@dataclass(frozen=True, slots=True)
class ShareFlow:
    """Shares that came from another account (above 0) or went there (below); worth what the market says that day."""

    day: date
    symbol: str
    quantity: Decimal
    """In the shares of that day."""


@dataclass(frozen=True, slots=True)
class HoldingFlow:
    """Money that went into one holding by a purchase (above 0), or came out of it by a sale or merger (below).

    Fees and taxes of the trade are in it. Payments are not: `Book.payments` has them.
    """

    day: date
    symbol: str
    amount: Decimal
    """In the transaction's currency."""
    amount_base: Decimal | None
    """By the rate of the trade's day."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """Shares of another company for what was held, by a spin-off or a merger; worth what the market says that day."""

    day: date
    symbol: str
    """What was held."""
    other_symbol: str
    quantity: Decimal
    """Of the other company's shares, in those of that day."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a transaction cannot be as it stands."""

    transaction_id: UUID
    symbol: str | None
    day: date
    words: str
    """A sentence: 'On 2010-03-04 12 AAPL are sold, and 10 are held.'"""


Steps = tuple[tuple[date, Decimal], ...]
"""Days in order, and what holds from each on."""


@dataclass(frozen=True, slots=True)
class Book:
    """All that follows from the transactions in force."""

    currency: str
    """The portfolio's: base."""
    has_cash: bool
    first_day: date | None
    """Of the first transaction; None where there is none."""
    positions: Mapping[str, Position]
    """By symbol, what is held and what once was."""
    quantities: Mapping[str, Steps]
    """By symbol, shares held from a day's end on, in the shares of that day: a split is a step of its own."""
    splits: Mapping[str, Sequence[Split]]
    """By symbol, those that were applied."""
    cash: Mapping[str, Steps]
    """By currency, money held from a day's end on; empty where no cash is kept."""
    disposals: Sequence[Disposal]
    payments: Sequence[Payment]
    money_flows: Sequence[MoneyFlow]
    share_flows: Sequence[ShareFlow]
    trade_fees_base: Decimal | None
    """Fees of all trades."""
    problems: Sequence[Problem]
    notes: Sequence[str] = ()
    """What a reader should know: money below zero, a split that only one side told of."""
    holding_flows: Sequence[HoldingFlow] = ()
    """Of all trades, in any order: what each holding's own return is computed from."""
    exchanges: Sequence[Exchange] = ()
    """Of all spin-offs and mergers for shares."""
