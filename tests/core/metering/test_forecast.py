"""What a month will come to, worked out by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from statistics import NormalDist, stdev

import pytest

from core.metering.forecast import LEAST_DAYS, Z_80, forecast, full_days

TODAY = date(2026, 11, 21)
DAY = timedelta(days=1)


def _days(*amounts: str) -> dict[date, Decimal]:
    """Charges of the days before today, the last of them yesterday's."""
    return {TODAY - (len(amounts) - n) * DAY: Decimal(amount) for n, amount in enumerate(amounts)}


def test_each_day_that_is_left_costs_the_mean_of_the_full_days() -> None:
    found = forecast({**_days("1", "2", "3", "1", "2", "3", "2"), TODAY: Decimal("0.5")}, TODAY, 0.25)
    assert found is not None
    assert found.days == 7
    assert found.charged == Decimal("14.5")
    assert found.total == Decimal("14.5") + 2 * Decimal("9.75")  # nine days, and three quarters of today


def test_the_range_grows_with_the_spread_of_the_days_and_the_days_that_are_left() -> None:
    amounts = ("1", "2", "3", "1", "2", "3", "2")
    found = forecast(_days(*amounts), TODAY, 0.0)
    assert found is not None
    spread = Z_80 * stdev(map(float, amounts)) * (10 + 100 / 7) ** 0.5
    assert float(found.most - found.total) == pytest.approx(spread)
    assert float(found.total - found.least) == pytest.approx(spread)
    even = forecast(_days(*["2"] * 7), TODAY, 0.0)
    assert even is not None
    assert even.least == even.total == even.most


def test_it_never_forecasts_less_than_was_charged() -> None:
    found = forecast(_days("0", "0", "0", "0", "0", "0", "90"), TODAY, 0.5)
    assert found is not None
    assert found.least == found.charged == 90


@pytest.mark.parametrize("days", range(LEAST_DAYS))
def test_fewer_full_days_than_a_week_are_too_few(days: int) -> None:
    assert forecast({**_days(*["1"] * days), TODAY: Decimal(5)}, TODAY, 0.5) is None


def test_days_count_from_the_first_with_a_request_and_an_idle_day_is_zero() -> None:
    assert full_days({TODAY - 9 * DAY: Decimal(3), TODAY - 2 * DAY: Decimal(1)}, TODAY) == [3, 0, 0, 0, 0, 0, 0, 1, 0]
    assert len(full_days({TODAY - 40 * DAY: Decimal(1), TODAY - 28 * DAY: Decimal(1)}, TODAY)) == 28


def test_on_the_last_evening_nothing_is_left() -> None:
    last = date(2026, 11, 30)
    found = forecast({last - n * DAY: Decimal(1) for n in range(10)}, last, 1.0)
    assert found is not None
    assert found.total == found.charged == 10


def test_eighty_percent_lie_within_the_quantile() -> None:
    assert NormalDist().cdf(Z_80) - NormalDist().cdf(-Z_80) == pytest.approx(0.8, abs=1e-4)
