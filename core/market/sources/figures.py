"""Figures as vendors write them, strings, nulls, pence and percentages among them, read into what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from core.market.sources.contract import ActionKind, Adjustment, BarHistory, CorporateAction
from core.market.sources.remote import Vendor

if TYPE_CHECKING:
    import polars as pl

HIGHEST = Decimal("1e12")
"""Past this a figure is no price, and past its square no volume."""
HUNDREDTHS = {"GBp": "GBP", "GBX": "GBP", "GBx": "GBP", "ILA": "ILS", "ZAc": "ZAR", "ZAC": "ZAR", "USX": "USD"}
"""Units that are a hundredth of a currency, as vendors name them; capitals matter."""
THOUSANDTHS = {"KWF": "KWD"}
PRICES = ("open", "high", "low", "close")
_HALVES = re.compile(r"[\ud800-\udfff]")


def number(value: object) -> Decimal | None:
    """A finite number, also one written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        read = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return read if read.is_finite() and abs(read) <= HIGHEST**2 else None


def price(value: object) -> Decimal | None:
    """A price; what is missing, no number, zero or below it is none."""
    read = number(value)
    return read if read is not None and 0 < read <= HIGHEST else None


def amount(value: object) -> Decimal | None:
    """A number that is not below 0, as a volume."""
    read = number(value)
    return read if read is not None and read >= 0 else None


@dataclass(frozen=True, slots=True)
class Unit:
    """What prices are quoted in."""

    currency: str | None
    """ISO 4217; None where nobody says."""
    per_currency: Decimal = Decimal(1)
    """How many of it make one of the currency: 100 of pence."""


def unit(told: object) -> Unit | None:
    """The unit of that name; None where it is not known."""
    name = told.strip() if isinstance(told, str) else ""
    if name in HUNDREDTHS:
        return Unit(HUNDREDTHS[name], Decimal(100))
    if name in THOUSANDTHS:
        return Unit(THOUSANDTHS[name], Decimal(1000))
    if len(name) == 3 and name.isascii() and name.isalpha() and name.isupper():
        return Unit(name)
    return None


def change(now: Decimal, before: Decimal | None) -> Decimal | None:
    """The change since `before`, as a fraction."""
    return None if before is None else round((now - before) / before, 8)


def day(value: object) -> date | None:
    """A date written as 2026-11-20, also at the head of a moment."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def moment(epoch_s: object) -> datetime | None:
    """The moment of so many seconds since 1970."""
    read = amount(epoch_s)
    try:
        return None if not read else datetime.fromtimestamp(float(read), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def whole(value: object) -> int | None:
    """A whole number."""
    read = number(value)
    return int(read) if read is not None and read == read.to_integral_value() else None


def mapping(value: object) -> Mapping[str, Any]:
    """The JSON object that stands at this place, or an empty one."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """The JSON array that stands at this place, or an empty one."""
    return value if isinstance(value, list) else []


def text(value: object) -> str:
    """The text that stands at this place, or an empty one; half of a character, as JSON may hold it, is left out."""
    return _HALVES.sub("", value).strip() if isinstance(value, str) else ""


def is_same(asked: str, answered: object) -> bool:
    """Whether an answer is about the symbol that was asked for; BRK.B, BRK-B and BRK/B are one."""
    return isinstance(answered, str) and _folded(asked) == _folded(answered)


def _folded(symbol: str) -> str:
    return re.sub(r"[./\- ]", "-", symbol.strip().upper())


Row = tuple[date, Mapping[str, object]]
"""A day, and its open, high, low, close and volume as the vendor wrote them."""


def history(
    vendor: Vendor,
    symbol: str,
    rows: Iterable[Row],
    *,
    first: date,
    last: date,
    adjustment: Adjustment,
    unit: Unit = Unit(None),
    actions: tuple[CorporateAction, ...] = (),
) -> BarHistory:
    """Bars in order, one a day; of two of one day the later row that has a close is taken.

    A day without any price is no bar, and neither is a last day without a close: it has not ended, or not for us.

    Raises:
        NoData: no bar is left.
    """
    by_day: dict[date, dict[str, float | None]] = {}
    for day, values in rows:
        bar = _bar(values, unit.per_currency) if first <= day <= last else None
        if bar is not None and (bar["close"] is not None or day not in by_day):
            by_day[day] = bar
    days = [day for day in sorted(by_day) if any(by_day[day][name] is not None for name in PRICES)]
    while days and by_day[days[-1]]["close"] is None:
        days.pop()
    if not days:
        raise vendor.nothing("no_bars")
    inside = tuple(action for action in actions if first <= action.ex_date <= last)
    return BarHistory(symbol, unit.currency, adjustment, _frame(days, by_day), inside)


def actions(vendor: Vendor, kind: ActionKind, rows: Iterable[tuple[object, object]]) -> tuple[CorporateAction, ...]:
    """Splits or dividends by their day, oldest first, from days and values as the vendor wrote them."""
    read = [(day(told), price(value)) for told, value in rows]
    if any(ex_date is None or (value is None and kind is ActionKind.SPLIT) for ex_date, value in read):
        raise vendor.down("unreadable")
    found = [CorporateAction(ex_date, kind, value) for ex_date, value in read if ex_date and value]
    return tuple(sorted(found, key=lambda action: action.ex_date))


def _bar(values: Mapping[str, object], divisor: Decimal) -> dict[str, float | None]:
    prices = {name: price(values.get(name)) for name in PRICES}
    volume = amount(values.get("volume"))
    return {
        **{name: None if read is None else float(read / divisor) for name, read in prices.items()},
        "volume": None if volume is None else float(volume),
    }


def _frame(days: list[date], by_day: Mapping[date, Mapping[str, float | None]]) -> pl.DataFrame:
    import polars as pl

    columns = (*PRICES, "volume")
    return pl.DataFrame(
        {"date": days, **{name: [by_day[day][name] for day in days] for name in columns}},
        schema={"date": pl.Date, **dict.fromkeys(columns, pl.Float64)},
    )
