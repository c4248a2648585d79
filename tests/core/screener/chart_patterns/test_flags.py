"""Flags: drawn ones are found with their bars, near misses are not."""

from __future__ import annotations

import pytest

from core.screener.chart_patterns.life import End
from core.screener.direction import Direction
from tests.core.screener.chart_patterns.drawn import Corners, bar_of, bars_of, drawn, mirrored, the, types_of

IDLE = [(bar, 100 + bar % 2 * 0.5) for bar in range(30)]
FLAG = [*IDLE, (36, 110), (44, 107.5), (50, 115)]


def test_bull_flag_is_a_pole_and_a_channel_that_falls() -> None:
    series = drawn(*FLAG)

    pattern = the(series, "bull_flag")

    assert bars_of(series, pattern)[:2] == [(26, 100), (36, 110)]
    assert [pivot.label for pivot in pattern.pivots] == ["pole begins", "pole ends", "end of the flag"]
    assert pattern.direction is Direction.BULLISH
    assert (bar_of(series, pattern.confirmed_on), bar_of(series, pattern.triggered_on)) == (41, 45)
    assert pattern.target == pytest.approx(pattern.entry + 10)
    upper, lower = pattern.lines
    assert upper.first_price - lower.first_price == pytest.approx(upper.last_price - lower.last_price)
    assert upper.last_price < upper.first_price


def test_its_channel_holds_every_bar_of_the_flag() -> None:
    series = drawn(*FLAG)

    upper, lower = the(series, "bull_flag").lines

    for bar in range(37, 42):
        share = (bar - 37) / 4
        assert series.high[bar] <= upper.first_price + share * (upper.last_price - upper.first_price) + 1e-9
        assert series.low[bar] >= lower.first_price + share * (lower.last_price - lower.first_price) - 1e-9


def test_bear_flag_is_the_same_turned_over() -> None:
    series = drawn(*mirrored(FLAG))

    pattern = the(series, "bear_flag")

    assert bars_of(series, pattern)[:2] == [(26, 100), (36, 90)]
    assert pattern.direction is Direction.BEARISH
    assert pattern.target == pytest.approx(pattern.entry - 10)


def test_a_flag_that_gives_back_more_than_half_is_broken() -> None:
    series = drawn(*FLAG[:-2], (41, 108.4), (47, 101))

    assert the(series, "bull_flag").end is End.BROKEN


@pytest.mark.parametrize(
    "corners",
    [
        [*IDLE, (36, 101.3), (44, 100.9), (50, 103)],
        [*((bar, 100 + bar * 0.1 + bar % 2) for bar in range(90)), (98, 106), (104, 115)],
        [*IDLE, (36, 110), (40, 104), (48, 103), (54, 115)],
        [*IDLE, (36, 110), (37, 109), (46, 109.6), (50, 115)],
        [*IDLE, (36, 110), (37, 106), (38, 109.5), (39, 106), (40, 109.5), (41, 106), (44, 106)],
    ],
    ids=["a pole of 2 ATR", "a slow rise", "gives back too much", "rises with the pole", "too wide"],
)
def test_near_misses_are_no_flag(corners: Corners) -> None:
    assert not types_of(drawn(*corners)) & {"bull_flag"}
    assert not types_of(drawn(*mirrored(corners))) & {"bear_flag"}


def test_one_long_shadow_is_no_pole() -> None:
    series = drawn(*IDLE, (35, 101), (44, 99))
    series.low[28] = 98.2

    assert "bull_flag" not in types_of(series)
