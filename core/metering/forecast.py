"""What a month will cost by its end, if its days go on as the last ones did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from math import sqrt
from statistics import stdev

LOOK_BACK_DAYS = 28
"""Full days of which the mean is taken, at most: four whole weeks."""
LEAST_DAYS = 7
"""With fewer full days nothing is forecast."""
Z_80 = 1.2816
"""The 90 % quantile of the normal distribution: 80 % lie between it and its negative."""
METHOD = (
    "What was charged this month, and for each day that is left, the rest of today included, the mean of the last full "
    "days (at most 28, from the first with a request on). The range holds 80 % if days vary as these did."
)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What will have been charged by the end of the month."""

    total: Decimal
    least: Decimal
    """Of the range that holds 80 %; never less than what was charged already."""
    most: Decimal
    charged: Decimal
    """So far."""
    days: int
    """n: full days whose mean was taken."""


def forecast(charges: Mapping[date, Decimal], today: date, share_of_today: float) -> Forecast | None:
    """The month's charges, by those of its days and of the days before; None with too few full days.

    `charges` holds each day with a request in the 28 days before today and in the month; `share_of_today` is how much
    of today is over, 0 to 1.
    """
    full = full_days(charges, today)
    if len(full) < LEAST_DAYS:
        return None
    month_end = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    charged = sum((amount for day, amount in charges.items() if today.replace(day=1) <= day <= today), Decimal(0))
    left = (month_end - today).days - min(max(share_of_today, 0.0), 1.0)
    mean = sum(full) / len(full)
    # Of the sum of the days that are left, and of the mean that stands for them.
    spread = Z_80 * stdev(map(float, full)) * sqrt(left + left**2 / len(full))
    expected = float(mean) * left
    least, total, most = (
        charged + _usd(max(0.0, amount)) for amount in (expected - spread, expected, expected + spread)
    )
    return Forecast(total, least, most, charged, len(full))


def full_days(charges: Mapping[date, Decimal], today: date) -> list[Decimal]:
    """The charges of the full days before today, from the first with a request on: a day without one is zero."""
    window = [today - timedelta(days=number) for number in range(LOOK_BACK_DAYS, 0, -1)]
    begun = next((number for number, day in enumerate(window) if day in charges), len(window))
    return [charges.get(day, Decimal(0)) for day in window[begun:]]


def _usd(amount: float) -> Decimal:
    return Decimal(repr(amount)).quantize(Decimal("0.000000001"))
