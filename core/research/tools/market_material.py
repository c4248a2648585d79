"""What the tools of the market share: how arguments are read, and how companies, figures and sources are told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import isfinite
from typing import Annotated

from pydantic import Field

from core.ai.evidence import Cell, Entity, Figure, Source, Unit
from core.ai.outside import cleaned
from core.market.as_of import AsOf, Reason
from core.market.market import Market
from core.market.symbols import MAX_SYMBOL_CHARS, checked_symbol
from core.principal import Principal

SIGNIFICANT_DIGITS = 8
"""With which a model is shown a number: enough that what it rounds is what the figure itself rounds to."""
LARGE, LARGE_DIGITS = 1e6, 12
"""From this size on more digits are shown, since amounts of statements are whole."""

_SUFFIX = re.compile(
    r",?\s+(?:\(generated\)|inc|incorporated|corp|corporation|co|company|companies|ltd|limited|plc|llc|lp|sa|nv|ag|se"
    r"|group|holdings?|class\s+[a-c]|cl\s+[a-c]|common stock|index|the|new)\.?$",
    re.IGNORECASE,
)
LEAST_NAME_CHARS = 3
MAX_NAME_CHARS = 80
"""Of a name as a model is shown it."""
MOST_SUFFIXES = 4


Symbol = Annotated[str, Field(min_length=1, max_length=MAX_SYMBOL_CHARS + 10)]
"""A symbol as a model writes it: with the name of its exchange, perhaps."""


def checked_symbols(given: Iterable[str]) -> list[str]:
    """Symbols as we spell them, each once.

    Raises:
        InvalidRequest: one of them cannot be a symbol.
    """
    return list(dict.fromkeys(checked_symbol(each) for each in given))


def names_of(name: str) -> tuple[str, ...]:
    """What a company is called in a text: its name, and that without Inc., Corp. and the like."""
    short = name
    for _ in range(MOST_SUFFIXES):
        cut = _SUFFIX.sub("", short).rstrip(" ,.&")
        if cut == short or len(cut) < LEAST_NAME_CHARS:
            break
        short = cut
    return tuple(dict.fromkeys(each for each in (name, short) if each))


def entities_of(market: Market, principal: Principal, symbols: Iterable[str]) -> tuple[Entity, ...]:
    """Symbols with the names of their companies, as far as they are known on the principal's day."""
    wanted = list(dict.fromkeys(symbols))
    known = market.instruments.many(wanted, market.time.of(principal), principal)
    return tuple(entity_of(symbol, known[symbol].name if symbol in known else "") for symbol in wanted)


def entity_of(symbol: str, name: str) -> Entity:
    """A symbol with the name of its company, where one is known."""
    return Entity(key=symbol, names=tuple(each for each in names_of(cleaned(name, MAX_NAME_CHARS)) if each != symbol))


def shown(value: float | Decimal | None) -> float | int | None:
    """A number as a model is shown it: null for none, and for what is not finite."""
    if value is None or not isfinite(value):
        return None
    number = float(value)
    rounded = float(f"{number:.{LARGE_DIGITS if abs(number) >= LARGE else SIGNIFICANT_DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def figure(
    entity: str,
    measure: str,
    value: float | Decimal | date | None,
    unit: Unit = "number",
    *,
    day: date | None = None,
    first: date | None = None,
    currency: str | None = "",
) -> list[Figure]:
    """The figure in a list, which is empty where the number is missing: what is not known is no figure."""
    number = float(value.toordinal()) if isinstance(value, date) else value
    if number is None or not isfinite(number):
        return []
    return [
        Figure(
            entity=entity,
            measure=measure,
            value=float(number),
            unit="date" if isinstance(value, date) else unit,
            day=day,
            first=first,
            currency=currency or "",
        )
    ]


def cell(value: float | Decimal | None) -> Cell:
    """A number as a table has it."""
    return shown(value)


def day_words(day: date) -> str:
    """A day as a sentence has it: 1 March 2024."""
    return f"{day.day} {day:%B %Y}"


def window_words(first: date, last: date) -> str:
    """Two days as a sentence has them: 1 to 31 March 2024."""
    if first == last:
        return day_words(last)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {day_words(last)}"
    return f"{day_words(first)} to {day_words(last)}"


def listed(words: Sequence[str], most: int = 5) -> str:
    """Words as a sentence has them: AAPL, MSFT and 3 more."""
    if len(words) <= most:
        return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + (words[-1] if words else "")
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def as_of_day(market: Market, principal: Principal, day: date | None) -> AsOf:
    """The principal's date, or an earlier day that was asked for; a later one is the principal's date."""
    as_of = market.time.of(principal)
    if day is None or day >= as_of.day:
        return as_of
    return AsOf(day, Reason.CHOSEN, as_of.now)


MONTHS_OF_YEAR_1 = 12
"""Months before the first day that dates have."""


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last one of a shorter month; never before the first day there is."""
    place = day.year * 12 + day.month - 1 - months
    if place < MONTHS_OF_YEAR_1:
        return date.min
    year, month = divmod(place, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def bars_source(market: Market, principal: Principal, symbol: str, as_of: AsOf) -> Source:
    """Where the bars of a symbol come from."""
    about = market.bars.about(symbol, as_of, principal.org_id)
    if about is None:
        return Source(title="Bars", as_of=as_of.day)
    kind = about.dataset.partition(":")[0]
    whose = {"shipped": "Bars of the shipped sample", "own": "Bars of your organisation"}
    title = whose.get(kind, f"Bars of {cleaned(about.source, MAX_NAME_CHARS)}")
    return Source(
        title=f"{title}, adjusted for splits, not for dividends",
        as_of=min(about.last_day, as_of.day),
        is_generated=about.is_generated,
    )
