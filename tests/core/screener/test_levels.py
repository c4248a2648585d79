from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.screener.direction import Direction
from core.screener.indicators import indicators_of
from core.screener.levels import Levels, levels_of
from tests.core.screener.made_panels import drawn_in_cents, in_cents, with_prices
from tests.core.screener.made_series import drawn, first_bars, series_of


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([2e-6, 1.0, 12_000.0]),
    volatility=st.sampled_from([0.001, 0.02, 0.3]),
)
def test_levels_stand_in_order_at_every_price(seed: int, scale: float, volatility: float) -> None:
    series = with_prices(drawn(1, 120, seed=seed, volatility=volatility), lambda prices: prices * scale)
    for direction, side in ((Direction.BULLISH, 1), (Direction.BEARISH, -1)):
        levels = levels_of(indicators_of(series), direction)
        assert np.isnan(levels.entry[:14]).all(), "no true range yet"
        assert not np.isnan(levels.entry[14:]).any()
        assert ((levels.entry - levels.stop)[14:] * side > 0).all()
        assert ((levels.target - levels.entry)[14:] * side > 0).all()
        assert (np.minimum(levels.stop, levels.target)[14:] > 0).all()
        paid = (levels.target - levels.entry) / (levels.entry - levels.stop)
        np.testing.assert_allclose(levels.reward_risk[14:], paid[14:], rtol=1e-12)


def test_the_stop_is_at_the_last_swing_between_half_an_atr_and_two() -> None:
    series = drawn_in_cents(1, 300, seed=8)
    c = indicators_of(series)
    levels, atr = levels_of(c, Direction.BULLISH), c["atr_14"]
    swing = np.array([series.low[max(at - 9, 0) : at + 1].min() for at in range(300)])
    expected = np.clip(series.close - swing, 0.5 * atr, 2 * atr)
    np.testing.assert_allclose((levels.entry - levels.stop)[14:], expected[14:], rtol=1e-9)


def test_the_target_and_the_least_price_are_those_of_a_plain_reading() -> None:
    series = drawn(1, 300, seed=3, volatility=0.3)
    c = indicators_of(series)
    atr, close = c["atr_14"], series.close
    low, high = np.minimum.accumulate(series.low), np.maximum.accumulate(series.high)
    least = 0
    for direction, side in ((Direction.BULLISH, 1), (Direction.BEARISH, -1)):
        levels = levels_of(c, direction)
        for at in range(14, 250):
            swing = (
                series.low[max(at - 9, 0) : at + 1].min() if side > 0 else series.high[max(at - 9, 0) : at + 1].max()
            )
            risk = min(max(side * (close[at] - swing), 0.5 * atr[at]), 2 * atr[at])
            stop = max(close[at] - side * risk, 0.1 * close[at])
            risk = abs(close[at] - stop)
            reward = side * ((high if side > 0 else low)[at] - close[at])
            target = close[at] + side * (reward if 2 * risk <= reward <= 4 * risk else 2 * risk)
            least += min(stop, target) <= 0.1 * close[at]
            assert levels.stop[at] == pytest.approx(stop)
            assert levels.target[at] == pytest.approx(max(target, 0.1 * close[at]))
    assert least


def test_the_target_is_the_52_week_high_where_it_pays_enough_and_else_twice_the_risk() -> None:
    series = drawn_in_cents(1, 300, seed=8)
    levels = levels_of(indicators_of(series), Direction.BULLISH)
    high = np.maximum.accumulate(series.high)
    is_high = levels.target == high
    rest = levels.reward_risk[14:][~is_high[14:]]

    assert is_high.any()
    assert ((levels.reward_risk[is_high] >= 2) & (levels.reward_risk[is_high] <= 4)).all()
    np.testing.assert_allclose(rest, 2.0, rtol=1e-9)


def test_a_bearish_signal_has_the_mirrored_levels() -> None:
    series = drawn_in_cents(1, 200, seed=6)
    top = 3 * float(series.high.max())
    mirrored = with_prices(series, lambda prices: top - prices)
    flipped = replace(mirrored, high=mirrored.low, low=mirrored.high)
    here, there = (
        levels_of(indicators_of(series), Direction.BULLISH),
        levels_of(indicators_of(flipped), Direction.BEARISH),
    )
    for name in ("entry", "stop", "target"):
        np.testing.assert_allclose(getattr(there, name)[14:], top - getattr(here, name)[14:], rtol=1e-9)


def test_without_a_range_there_are_no_levels() -> None:
    series = series_of({"A": [(5.0, 5.0, 5.0, 5.0)] * 60})
    for direction in Direction:
        levels = levels_of(indicators_of(series), direction)
        assert all(np.isnan(each).all() for each in _all(levels))


def test_levels_know_no_size_of_prices() -> None:
    plain = drawn_in_cents(2, 300, seed=9)
    here = levels_of(indicators_of(plain), Direction.BEARISH)
    for scale in (1e-6, 12_000.0):
        there = levels_of(indicators_of(in_cents(plain, scale)), Direction.BEARISH)
        np.testing.assert_allclose(there.stop, here.stop * scale, rtol=1e-9)
        np.testing.assert_allclose(there.reward_risk, here.reward_risk, rtol=1e-6)


@pytest.mark.parametrize("kept", [20, 150])
def test_later_bars_change_no_level(kept: int) -> None:
    series = drawn_in_cents(1, 300, seed=2)
    for direction in Direction:
        whole = levels_of(indicators_of(series), direction)
        known = levels_of(indicators_of(first_bars(series, kept)), direction)
        for one, other in zip(_all(known), _all(whole), strict=True):
            assert np.array_equal(one, other[:kept], equal_nan=True)


def _all(levels: Levels) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    return [levels.entry, levels.stop, levels.target, levels.reward_risk]
