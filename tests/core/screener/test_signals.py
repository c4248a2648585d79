from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.screener.direction import Direction
from core.screener.indicators import indicators_of
from core.screener.series import LONGEST_GAP_DAYS, Flags, Series
from core.screener.signals import SIGNALS, Family, latest_signals, signals_of
from tests.core.screener.made_panels import (
    drawn_in_cents,
    in_cents,
    part_of,
    picked,
    shipped_series,
    windows_of,
    with_prices,
)
from tests.core.screener.made_series import Bar, drawn, first_bars, series_of, weekdays

SETTLED = 900
"""Bars after which smoothed averages no longer know when they began."""
PLAIN = [one for one in SIGNALS.values() if one.family is not Family.CANDLESTICK]


def test_the_table_has_every_family_both_ways_and_each_type_its_words() -> None:
    families = {(one.family, one.direction) for one in SIGNALS.values()}
    expected = {(family, direction) for family in Family for direction in Direction if family != "chart_pattern"}

    assert families == expected
    assert all(one.id == type_id and one.label and one.help.endswith(".") for type_id, one in SIGNALS.items())
    assert len({one.label for one in SIGNALS.values()}) == len(SIGNALS)
    assert len(SIGNALS) - len(PLAIN) == 61 + 27, "patterns of the engine, and those that it calls both ways"


def test_candlesticks_without_a_side_come_last_and_say_so() -> None:
    types = [one for one in SIGNALS.values() if one.family is Family.CANDLESTICK]
    without = [one.id for one in types if "no side of its own" in one.help]

    assert "cdl_doji" in without
    assert without == [one.id for one in types[-len(without) :]]


def test_crosses_of_the_index_are_on_the_days_that_are_told_of_them() -> None:
    assert _days("golden_cross", "SP500", "indices")[-5:] == _dates(
        "2009-06-23", "2010-10-22", "2012-01-31", "2015-12-21", "2016-04-25"
    )
    assert _days("death_cross", "SP500", "indices")[-6:] == _dates(
        "2007-12-21", "2010-07-02", "2011-08-12", "2015-08-28", "2016-01-11", "2018-12-07"
    )


def test_real_news_shows_as_gaps_and_surges() -> None:
    assert date(2010, 4, 21) in _days("gap_up", "AAPL"), "after results"
    assert date(2010, 4, 16) in _days("gap_down", "GOOG"), "after results"
    assert date(2010, 4, 16) in _days("volume_surge_down", "GOOG")
    assert date(2010, 4, 6) in _days("gap_down", "MEE"), "after the accident at Upper Big Branch"
    assert date(2010, 4, 6) in _days("volume_surge_down", "MEE")


def test_the_flash_crash_takes_many_below_their_range() -> None:
    series = shipped_series()
    broke = SIGNALS["breakdown_20"].rule(indicators_of(series))
    days = series.dates == np.datetime64("2010-05-06")
    assert np.count_nonzero(broke & days) > 100


def test_a_breakout_is_its_first_close_above_the_high_of_the_bars_before() -> None:
    closes = [10.0, 10.2] * 15 + [10.1, 10.5, 10.6, 10.4, 10.2, 10.9]
    assert _fires("breakout_20", _around(closes)) == [31, 35]
    assert _fires("breakout_20", _around([*closes[:21], 10.5])) == [21]
    assert _fires("breakout_20", _around([*closes[:20], 10.5])) == [], "the bar before has no 20 before it"


def test_52_weeks_need_200_bars() -> None:
    def walk(bars: int) -> list[Bar]:
        return _around([*(10.0 + 0.01 * (number % 7) for number in range(bars)), 10.05, 12.0])

    assert _fires("breakout_52w", walk(200)) == [201]
    assert _fires("breakout_52w", walk(199)) == []
    later = [*walk(300), *_around([9.0] * 240 + [11.0, 14.0])]
    assert _fires("breakout_52w", later) == [301, 543], "11.0 is below the 12.0 of 241 bars before"


def test_a_consolidation_is_left_on_volume_alone() -> None:
    bars = [*_wide(60), *_around([30.0, 30.3] * 18), (30.1, 31.6, 30.1, 31.5)]
    volume = np.full(len(bars), 1000.0)
    assert _fires("breakout_range", bars, volume) == []
    volume[-1] = 2000
    assert _fires("breakout_range", bars, volume) == [len(bars) - 1]
    trend = [*_around([30.0 + 0.3 * number for number in range(96)]), (58.8, 61.9, 58.7, 61.8)]
    assert _fires("breakout_range", trend, volume) == [], "no consolidation"


def test_a_squeeze_is_released_once_and_to_one_side() -> None:
    quiet = [(30.0, 30.6, 29.4, 30.0 + 0.05 * (number % 2)) for number in range(60)]
    up = [*quiet, (30.0, 33.0, 30.0, 33.0), (33.0, 35.0, 33.0, 35.0), (35.0, 37.0, 35.0, 37.0)]
    fires = _fires("squeeze_up", up)
    assert len(fires) == 1
    assert 60 <= fires[0] <= 62
    assert _fires("squeeze_down", up) == []


def test_rsi_reversals_are_its_return() -> None:
    closes = [50.0 - number for number in range(30)] + [22.0, 26.0, 30.0, 33.0]
    fires = _fires("rsi_back_above_30", _around(closes))
    assert len(fires) == 1
    assert _fires("rsi_back_below_70", _around(closes)) == []


def test_a_divergence_is_known_three_bars_after_its_low() -> None:
    fall = [60.0 - 1.5 * number for number in range(20)]
    rise, again = [33.0, 35.0, 37.0, 38.0, 38.5, 38.0], [37.0, 36.0, 35.0, 34.0, 33.0, 32.0, 31.0]
    closes = [*fall, *rise, *again, 31.5, 32.5, 33.5, 34.5]
    low = len(fall) + len(rise) + len(again) - 1

    assert _fires("rsi_divergence_bullish", _around(closes)) == [low + 3]
    assert _fires("rsi_divergence_bullish", _around(closes[: low + 3])) == []


def test_a_gap_is_measured_by_the_range_of_the_days_before() -> None:
    quiet = _around([10.0] * 30)
    assert _fires("gap_up", [*quiet, (11.0, 11.2, 10.9, 11.1)]) == [30]
    assert _fires("gap_up", [*quiet, (10.11, 10.2, 10.05, 10.1)]) == [], "beyond the high by less than half an ATR"
    assert _fires("gap_down", [*quiet, (9.0, 9.2, 8.9, 9.1)]) == [30]


def test_a_surge_has_the_side_of_its_close() -> None:
    bars, volume = _around([10.0] * 30 + [10.1, 9.9]), np.full(32, 1000.0)
    volume[30:] = 5000
    assert _fires("volume_surge_up", bars, volume) == [30]
    assert _fires("volume_surge_down", bars, volume) == [31]
    assert _fires("volume_surge_up", bars, np.zeros(32)) == []


def test_a_price_that_never_moves_says_nothing_but_that_it_is_a_doji() -> None:
    series = series_of({"A": [(10.1, 10.1, 10.1, 10.1)] * 300, "B": [(0.0001, 0.0001, 0.0001, 0.0001)] * 300})
    fired = signals_of(indicators_of(replace(series, volume=np.zeros(600))))
    assert not any(fired[one.id].any() for one in PLAIN)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_market_upside_down_has_the_mirrored_signals(seed: int) -> None:
    series = drawn_in_cents(2, 300, seed=seed)
    top = 3 * float(series.high.max())
    flipped = with_prices(series, lambda prices: top - prices)
    flipped = replace(flipped, high=flipped.low, low=flipped.high)
    here, there = signals_of(indicators_of(series)), signals_of(indicators_of(flipped))
    bullish = [one.id for one in PLAIN if one.direction is Direction.BULLISH]
    bearish = [one.id for one in PLAIN if one.direction is Direction.BEARISH]
    for up, down in zip(bullish, bearish, strict=True):
        assert np.array_equal(here[up], there[down]), up
        assert np.array_equal(here[down], there[up]), down


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), kept=st.integers(1, 320))
def test_later_bars_change_no_earlier_signal(seed: int, kept: int) -> None:
    series = drawn_in_cents(2, 320, seed=seed)
    whole, known = signals_of(indicators_of(series)), signals_of(indicators_of(first_bars(series, kept)))
    for type_id, flags in known.items():
        assert np.array_equal(flags.reshape(2, -1), whole[type_id].reshape(2, -1)[:, :kept]), type_id


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), earlier=st.integers(1, 300))
def test_earlier_bars_change_no_signal_once_averages_have_settled(seed: int, earlier: int) -> None:
    series = drawn_in_cents(1, 1_500, seed=seed)
    whole, later = signals_of(indicators_of(series)), signals_of(indicators_of(part_of(series, earlier, 1_500)))
    for type_id, flags in later.items():
        assert np.array_equal(flags[SETTLED:], whole[type_id][earlier + SETTLED :]), type_id


def test_moved_dates_change_no_signal() -> None:
    series = drawn_in_cents(2, 300)
    moved = replace(series, dates=series.dates + np.timedelta64(11, "D"))
    here, there = signals_of(indicators_of(series)), signals_of(indicators_of(moved))
    assert all(np.array_equal(here[type_id], there[type_id]) for type_id in SIGNALS)


def test_a_year_without_bars_is_no_signal_by_itself() -> None:
    series = drawn_in_cents(1, 400, seed=5)
    with_gap = replace(series, dates=np.where(np.arange(400) < 200, series.dates, series.dates + 365))
    here, there = signals_of(indicators_of(series)), signals_of(indicators_of(with_gap))
    assert all(np.array_equal(here[type_id], there[type_id]) for type_id in SIGNALS)


def test_prices_of_after_a_halt_are_no_gap() -> None:
    quiet, far = [(10.0, 10.1, 9.9, 10.0)] * 30, [(11.0, 11.2, 10.9, 11.1), (9.0, 9.2, 8.9, 9.1)]
    for late, expected in ((LONGEST_GAP_DAYS - 3, {"gap_up", "gap_down"}), (LONGEST_GAP_DAYS + 1, {"gap_down"})):
        halted = (weekdays(32) + np.where(np.arange(32) < 30, 0, late)).astype(object).tolist()
        fired = signals_of(indicators_of(series_of({"A": [*quiet, *far]}, {"A": halted})))
        assert {name for name in ("gap_up", "gap_down") if fired[name].any()} == expected


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_the_latest_signals_are_the_last_of_the_history(seed: int, lengths: Sequence[int]) -> None:
    series = _of_lengths(drawn_in_cents(1, sum(lengths), seed=seed), lengths)
    history, latest = signals_of(indicators_of(series)), latest_signals(indicators_of(series))
    for type_id, flags in history.items():
        assert np.array_equal(latest[type_id], flags[series.starts[1:] - 1]), type_id


def test_the_latest_signals_are_the_last_of_the_history_at_every_bar_of_real_symbols() -> None:
    series = picked(shipped_series("nse_generated"), [0, 1, 2])
    history = signals_of(indicators_of(series))
    for bars in range(210, 240):
        latest = latest_signals(indicators_of(first_bars(series, bars)))
        for type_id, flags in history.items():
            assert np.array_equal(latest[type_id], flags[series.firsts + bars - 1]), (type_id, bars)


@pytest.mark.parametrize(("dataset", "symbol"), [("indices", "SP500"), ("wiki", "IBM")])
def test_the_window_of_a_scan_has_the_signals_of_the_whole_history(dataset: str, symbol: str) -> None:
    """Smoothed averages that begin with the window have settled by its end: records tell of what scans find."""
    series = shipped_series(dataset).of(symbol)
    ends = list(range(260, len(series), 31))
    windows = windows_of(series, ends, 260)
    history, latest = signals_of(indicators_of(series)), latest_signals(indicators_of(windows))
    last = np.array(ends) - 1

    assert sum(flags[last].sum() for flags in history.values()) > 200
    for type_id, flags in history.items():
        assert np.array_equal(latest[type_id], flags[last]), type_id


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)), cut=st.integers(1, 4))
def test_who_stands_beside_changes_no_signal(seed: int, order: list[int], cut: int) -> None:
    series = in_cents(drawn(5, 270, seed=seed))
    alone = _by_symbol(series)
    for chosen in (order[:cut], order[cut:]):
        for symbol, fired in _by_symbol(picked(series, chosen)).items():
            for type_id, flags in fired.items():
                assert np.array_equal(flags, alone[symbol][type_id]), (symbol, type_id)


@pytest.mark.parametrize("scale", [1e-6, 12_000.0])
def test_signals_know_no_size_of_prices(scale: float) -> None:
    plain = drawn_in_cents(3, 320, seed=2)
    here, there = signals_of(indicators_of(plain)), signals_of(indicators_of(in_cents(plain, scale)))
    for type_id, flags in here.items():
        assert np.array_equal(flags, there[type_id]), type_id


def _by_symbol(series: Series) -> dict[str, dict[str, Flags]]:
    fired = signals_of(indicators_of(series))
    return {
        symbol: {type_id: flags[begin:end] for type_id, flags in fired.items()}
        for symbol, begin, end in zip(series.symbols, series.starts[:-1], series.starts[1:], strict=True)
    }


def _of_lengths(series: Series, lengths: Sequence[int]) -> Series:
    symbols = tuple(f"S{number}" for number in range(len(lengths)))
    return replace(series, symbols=symbols, starts=np.concatenate(([0], np.cumsum(lengths))))


def _days(type_id: str, symbol: str, dataset: str = "sp500_2010") -> list[date]:
    series = shipped_series(dataset).of(symbol)
    days: list[date] = series.dates[SIGNALS[type_id].rule(indicators_of(series))].tolist()
    return days


def _dates(*days: str) -> list[date]:
    return [date.fromisoformat(day) for day in days]


def _around(closes: Sequence[float]) -> list[Bar]:
    """Bars that open at their close, with a range of a percent on each side."""
    return [(close, close * 1.01, close * 0.99, close) for close in closes]


def _wide(bars: int) -> list[Bar]:
    """A range of a fifth each day."""
    return [(30.0, 33.0, 27.0, 30.0 + 2 * (number % 2)) for number in range(bars)]


def _fires(
    type_id: str, bars: Sequence[Bar], volume: np.ndarray[tuple[int], np.dtype[np.float64]] | None = None
) -> list[int]:
    series = series_of({"A": list(bars)})
    if volume is not None:
        series = replace(series, volume=volume)
    fired: list[int] = np.flatnonzero(SIGNALS[type_id].rule(indicators_of(series))).tolist()
    return fired
