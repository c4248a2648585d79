"""How the ledger computes: in Decimals of fifty digits, booked to ten decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from core.portfolio.transactions import PLACES

CONTEXT = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""Ten decimals of the product of the two largest numbers that can be entered fit into it."""
NOTHING = Decimal(0)
UNIT = Decimal(1).scaleb(-PLACES)
CLOSED = Decimal("1e-9")
"""A quantity that is smaller is nothing: brokers round."""
MOST_PARTS = 100
"""Largest number of old shares in the plain form of a ratio."""
ROUNDED_FROM = 6
"""A ratio with so many decimals may be a plain one that was rounded: 0.142857 is one for seven."""


def booked(number: Decimal) -> Decimal:
    """Rounded to what is kept."""
    return number.quantize(UNIT, context=CONTEXT)


def part_of(total: Decimal, quantity: Decimal, of: Decimal) -> Decimal:
    """What falls to a quantity of a whole; `total` × `quantity` ÷ `of`, booked."""
    return CONTEXT.divide(CONTEXT.multiply(total, quantity), of).quantize(UNIT, context=CONTEXT)


def plain_ratio(ratio: Decimal) -> Fraction:
    """The ratio that was meant: one for seven where 0.142857 is told, else what is told."""
    exact = Fraction(ratio)
    decimals = -int(ratio.normalize(CONTEXT).as_tuple().exponent)
    if decimals < ROUNDED_FROM:
        return exact
    near = exact.limit_denominator(MOST_PARTS)
    rounded = CONTEXT.divide(Decimal(near.numerator), Decimal(near.denominator))
    is_meant = abs(rounded - ratio) <= Decimal(5).scaleb(-decimals - 1)
    return near if is_meant else exact


def times(quantity: Decimal, ratio: Fraction) -> Decimal:
    """A quantity in other shares, booked."""
    product = CONTEXT.multiply(quantity, Decimal(ratio.numerator))
    return CONTEXT.divide(product, Decimal(ratio.denominator)).quantize(UNIT, context=CONTEXT)


def plain(number: Decimal) -> str:
    """A number in words, without zeros at its end."""
    return f"{number.normalize(CONTEXT):f}"
