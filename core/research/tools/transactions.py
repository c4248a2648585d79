"""The tool that tells what was entered: transactions by kind, symbol and day, counted and summed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, Field

from core.ai.evidence import MAX_ROWS, Cell, Figure, Source, Table
from core.ai.outside import cleaned
from core.ai.tools import ToolContext, ToolResult
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.portfolio.income import total
from core.portfolio.journal import Journal
from core.portfolio.money import Rates
from core.portfolio.portfolios import PortfolioInfo, Portfolios
from core.portfolio.transactions import LABELS, Kind, Transaction, in_force
from core.research.tools.market_material import entities_of, figure
from core.research.tools.portfolio_material import (
    MAX_NAME_CHARS,
    PORTFOLIO,
    money,
    portfolio_entity,
    portfolio_of,
)
from core.research.tools.portfolio_window import Bounds, Windowed, bounds_of

_SUMS: dict[Kind, str] = {
    Kind.BUY: "bought",
    Kind.SELL: "sold",
    Kind.DIVIDEND: "dividends",
    Kind.INTEREST: "interest",
    Kind.FEE: "account_fees",
    Kind.TAX: "account_taxes",
    Kind.DEPOSIT: "deposits",
    Kind.WITHDRAWAL: "withdrawals",
    Kind.TRANSFER_IN: "transferred_in",
    Kind.TRANSFER_OUT: "transferred_out",
}
"""What the amounts of a kind come to; the others move no money that is told."""
_COLUMNS = ("Date", "Kind", "Symbol", "Quantity", "Price", "Amount", "Currency", "Fees", "Taxes", "Amount in base")


class TransactionsArguments(Windowed):
    """Which transactions."""

    kinds: tuple[Kind, ...] = Field((), description="Only these; empty: all")
    symbol: str | None = Field(None, max_length=20, description="Only of this symbol")
    order: Literal["newest", "oldest"] = Field("newest", description="Which rows come first")
    most: int = Field(20, ge=1, le=50, description="Rows; sums are of all")


@dataclass(slots=True)
class _Sum:
    """Transactions of one kind, together."""

    kind: Kind
    count: int = 0
    quantity: Decimal = Decimal(0)
    own: dict[str, Decimal] = field(default_factory=dict)
    """Amounts by their own currency, before fees and taxes."""
    bases: list[Decimal | None] = field(default_factory=list)
    """Amounts in the portfolio's currency; None where the rate of the day is not known."""


@dataclass(frozen=True, slots=True)
class _Matches:
    """What was asked for, and what matches."""

    info: PortfolioInfo
    seen: date
    bounds: Bounds
    symbol: str | None
    rows: Sequence[Transaction]
    """Oldest first."""
    rates: Rates

    @property
    def entity(self) -> str:
        """Whom counts and sums are about."""
        return self.symbol or PORTFOLIO

    @property
    def last(self) -> date:
        """Last day of the window."""
        return self.bounds.last or self.seen

    def base(self, row: Transaction, amount: Decimal) -> Decimal | None:
        """An amount of a transaction in the portfolio's currency, by the rate of its day; None: it is not known."""
        if not amount:
            return Decimal(0)
        rate = self.rates.of(row)
        return None if rate is None else amount * rate


class Transactions:
    """Transactions of a portfolio."""

    name = "transactions"
    description = (
        "The portfolio's transactions, with count and sums by kind (trades, dividends, fees, deposits …) over all that "
        "match, and the first and last of them. Amounts in their own and the portfolio's currency."
    )
    arguments: type[BaseModel] = TransactionsArguments
    needs_portfolio = True

    def __init__(self, portfolios: Portfolios, journal: Journal, market: Market) -> None:
        self._portfolios = portfolios
        self._journal = journal
        self._market = market

    def run(self, context: ToolContext, arguments: TransactionsArguments) -> ToolResult:
        """Those in force that match, none after the day that is seen.

        Raises:
            NotFound: no portfolio that this caller sees.
            InvalidRequest: a symbol or window that cannot be.
        """
        principal, portfolio_id = context.principal, portfolio_of(context)
        info = self._portfolios.get(principal, portfolio_id)
        seen = self._market.time.of(principal).day
        bounds = bounds_of(arguments, seen)
        symbol = None if arguments.symbol is None else checked_symbol(arguments.symbol)
        rows = [
            row
            for row in in_force(self._journal.transactions(principal, portfolio_id))
            if _is_within(row, bounds, seen)
            and (not arguments.kinds or row.kind in arguments.kinds)
            and (symbol is None or symbol in (row.symbol, row.other_symbol))
        ]
        matches = _Matches(info, seen, bounds, symbol, rows, Rates(info.currency, self._market.fx))
        ordered = rows if arguments.order == "oldest" else rows[::-1]
        told = ordered[: arguments.most]
        symbols = [each for row in told for each in (row.symbol, row.other_symbol) if each] + (
            [symbol] if symbol else []
        )
        return ToolResult(
            words=_words(matches, arguments.kinds),
            content=_content(matches, told, len(rows) - len(told)),
            figures=_figures(matches, told),
            entities=(portfolio_entity(info.name), *entities_of(self._market, principal, symbols)),
            source=Source(
                title=f"Transactions of {cleaned(info.name, MAX_NAME_CHARS)} as they were entered", as_of=seen
            ),
            table=_table(matches, ordered),
        )


def _is_within(row: Transaction, bounds: Bounds, seen: date) -> bool:
    return (bounds.first or row.day) <= row.day <= min(bounds.last or seen, seen)


def _words(matches: _Matches, kinds: Sequence[Kind]) -> str:
    of = ", ".join(LABELS[kind].lower() for kind in kinds)
    kind = f" ({of})" if of else ""
    about = f" of {matches.symbol}" if matches.symbol else ""
    return f"Transactions{kind}{about} in {cleaned(matches.info.name, MAX_NAME_CHARS)}, {matches.bounds.words}"


def _content(matches: _Matches, told: Sequence[Transaction], more: int) -> dict[str, Any]:
    rows = matches.rows
    return {
        "portfolio_currency": matches.info.currency,
        "first": matches.bounds.first,
        "last": matches.last,
        "count": len(rows),
        "first_day": rows[0].day if rows else None,
        "last_day": rows[-1].day if rows else None,
        "fees": money(_fees(matches)),
        "taxes": money(_taxes(matches)),
        "by_kind": [_sum_content(each, matches.symbol) for each in _sums(matches)],
        "rows": [_row(matches, row) for row in told],
        "more_rows": more,
    }


def _sums(matches: _Matches) -> list[_Sum]:
    found: dict[Kind, _Sum] = {}
    for row in matches.rows:
        each = found.setdefault(row.kind, _Sum(row.kind))
        each.count += 1
        each.quantity += row.quantity or Decimal(0)
        if row.kind in _SUMS:
            each.own[row.currency] = each.own.get(row.currency, Decimal(0)) + row.gross
            each.bases.append(matches.base(row, row.gross))
    return sorted(found.values(), key=lambda each: (-each.count, each.kind))


def _fees(matches: _Matches) -> Decimal | None:
    """All fees: those of trades and payments, and those that are transactions themselves."""
    return total(matches.base(row, _fees_of(row)) for row in matches.rows)


def _fees_of(row: Transaction) -> Decimal:
    return row.fees + (row.gross if row.kind is Kind.FEE else Decimal(0))


def _taxes(matches: _Matches) -> Decimal | None:
    return total(matches.base(row, _taxes_of(row)) for row in matches.rows)


def _taxes_of(row: Transaction) -> Decimal:
    return row.taxes + (row.gross if row.kind is Kind.TAX else Decimal(0))


def _sum_content(each: _Sum, symbol: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": each.kind, "count": each.count}
    if each.kind in _SUMS:
        told["amount"] = money(total(each.bases))
        told["own_amounts"] = {currency: float(amount) for currency, amount in sorted(each.own.items())}
    if symbol is not None and each.quantity:
        told["quantity"] = float(each.quantity)
    return told


def _numbers(matches: _Matches, row: Transaction) -> dict[str, Decimal | None]:
    has_amount = row.kind in _SUMS
    return {
        "quantity": row.quantity,
        "price": row.price,
        "amount": row.gross if has_amount else None,
        "fees": row.fees or None,
        "taxes": row.taxes or None,
        "amount_base": matches.base(row, row.gross) if has_amount and row.currency != matches.info.currency else None,
        "ratio": row.ratio,
    }


def _row(matches: _Matches, row: Transaction) -> dict[str, Any]:
    told: dict[str, Any] = {"day": row.day, "kind": row.kind, "currency": row.currency}
    told.update({name: each for name, each in (("symbol", row.symbol), ("other_symbol", row.other_symbol)) if each})
    told.update({name: money(value) for name, value in _numbers(matches, row).items() if value is not None})
    if row.note:
        told["outside"] = cleaned(row.note, MAX_NAME_CHARS)
    return told


def _figures(matches: _Matches, told: Iterable[Transaction]) -> list[Figure]:
    entity, base, rows = matches.entity, matches.info.currency, matches.rows
    first, last = matches.bounds.first, matches.last
    found = figure(entity, "transactions", len(rows), "number", day=last, first=first)
    for day in dict.fromkeys(row.day for row in (*rows[:1], *rows[-1:])):
        found += figure(entity, "day", day, day=day)
    found += figure(entity, "fees", _fees(matches), "money", day=last, first=first, currency=base)
    found += figure(entity, "taxes", _taxes(matches), "money", day=last, first=first, currency=base)
    for each in _sums(matches):
        found += figure(entity, f"{each.kind.value}_count", each.count, "number", day=last, first=first)
        if matches.symbol is not None and each.quantity:
            measure = {Kind.BUY: "quantity_bought", Kind.SELL: "quantity_sold"}.get(each.kind, "quantity_moved")
            found += figure(entity, measure, each.quantity, "number", day=last, first=first)
        if each.kind in _SUMS:
            measure = _SUMS[each.kind]
            found += figure(entity, measure, total(each.bases), "money", day=last, first=first, currency=base)
            for currency, amount in each.own.items():
                found += figure(entity, measure, amount, "money", day=last, first=first, currency=currency)
    for row in told:
        found += _row_figures(matches, row)
    return found


def _row_figures(matches: _Matches, row: Transaction) -> list[Figure]:
    entity, numbers, day = row.symbol or PORTFOLIO, _numbers(matches, row), row.day
    found = figure(entity, "day", day, day=day)
    quantity = {Kind.BUY: "quantity_bought", Kind.SELL: "quantity_sold"}.get(row.kind, "quantity_moved")
    found += figure(entity, quantity, numbers["quantity"], "number", day=day)
    found += figure(entity, "trade_price", numbers["price"], "price", day=day, currency=row.currency)
    found += figure(entity, "fees", numbers["fees"], "money", day=day, currency=row.currency)
    found += figure(entity, "taxes", numbers["taxes"], "money", day=day, currency=row.currency)
    found += figure(entity, "split_ratio", numbers["ratio"], "number", day=day)
    measure = _SUMS.get(row.kind, "amount")
    found += figure(entity, measure, numbers["amount"], "money", day=day, currency=row.currency)
    found += figure(entity, measure, numbers["amount_base"], "money", day=day, currency=matches.info.currency)
    return found


def _table(matches: _Matches, rows: Sequence[Transaction]) -> Table:
    kept: list[tuple[Cell, ...]] = []
    for row in rows[:MAX_ROWS]:
        numbers = _numbers(matches, row)
        amounts = [money(numbers[name]) for name in ("quantity", "price", "amount")]
        base = money(matches.base(row, row.gross)) if row.kind in _SUMS else None
        costs = (money(row.fees), money(row.taxes), base)
        kept.append((row.day, LABELS[row.kind], row.symbol or "", *amounts, row.currency, *costs))
    columns = (*_COLUMNS[:-1], f"Amount in {matches.info.currency}")
    return Table(columns=columns, rows=tuple(kept), more=max(0, len(rows) - MAX_ROWS))
