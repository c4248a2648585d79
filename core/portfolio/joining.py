"""How parts are put together to a book: all in order of their days, balances summed, and what a reader should know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import chain
from typing import TypeVar

from core.portfolio.book import Book, Split, Steps
from core.portfolio.exact import NOTHING
from core.portfolio.parts import Part
from core.portfolio.splits import words_of

_T = TypeVar("_T")

BELOW_ZERO = Decimal("-0.005")
"""A balance below it is told; above it, brokers round."""
MOST_NAMED = 6
"""Splits that are named in one note."""


def joined(parts: Sequence[Part], currency: str, has_cash: bool, first_day: date | None) -> Book:
    """The book of parts that share nothing.

    Args:
        parts: in an order that does not depend on what was computed when.
        currency: the portfolio's.
        has_cash: whether it keeps cash.
        first_day: of the first transaction.
    """
    cash = _balances(parts)
    fees = [part.trade_fees_base for part in parts]
    known_fees = [each for each in fees if each is not None]
    return Book(
        currency=currency,
        has_cash=has_cash,
        first_day=first_day,
        positions=_united(part.positions for part in parts),
        quantities=_united(part.quantities for part in parts),
        splits=_united(part.splits for part in parts),
        cash=cash,
        disposals=_in_order(part.disposals for part in parts),
        payments=_in_order(part.payments for part in parts),
        money_flows=_in_order(part.money_flows for part in parts),
        share_flows=_in_order(part.share_flows for part in parts),
        trade_fees_base=sum(known_fees, NOTHING) if len(known_fees) == len(fees) else None,
        problems=_in_order(part.problems for part in parts),
        notes=(*_notes(parts, currency), *_notes_of_cash(cash)),
        holding_flows=tuple(chain.from_iterable(part.holding_flows for part in parts)),
        exchanges=tuple(chain.from_iterable(part.exchanges for part in parts)),
    )


def _united(parts: Iterable[Mapping[str, _T]]) -> dict[str, _T]:
    found: dict[str, _T] = {}
    for part in parts:
        found |= part
    return dict(sorted(found.items()))


def _in_order(parts: Iterable[Sequence[tuple[int, _T]]]) -> tuple[_T, ...]:
    items = sorted(chain.from_iterable(parts), key=_place)
    return tuple(item for _, item in items)


def _place(item: tuple[int, object]) -> int:
    return item[0]


def _balances(parts: Sequence[Part]) -> dict[str, Steps]:
    """Money held from each day's end on, by currency."""
    changes: dict[str, dict[date, Decimal]] = {}
    for part in parts:
        for currency, days in part.cash.items():
            known = changes.setdefault(currency, {})
            for day, amount in days.items():
                known[day] = known[day] + amount if day in known else amount
    found = {}
    for currency, days in sorted(changes.items()):
        balance, steps = NOTHING, []
        for day in sorted(days):
            if days[day]:
                balance += days[day]
                steps.append((day, balance))
        found[currency] = tuple(steps)
    return found


def _notes(parts: Sequence[Part], currency: str) -> Iterable[str]:
    yield from chain.from_iterable(part.notes for part in parts)
    untold = [each for part in parts for each in part.untold]
    if untold:
        yield _words_of_untold(untold)
    without_rate: dict[str, set[date]] = {}
    for part in parts:
        for other, days in part.without_rate.items():
            without_rate.setdefault(other, set()).update(days)
    for other, missing in sorted(without_rate.items()):
        more = f" and {len(missing) - 1} more days" if len(missing) > 1 else ""
        yield (
            f"No rate of {other} in {currency} is known for {min(missing)}{more}: figures in {currency} that need it "
            "are missing. A transaction may tell its own rate."
        )


def _words_of_untold(untold: Sequence[tuple[str, Split]]) -> str:
    named = [f"{symbol} {words_of(split.ratio)} on {split.day}" for symbol, split in untold[:MOST_NAMED]]
    more = f" and {len(untold) - MOST_NAMED} more" if len(untold) > MOST_NAMED else ""
    return f"Splits that the market's data tell of, and no transaction: {', '.join(named)}{more}. They are applied."


def _notes_of_cash(cash: Mapping[str, Steps]) -> Iterable[str]:
    for currency, steps in cash.items():
        below = [step for step in steps if step[1] < BELOW_ZERO]
        if below:
            (first, _), (least_day, least) = below[0], min(below, key=lambda step: step[1])
            yield (
                f"The {currency} of this portfolio are below zero first on {first}, and least on {least_day}: "
                f"{least:.2f}. A deposit may be missing."
            )
