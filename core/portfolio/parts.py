"""What the transactions of one symbol come to, or of some that spin-offs and mergers lead between, apart from others.

Within a day the order of entry does not matter: splits, then spin-offs and mergers, then what comes, then what leaves,
then payments. Shares that came on one day stand in line by their cost, the cheaper first. A transaction that cannot be
is a problem, and moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import accumulate, pairwise

from core.portfolio.book import (
    Disposal,
    Exchange,
    HoldingFlow,
    Lot,
    MoneyFlow,
    Payment,
    Position,
    Problem,
    ShareFlow,
    Split,
    Steps,
)
from core.portfolio.exact import CLOSED, NOTHING, booked, part_of, plain, plain_ratio
from core.portfolio.lots import Cost, OpenLot, Removed, Shares, cost_of
from core.portfolio.money import Money, Rates, content_of, netted, order_of, without_symbol
from core.portfolio.splits import Applied, words_of
from core.portfolio.transactions import SPLITS, TRANSFERS, Kind, Transaction


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a book. What has an order is beside the place in it: by day, then by the order of entry."""

    positions: Mapping[str, Position]
    quantities: Mapping[str, Steps]
    splits: Mapping[str, Sequence[Split]]
    cash: Mapping[str, Mapping[date, Decimal]]
    """By currency and day, what the balance changes by."""
    disposals: Sequence[tuple[int, Disposal]]
    payments: Sequence[tuple[int, Payment]]
    money_flows: Sequence[tuple[int, MoneyFlow]]
    share_flows: Sequence[tuple[int, ShareFlow]]
    holding_flows: Sequence[HoldingFlow]
    exchanges: Sequence[Exchange]
    trade_fees_base: Decimal | None
    problems: Sequence[tuple[int, Problem]]
    notes: Sequence[str]
    untold: Sequence[tuple[str, Split]]
    """Splits of held shares that the market's data alone tell of."""
    without_rate: Mapping[str, frozenset[date]]
    """By currency, days of which a rate was needed and is not known."""


def part_of_symbols(
    rows: Sequence[Transaction], splits: Mapping[str, Applied], rates: Rates, *, has_cash: bool
) -> Part:
    """What transactions come to.

    Args:
        rows: every transaction in force that names one of some symbols, by day and order of entry.
        splits: of each symbol that they name.
        rates: of the portfolio's currency.
        has_cash: whether the portfolio keeps cash.
    """
    made = _Making(splits, Money(rates, has_cash))
    by_day: dict[date, list[Transaction]] = {}
    for row in rows:
        by_day.setdefault(row.day, []).append(row)
    for each in splits.values():
        for split in each.splits:
            by_day.setdefault(split.day, [])
    for day in sorted(by_day):
        made.take(day, by_day[day])
    return made.part()


def part_of_money(rows: Sequence[Transaction], rates: Rates, *, has_cash: bool) -> Part:
    """What transactions of no symbol come to."""
    money = Money(rates, has_cash)
    without_symbol(rows, money)
    return _Making({}, money).part()


class _Holding:
    """What became of one symbol so far."""

    def __init__(self, symbol: str, applied: Applied) -> None:
        self.symbol = symbol
        self.shares = Shares()
        self.applied = applied
        self.splits: dict[date, list[Split]] = {}
        for split in applied.splits:
            self.splits.setdefault(split.day, []).append(split)
        self.steps: list[tuple[date, Decimal]] = []
        self.currency = ""
        self.first_day = date.max
        self.last_day = date.min
        self.was_held = False
        self.bought_base: Decimal | None = NOTHING
        self.sold_base: Decimal | None = NOTHING
        self.fifo_base: Decimal | None = NOTHING
        self.average_base: Decimal | None = NOTHING

    def see(self, day: date) -> None:
        """Notes a transaction's day."""
        self.first_day = min(self.first_day, day)
        self.last_day = max(self.last_day, day)

    def end_day(self, day: date) -> None:
        """Notes what is held at a day's end, where it differs."""
        held = self.shares.quantity
        if held != (self.steps[-1][1] if self.steps else NOTHING) or (self.was_held and not self.steps):
            self.steps.append((day, held))

    def position(self) -> Position:
        """What is held, and what is over."""
        shares, cost = self.shares, cost_of(self.shares.lots)
        lots = tuple(Lot(lot.acquired, lot.quantity, lot.cost, lot.currency, lot.cost_base) for lot in shares.lots)
        return Position(
            symbol=self.symbol,
            currency=self.currency,
            quantity=shares.quantity,
            lots=lots,
            fifo_cost=cost.within(self.currency),
            average_cost=shares.average.within(self.currency),
            fifo_cost_base=cost.base,
            average_cost_base=shares.average.base,
            bought_base=self.bought_base,
            sold_base=self.sold_base,
            realised_fifo_base=self.fifo_base,
            realised_average_base=self.average_base,
            first_day=self.first_day,
            last_day=self.last_day,
        )


class _Making:
    """A part in the making; days are taken in order."""

    def __init__(self, splits: Mapping[str, Applied], money: Money) -> None:
        self._money = money
        self._holdings = {symbol: _Holding(symbol, applied) for symbol, applied in sorted(splits.items())}
        self._disposals: list[tuple[int, Disposal]] = []
        self._share_flows: list[tuple[int, ShareFlow]] = []
        self._holding_flows: list[HoldingFlow] = []
        self._exchanges: list[Exchange] = []
        self._problems: list[tuple[int, Problem]] = []
        self._notes: list[str] = []
        self._untold: list[tuple[str, Split]] = []

    def take(self, day: date, rows: Sequence[Transaction]) -> None:
        """The next day, with all of its transactions."""
        self._split(day)
        self._note_needless(rows)
        by_symbol: dict[str, list[Transaction]] = {}
        for row in rows:
            by_symbol.setdefault(row.symbol or "", []).append(row)
        changed = [row for row in rows if row.kind in (Kind.SPIN_OFF, Kind.MERGER)]
        for row in _in_sequence(changed):
            if row.kind is Kind.SPIN_OFF:
                self._spin_off(row)
            else:
                self._merge(row)
        for symbol, of_symbol in by_symbol.items():
            holding = self._holdings[symbol]
            holding.see(day)
            self._trade(holding, of_symbol)
        for holding in self._holdings.values():
            if holding.symbol in by_symbol or changed or day in holding.splits:
                holding.end_day(day)
        for symbol, of_symbol in by_symbol.items():
            self._pay(self._holdings[symbol], of_symbol)

    def part(self) -> Part:
        """All that was taken."""
        held = {symbol: holding for symbol, holding in self._holdings.items() if holding.was_held}
        money = self._money
        return Part(
            positions={symbol: holding.position() for symbol, holding in held.items()},
            quantities={symbol: tuple(holding.steps) for symbol, holding in held.items()},
            splits={symbol: _since(holding) for symbol, holding in held.items()},
            cash=money.cash,
            disposals=self._disposals,
            payments=money.payments,
            money_flows=money.flows,
            share_flows=self._share_flows,
            holding_flows=self._holding_flows,
            exchanges=self._exchanges,
            trade_fees_base=money.trade_fees_base,
            problems=self._problems,
            notes=self._notes,
            untold=self._untold,
            without_rate={currency: frozenset(days) for currency, days in money.without_rate.items()},
        )

    def _split(self, day: date) -> None:
        for holding in self._holdings.values():
            for split in holding.splits.get(day, ()):
                if not holding.shares.quantity:
                    continue
                holding.shares.split(plain_ratio(split.ratio))
                if split in holding.applied.untold:
                    self._untold.append((holding.symbol, split))
                elif not split.is_of_market:
                    self._notes.append(_words_of_own(holding.symbol, split))

    def _note_needless(self, rows: Iterable[Transaction]) -> None:
        for row in rows:
            if row.kind in SPLITS and not self._holdings[row.symbol or ""].shares.quantity:
                self._notes.append(f"On {row.day} a split of {row.symbol} is entered, and none are held.")

    def _trade(self, holding: _Holding, rows: Sequence[Transaction]) -> None:
        """Purchases, sales and transfers of one symbol on one day."""
        coming = sorted((row for row in rows if row.kind in (Kind.BUY, Kind.TRANSFER_IN)), key=content_of)
        leaving = self._possible(holding, rows, coming)
        moved = [row for row in (*coming, *leaving) if row.kind in TRANSFERS]
        transfers = netted(moved, "quantity") if moved else []
        holding.was_held |= bool(coming)
        lots = [self._bought(holding, row) for row in coming if row.kind is Kind.BUY]
        lots += [self._received(holding, row) for row in transfers if row.kind is Kind.TRANSFER_IN]
        holding.shares.receive(lots)
        for row in sorted((row for row in leaving if row.kind is Kind.SELL), key=_by_price):
            self._sold(holding, row)
        for row in transfers:
            if row.kind is Kind.TRANSFER_OUT:
                holding.shares.remove(row.quantity or NOTHING)
        if transfers:
            way = 1 if transfers[0].kind is Kind.TRANSFER_IN else -1
            quantity = sum((row.quantity or NOTHING for row in transfers), NOTHING) * way
            flow = ShareFlow(transfers[0].day, holding.symbol, quantity)
            self._share_flows.append((order_of(transfers[0]), flow))
        for row in moved:
            self._money.charge(row)

    def _possible(
        self, holding: _Holding, rows: Sequence[Transaction], coming: Sequence[Transaction]
    ) -> list[Transaction]:
        """Sales and transfers out of what there is, in the order of entry; the others are problems."""
        held = holding.shares.quantity + sum((row.quantity or NOTHING for row in coming), NOTHING)
        found = []
        for row in rows:
            if row.kind not in (Kind.SELL, Kind.TRANSFER_OUT):
                continue
            quantity = row.quantity or NOTHING
            if held <= 0 or quantity - held > CLOSED:
                done = "sold" if row.kind is Kind.SELL else "transferred out"
                there = plain(held) if held > 0 else "none"
                self._refuse(row, f"On {row.day} {plain(quantity)} {holding.symbol} are {done}, and {there} are held.")
                continue
            held -= quantity
            found.append(row)
        return found

    def _bought(self, holding: _Holding, row: Transaction) -> OpenLot:
        cost = booked(row.gross + row.fees + row.taxes)
        base = self._money.base(row, cost)
        holding.currency = row.currency
        holding.bought_base = _sum(holding.bought_base, base)
        self._money.trade(row, -cost)
        self._holding_flows.append(HoldingFlow(row.day, holding.symbol, cost, base))
        return OpenLot(row.day, row.quantity or NOTHING, row.currency, cost, base)

    def _received(self, holding: _Holding, row: Transaction) -> OpenLot:
        """Shares from another account: at the cost that is told, else at one that is not known."""
        quantity = row.quantity or NOTHING
        cost = None if row.price is None else booked(row.gross)
        base = None if cost is None else self._money.base(row, cost)
        holding.currency = holding.currency or row.currency
        holding.bought_base = _sum(holding.bought_base, base)
        if cost is None:
            self._notes.append(
                f"What {plain(quantity)} {holding.symbol} that came on {row.day} had cost is not told: gains that they "
                "are part of are not known. Enter the transfer again with the cost of a share as its price."
            )
        return OpenLot(row.day, quantity, row.currency, cost, base)

    def _sold(self, holding: _Holding, row: Transaction) -> None:
        proceeds = booked(row.gross - row.fees - row.taxes)
        self._money.trade(row, proceeds)
        self._dispose(holding, row, proceeds, holding.shares.remove(row.quantity or NOTHING))

    def _dispose(self, holding: _Holding, row: Transaction, proceeds: Decimal, removed: Removed) -> None:
        fifo, average = cost_of(removed.lots), removed.average
        base = self._money.base(row, proceeds)
        disposal = Disposal(
            transaction_id=row.id,
            symbol=holding.symbol,
            day=row.day,
            quantity=sum((lot.quantity for lot in removed.lots), NOTHING),
            currency=row.currency,
            proceeds=proceeds,
            fifo_cost=fifo.within(row.currency),
            average_cost=average.within(row.currency),
            proceeds_base=base,
            fifo_cost_base=fifo.base,
            average_cost_base=average.base,
            acquired=min((lot.acquired for lot in removed.lots), default=row.day),
        )
        self._disposals.append((order_of(row), disposal))
        self._holding_flows.append(HoldingFlow(row.day, holding.symbol, -proceeds, _minus(base)))
        holding.sold_base = _sum(holding.sold_base, base)
        holding.fifo_base = _sum(holding.fifo_base, _sum(base, _minus(fifo.base)))
        holding.average_base = _sum(holding.average_base, _sum(base, _minus(average.base)))

    def _spin_off(self, row: Transaction) -> None:
        """Each lot's share of cost goes over to new shares of the same day."""
        parent, child = self._holdings[row.symbol or ""], self._holdings[row.other_symbol or ""]
        if not self._is_held(parent, row, "A spin-off"):
            return
        moved = parent.shares.spin_off(plain_ratio(row.ratio or Decimal(1)), row.cost_share or NOTHING)
        self._carry(row, parent, child, moved)
        self._money.charge(row)

    def _merge(self, row: Transaction) -> None:
        """All shares become others, with their days and costs; without others it is a sale.

        Money beside shares lowers the cost, of all lots in proportion; what is more than the cost is gain.
        """
        old = self._holdings[row.symbol or ""]
        if not self._is_held(old, row, "A merger"):
            return
        ratio = None if row.ratio is None else plain_ratio(row.ratio)
        quantities = [] if ratio is None else old.shares.in_other_shares(ratio)
        removed = old.shares.remove_all()
        if row.amount is None:
            self._money.charge(row)
        else:
            proceeds = booked(row.amount - row.fees - row.taxes)
            self._money.trade(row, proceeds)
            paid = removed if ratio is None else self._paid(row, proceeds, removed)
            self._dispose(old, row, proceeds, paid)
        if ratio is not None:
            for lot, quantity in zip(removed.lots, quantities, strict=True):
                lot.quantity = quantity
            self._carry(row, old, self._holdings[row.other_symbol or ""], removed)

    def _paid(self, row: Transaction, proceeds: Decimal, removed: Removed) -> Removed:
        """The part of a cost that money takes over, as lots of the shares that left."""
        base = self._money.base(row, proceeds)
        costs = _taken([lot.cost for lot in removed.lots], proceeds, cost_of(removed.lots).within(row.currency))
        bases = _taken([lot.cost_base for lot in removed.lots], base, cost_of(removed.lots).base)
        lots = []
        for lot, cost, cost_base in zip(removed.lots, costs, bases, strict=True):
            lots.append(OpenLot(lot.acquired, lot.quantity, row.currency, cost, cost_base))
            lot.lower(cost, cost_base)
        average = removed.average
        (cost,) = _taken([average.within(row.currency)], proceeds, average.within(row.currency))
        (cost_base,) = _taken([average.base], base, average.base)
        taken = Cost()
        taken.add(row.currency, cost, cost_base)
        average.add(row.currency, _minus(cost), _minus(cost_base))
        return Removed(tuple(lots), taken)

    def _carry(self, row: Transaction, old: _Holding, new: _Holding, moved: Removed) -> None:
        before = new.shares.quantity
        new.shares.carry(moved.lots, moved.average)
        new.currency = new.currency or old.currency
        new.was_held = True
        new.see(row.day)
        quantity = new.shares.quantity - before
        self._exchanges.append(Exchange(row.day, old.symbol, new.symbol, quantity))

    def _pay(self, holding: _Holding, rows: Iterable[Transaction]) -> None:
        """Payments of one symbol, and what its splits cost."""
        for row in rows:
            if row.kind in SPLITS:
                self._money.charge(row)
            elif row.kind is Kind.DIVIDEND and not holding.was_held:
                self._refuse(row, f"On {row.day} {holding.symbol} pays a dividend, and none were held up to then.")
            elif row.kind in (Kind.DIVIDEND, Kind.INTEREST, Kind.FEE, Kind.TAX):
                self._money.pay(row)

    def _is_held(self, holding: _Holding, row: Transaction, what: str) -> bool:
        if not holding.shares.quantity:
            self._refuse(row, f"{what} of {holding.symbol} is entered on {row.day}, and none are held.")
        return bool(holding.shares.quantity)

    def _refuse(self, row: Transaction, words: str) -> None:
        self._problems.append((order_of(row), Problem(row.id, row.symbol, row.day, words)))


def _since(holding: _Holding) -> tuple[Split, ...]:
    """The splits since a symbol's first transaction: earlier ones changed nothing that was held."""
    first = holding.steps[0][0] if holding.steps else date.max
    return tuple(split for split in holding.applied.splits if split.day >= first)


def _words_of_own(symbol: str, split: Split) -> str:
    shares = "new" if split.is_in_prices else "old"
    return (
        f"The split of {symbol} on {split.day}, {words_of(split.ratio)}, is known from the transactions alone; the "
        f"prices before it are in {shares} shares."
    )


def _in_sequence(rows: Iterable[Transaction]) -> Iterable[Transaction]:
    """Spin-offs and then mergers of one day: what brings shares is before what takes them further."""
    left = sorted(rows, key=_by_symbols)
    while left:
        brought = {row.other_symbol for row in left if row.kind is left[0].kind}
        row = next((row for row in left if row.kind is left[0].kind and row.symbol not in brought), left[0])
        left.remove(row)
        yield row


def _by_symbols(row: Transaction) -> tuple[bool, str, str]:
    return row.kind is Kind.MERGER, row.symbol or "", row.other_symbol or ""


def _by_price(row: Transaction) -> tuple[Decimal, Decimal, Decimal]:
    return row.price or NOTHING, row.quantity or NOTHING, row.fees + row.taxes


def _taken(costs: Sequence[Decimal | None], money: Decimal | None, whole: Decimal | None) -> list[Decimal | None]:
    """Of each cost what money takes over, in proportion, all of the money together; None where a part is not known."""
    if money is None or whole is None:
        return [None] * len(costs)
    taken = max(min(money, whole), NOTHING)
    sums = [NOTHING, *accumulate(cost or NOTHING for cost in costs)]
    shares = [part_of(total, taken, whole) if whole > 0 else NOTHING for total in sums]
    return [after - before for before, after in pairwise(shares)]


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other


def _minus(number: Decimal | None) -> Decimal | None:
    return None if number is None else -number
