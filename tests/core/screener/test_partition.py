from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from core.market.panel import Panel
from core.ops.processes import Processes
from core.screener import partition
from core.screener.direction import Direction
from core.screener.indicators import indicators_of
from core.screener.levels import levels_of
from core.screener.partition import RESULT_INDICATORS, PartitionResult, Skip, scan_partition
from core.screener.series import Series
from core.screener.signals import SIGNALS, signals_of
from tests.core.screener.made_panels import drawn_in_cents, in_cents, panel_of, picked, shipped_panel
from tests.core.screener.made_series import drawn, first_bars

DAY = date(2010, 8, 20)
"""Of the shipped histories the last."""


def test_a_row_has_the_figures_of_the_last_bar() -> None:
    series = drawn_in_cents(3, 260)
    found = scan_partition(panel_of(series), _last_day(series), chart_patterns=False)
    latest = indicators_of(series).tail(1)

    assert found.skipped == ()
    assert found.results["symbol"].to_list() == list(series.symbols)
    assert found.results["day"].unique().to_list() == [_last_day(series)]
    assert found.results["bars"].to_list() == [260] * 3
    assert found.results["mended"].to_list() == [0] * 3
    assert found.results["behind"].to_list() == [0] * 3
    assert found.results["close"].to_list() == latest["close"].tolist()
    for name in RESULT_INDICATORS:
        assert found.results[name].to_list() == pytest.approx(latest[name].tolist()), name
    closes = series.of("S0001").close[-30:].astype(np.float32)
    assert found.results["spark"].to_list()[1] == closes.tolist()
    assert found.results["spark"].dtype == pl.List(pl.Float32)


@pytest.mark.parametrize(("bars", "is_told"), [(200, False), (201, True)])
def test_a_new_high_or_low_needs_200_bars_before_it(bars: int, is_told: bool) -> None:
    series = drawn_in_cents(1, bars)
    for name, change in (("high", 10.0), ("low", 0.1)):
        moved = replace(series, **{name: np.where(np.arange(bars) == bars - 1, change, 1.0) * getattr(series, name)})
        found = scan_partition(panel_of(moved), _last_day(series), chart_patterns=False).results
        assert found[f"is_new_{name}"].to_list() == [is_told]


def test_what_is_not_defined_is_null() -> None:
    series = drawn_in_cents(1, 40)
    (row,) = scan_partition(panel_of(series), _last_day(series), chart_patterns=False).results.iter_rows(named=True)

    for name in ("sma_50", "sma_200", "from_sma_200", "return_60", "return_250", "rs_raw"):
        assert row[name] is None, name
    assert not any(value != value for value in row.values() if isinstance(value, float))
    assert row["week52_bars"] == 40


def test_signals_of_the_day_have_the_levels_of_their_direction() -> None:
    series = drawn_in_cents(40, 260, seed=3)
    found = scan_partition(panel_of(series), _last_day(series), chart_patterns=False).signals
    fired, last = signals_of(indicators_of(series)), series.starts[1:] - 1
    expected = [
        (symbol, type_id)
        for symbol, at in zip(series.symbols, last, strict=True)
        for type_id in SIGNALS
        if fired[type_id][at]
    ]

    assert list(found.select("symbol", "type").iter_rows()) == expected
    levels = {str(direction): levels_of(indicators_of(series), direction) for direction in Direction}
    for row in found.iter_rows(named=True):
        at, level = last[series.symbols.index(row["symbol"])], levels[row["direction"]]
        assert (row["entry"], row["stop"], row["target"]) == (level.entry[at], level.stop[at], level.target[at])
        assert row["direction"] == SIGNALS[row["type"]].direction
        assert row["confirmed_at"] == row["day"] == _last_day(series)
        assert (row["state"], row["pivots"]) == ("signal", None)


def test_who_is_left_out_is_told_with_the_reason() -> None:
    whole = drawn_in_cents(5, 60)
    series = replace(whole, starts=np.array([0, 3, 60, 120, 180, 300]))
    panel = panel_of(series, missing=("NONE",))
    panel.close[3:60] = np.nan
    last = series.dates[60 + 59].item()
    panel.dates[180:300] = np.arange(np.datetime64(last, "D") - 119 - 90, np.datetime64(last, "D") - 89)

    found = scan_partition(panel, last, chart_patterns=False)

    gone = np.datetime64(last, "D") - 90
    weekdays = np.busday_count(gone + 1, np.datetime64(last, "D") + 1)
    assert found.skipped == (
        Skip("NONE", "no bars"),
        Skip("S0000", "3 bars; 30 are needed"),
        Skip("S0001", "no complete bars"),
        Skip("S0004", f"last bar is of {gone}, {weekdays} weekdays before the day"),
    )
    assert found.results["symbol"].to_list() == ["S0002", "S0003"]


def test_staleness_is_counted_in_sessions_where_they_are_known() -> None:
    series = drawn_in_cents(1, 60)
    last = series.dates[-1]
    day = (last + 20).item()
    quiet = np.append(series.dates, last + np.array([10, 20]))
    five, six = (np.append(series.dates, last + np.arange(1, missed + 1)) for missed in (5, 6))
    busy = np.append(series.dates, last + np.arange(1, 21))

    kept = scan_partition(panel_of(series), day, chart_patterns=False, sessions=quiet)
    skipped = scan_partition(panel_of(series), day, chart_patterns=False, sessions=busy)

    assert not scan_partition(panel_of(series), day, chart_patterns=False, sessions=five).skipped
    assert len(scan_partition(panel_of(series), day, chart_patterns=False, sessions=six).skipped) == 1
    assert kept.skipped == ()
    assert kept.results["behind"].to_list() == [2], "which a row says of itself"
    assert skipped.skipped == (Skip("S0000", f"last bar is of {last}, 20 sessions before the day"),)


def test_signals_of_an_older_bar_are_none_of_the_scan_though_its_row_stays() -> None:
    series = drawn_in_cents(40, 260, seed=3)
    then = replace(series, dates=series.dates - np.where(np.arange(len(series)) < 20 * 260, 7, 0))

    on_the_day = scan_partition(panel_of(series), _last_day(series), chart_patterns=True)
    found = scan_partition(panel_of(then), _last_day(series), chart_patterns=True)

    late = series.symbols[:20]
    assert found.results["behind"].to_list() == [5] * 20 + [0] * 20
    assert_frame_equal(found.results.drop("day", "behind"), on_the_day.results.drop("day", "behind"))
    is_late = pl.col("symbol").is_in(late)
    assert on_the_day.signals.filter(is_late).height > 0
    assert_frame_equal(found.signals, on_the_day.signals.filter(~is_late), check_exact=True)


@pytest.mark.parametrize("symbols", [0, 1])
def test_no_symbol_and_one_symbol_are_scanned(symbols: int) -> None:
    series = drawn_in_cents(1, 60)
    panel = panel_of(series if symbols else series.only(np.array([False])))
    found = scan_partition(panel, _last_day(series), chart_patterns=True)

    assert found.results.height == symbols
    assert found.results.schema == scan_partition(shipped_panel(), DAY, chart_patterns=False).results.schema
    assert PartitionResult.from_bytes(found.to_bytes()).results.schema == found.results.schema


def test_a_symbol_at_a_ten_thousandth_and_one_at_600_000_are_scanned_alike() -> None:
    plain = drawn_in_cents(6, 260, seed=12)
    rows = scan_partition(panel_of(plain), _last_day(plain), chart_patterns=False)
    for scale in (1e-6, 12_000.0):
        scaled = scan_partition(panel_of(in_cents(plain, scale)), _last_day(plain), chart_patterns=False)
        columns = ("symbol", "type", "reward_risk")
        assert_frame_equal(scaled.signals.select(columns), rows.signals.select(columns))
        assert_frame_equal(
            scaled.results.select("rsi_14", "adx_14", "bb_position"),
            rows.results.select("rsi_14", "adx_14", "bb_position"),
        )
        assert scaled.signals.drop_nulls("entry").height == scaled.signals.height


def test_no_volume_and_a_years_gap_are_scanned() -> None:
    series = drawn_in_cents(2, 260)
    dates = np.where(np.arange(520) % 260 < 130, series.dates - 365, series.dates)
    panel = panel_of(replace(series, volume=np.zeros(520), dates=dates))
    found = scan_partition(panel, _last_day(series), chart_patterns=True)

    assert found.results["relative_volume"].to_list() == [None, None]
    assert found.results["dollar_volume"].to_list() == [0.0, 0.0]
    assert not found.signals["type"].str.starts_with("volume").any()


def test_a_gap_in_the_data_mutes_no_later_pattern() -> None:
    series = drawn_in_cents(30, 260, seed=21)
    panel = panel_of(series)
    for column in (panel.open, panel.high, panel.low, panel.close):
        column[series.firsts + 230] = np.nan
    candles = pl.col("family") == "candlestick"
    before = scan_partition(panel_of(series), _last_day(series), chart_patterns=False)
    after = scan_partition(panel, _last_day(series), chart_patterns=False)

    assert_frame_equal(
        after.signals.filter(candles).select("symbol", "type"), before.signals.filter(candles).select("symbol", "type")
    )
    assert after.results["mended"].to_list() == [1] * 30


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)), cut=st.integers(0, 6))
def test_parts_give_what_the_whole_gives_however_it_is_cut(seed: int, order: list[int], cut: int) -> None:
    series = drawn(6, 260, seed=seed)
    whole = scan_partition(panel_of(series), _last_day(series), chart_patterns=True)
    parts = [
        scan_partition(panel_of(picked(series, sorted(chosen))), _last_day(series), chart_patterns=True)
        for chosen in (order[:cut], order[cut:])
        if chosen
    ]
    assert_frame_equal(pl.concat([part.results for part in parts]).sort("symbol"), whole.results, check_exact=True)
    signals = pl.concat([part.signals for part in parts]).sort("symbol", maintain_order=True)
    assert_frame_equal(signals, whole.signals, check_exact=True)


def test_it_does_not_matter_how_many_symbols_are_in_memory_together(monkeypatch: pytest.MonkeyPatch) -> None:
    series = drawn_in_cents(7, 260, seed=4)
    whole = scan_partition(panel_of(series), _last_day(series), chart_patterns=True)
    monkeypatch.setattr(partition, "SYMBOLS_AT_ONCE", 2)
    found = scan_partition(panel_of(series), _last_day(series), chart_patterns=True)

    assert_frame_equal(found.results, whole.results, check_exact=True)
    assert_frame_equal(found.signals, whole.signals, check_exact=True)


def test_two_processes_give_what_one_gives() -> None:
    panel = shipped_panel()
    whole = scan_partition(panel, DAY, chart_patterns=True)
    halves = [_panel_part(panel, 0, 262), _panel_part(panel, 262, 524)]
    with closing(Processes(2)) as processes, ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(processes.run, scan_partition, half, DAY, chart_patterns=True) for half in halves]
        parts = [each.result() for each in waiting]

    assert_frame_equal(pl.concat([part.results for part in parts]), whole.results, check_exact=True)
    assert_frame_equal(pl.concat([part.signals for part in parts]), whole.signals, check_exact=True)
    assert (*parts[0].skipped, *parts[1].skipped) == whole.skipped


def test_a_scan_of_an_earlier_day_is_that_which_would_have_been_made_then() -> None:
    series = drawn_in_cents(8, 320, seed=14)
    for bars in (120, 260):
        then = first_bars(series, bars)
        day = _last_day(then)
        found = scan_partition(panel_of(then), day, chart_patterns=True)
        fired = signals_of(indicators_of(series))
        expected = {
            (symbol, type_id)
            for number, symbol in enumerate(series.symbols)
            for type_id in SIGNALS
            if fired[type_id][number * 320 + bars - 1]
        }
        plain = found.signals.filter(pl.col("family") != "chart_pattern")
        assert set(plain.select("symbol", "type").iter_rows()) == expected


def test_chart_patterns_come_with_the_bars_that_form_them() -> None:
    found = scan_partition(shipped_panel(), DAY, chart_patterns=True).signals
    patterns = found.filter(pl.col("family") == "chart_pattern")

    assert set(patterns["state"].unique()) == {"signal", "forming"}
    for row in patterns.iter_rows(named=True):
        pivots, lines = json.loads(row["pivots"]), json.loads(row["lines"])
        assert all(set(pivot) == {"day", "price", "kind", "label"} for pivot in pivots)
        assert all({"name", "first_day", "first_price", "last_day", "last_price"} == set(line) for line in lines)
        assert max(pivot["day"] for pivot in pivots) <= row["confirmed_at"].isoformat() <= row["day"].isoformat()
        if row["state"] == "signal":
            assert row["entry"] == row["close"], "the close beyond the line, not the line that it has left"
        if row["entry"] is not None:
            side = 1 if row["direction"] == "bullish" else -1
            assert (row["entry"] - row["stop"]) * side > 0
            assert row["target"] is None or row["reward_risk"] > 0


def test_a_result_is_the_same_after_bytes_and_pickle() -> None:
    found = scan_partition(shipped_panel(), DAY, chart_patterns=True)
    written = found.to_bytes()
    for again in (PartitionResult.from_bytes(written), pickle.loads(pickle.dumps(found))):  # noqa: S301 (our own)
        assert_frame_equal(again.results, found.results, check_exact=True)
        assert_frame_equal(again.signals, found.signals, check_exact=True)
        assert again.skipped == found.skipped
    assert len(written) < 1_000 * found.results.height


def _panel_part(panel: Panel, first: int, end: int) -> Panel:
    part = slice(int(panel.starts[first]), int(panel.starts[end]))
    return replace(
        panel,
        symbols=panel.symbols[first:end],
        starts=panel.starts[first : end + 1] - part.start,
        dates=panel.dates[part],
        open=panel.open[part],
        high=panel.high[part],
        low=panel.low[part],
        close=panel.close[part],
        volume=panel.volume[part],
    )


def _last_day(series: Series) -> date:
    day: date = series.dates[-1].item()
    return day
