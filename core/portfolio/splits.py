"""Which splits of a symbol are applied: each one once, whoever told of it.

The market's are always applied. A user's split that the market confirms, of nearly that ratio within some days, is the
market's; two of a user's that are as near to one another are one. What only a user tells is applied too: bars that jump
by the ratio there are in old shares before it, others are in new ones already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from core.portfolio.book import Split
from core.portfolio.exact import MOST_PARTS, plain, plain_ratio
from core.portfolio.transactions import Transaction

NEAR_DAYS = 10
"""So far apart two tellers may date one split."""
NEAR_RATIO = Decimal("0.01")
"""So far apart, as a share, two tellers may tell its ratio."""
CLEAR_RATIO = 1.5
"""From here on (or its inverse) a jump on a day nearby is told from the market's moves."""
CLEAR_SHARE = 0.2
"""So near, in logarithms as a share of the ratio's, a jump nearby has to be."""

Jump = Callable[[date], float | None]
"""The last close before a day ÷ the first on or after it."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The splits of a symbol, and who told of them."""

    splits: tuple[Split, ...]
    """In order of their days."""
    untold: frozenset[Split]
    """Of the market's, those that no transaction tells of."""


def applied_splits(rows: Sequence[Transaction], market: Sequence[tuple[date, Decimal]], jump: Jump) -> Applied:
    """The splits that are applied.

    Args:
        rows: splits and reverse splits among the transactions of a symbol.
        market: ex-dates and ratios that the market's data tell.
        jump: how closes move over a day; asked only for what the market does not know.
    """
    known = [Split(day, ratio, is_of_market=True, is_in_prices=True) for day, ratio in market]
    told: set[Split] = set()
    alone: list[Split] = []
    for row in sorted(rows, key=lambda row: (row.day, row.ratio or Decimal(1))):
        ratio = row.ratio or Decimal(1)
        near = [split for split in known if _is_same(split, row.day, ratio)]
        if near:
            told.add(min(near, key=lambda split: (abs(split.day - row.day), split.day)))
        elif not any(_is_same(split, row.day, ratio) for split in alone):
            alone.append(Split(row.day, ratio, is_of_market=False, is_in_prices=False))
    found = sorted(known + [_placed(split, jump) for split in alone], key=lambda split: (split.day, split.ratio))
    return Applied(tuple(found), frozenset(known).difference(told))


def words_of(ratio: Decimal) -> str:
    """A ratio as it is said: '2 for 1', '1 for 10'."""
    meant = plain_ratio(ratio)
    if meant.denominator <= MOST_PARTS:
        return f"{meant.numerator} for {meant.denominator}"
    return f"{plain(ratio)} for 1"


def _is_same(split: Split, day: date, ratio: Decimal) -> bool:
    is_near = abs(split.day - day) <= timedelta(days=NEAR_DAYS)
    return is_near and abs(ratio - split.ratio) <= NEAR_RATIO * split.ratio


def _placed(split: Split, jump: Jump) -> Split:
    """A user's own split, on the day on which the closes jump by it; where none does, they are in new shares."""
    size = math.log(split.ratio)
    there = jump(split.day)
    if there is None or abs(math.log(there) - size) < abs(math.log(there)):
        return split
    nearby = _jump_nearby(split, size, jump)
    if nearby is not None:
        return Split(nearby, split.ratio, is_of_market=False, is_in_prices=False)
    return Split(split.day, split.ratio, is_of_market=False, is_in_prices=True)


def _jump_nearby(split: Split, size: float, jump: Jump) -> date | None:
    """The day of the clearest jump by the ratio, some days from where the user dates it."""
    if abs(size) < math.log(CLEAR_RATIO):
        return None
    clearest, found = CLEAR_SHARE * abs(size), None
    for offset in range(-NEAR_DAYS, NEAR_DAYS + 1):
        day = split.day + timedelta(days=offset)
        there = jump(day)
        # Of a weekend's days and the session after it, which all see one jump, the session is the last.
        if there is not None and abs(math.log(there) - size) <= clearest:
            clearest, found = abs(math.log(there) - size), day
    return found
