"""How prices read: with the sign of their currency, and digits that fit their size."""

from __future__ import annotations

from decimal import Decimal

SIGNS = {
    "USD": "$",
    "EUR": "€",
    "GBP": "£",
    "INR": "₹",
    "JPY": "¥",
    "CHF": "CHF ",
    "CAD": "C$",
    "AUD": "A$",
    "HKD": "HK$",
}
"""Of currencies that are told apart by it; the others are named."""
SMALL = Decimal(1)
"""Prices below this are told to four decimals."""


def price(amount: Decimal | None, currency: str | None) -> str:
    """A price: $1,234.50, ₹0.1234, 12.00 SEK; n/a where there is none."""
    if amount is None:
        return "n/a"
    digits = 4 if abs(amount) < SMALL else 2
    sign = SIGNS.get(currency or "")
    if sign is not None:
        return f"{'−' if amount < 0 else ''}{sign}{abs(amount):,.{digits}f}"
    return f"{amount:,.{digits}f} {currency or ''}".strip()


def change(fraction: Decimal | None) -> str:
    """A change in per cent, with its sign: +1.25 %, −0.40 %; n/a where there is none."""
    if fraction is None:
        return "n/a"
    return f"{fraction * 100:+.2f} %".replace("-", "−")


def age(seconds: float) -> str:
    """How old something is, in its largest unit: 40 seconds, 3 minutes, 5 hours, 12 days."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    count = max(0, int(seconds))
    return f"{count} second{'' if count == 1 else 's'}"
