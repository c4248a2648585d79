"""What transactions move in money: balances by currency, flows from and to outside, payments, and amounts in base."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from core.portfolio.book import FxRates, MoneyFlow, Payment
from core.portfolio.exact import CONTEXT, NOTHING, UNIT, booked, part_of
from core.portfolio.transactions import TRANSFERS, Kind, Transaction

IN_ORDER = 1 << 32
"""More transactions than a portfolio has."""


def order_of(row: Transaction) -> int:
    """By day, then by the order of entry."""
    return row.day.toordinal() * IN_ORDER + row.number


class Rates:
    """Rates of the portfolio's currency, each asked once."""

    def __init__(self, base: str, fx: FxRates) -> None:
        self._base = base
        self._fx = fx
        self._known: dict[tuple[str, date], Decimal | None] = {}

    def of(self, row: Transaction) -> Decimal | None:
        """Of a transaction's day and currency, as it tells or else as the market does; None where neither does."""
        if row.currency == self._base:
            return Decimal(1)
        if row.fx_rate is not None:
            return row.fx_rate
        key = row.currency, row.day
        if key not in self._known:
            self._known[key] = self._fx.rate(row.currency, self._base, row.day)
        return self._known[key]


class Money:
    """Collects what some transactions move in money."""

    def __init__(self, rates: Rates, has_cash: bool) -> None:
        self._rates = rates
        self._has_cash = has_cash
        self.cash: dict[str, dict[date, Decimal]] = {}
        """By currency and day, what the balance changes by."""
        self.flows: list[tuple[int, MoneyFlow]] = []
        self.payments: list[tuple[int, Payment]] = []
        self.trade_fees_base: Decimal | None = NOTHING
        self.without_rate: dict[str, set[date]] = {}
        """By currency, days of which a rate was needed and is not known."""

    def base(self, row: Transaction, amount: Decimal) -> Decimal | None:
        """An amount of a transaction in the portfolio's currency, by the rate of its day."""
        rate = self._rates.of(row)
        if rate is not None:
            return CONTEXT.multiply(amount, rate).quantize(UNIT, context=CONTEXT)
        if not amount:
            return NOTHING
        self.without_rate.setdefault(row.currency, set()).add(row.day)
        return None

    def move(self, row: Transaction, amount: Decimal) -> None:
        """Money that a transaction brings (above 0) or takes: into what is kept, or, where none is, out and in."""
        if not amount:
            return
        if self._has_cash:
            self._add(row, amount)
        else:
            self._flow(row, -amount)

    def pay(self, row: Transaction) -> None:
        """A dividend, interest, fee or tax."""
        gross = booked(row.gross)
        paid = -gross if row.kind in (Kind.FEE, Kind.TAX) else gross
        self._payment(row, row.kind, gross, row.taxes, row.fees)
        self.move(row, paid - row.taxes - row.fees)

    def trade(self, row: Transaction, amount: Decimal) -> None:
        """A purchase or sale, its fees and taxes in the amount."""
        self.move(row, amount)
        fees = self.base(row, row.fees)
        self.trade_fees_base = None if fees is None or self.trade_fees_base is None else self.trade_fees_base + fees

    def charge(self, row: Transaction) -> None:
        """Fees and taxes of what is no trade and no payment: they are payments of their own."""
        if row.fees:
            self._payment(row, Kind.FEE, row.fees, NOTHING, NOTHING)
        if row.taxes:
            self._payment(row, Kind.TAX, row.taxes, NOTHING, NOTHING)
        self.move(row, -row.fees - row.taxes)

    def bring(self, moved: Iterable[tuple[Transaction, Decimal]]) -> None:
        """Money of one day from outside (above 0), or to it. Where no cash is kept it moves nothing."""
        if not self._has_cash:
            return
        flows = []
        for row, amount in moved:
            self._add(row, amount)
            flows.append((order_of(row), self._flow_of(row, amount)))
        self.flows += without_exchanged(flows)

    def _add(self, row: Transaction, amount: Decimal) -> None:
        days = self.cash.setdefault(row.currency, {})
        days[row.day] = days.get(row.day, NOTHING) + amount

    def _flow(self, row: Transaction, amount: Decimal) -> None:
        self.flows.append((order_of(row), self._flow_of(row, amount)))

    def _flow_of(self, row: Transaction, amount: Decimal) -> MoneyFlow:
        return MoneyFlow(row.day, row.currency, amount, row.fx_rate, self.base(row, amount))

    def _payment(self, row: Transaction, kind: Kind, gross: Decimal, taxes: Decimal, fees: Decimal) -> None:
        payment = Payment(
            transaction_id=row.id,
            kind=kind,
            day=row.day,
            symbol=row.symbol,
            currency=row.currency,
            gross=gross,
            taxes=taxes,
            fees=fees,
            gross_base=self.base(row, gross),
            taxes_base=self.base(row, taxes),
            fees_base=self.base(row, fees),
        )
        self.payments.append((order_of(row), payment))


def without_symbol(rows: Sequence[Transaction], money: Money) -> None:
    """Collects what transactions of no symbol move.

    Money that is transferred in and out on one day never left: only the difference flows.
    """
    transfers: dict[tuple[date, str], list[Transaction]] = {}
    moved: dict[date, list[tuple[Transaction, Decimal]]] = {}
    for row in rows:
        if row.kind in TRANSFERS:
            transfers.setdefault((row.day, row.currency), []).append(row)
            money.charge(row)
        elif row.kind in (Kind.DEPOSIT, Kind.WITHDRAWAL):
            moved.setdefault(row.day, []).append((row, booked(row.gross if row.kind is Kind.DEPOSIT else -row.gross)))
            money.charge(row)
        else:
            money.pay(row)
    for (day, _), of_day in transfers.items():
        for row in netted(of_day, "amount"):
            amount = booked(row.gross if row.kind is Kind.TRANSFER_IN else -row.gross)
            moved.setdefault(day, []).append((row, amount))
    for of_day_moved in moved.values():
        money.bring(of_day_moved)


def without_exchanged(flows: Sequence[tuple[int, MoneyFlow]]) -> Sequence[tuple[int, MoneyFlow]]:
    """Flows of one day, less what went in one currency and came in another: own money that was changed never left.

    Where flows are of one currency, or a rate is not known, all of them stay. What is taken away is taken in order of
    the content from the way on which more moved.
    """
    known = [(place, flow, flow.amount_base) for place, flow in flows if flow.amount_base is not None]
    came = sum((base for _, _, base in known if base > 0), NOTHING)
    went = -sum((base for _, _, base in known if base < 0), NOTHING)
    over = min(came, went)
    if len(known) < len(flows) or not over or len({flow.currency for _, flow in flows}) == 1:
        return flows
    left = []
    for place, flow, base in sorted(known, key=lambda each: _content_of_flow(each[1])):
        if (base > 0) is not (came > went):
            continue
        taken = min(over, abs(base))
        over -= taken
        if not taken:
            left.append((place, flow))
        elif taken < abs(base):
            base_left = base - taken.copy_sign(base)
            amount = part_of(flow.amount, base_left, base)
            left.append((place, replace(flow, amount=amount, amount_base=base_left)))
    return left


def _content_of_flow(flow: MoneyFlow) -> tuple[str, Decimal, Decimal]:
    return flow.currency, flow.fx_rate or NOTHING, flow.amount


def netted(rows: Iterable[Transaction], what: str) -> list[Transaction]:
    """Transfers in and out of one day, less what came and went: what is left is all in or all out.

    Args:
        rows: of one symbol, or of one currency.
        what: the field that is netted, `quantity` or `amount`. What is taken away is taken in order of the content,
            so that the order of entry does not matter; a price is one of a share and stays.
    """
    given = sorted(rows, key=content_of)
    sums = {kind: sum((getattr(row, what) for row in given if row.kind is kind), NOTHING) for kind in TRANSFERS}
    over = {kind: min(sums.values()) for kind in TRANSFERS}
    left = []
    for row in given:
        taken = min(over[row.kind], getattr(row, what))
        over[row.kind] -= taken
        if not taken:
            left.append(row)
        elif taken < getattr(row, what):
            left.append(replace(row, **{what: getattr(row, what) - taken}))
    return left


def content_of(row: Transaction) -> tuple[str, Decimal, Decimal, Decimal]:
    """What orders transactions of one kind and day, whatever the order of their entry."""
    return row.currency, row.price or NOTHING, row.fx_rate or NOTHING, row.quantity or row.gross
