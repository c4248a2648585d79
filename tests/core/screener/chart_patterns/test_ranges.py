"""Triangles and rectangles: drawn ones are found with their bars, near misses are not."""

from __future__ import annotations

import pytest

from core.screener.chart_patterns.life import End
from core.screener.chart_patterns.patterns import chart_patterns_of
from tests.core.screener.chart_patterns.drawn import Corners, bar_of, bars_of, drawn, mirrored, the, types_of

ASCENDING = [(0, 80), (20, 100), (28, 90), (36, 100.3), (44, 93), (52, 100.2), (53, 99.8), (60, 96.5)]
SYMMETRICAL = [(0, 80), (20, 104), (28, 90), (36, 101.5), (43, 92.5), (50, 98.9), (55, 95), (65, 110)]
RECTANGLE = [(0, 80), (20, 100), (28, 92), (36, 100.3), (44, 92.2), (52, 100.1), (56, 95), (70, 110)]
TRIANGLES = {
    "ascending_triangle",
    "descending_triangle",
    "symmetrical_triangle_bullish",
    "symmetrical_triangle_bearish",
    "rectangle_bullish",
    "rectangle_bearish",
}


def found(corners: Corners) -> set[str]:
    return types_of(drawn(*corners)) & TRIANGLES


def test_ascending_triangle_has_level_highs_and_rising_lows() -> None:
    series = drawn(*ASCENDING)

    pattern = the(series, "ascending_triangle")

    assert bars_of(series, pattern) == [(20, 100), (28, 90), (36, 100.3), (44, 93), (52, 100.2)]
    assert pattern.is_forming
    assert pattern.entry == 100.3
    upper, lower = pattern.lines
    assert (upper.first_price, upper.last_price) == (100.3, 100.3)
    assert (bar_of(series, lower.first_day), lower.first_price) == (28, 90)
    assert lower.last_price == pytest.approx(90 + 3 / 16 * (bar_of(series, lower.last_day) - 28))
    assert pattern.target == pytest.approx(100.3 + 10.3)


def test_descending_triangle_is_the_same_turned_over() -> None:
    series = drawn(*mirrored(ASCENDING))

    pattern = the(series, "descending_triangle")

    assert bars_of(series, pattern) == [(20, 100), (28, 110), (36, 99.7), (44, 107), (52, 99.8)]
    assert pattern.entry == pytest.approx(99.7)
    assert pattern.target == pytest.approx(99.7 - 10.3)


def test_three_lows_make_a_triangle_as_three_highs_do() -> None:
    corners = [(0, 120), (20, 90), (28, 100), (36, 92.5), (44, 100.3), (52, 95), (58, 99)]

    pattern = the(drawn(*corners), "ascending_triangle")

    assert bars_of(drawn(*corners), pattern) == [(20, 90), (28, 100), (36, 92.5), (44, 100.3), (52, 95)]


def test_symmetrical_triangle_is_two_patterns_until_a_close_leaves_it() -> None:
    series = drawn(*SYMMETRICAL)

    up, down = the(series, "symmetrical_triangle_bullish"), the(series, "symmetrical_triangle_bearish")

    assert bars_of(series, up) == [(20, 104), (28, 90), (36, 101.5), (43, 92.5), (50, 98.9)]
    assert up.pivots == down.pivots
    assert (up.end, down.end) == (End.TRIGGERED, End.BROKEN)
    assert up.ended_on == down.ended_on
    assert up.entry == pytest.approx(104 - 5.1 / 30 * (57 - 20))
    assert bar_of(series, up.triggered_on) == 57


def test_turned_over_it_is_left_downwards() -> None:
    series = drawn(*mirrored(SYMMETRICAL))

    assert the(series, "symmetrical_triangle_bearish").end is End.TRIGGERED
    assert the(series, "symmetrical_triangle_bullish").end is End.BROKEN


def test_rectangle_has_level_highs_and_lows() -> None:
    series = drawn(*RECTANGLE)

    up, down = the(series, "rectangle_bullish"), the(series, "rectangle_bearish")

    assert bars_of(series, up) == [(20, 100), (28, 92), (36, 100.3), (44, 92.2), (52, 100.1)]
    assert (up.entry, down.entry) == (100.3, 92)
    assert up.target == pytest.approx(100.3 + 8.3)
    assert (up.end, down.end) == (End.TRIGGERED, End.BROKEN)


def test_rectangle_turned_over_is_left_downwards() -> None:
    series = drawn(*mirrored(RECTANGLE))

    assert the(series, "rectangle_bearish").end is End.TRIGGERED
    assert the(series, "rectangle_bullish").end is End.BROKEN


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 80), (20, 100), (28, 92), (36, 101.2), (44, 92.2), (52, 100.1), (58, 95)],
        [(0, 80), (20, 100), (28, 92), (36, 100.3), (44, 90.9), (52, 100.1), (58, 95)],
        [(0, 80), (20, 100), (28, 90), (36, 103), (44, 88), (52, 106), (58, 95)],
        [(0, 80), (20, 104), (28, 90), (36, 99), (43, 92.5), (50, 100.9), (56, 95)],
        [(0, 80), (20, 125), (28, 90), (36, 101.5), (43, 92.5), (50, 100.2), (54, 96)],
        [(0, 80), (20, 104), (58, 90), (66, 101.5), (71, 92.5), (76, 98.9), (81, 95)],
    ],
    ids=["a top 1 % off", "a bottom 1 % off", "widening", "tops fall, then rise", "bent", "a trend and a pause"],
)
def test_near_misses_are_neither(corners: Corners) -> None:
    assert found(corners) == set()
    assert found(mirrored(corners)) == set()


def test_a_triangle_is_gone_where_its_lines_meet() -> None:
    flat = [(bar, 96.2) for bar in range(56, 120)]
    series = drawn(*SYMMETRICAL[:6], *flat)

    ends = {pattern.type: pattern for pattern in chart_patterns_of(series) if pattern.type in TRIANGLES}

    assert all(pattern.end is not None for pattern in ends.values())
    apex = 20 + 14.714 / (5.1 / 30 + 2.5 / 15)
    assert all(bar_of(series, pattern.ended_on) <= apex + 22 for pattern in ends.values())
