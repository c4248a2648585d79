"""Outcomes of entries: the next open, the close of the last session held, and nothing that is not known yet."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.screener.outcomes import HORIZONS, Benchmark, Outcome, Outcomes
from core.screener.series import LONGEST_GAP_DAYS, Series
from tests.core.screener.made_series import FIRST, drawn, first_bars, series_of, weekdays

BARS = [
    (100.0, 101.0, 99.0, 100.0),
    (100.0, 104.0, 98.0, 102.0),
    (103.0, 110.0, 102.0, 108.0),
    (107.0, 109.0, 90.0, 95.0),
    (96.0, 97.0, 94.0, 96.0),
    (96.0, 99.0, 95.0, 98.0),
    (98.0, 120.0, 97.0, 115.0),
]


def test_an_entry_is_made_at_the_next_open_and_left_at_the_close_of_the_last_session_held() -> None:
    outcomes = Outcomes(series_of({"A": BARS}))
    one, five = outcomes.over(1), outcomes.over(5)
    assert one.move[0] == pytest.approx(102 / 100 - 1)
    assert one.move[1] == pytest.approx(108 / 103 - 1)
    assert five.move[0] == pytest.approx(98 / 100 - 1)
    assert five.move[1] == pytest.approx(115 / 103 - 1)


def test_excursions_are_those_of_the_sessions_held_and_no_others() -> None:
    outcomes = Outcomes(series_of({"A": BARS}))
    one, five = outcomes.over(1), outcomes.over(5)
    assert (one.highest[0], one.lowest[0]) == (pytest.approx(0.04), pytest.approx(-0.02))
    assert (five.highest[0], five.lowest[0]) == (pytest.approx(0.10), pytest.approx(-0.10))
    assert five.highest[1] == pytest.approx(120 / 103 - 1)


def test_what_has_not_happened_yet_is_not_known() -> None:
    outcomes = Outcomes(series_of({"A": BARS}))
    assert np.isnan(outcomes.over(1).move).tolist() == [False] * 6 + [True]
    assert np.isnan(outcomes.over(5).move).tolist() == [False, False, *[True] * 5]
    assert np.isnan(outcomes.over(20).highest).all()
    assert np.isnan(outcomes.over(60).move).all()


def test_no_entry_reaches_into_the_next_symbol() -> None:
    outcomes = Outcomes(series_of({"A": BARS, "B": [(10.0, 11.0, 9.0, 10.0)] * 7}))
    for sessions in (1, 5):
        outcome = outcomes.over(sessions)
        assert np.isnan(outcome.move[7 - sessions : 7]).all()
        assert np.nanmin(outcome.move[7:]) == np.nanmax(outcome.move[7:]) == 0
        assert np.nanmax(outcome.highest[7:]) == pytest.approx(0.1)


def test_an_entry_held_over_a_gap_is_left_out_and_others_stay() -> None:
    days = [FIRST + timedelta(days=number) for number in range(7)]
    late = [*days[:3], *[day + timedelta(days=LONGEST_GAP_DAYS) for day in days[3:]]]
    outcomes = Outcomes(series_of({"A": BARS}, {"A": late}))
    assert np.isnan(outcomes.over(1).move).tolist() == [False, False, True, False, False, False, True]
    assert np.isnan(outcomes.over(5).move).all()
    nearly = [*days[:3], *[day + timedelta(days=LONGEST_GAP_DAYS - 1) for day in days[3:]]]
    assert np.isnan(Outcomes(series_of({"A": BARS}, {"A": nearly})).over(1).move).sum() == 1


def test_the_benchmark_is_bought_and_sold_on_the_same_days() -> None:
    dates = np.delete(weekdays(7), 3)
    frame = pl.DataFrame(
        {"date": dates, "open": [10.0, 20.0, 40.0, 50.0, 60.0, 70.0], "close": [11.0, 22.0, 42.0, 55.0, 63.0, 77.0]}
    )
    outcomes = Outcomes(series_of({"A": BARS}), Benchmark.of("INDEX", frame))
    one, five = outcomes.over(1).benchmark, outcomes.over(5).benchmark
    assert one is not None and five is not None
    assert one[0] == pytest.approx(0.1)
    assert np.isnan(one[2])
    # The index has no price of the fourth day.
    assert np.isnan(five[2:]).all()
    assert five[0] == pytest.approx(63 / 20 - 1)
    assert five[1] == pytest.approx(77 / 40 - 1)


def test_without_a_benchmark_nothing_is_compared() -> None:
    empty = Benchmark.of("INDEX", pl.DataFrame(schema={"date": pl.Date, "open": pl.Float64, "close": pl.Float64}))
    assert Outcomes(series_of({"A": BARS})).over(1).benchmark is None
    compared = Outcomes(series_of({"A": BARS}), empty).over(1).benchmark
    assert compared is not None and np.isnan(compared).all()


@pytest.mark.parametrize("bars", [0, 1, 3])
def test_a_symbol_of_few_bars_is_no_error(bars: int) -> None:
    outcomes = Outcomes(series_of({"A": BARS[:bars], "B": []}))
    for sessions in HORIZONS:
        assert len(outcomes.over(sessions).move) == bars


def _slowly(series: Series, sessions: int) -> Outcome:
    """The same, bar by bar, as it is defined."""
    columns = {name: np.full(len(series), np.nan) for name in ("move", "highest", "lowest")}
    for begin, end in zip(series.starts[:-1], series.starts[1:], strict=True):
        for t in range(begin, end - sessions):
            held = slice(t + 1, t + sessions + 1)
            entry = series.open[t + 1]
            columns["move"][t] = series.close[t + sessions] / entry - 1
            columns["highest"][t] = series.high[held].max() / entry - 1
            columns["lowest"][t] = series.low[held].min() / entry - 1
    return Outcome(**columns, benchmark=None)


@pytest.mark.parametrize("sessions", HORIZONS)
def test_all_at_once_is_the_same_as_bar_by_bar(sessions: int) -> None:
    series = drawn(3, 90)
    found, slow = Outcomes(series).over(sessions), _slowly(series, sessions)
    for name in ("move", "highest", "lowest"):
        np.testing.assert_array_equal(getattr(found, name), getattr(slow, name))


@settings(max_examples=30, deadline=None)
@given(kept=st.integers(1, 79), seed=st.integers(0, 5))
def test_later_bars_change_no_outcome_that_was_known(kept: int, seed: int) -> None:
    series = drawn(1, 80, seed=seed)
    before = first_bars(series, kept)
    for sessions in HORIZONS:
        then, now = Outcomes(before).over(sessions), Outcomes(series).over(sessions)
        known = max(0, kept - sessions)
        assert np.isnan(then.move[known:]).all()
        np.testing.assert_array_equal(then.move[:known], now.move[:known])
        np.testing.assert_array_equal(then.lowest[:known], now.lowest[:known])


def test_days_are_those_of_the_calendar() -> None:
    assert weekdays(6)[5].astype(date) == date(2010, 1, 11)
