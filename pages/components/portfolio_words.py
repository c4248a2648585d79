"""How a portfolio's figures read: money with its sign, shares of a whole, and the window that a return is of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from core.portfolio.report import Rate
from pages.components.money import SIGNS

NONE = "n/a"
QUANTITY_PLACES = 6
"""Decimals of a quantity that are shown."""
LARGE = Decimal(1_000_000)
"""From here on a figure of the ribbon is told without decimals."""


def money(amount: Decimal | float | None, currency: str, places: int = 2) -> str:
    """An amount: $1,234.50, −€0.40, 12.00 SEK; n/a where there is none."""
    if amount is None:
        return NONE
    told = f"{abs(Decimal(amount)):,.{places}f}"
    minus = "−" if amount < 0 and told.strip("0.") else ""
    sign = SIGNS.get(currency)
    return f"{minus}{told} {currency}" if sign is None else f"{minus}{sign}{told}"


def signed(amount: Decimal | float | None, currency: str) -> str:
    """An amount with its sign in front: +$12.00, −$3.50."""
    told = money(amount, currency)
    return f"+{told}" if amount is not None and amount > 0 else told


def rounded(amount: Decimal | None, currency: str) -> str:
    """An amount for a narrow place: from a million on without decimals."""
    return money(amount, currency, 0 if amount is not None and abs(amount) >= LARGE else 2)


def quantity(shares: Decimal) -> str:
    """Shares, without zeros at the end: 1,200 or 0.333333."""
    told = f"{round(shares, QUANTITY_PLACES):,f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def share(part: Decimal | float | None, places: int = 1) -> str:
    """A part of a whole: 18.0 %."""
    return NONE if part is None else f"{100 * float(part):.{places}f} %".replace("-", "−")


def change(fraction: Decimal | float | None, places: int = 2) -> str:
    """A return, with its sign: +5.00 %."""
    if fraction is None:
        return NONE
    percent = round(100 * float(fraction), places)
    return f"{percent:+,.{places}f} %".replace("-", "−") if percent else f"{0:.{places}f} %"


def day_of(day: date | None) -> str:
    """A day as pages tell it: 20 Aug 2010."""
    return NONE if day is None else f"{day.day} {day:%b %Y}"


def window(rate: Rate, counted: str = "days with a value") -> str:
    """Of which days a return is, and of how many."""
    if rate.first is None or rate.last is None:
        return rate.note
    words = f"From {day_of(rate.first)} to {day_of(rate.last)}, n {rate.n:,} {counted}."
    return f"{words} {rate.note}".strip()


def points(percent: float | None) -> float | None:
    """A fraction as a table's column in per cent has it."""
    return None if percent is None else 100 * percent


def number(amount: Decimal | None) -> float | None:
    """An amount as a table's column has it."""
    return None if amount is None else float(amount)
