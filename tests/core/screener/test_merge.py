from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from core.db.instruments_dao import MemberRow
from core.screener.merge import LEADING, Breadth, merged, with_confidences
from core.screener.partition import PartitionResult, Skip, scan_partition
from core.screener.records import Confidence
from core.screener.series import Series
from tests.core.screener.made_panels import drawn_in_cents, panel_of, picked

LEVELS = ("entry", "stop", "target", "reward_risk")


def test_parts_in_any_cut_and_order_are_one_result() -> None:
    series = drawn_in_cents(9, 260, seed=7)
    members = _members(series.symbols)
    whole = merged([_scanned(series)], members, {})
    for cut in (1, 4, 8):
        parts = [_scanned(picked(series, list(range(cut, 9)))), _scanned(picked(series, list(range(cut))))]
        found = merged(parts, members, {})
        assert_frame_equal(found.results, whole.results, check_exact=True)
        assert_frame_equal(found.signals, whole.signals, check_exact=True)
        assert (found.breadth, found.sectors, found.skipped) == (whole.breadth, whole.sectors, whole.skipped)


def test_rows_have_what_the_universe_says_of_their_symbol() -> None:
    series = drawn_in_cents(2, 260)
    members = [MemberRow("S0001", "One plc", "Energy", "XLON", "GBP", None, None)]
    found = merged([_scanned(series)], members, {}).results

    assert found.select("name", "sector", "exchange", "currency").rows() == [
        (None, None, None, None),
        ("One plc", "Energy", "XLON", "GBP"),
    ]


def test_the_rating_ranks_the_weighted_performance_from_1_to_99() -> None:
    series = drawn_in_cents(101, 260, seed=2)
    results = merged([_scanned(series)], _members(series.symbols), {}).results.sort("rs_raw")

    assert results["rs_rating"].to_list()[0] == 1
    assert results["rs_rating"].to_list()[-1] == 99
    assert results["rs_rating"].is_sorted()
    assert results["rs_rating"].to_list()[50] == 50


def test_equal_performances_share_a_rating_and_one_alone_or_short_has_none() -> None:
    alike = picked(drawn_in_cents(3, 260), [0, 0, 1, 2])
    alike = replace(alike, symbols=("A", "B", "C", "D"))
    ratings = dict(merged([_scanned(alike)], _members(alike.symbols), {}).results.select("symbol", "rs_rating").rows())
    weakest = merged([_scanned(alike)], [], {}).results.sort("rs_raw")["symbol"].to_list()
    place = (weakest.index("A") + weakest.index("B")) / 2
    assert ratings["A"] == ratings["B"] == round(1 + 98 * place / 3), "the mean of their ranks"

    for series in (drawn_in_cents(1, 260), drawn_in_cents(2, 50)):
        found = merged([_scanned(series)], _members(series.symbols), {}).results
        assert found["rs_rating"].to_list() == [None] * len(series.symbols)


def test_breadth_and_sectors_tell_of_all_rows() -> None:
    series = drawn_in_cents(30, 260, seed=5)
    still = replace(series, close=np.where(np.arange(len(series)) == 259, series.close[258], series.close))
    still = replace(still, low=np.minimum(still.low, still.close), high=np.maximum(still.high, still.close))
    found = merged([_scanned(still)], _members(series.symbols), {})
    last = still.starts[1:] - 1
    change = still.close[last] / still.close[last - 1] - 1
    closes = [still.close[end - 199 : end + 1] for end in last]
    highs, lows = ([column[end - 251 : end + 1] for end in last] for column in (still.high, still.low))

    breadth = found.breadth
    assert (breadth.advancing, breadth.declining) == ((change > 0).sum(), (change < 0).sum())
    assert breadth.unchanged == (change == 0).sum() > 0
    assert breadth.above_sma_50 == pytest.approx(np.mean([each[-1] > each[-50:].mean() for each in closes]))
    assert breadth.above_sma_200 == pytest.approx(np.mean([each[-1] > each.mean() for each in closes]))
    assert breadth.new_highs == sum(each[-1] > each[:-1].max() for each in highs)
    assert breadth.new_lows == sum(each[-1] < each[:-1].min() for each in lows)
    energy, technology = found.sectors
    assert (energy.name, energy.count, technology.name, technology.count) == ("Energy", 15, "Technology", 15)
    assert energy.advancing + technology.advancing == breadth.advancing
    assert energy.mean_change == pytest.approx(change[::2].mean())
    assert technology.median_change == pytest.approx(np.median(change[1::2]))
    assert found.market["breadth"]["unchanged"] == breadth.unchanged
    assert [sector["name"] for sector in found.market["sectors"]] == ["Energy", "Technology"]


def test_rows_that_are_behind_count_neither_in_breadth_nor_in_sectors() -> None:
    series = drawn_in_cents(30, 260, seed=5)
    then = replace(series, dates=series.dates - np.where(np.arange(len(series)) < 10 * 260, 7, 0))
    found = merged([_scanned(then)], _members(series.symbols), {})
    current = merged([_scanned(picked(series, list(range(10, 30))))], _members(series.symbols), {})

    assert found.results.height == 30
    assert set(found.results["behind"]) == {0, 5}
    assert (found.breadth, found.sectors) == (current.breadth, current.sectors)
    assert found.results.filter(pl.col("behind") > 0)["signals"].explode().drop_nulls().is_empty()
    assert found.results.filter(pl.col("behind") > 0)["entry"].drop_nulls().is_empty()


def test_every_member_is_scanned_or_skipped() -> None:
    series = drawn_in_cents(2, 260)
    panel = panel_of(series, missing=("NONE",))
    part = scan_partition(panel, _day(series), chart_patterns=False)
    found = merged([part], _members(("S0000", "S0001", "NONE", "LOST")), {})

    assert found.skipped == (Skip("LOST", "not scanned"), Skip("NONE", "no bars"))
    assert found.results.height == 2


def test_nothing_scanned_is_an_empty_result() -> None:
    series = drawn_in_cents(2, 5)
    found = merged([_scanned(series)], _members(series.symbols), {})

    assert found.results.height == 0
    assert len(found.skipped) == 2
    assert found.breadth == Breadth(0, 0, 0, None, None, 0, 0)
    assert found.sectors == ()
    whole = merged([_scanned(drawn_in_cents(2, 260))], [], {})
    assert found.results.schema == whole.results.schema


def test_the_signal_with_the_highest_confidence_leads_its_row() -> None:
    result = merged([_made()], _members(("A", "B", "C")), _CONFIDENCES)
    rows = {row["symbol"]: row for row in result.results.iter_rows(named=True)}

    assert rows["A"]["signals"] == ["breakout_20", "gap_up", "cdl_hammer"]
    assert (rows["A"]["direction"], rows["A"]["confidence"], rows["A"]["confidence_n"]) == ("bullish", 0.6, 80)
    assert [rows["A"][name] for name in LEVELS] == [2.0, 1.0, 4.0, 2.0], "those of gap_up"
    assert rows["B"]["pattern"] == ["double_bottom"]
    assert rows["B"]["signals"] == []
    assert [rows["B"][name] for name in LEADING] == [None] * len(LEADING), "what forms leads nothing"
    assert (rows["C"]["signals"], rows["C"]["pattern"]) == ([], [])
    told = {
        row["type"]: (row["confidence"], row["confidence_n"], row["base_rate"]) for row in result.signals.to_dicts()
    }
    assert told["gap_up"] == (0.6, 80, 0.5)
    assert told["cdl_hammer"] == (None, 4, 0.5), "below the least n there is no confidence, but an n"
    assert told["breakout_20"] == (None, 0, None)


def test_without_confidences_the_first_of_the_table_leads() -> None:
    (first, *_) = merged([_made()], [], {}).results.iter_rows(named=True)
    assert (first["entry"], first["confidence"], first["confidence_n"]) == (1.0, None, 0)


def test_of_two_confidences_the_higher_leads_and_of_equal_ones_the_first_of_the_table() -> None:
    for breakout, gap, entry in ((0.5, 0.6, 2.0), (0.6, 0.5, 1.0), (0.6, 0.6, 1.0)):
        confidences = {"breakout_20": Confidence(breakout, 70, 0.5), "gap_up": Confidence(gap, 90, 0.5)}
        (row, *_) = merged([_made()], [], confidences).results.iter_rows(named=True)
        assert (row["entry"], row["confidence"]) == (entry, max(breakout, gap))


def test_later_confidences_choose_the_leading_signal_anew() -> None:
    before = merged([_made()], [], {})
    again = with_confidences(before.results, before.signals, _CONFIDENCES)
    expected = merged([_made()], [], _CONFIDENCES).results

    assert_frame_equal(again, expected, check_exact=True)


_CONFIDENCES = {
    "gap_up": Confidence(0.6, 80, 0.5),
    "cdl_hammer": Confidence(None, 4, 0.5),
    "double_bottom": Confidence(0.9, 300, 0.5),
}


def _made() -> PartitionResult:
    """Symbol A with three signals, B with a pattern that forms, C with nothing."""
    part = _scanned(replace(drawn_in_cents(3, 260), symbols=("A", "B", "C")))
    rows = [("A", "breakout_20", 1.0), ("A", "gap_up", 2.0), ("A", "cdl_hammer", 3.0), ("B", "double_bottom", 4.0)]
    made = [
        {
            "symbol": symbol,
            "type": type_id,
            "direction": "bullish",
            "family": "chart_pattern" if symbol == "B" else "gap",
            "entry": entry,
            "stop": entry - 1,
            "target": entry + 2,
            "reward_risk": 2.0,
            "state": "forming" if symbol == "B" else "signal",
        }
        for symbol, type_id, entry in rows
    ]
    return replace(part, signals=pl.DataFrame(made, schema=part.signals.schema))


def _scanned(series: Series) -> PartitionResult:
    return scan_partition(panel_of(series), _day(series), chart_patterns=False)


def _day(series: Series) -> date:
    day: date = series.dates[-1].item()
    return day


def _members(symbols: Sequence[str]) -> list[MemberRow]:
    sectors = ("Energy", "Technology")
    return [
        MemberRow(symbol, f"{symbol} Inc", sectors[number % 2], "XNYS", "USD", None, None)
        for number, symbol in enumerate(symbols)
    ]
