"""Pivots: where price turns, and when that is known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from core.market.panel import Floats
from core.screener.chart_patterns.pivots import ATR_BARS, PIVOT_ATR, chart_of
from tests.core.screener.chart_patterns.drawn import delayed, drawn, of_closes, scaled, walked
from tests.core.screener.made_series import first_bars

ZIGZAG = drawn((0, 80), (25, 100), (35, 90), (45, 105), (55, 96), (60, 101))


def test_each_turn_is_a_pivot_and_they_alternate() -> None:
    pivots = chart_of(ZIGZAG).pivots

    assert pivots.bar.tolist() == [25, 35, 45, 55]
    assert pivots.price.tolist() == [100, 90, 105, 96]
    assert pivots.is_high.tolist() == [True, False, True, False]


def test_a_pivot_is_known_at_the_first_bar_that_is_far_enough_away() -> None:
    chart = chart_of(ZIGZAG)
    pivots = chart.pivots

    for bar, price, known in zip(pivots.bar, pivots.price, pivots.known, strict=True):
        reach = PIVOT_ATR * chart.atr[bar]
        away = np.maximum(np.abs(chart.low - price), np.abs(chart.high - price))[bar + 1 : known + 1]
        assert away[-1] > reach
        assert (away[:-1] <= reach + 1e-6).all()


def test_a_pivot_is_not_there_before_it_is_known() -> None:
    known = chart_of(ZIGZAG).pivots.known.tolist()

    assert [len(chart_of(first_bars(ZIGZAG, bar)).pivots) for bar in known] == [0, 1, 2, 3]
    assert [len(chart_of(first_bars(ZIGZAG, bar + 1)).pivots) for bar in known] == [1, 2, 3, 4]


def test_between_two_pivots_no_price_is_beyond_them() -> None:
    series = walked(8, 400, seed=3)
    chart = chart_of(series)

    assert len(chart.pivots) > 100
    for at, after in pairwise(range(len(chart.pivots))):
        if chart.pivots.stretch[at] != chart.pivots.stretch[after]:
            continue
        part = slice(chart.pivots.bar[at], chart.pivots.bar[after] + 1)
        prices = sorted([chart.pivots.price[at], chart.pivots.price[after]])
        assert chart.pivots.is_high[at] != chart.pivots.is_high[after]
        assert [chart.low[part].min(), chart.high[part].max()] == prices


@pytest.mark.parametrize(
    "closes",
    [np.full(300, 42.0), np.full(1, 1.0), np.array([1.0, 2.0, 1.0]), np.empty(0), np.linspace(1, 100, 300)],
    ids=["constant", "one bar", "three bars", "no bars", "one way"],
)
def test_prices_that_never_turn_have_no_pivots(closes: Floats) -> None:
    assert len(chart_of(of_closes({"A": closes})).pivots) == 0


def test_histories_shorter_than_the_average_true_range_have_none() -> None:
    closes = np.where(np.arange(ATR_BARS) % 2, 100.0, 50.0)

    assert len(chart_of(of_closes({"A": closes})).pivots) == 0


def test_a_long_gap_makes_two_histories_of_one() -> None:
    chart = chart_of(delayed(ZIGZAG, 40, 365))

    assert chart.starts.tolist() == [0, 40, 61]
    assert chart.pivots.bar.tolist() == [25, 35]
    assert np.isnan(chart.atr[40 : 40 + ATR_BARS]).all()


def test_holidays_are_no_gap() -> None:
    assert chart_of(delayed(ZIGZAG, 40, 12)).pivots.bar.tolist() == [25, 35, 45, 55]


@pytest.mark.parametrize("power", [-6, 4])
def test_the_scale_of_prices_does_not_matter(power: int) -> None:
    series = walked(1, 2_000, seed=9)

    pivots, others = chart_of(series).pivots, chart_of(scaled(series, 10.0**power)).pivots

    assert pivots.bar.tolist() == others.bar.tolist()
    assert pivots.known.tolist() == others.known.tolist()


def test_a_shadow_of_many_ranges_is_doubtful() -> None:
    series = walked(1, 100, seed=1)
    series.low[60] = series.low[60] * 0.2

    assert np.flatnonzero(chart_of(series).is_doubtful).tolist() == [60]
