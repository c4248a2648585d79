"""What can be entered into a portfolio, and what each kind of transaction has to say.

Amounts of money, quantities and prices are Decimals of the transaction's own currency, and positive; the kind says
which way money and shares go. `Draft` is what somebody wants to enter, `Transaction` what was entered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from core.errors import InvalidRequest
from core.market.symbols import checked_symbol

MOST_DIGITS = Decimal(10) ** 15
"""No quantity, price or amount is larger."""
MOST_RATE = Decimal(10) ** 12
"""No rate or ratio is larger."""
PLACES = 10
"""Decimals that are kept of quantities, prices and amounts."""
RATE_PLACES = 14
"""Decimals that are kept of rates, ratios and shares."""
MAX_NOTE_CHARS = 500
_JOINERS = "\u200c\u200d"
"""Not seen themselves, but emojis and some scripts are written with them."""
FIRST_DAY = date(1900, 1, 1)


NO_ID = UUID(int=0)


class Kind(StrEnum):
    """What a transaction is."""

    BUY = "buy"
    SELL = "sell"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    FEE = "fee"
    TAX = "tax"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER_IN = "transfer_in"
    """Shares (with a symbol), or money (without), from another account."""
    TRANSFER_OUT = "transfer_out"
    SPLIT = "split"
    REVERSE_SPLIT = "reverse_split"
    SPIN_OFF = "spin_off"
    """Shares of another company for those that are held, which take a share of their cost with them."""
    MERGER = "merger"
    """All shares become those of another company, money, or both."""


LABELS: dict[Kind, str] = {
    Kind.BUY: "Buy",
    Kind.SELL: "Sell",
    Kind.DIVIDEND: "Dividend",
    Kind.INTEREST: "Interest",
    Kind.FEE: "Fee",
    Kind.TAX: "Tax",
    Kind.DEPOSIT: "Deposit",
    Kind.WITHDRAWAL: "Withdrawal",
    Kind.TRANSFER_IN: "Transfer in",
    Kind.TRANSFER_OUT: "Transfer out",
    Kind.SPLIT: "Split",
    Kind.REVERSE_SPLIT: "Reverse split",
    Kind.SPIN_OFF: "Spin-off",
    Kind.MERGER: "Merger",
}
TRADES = frozenset({Kind.BUY, Kind.SELL})
TRANSFERS = frozenset({Kind.TRANSFER_IN, Kind.TRANSFER_OUT})
SPLITS = frozenset({Kind.SPLIT, Kind.REVERSE_SPLIT})
OF_MONEY = frozenset({Kind.DIVIDEND, Kind.INTEREST, Kind.FEE, Kind.TAX, Kind.DEPOSIT, Kind.WITHDRAWAL})
"""Kinds whose `amount` is what they are about."""
MAY_BE_NEGATIVE = frozenset({Kind.INTEREST, Kind.FEE, Kind.TAX, Kind.DIVIDEND})
"""Interest paid, a fee or tax given back, a dividend taken back: their amount may be negative."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction that somebody wants to enter.

    buy, sell: symbol, quantity, price (per share); `amount` is the gross money where it is not quantity × price.
    dividend: symbol, amount (gross; tax withheld is `taxes`). interest, fee, tax: amount; the symbol is optional.
    deposit, withdrawal: amount. transfer_in, transfer_out: symbol and quantity, and as price the cost of a share where
    it is known; or an amount alone. split, reverse_split: symbol, ratio. spin_off: symbol, other_symbol, ratio (new
    shares for one held), cost_share (of the cost, to the new shares). merger: symbol, and other_symbol with ratio, or
    amount (money paid for all shares), or both.
    """

    kind: Kind
    day: date
    currency: str
    """ISO 4217, of price, amount, fees and taxes."""
    symbol: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    amount: Decimal | None = None
    fees: Decimal = Decimal(0)
    """On top of a purchase, off the proceeds of a sale or payment."""
    taxes: Decimal = Decimal(0)
    """Likewise."""
    fx_rate: Decimal | None = None
    """Units of the portfolio's currency for one of `currency`; None: the market's rate of the day."""
    ratio: Decimal | None = None
    """New shares for one old: 2 of a two-for-one split, 0.1 of a reverse split one for ten."""
    other_symbol: str | None = None
    cost_share: Decimal | None = None
    """0 to 1."""
    note: str = ""
    reference: str = ""
    """The broker's own id of it; part of its identity, not kept."""

    @property
    def gross(self) -> Decimal:
        """Money before fees and taxes, in `currency`; of trades quantity × price where no amount is given."""
        if self.amount is not None:
            return self.amount
        return (self.quantity or Decimal(0)) * (self.price or Decimal(0))


@dataclass(frozen=True, slots=True)
class Transaction(Draft):
    """A transaction as it was entered. It is never changed; `reversed_by` says that it holds no more."""

    id: UUID = NO_ID
    number: int = 0
    """From 1 on, in the order of entry."""
    reverses: UUID | None = None
    """The transaction that this row takes back; the row itself moves nothing."""
    reversed_by: UUID | None = None
    import_id: UUID | None = None
    author: str = ""
    created_at: datetime | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it counts: neither taken back, nor the row that takes another back."""
        return self.reverses is None and self.reversed_by is None


def in_force(transactions: Iterable[Transaction]) -> list[Transaction]:
    """Those that count, by day and then in the order of entry."""
    return sorted((each for each in transactions if each.is_in_force), key=lambda each: (each.day, each.number))


def checked(draft: Draft, *, latest: date) -> Draft:
    """The draft in its one form: symbols in upper case, numbers rounded to what is kept, nothing that its kind lacks.

    Args:
        draft: what somebody wants to enter.
        latest: the last day that it may be dated, usually today.

    Raises:
        InvalidRequest: something is missing, too much, or cannot be; the sentence says what.
    """
    if not FIRST_DAY <= draft.day <= latest:
        raise InvalidRequest(f"The date {draft.day} is before {FIRST_DAY:%Y} or in the future.")
    made = replace(
        draft,
        currency=checked_currency(draft.currency),
        symbol=None if draft.symbol is None else checked_symbol(draft.symbol),
        other_symbol=None if draft.other_symbol is None else checked_symbol(draft.other_symbol),
        quantity=_rounded(draft.quantity, "quantity", PLACES),
        price=_rounded(draft.price, "price", PLACES),
        amount=_rounded(draft.amount, "amount", PLACES),
        fees=_rounded(draft.fees, "fees", PLACES) or Decimal(0),
        taxes=_rounded(draft.taxes, "taxes", PLACES) or Decimal(0),
        fx_rate=_rounded(draft.fx_rate, "exchange rate", RATE_PLACES),
        ratio=_rounded(draft.ratio, "ratio", RATE_PLACES),
        cost_share=_rounded(draft.cost_share, "share of the cost", RATE_PLACES),
        note=_line(draft.note)[:MAX_NOTE_CHARS],
    )
    _check_form(made)
    return made


def _line(text: str) -> str:
    """One line without what cannot be seen, or kept: control characters and lone surrogates."""
    seen = text if text.isprintable() else "".join(each if _is_seen(each) else " " for each in text)
    return " ".join(seen.split())


def _is_seen(character: str) -> bool:
    return character.isprintable() or character in _JOINERS


def checked_currency(text: str) -> str:
    """An ISO 4217 code in upper case.

    Raises:
        InvalidRequest: not three letters; pence and other parts have to be given in the whole currency.
    """
    code = text.strip()
    if code in ("GBp", "GBX", "ZAc", "ILA"):
        raise InvalidRequest(f"{code} is a hundredth of a currency: give prices in the currency itself.")
    code = code.upper()
    if len(code) != 3 or not code.isascii() or not code.isalpha():
        raise InvalidRequest(f"{text[:20]!r} is no currency; give three letters such as USD.")
    return code


def identity_of(draft: Draft, repetition: int = 0) -> bytes:
    """What tells a checked draft from others, by its content: the same row of the same file has the same identity.

    Args:
        draft: a checked draft.
        repetition: how many equal rows stand before it in the same file: two equal purchases are two.
    """
    parts = [
        draft.kind,
        draft.day.isoformat(),
        draft.currency,
        draft.symbol,
        draft.other_symbol,
        *(None if each is None else f"{each.normalize():f}" for each in _numbers(draft)),
        draft.reference,
        repetition,
    ]
    return hashlib.sha256("\x1f".join("" if each is None else str(each) for each in parts).encode()).digest()


def identities(drafts: Sequence[Draft]) -> list[bytes]:
    """The identity of each of the checked drafts of one file."""
    seen: dict[bytes, int] = {}
    found = []
    for draft in drafts:
        plain = identity_of(draft)
        repetition = seen.get(plain, 0)
        seen[plain] = repetition + 1
        found.append(identity_of(draft, repetition) if repetition else plain)
    return found


def _numbers(draft: Draft) -> tuple[Decimal | None, ...]:
    return (
        draft.quantity,
        draft.price,
        draft.amount,
        draft.fees,
        draft.taxes,
        draft.fx_rate,
        draft.ratio,
        draft.cost_share,
    )


def _rounded(number: Decimal | None, what: str, places: int) -> Decimal | None:
    if number is None:
        return None
    if not number.is_finite() or abs(number) >= (MOST_DIGITS if places == PLACES else MOST_RATE):
        raise InvalidRequest(f"The {what} is not a number that can be kept.")
    rounded = round(number, places)
    if rounded == 0 and number != 0:
        raise InvalidRequest(f"The {what} is too small to be kept: {places} decimals are.")
    return rounded


_NEEDED: dict[Kind, tuple[str, ...]] = {
    Kind.BUY: ("symbol", "quantity", "price"),
    Kind.SELL: ("symbol", "quantity", "price"),
    Kind.DIVIDEND: ("symbol", "amount"),
    Kind.INTEREST: ("amount",),
    Kind.FEE: ("amount",),
    Kind.TAX: ("amount",),
    Kind.DEPOSIT: ("amount",),
    Kind.WITHDRAWAL: ("amount",),
    Kind.TRANSFER_IN: (),
    Kind.TRANSFER_OUT: (),
    Kind.SPLIT: ("symbol", "ratio"),
    Kind.REVERSE_SPLIT: ("symbol", "ratio"),
    Kind.SPIN_OFF: ("symbol", "other_symbol", "ratio", "cost_share"),
    Kind.MERGER: ("symbol",),
}
_OPTIONAL: dict[Kind, tuple[str, ...]] = {
    Kind.BUY: ("amount",),
    Kind.SELL: ("amount",),
    Kind.DIVIDEND: ("quantity", "price"),
    Kind.INTEREST: ("symbol",),
    Kind.FEE: ("symbol",),
    Kind.TAX: ("symbol",),
    Kind.TRANSFER_IN: ("symbol", "quantity", "price", "amount"),
    Kind.TRANSFER_OUT: ("symbol", "quantity", "price", "amount"),
    Kind.MERGER: ("other_symbol", "ratio", "amount"),
}
_FIELDS = {
    "symbol": "a symbol",
    "quantity": "a quantity",
    "price": "a price",
    "amount": "an amount",
    "ratio": "a ratio",
    "other_symbol": "the other symbol",
    "cost_share": "the share of the cost",
}


def fields_of(kind: Kind) -> tuple[frozenset[str], frozenset[str]]:
    """The fields that a kind needs, and those that it may have, beside day, currency, fees, taxes, rate and note."""
    return frozenset(_NEEDED[kind]), frozenset(_OPTIONAL.get(kind, ()))


def _check_form(draft: Draft) -> None:
    needed, optional = fields_of(draft.kind)
    label = LABELS[draft.kind].lower()
    for name, words in _FIELDS.items():
        value = getattr(draft, name)
        if name in needed and value is None:
            raise InvalidRequest(f"A {label} needs {words}.")
        if name not in needed | optional and value is not None:
            raise InvalidRequest(f"A {label} has no {words.removeprefix('a ').removeprefix('an ')}.")
    _check_positive(draft, label)
    _check_ratios(draft)
    if draft.kind in TRANSFERS:
        _check_transfer(draft, label)
    if draft.kind is Kind.MERGER:
        _check_merger(draft)
    if draft.other_symbol is not None and draft.other_symbol == draft.symbol:
        raise InvalidRequest(f"A {label} leads from one symbol to another.")


def _check_positive(draft: Draft, label: str) -> None:
    for name in ("quantity", "ratio", "fx_rate"):
        value = getattr(draft, name)
        if value is not None and value <= 0:
            raise InvalidRequest(f"The {name.replace('fx_rate', 'exchange rate')} of a {label} is above zero.")
    if draft.price is not None and draft.price < 0:
        raise InvalidRequest(f"The price of a {label} is not below zero.")
    if draft.fees < 0 or draft.taxes < 0:
        raise InvalidRequest("Fees and taxes are not below zero; what was given back is a fee or tax of its own.")
    if draft.amount is None:
        return
    if draft.amount < 0 and draft.kind not in MAY_BE_NEGATIVE:
        raise InvalidRequest(f"The amount of a {label} is not below zero.")
    if draft.amount == 0 and draft.kind in OF_MONEY:
        raise InvalidRequest(f"The amount of a {label} is not zero.")


def _check_ratios(draft: Draft) -> None:
    if draft.kind is Kind.SPLIT and draft.ratio is not None and draft.ratio <= 1:
        raise InvalidRequest("A split gives more than one share for one; fewer are a reverse split.")
    if draft.kind is Kind.REVERSE_SPLIT and draft.ratio is not None and draft.ratio >= 1:
        raise InvalidRequest("A reverse split gives less than one share for one: 0.1 is one for ten.")
    if draft.cost_share is not None and not 0 <= draft.cost_share <= 1:
        raise InvalidRequest("The share of the cost is from 0 to 1.")


def _check_transfer(draft: Draft, label: str) -> None:
    if (draft.symbol is None) == (draft.amount is None):
        raise InvalidRequest(f"A {label} is of a symbol with a quantity, or of an amount.")
    if (draft.symbol is None) != (draft.quantity is None):
        raise InvalidRequest(f"A {label} of shares needs a symbol and a quantity.")


def _check_merger(draft: Draft) -> None:
    if (draft.other_symbol is None) != (draft.ratio is None):
        raise InvalidRequest("A merger into another company's shares needs its symbol and the ratio.")
    if draft.other_symbol is None and draft.amount is None:
        raise InvalidRequest("A merger gives shares of another symbol, an amount of money, or both.")
