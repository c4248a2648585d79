"""Chart patterns: the table, their levels and their ends, and bars that are odd."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.market.panel import Floats
from core.screener.chart_patterns.life import End
from core.screener.chart_patterns.patterns import (
    CHART_PATTERNS,
    chart_patterns_of,
    latest_chart_patterns_of,
)
from core.screener.chart_patterns.pivots import LONGEST_GAP_DAYS, chart_of
from core.screener.chart_patterns.shape import FORMING_BARS
from core.screener.direction import Direction
from tests.core.screener.chart_patterns.drawn import bar_of, delayed, drawn, of_closes, scaled, the, walked
from tests.core.screener.chart_patterns.test_reversals import SHOULDERS, TOPS
from tests.core.screener.made_panels import shipped_series
from tests.core.screener.made_series import first_bars

PATTERNS = chart_patterns_of(walked(60, 1_000, seed=4))


def test_every_type_is_named_and_explained_and_occurs() -> None:
    assert {pattern.type for pattern in PATTERNS} == set(CHART_PATTERNS)
    assert len({kind.label for kind in CHART_PATTERNS.values()}) == len(CHART_PATTERNS)
    assert all(kind.help.endswith(".") for kind in CHART_PATTERNS.values())


def test_levels_stand_on_their_side_of_the_entry() -> None:
    for pattern in PATTERNS:
        side = 1 if pattern.direction is Direction.BULLISH else -1
        assert side * (pattern.entry - pattern.stop) > 0
        if pattern.target is None:
            assert side < 0
        else:
            assert pattern.target > 0
            assert side * (pattern.target - pattern.entry) > 0


def test_pivots_come_first_then_the_confirmation_then_the_end() -> None:
    for pattern in PATTERNS:
        days = [pivot.day for pivot in pattern.pivots]
        assert days == sorted(days)
        assert days[-1] <= pattern.confirmed_on
        assert pattern.ended_on is None or pattern.ended_on >= pattern.confirmed_on
        assert (pattern.end is None) == (pattern.ended_on is None)


def test_a_signal_is_a_close_beyond_the_entry_and_the_first_one() -> None:
    series = walked(20, 500, seed=6)
    triggered = [pattern for pattern in chart_patterns_of(series) if pattern.triggered_on]

    assert triggered
    for pattern in triggered:
        bars = series.of(pattern.symbol)
        side = 1 if pattern.direction is Direction.BULLISH else -1
        assert side * (bars.close[bar_of(bars, pattern.triggered_on)] - pattern.entry) > 0


def test_the_stop_is_the_last_pivot_or_one_and_a_half_atr_whichever_is_nearer() -> None:
    series = drawn(*TOPS)
    pattern = the(series, "double_top")
    atr = chart_of(series).atr[bar_of(series, pattern.triggered_on)]

    assert pattern.stop == pytest.approx(92 + 1.5 * atr)
    assert pattern.stop < 100.5


def test_no_stop_is_nearer_to_the_line_than_half_an_atr() -> None:
    series = shipped_series()
    patterns = [pattern for pattern in chart_patterns_of(series) if pattern.triggered_on]
    atr = chart_of(series).atr
    first = dict(zip(series.symbols, series.firsts.tolist(), strict=True))
    risks = []
    for one in patterns:
        at = first[one.symbol] + bar_of(series.of(one.symbol), one.triggered_on)
        risks.append(abs(one.entry - one.stop) / atr[at])
    assert min(risks) == pytest.approx(0.5)
    assert max(risks) == pytest.approx(1.5)


def test_a_forming_pattern_has_the_levels_of_the_last_bar() -> None:
    series = drawn(*SHOULDERS)

    entries = [the(first_bars(series, bars), "head_and_shoulders").entry for bars in (65, 66)]

    assert entries == pytest.approx([94 + 0.5 / 20 * (bar - 33) for bar in (64, 65)])


def test_a_target_that_no_price_can_reach_is_missing() -> None:
    series = drawn((0, 5), (25, 30), (33, 11), (45, 50), (57, 11.1), (66, 30.1), (90, 5))

    assert the(series, "head_and_shoulders").target is None


def test_a_close_above_the_right_shoulder_breaks_the_pattern() -> None:
    series = drawn(*SHOULDERS[:-1], (65, 97), (80, 110))

    pattern = the(series, "head_and_shoulders")

    assert (pattern.end, pattern.triggered_on) == (End.BROKEN, None)
    assert pattern not in latest_chart_patterns_of(series)


def test_a_pattern_is_gone_when_its_line_is_not_crossed_in_time() -> None:
    series = drawn(*SHOULDERS[:-1], (66, 97), *((bar, 97.3 - bar % 2 * 0.3) for bar in range(67, 130)))

    pattern = the(series, "head_and_shoulders")

    assert pattern.end is End.EXPIRED
    confirmed = bar_of(series, pattern.confirmed_on)
    assert bar_of(series, pattern.ended_on) == confirmed + FORMING_BARS + 1
    assert the(first_bars(series, confirmed + FORMING_BARS + 1), "head_and_shoulders").is_forming


def test_a_forming_pattern_ends_at_a_long_gap() -> None:
    series = delayed(drawn(*SHOULDERS), 66, 365)

    pattern = the(series, "head_and_shoulders")

    assert pattern.end is End.EXPIRED
    assert bar_of(series, pattern.ended_on) == 66
    assert pattern.stop == the(first_bars(series, 66), "head_and_shoulders").stop
    assert the(first_bars(series, 66), "head_and_shoulders").is_forming


def test_no_pattern_reaches_over_a_long_gap() -> None:
    patterns = chart_patterns_of(delayed(walked(1, 2_000, seed=2), 1_000, 365))

    for pattern in patterns:
        days = [*(pivot.day for pivot in pattern.pivots), pattern.confirmed_on]
        gaps = [after - before for before, after in pairwise(days)]
        assert max(gaps) < timedelta(days=365)
    assert timedelta(days=LONGEST_GAP_DAYS) < timedelta(days=365)
    assert len(patterns) > 10


def test_while_one_of_a_type_forms_the_next_takes_its_place() -> None:
    for type_id in CHART_PATTERNS:
        of_type = [pattern for pattern in PATTERNS if pattern.type == type_id]
        for symbol in {pattern.symbol for pattern in of_type}:
            one_symbol = [pattern for pattern in of_type if pattern.symbol == symbol]
            for pattern, after in pairwise(one_symbol):
                assert pattern.ended_on is not None
                assert pattern.ended_on <= after.confirmed_on


def test_pivots_are_kept_as_json_for_the_page() -> None:
    pattern = the(drawn(*TOPS), "double_top")

    first, *_ = json.loads(pattern.pivots_json())

    assert first == {"day": pattern.pivots[0].day.isoformat(), "price": 100.0, "kind": "high", "label": "top"}


@pytest.mark.parametrize(
    "closes",
    [
        np.empty(0),
        np.array([5.0]),
        np.array([5.0, 6.0, 5.0]),
        np.full(400, 7.0),
        np.repeat([10.0, 20.0], 200),
        np.concatenate((np.full(300, 10.0), [10.01], np.full(100, 10.0))),
    ],
    ids=["no bars", "one bar", "three bars", "constant", "one step", "one spike"],
)
def test_odd_histories_have_no_pattern(closes: Floats) -> None:
    series = of_closes({"ODD": closes, "OTHER": np.full(2, 3.0)})

    assert chart_patterns_of(series) == latest_chart_patterns_of(series) == []


def test_no_symbols_have_no_patterns() -> None:
    assert chart_patterns_of(walked(1, 300, seed=1).split(2)[0]) == []


@pytest.mark.parametrize("factor", [1e-6, 0.01, 6_000.0, 1024.0])
def test_tiny_and_huge_prices_have_the_patterns_of_ordinary_ones(factor: float) -> None:
    series = walked(10, 500, seed=12)

    patterns, others = chart_patterns_of(series), chart_patterns_of(scaled(series, factor))

    assert [(one.type, one.confirmed_on, one.end, one.ended_on) for one in others] == [
        (one.type, one.confirmed_on, one.end, one.ended_on) for one in patterns
    ]
    assert [one.entry for one in others] == pytest.approx([one.entry * factor for one in patterns])
    assert [one.stop for one in others] == pytest.approx([one.stop * factor for one in patterns])
    assert len(patterns) > 50


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    daily=st.sampled_from([0.0005, 0.005, 0.02, 0.08]),
    decimals=st.integers(0, 2),
    power=st.integers(-5, 5),
)
def test_prices_in_ticks_have_the_same_patterns_at_each_scale(
    seed: int, daily: float, decimals: int, power: int
) -> None:
    """Such prices meet lines and bounds exactly, which rounding would decide."""
    series = walked(1, 400, seed=seed, daily=daily, decimals=decimals)

    patterns, others = chart_patterns_of(series), chart_patterns_of(scaled(series, 10.0**power))

    assert [(one.type, one.confirmed_on, one.end, one.ended_on) for one in others] == [
        (one.type, one.confirmed_on, one.end, one.ended_on) for one in patterns
    ]


def test_a_penny_share_that_moves_in_whole_ticks_is_no_error() -> None:
    series = walked(5, 500, seed=3, daily=0.05)
    rounded = scaled(series, 1e-6)
    for price in (rounded.open, rounded.high, rounded.low, rounded.close):
        np.maximum(price.round(4), 1e-4, out=price)

    assert all(pattern.entry > 0 and pattern.stop != pattern.entry for pattern in chart_patterns_of(rounded))


def test_no_close_crosses_a_level_line_before_the_pattern_is_known() -> None:
    series = walked(40, 1_000, seed=21)
    level = {"double_top", "double_bottom", "rectangle_bullish", "rectangle_bearish", "cup_and_handle"}
    patterns = [pattern for pattern in chart_patterns_of(series) if pattern.type in level]

    assert len(patterns) > 50
    for pattern in patterns:
        bars = series.of(pattern.symbol)
        side = 1 if pattern.direction is Direction.BULLISH else -1
        before = slice(bar_of(bars, pattern.pivots[-1].day) + 1, bar_of(bars, pattern.confirmed_on))
        assert (side * (bars.close[before] - pattern.entry) <= 0).all()
