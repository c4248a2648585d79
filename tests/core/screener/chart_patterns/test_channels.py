"""Channels: drawn ones are found with their bars, near misses are not."""

from __future__ import annotations

import pytest

from core.screener.chart_patterns.life import End
from core.screener.direction import Direction
from tests.core.screener.chart_patterns.drawn import Corners, bar_of, bars_of, drawn, mirrored, the, types_of

RISING = [(0, 80), (20, 100), (28, 95), (40, 106), (48, 101), (60, 112), (68, 107), (76, 115.5), (96, 95)]


def test_rising_channel_is_found_with_three_touches_each_way() -> None:
    series = drawn(*RISING)

    pattern = the(series, "rising_channel")

    assert bars_of(series, pattern) == [(20, 100), (28, 95), (40, 106), (48, 101), (60, 112), (68, 107)]
    assert pattern.direction is Direction.BEARISH
    assert pattern.end is End.TRIGGERED
    assert (bar_of(series, pattern.confirmed_on), bar_of(series, pattern.triggered_on)) == (70, 81)
    assert pattern.entry == pytest.approx(95 + 0.3 * (81 - 28))
    assert pattern.target == pytest.approx(pattern.entry - 7.4)


def test_its_lines_are_parallel_and_run_along_the_pivots() -> None:
    series = drawn(*RISING)

    upper, lower = the(series, "rising_channel").lines

    assert (upper.first_price, lower.first_price) == pytest.approx((100, 95 - 0.3 * 8))
    assert upper.last_price - lower.last_price == pytest.approx(7.4)


def test_falling_channel_is_the_same_turned_over() -> None:
    series = drawn(*mirrored(RISING))

    pattern = the(series, "falling_channel")

    assert bars_of(series, pattern) == [(20, 100), (28, 105), (40, 94), (48, 99), (60, 88), (68, 93)]
    assert pattern.direction is Direction.BULLISH
    assert pattern.entry == pytest.approx(105 - 0.3 * (81 - 28))


def test_a_close_above_a_rising_channel_ends_it() -> None:
    series = drawn(*RISING[:7], (90, 130))

    assert the(series, "rising_channel").end is End.BROKEN


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 80), (20, 100), (28, 95), (40, 106), (48, 102.5), (60, 112), (68, 110), (76, 115.5)],
        [(0, 80), (20, 100), (28, 95), (40, 109), (48, 101), (60, 112), (68, 107), (76, 115.5)],
        [(0, 80), (20, 100), (28, 92), (40, 100.5), (48, 92.5), (60, 101), (68, 93), (76, 99)],
        RISING[:5],
    ],
    ids=["not parallel", "a top off the line", "level", "two touches"],
)
def test_near_misses_are_no_channel(corners: Corners) -> None:
    for path in (corners, mirrored(corners)):
        assert not types_of(drawn(*path)) & {"rising_channel", "falling_channel"}
