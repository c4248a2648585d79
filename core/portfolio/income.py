"""What a portfolio was paid: dividends and interest gross, fees and taxes apart, by month and as a yield."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal

from core.portfolio.book import Payment
from core.portfolio.report import Income, IncomePeriod
from core.portfolio.transactions import Kind

YEAR = timedelta(days=365)
RECEIPTS = frozenset({Kind.DIVIDEND, Kind.INTEREST})


def income_of(payments: Sequence[Payment], *, day: date, value: Decimal | None, cost: Decimal | None) -> Income:
    """The income up to a day.

    Args:
        payments: of the portfolio's book, in any order.
        day: the date that is seen.
        value: of the whole portfolio, money included.
        cost: of what is held, by the portfolio's method.
    """
    newest = sorted(payments, key=lambda each: (each.day, each.symbol or "", each.transaction_id), reverse=True)
    last_year = total(each.gross_base for each in newest if each.kind in RECEIPTS and day - YEAR < each.day <= day)
    return Income(
        payments=tuple(newest),
        months=tuple(_months(newest)),
        last_year_gross=last_year,
        yield_on_value=share(last_year, value),
        yield_on_cost=share(last_year, cost),
    )


def income_by_symbol(payments: Iterable[Payment]) -> dict[str, Decimal | None]:
    """Dividends and interest of each symbol, gross, in the portfolio's currency; None where a rate is missing."""
    found: dict[str, Decimal | None] = {}
    for each in payments:
        if each.symbol is not None and each.kind in RECEIPTS:
            found[each.symbol] = total((found.get(each.symbol, Decimal(0)), each.gross_base))
    return found


def fees_of(payments: Iterable[Payment], trade_fees: Decimal | None) -> Decimal | None:
    """All fees that were ever paid, of trades, payments and accounts; None where a rate is missing."""
    return total((trade_fees, *(_fees(each) for each in payments)))


def total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum; None where any of them is, and 0 of none at all."""
    found = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        found += amount
    return found


def share(part: Decimal | None, whole: Decimal | None) -> float | None:
    """One amount as a fraction of another; None where either is missing, or the whole is not above 0."""
    return None if part is None or whole is None or whole <= 0 else float(part / whole)


def _months(payments: Sequence[Payment]) -> Iterator[IncomePeriod]:
    by_month: dict[int, list[Payment]] = {}
    for each in payments:
        by_month.setdefault(each.day.year * 12 + each.day.month - 1, []).append(each)
    for number in range(min(by_month, default=0), max(by_month, default=-1) + 1):
        paid = by_month.get(number, [])
        yield IncomePeriod(
            year=number // 12,
            month=number % 12 + 1,
            dividends=total(each.gross_base for each in paid if each.kind is Kind.DIVIDEND),
            interest=total(each.gross_base for each in paid if each.kind is Kind.INTEREST),
            fees=total(_fees(each) for each in paid),
            taxes=total(_taxes(each) for each in paid),
        )


def _fees(payment: Payment) -> Decimal | None:
    """A fee itself, or the fees that were taken off a payment."""
    return total((payment.gross_base if payment.kind is Kind.FEE else Decimal(0), payment.fees_base))


def _taxes(payment: Payment) -> Decimal | None:
    return total((payment.gross_base if payment.kind is Kind.TAX else Decimal(0), payment.taxes_base))
