"""Head and shoulders and double tops: drawn ones are found with their bars, near misses are not."""

from __future__ import annotations

import pytest

from core.screener.chart_patterns.life import End
from core.screener.direction import Direction
from tests.core.screener.chart_patterns.drawn import Corners, bar_of, bars_of, drawn, mirrored, the, types_of

SHOULDERS = [(0, 80), (25, 100), (33, 94), (43, 108), (53, 94.5), (61, 100.5), (80, 80)]
TOPS = [(0, 60), (25, 90), (30, 84), (45, 100), (58, 92), (71, 100.5), (90, 80)]
TOPS_WITH_ONE_BETWEEN = [(0, 60), (25, 100), (33, 92), (41, 97), (49, 91), (59, 100.5), (80, 80)]


def changed(corners: Corners, bar: int, price: float) -> Corners:
    """The same with another price at a corner."""
    return [(at, price if at == bar else value) for at, value in corners]


def test_head_and_shoulders_is_found_with_its_five_pivots() -> None:
    series = drawn(*SHOULDERS)

    pattern = the(series, "head_and_shoulders")

    assert bars_of(series, pattern) == [(25, 100), (33, 94), (43, 108), (53, 94.5), (61, 100.5)]
    assert [pivot.label for pivot in pattern.pivots] == ["left shoulder", "trough", "head", "trough", "right shoulder"]
    assert [pivot.kind for pivot in pattern.pivots] == ["high", "low", "high", "low", "high"]
    assert pattern.direction is Direction.BEARISH


def test_it_is_confirmed_by_the_fall_from_the_right_shoulder_and_triggered_by_a_close_below_the_neckline() -> None:
    series = drawn(*SHOULDERS)

    pattern = the(series, "head_and_shoulders")

    assert (bar_of(series, pattern.confirmed_on), bar_of(series, pattern.triggered_on)) == (64, 67)
    neckline = [94 + 0.5 / 20 * (bar - 33) for bar in (66, 67)]
    assert series.close[66] > neckline[0]
    assert series.close[67] < neckline[1]
    assert pattern.entry == pytest.approx(neckline[1])
    assert pattern.entry - (pattern.target or 0) == pytest.approx(108 - 94.25)


def test_the_neckline_runs_through_the_troughs() -> None:
    series = drawn(*SHOULDERS)

    (line,) = the(series, "head_and_shoulders").lines

    assert (line.name, bar_of(series, line.first_day), line.first_price) == ("neckline", 33, 94)
    assert bar_of(series, line.last_day) == 64
    assert line.last_price == pytest.approx(94 + 0.5 / 20 * (64 - 33))


def test_inverse_head_and_shoulders_is_the_same_turned_over() -> None:
    series = drawn(*mirrored(SHOULDERS))

    pattern, twin = the(series, "inverse_head_and_shoulders"), the(drawn(*SHOULDERS), "head_and_shoulders")

    assert bars_of(series, pattern) == [(25, 100), (33, 106), (43, 92), (53, 105.5), (61, 99.5)]
    assert pattern.direction is Direction.BULLISH
    assert (pattern.confirmed_on, pattern.triggered_on) == (twin.confirmed_on, twin.triggered_on)
    assert [pattern.entry, pattern.stop, pattern.target] == pytest.approx(
        [200 - twin.entry, 200 - twin.stop, 200 - (twin.target or 0)]
    )


@pytest.mark.parametrize(
    "corners",
    [
        changed(SHOULDERS, 61, 102.1),
        changed(SHOULDERS, 53, 96.0),
        changed(SHOULDERS, 43, 101.0),
        changed(SHOULDERS, 43, 100.2),
    ],
    ids=["shoulders 2 % apart", "troughs 2 % apart", "three tops", "head below a shoulder"],
)
def test_near_misses_are_no_head_and_shoulders(corners: Corners) -> None:
    assert "head_and_shoulders" not in types_of(drawn(*corners))
    assert "inverse_head_and_shoulders" not in types_of(drawn(*mirrored(corners)))


def test_double_top_is_found_with_its_tops_and_the_trough_between() -> None:
    series = drawn(*TOPS)

    pattern = the(series, "double_top")

    assert bars_of(series, pattern) == [(45, 100), (58, 92), (71, 100.5)]
    assert [pivot.label for pivot in pattern.pivots] == ["top", "trough", "top"]
    assert pattern.end is End.TRIGGERED
    assert pattern.entry == 92
    assert pattern.target == pytest.approx(92 - 8.25)
    assert series.close[bar_of(series, pattern.triggered_on)] < 92


def test_a_lower_top_between_two_high_ones_does_not_hide_them() -> None:
    series = drawn(*TOPS_WITH_ONE_BETWEEN)

    pattern = the(series, "double_top")

    assert bars_of(series, pattern) == [(25, 100), (49, 91), (59, 100.5)]


def test_double_bottom_is_the_same_turned_over() -> None:
    series = drawn(*mirrored(TOPS))

    pattern = the(series, "double_bottom")

    assert bars_of(series, pattern) == [(45, 100), (58, 108), (71, 99.5)]
    assert [pivot.label for pivot in pattern.pivots] == ["bottom", "peak", "bottom"]
    assert pattern.direction is Direction.BULLISH
    assert pattern.entry == 108


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 60), (25, 90), (30, 84), (45, 100), (55, 92), (65, 100.5), (85, 80)],
        [(0, 60), (25, 90), (30, 84), (45, 100), (56, 92), (67, 100.5), (85, 80)],
        changed(TOPS, 71, 101.7),
        changed(TOPS, 25, 103),
    ],
    ids=["20 bars apart", "22 bars apart", "1.7 % apart", "below an earlier top"],
)
def test_near_misses_are_no_double_top(corners: Corners) -> None:
    assert "double_top" not in types_of(drawn(*corners))
    assert "double_bottom" not in types_of(drawn(*mirrored(corners)))


def test_in_a_quiet_series_prices_are_not_alike_because_they_are_near() -> None:
    calm = [(bar, 1000 + price / 10) for bar, price in changed(SHOULDERS, 61, 106)]

    assert "head_and_shoulders" not in types_of(drawn(*calm))
