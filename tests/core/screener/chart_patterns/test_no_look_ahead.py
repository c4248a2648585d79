"""Nothing is told with the help of a later bar: each cut of a history has the patterns that it had on that day."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.screener.chart_patterns.patterns import ChartPattern, chart_patterns_of, latest_chart_patterns_of
from core.screener.series import Series
from tests.core.screener.chart_patterns.drawn import delayed, shipped, walked
from tests.core.screener.made_series import first_bars

WALKS = {"seed": st.integers(0, 2**32), "daily": st.sampled_from([0.0005, 0.01, 0.04, 0.2])}


def as_it_stood(pattern: ChartPattern, on: np.datetime64) -> ChartPattern:
    """A pattern before the end that came later; its levels then are those of another day."""
    if pattern.ended_on is not None and np.datetime64(pattern.ended_on) <= on:
        return pattern
    return replace(pattern, end=None, ended_on=None, entry=0, stop=0, target=None)


def assert_same(whole: Series, part: Series) -> None:
    """The part, which begins where the whole begins, has the patterns that the whole had by then."""
    day = part.dates[-1]
    by_then = [pattern for pattern in chart_patterns_of(whole) if np.datetime64(pattern.confirmed_on) <= day]
    assert [as_it_stood(pattern, day) for pattern in chart_patterns_of(part)] == [
        as_it_stood(pattern, day) for pattern in by_then
    ]


@settings(max_examples=100, deadline=None)
@given(bars=st.integers(1, 500), share=st.floats(0.01, 1), **WALKS)
def test_a_shorter_history_has_the_patterns_of_the_longer_one(bars: int, share: float, seed: int, daily: float) -> None:
    series = walked(1, bars, seed=seed, daily=daily)

    assert_same(series, first_bars(series, max(1, round(bars * share))))


@settings(max_examples=40, deadline=None)
@given(bars=st.integers(30, 300), share=st.floats(0.1, 1), gap=st.floats(0.1, 0.9), **WALKS)
def test_a_long_gap_changes_nothing_before_it(bars: int, share: float, gap: float, seed: int, daily: float) -> None:
    series = delayed(walked(1, bars, seed=seed, daily=daily, decimals=1), round(bars * gap), 400)

    assert_same(series, first_bars(series, round(bars * share)))


def test_each_day_of_a_real_history_has_the_patterns_of_the_whole_one() -> None:
    series = first_bars(shipped("wiki", ["AAPL"]), 600)

    for bars in range(100, 600, 7):
        assert_same(series, first_bars(series, bars))


def test_a_pattern_is_there_on_the_day_it_is_confirmed_and_triggered_on_and_not_a_day_earlier() -> None:
    series = walked(1, 500, seed=8)
    patterns = chart_patterns_of(series)

    assert len(patterns) > 3
    for pattern in patterns:
        known = int(np.searchsorted(series.dates, np.datetime64(pattern.confirmed_on)))
        assert pattern.pivots not in [found.pivots for found in chart_patterns_of(first_bars(series, known))]
        assert pattern.pivots in [found.pivots for found in chart_patterns_of(first_bars(series, known + 1))]
        if pattern.triggered_on:
            signal = int(np.searchsorted(series.dates, np.datetime64(pattern.triggered_on)))
            assert pattern in latest_chart_patterns_of(first_bars(series, signal + 1))
            assert pattern not in latest_chart_patterns_of(first_bars(series, signal))


@settings(max_examples=40, deadline=None)
@given(symbols=st.integers(1, 9), parts=st.integers(1, 4), bars=st.integers(1, 300), **WALKS)
@example(symbols=9, parts=4, bars=250, seed=1, daily=0.02)
def test_it_does_not_matter_how_a_universe_is_cut(symbols: int, parts: int, bars: int, seed: int, daily: float) -> None:
    series = walked(symbols, bars, seed=seed, daily=daily)

    def keyed(patterns: list[ChartPattern]) -> list[ChartPattern]:
        return sorted(patterns, key=lambda pattern: (pattern.symbol, pattern.confirmed_on, pattern.type, str(pattern)))

    apart = [pattern for part in series.split(parts) for pattern in chart_patterns_of(part)]
    assert keyed(apart) == keyed(chart_patterns_of(series))


@settings(max_examples=60, deadline=None)
@given(bars=st.integers(1, 500), **WALKS)
def test_the_latest_bar_alone_gives_what_the_history_gives_for_it(bars: int, seed: int, daily: float) -> None:
    series = walked(3, bars, seed=seed, daily=daily)
    last = series.dates[-1]

    assert latest_chart_patterns_of(series) == [
        pattern
        for pattern in chart_patterns_of(series)
        if pattern.is_forming or (pattern.triggered_on and np.datetime64(pattern.triggered_on) == last)
    ]


def test_a_scan_of_250_bars_tells_of_its_day_what_the_whole_history_tells() -> None:
    series = walked(1, 2_000, seed=31)
    signals = [pattern for pattern in chart_patterns_of(series) if pattern.triggered_on]
    ends = {int(np.searchsorted(series.dates, np.datetime64(str(pattern.triggered_on)))) + 1 for pattern in signals}

    assert len(ends) > 10
    for end in ends - set(range(400)):
        day = series.dates[end - 1].item()
        found = latest_chart_patterns_of(first_bars(series, end).tail(250))
        assert {(pattern.type, pattern.pivots) for pattern in found if pattern.triggered_on} == {
            (pattern.type, pattern.pivots) for pattern in signals if pattern.triggered_on == day
        }
