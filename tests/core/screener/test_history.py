"""Signals of whole histories: year by year, from the bars of that year and those just before it, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import NotFound
from core.screener import event_files, history
from core.screener.chart_patterns.patterns import chart_patterns_of
from core.screener.event_files import EventFiles
from core.screener.history import CANDLESTICKS, DETECTORS, PATTERNS, RULES, Blocks, Detector, all_events, detector_of
from core.screener.indicators import indicators_of
from core.screener.records import Events
from core.screener.series import Series
from core.screener.signals import SIGNALS, signals_of
from tests.core.screener.made_series import drawn, first_bars

LONG = drawn(4, 900, seed=3)


def _as_plain(events: Mapping[str, Events]) -> dict[str, list[int]]:
    return {type_id: each.places.tolist() for type_id, each in events.items()}


def _kept(folder: Path, detector: Detector = RULES) -> EventFiles:
    return EventFiles.of(folder, "sp500_2010", None, detector.name)


def _update(files: EventFiles, series: Series, detector: Detector = RULES) -> tuple[dict[str, list[int]], int]:
    """The signals by what is kept and what is not, and how many blocks were computed."""
    found = files.events(series, detector)
    return _as_plain(found.events), found.computed


def test_the_rules_of_a_year_need_no_more_than_the_bars_before_it() -> None:
    """Year by year is the same as over the whole history at once, where it is not a matter of rounding."""
    whole = signals_of(indicators_of(LONG))
    by_years = all_events(LONG, RULES) | all_events(LONG, CANDLESTICKS)
    differing = {
        type_id: len(np.setxor1d(np.flatnonzero(whole[type_id]), by_years[type_id].places)) for type_id in SIGNALS
    }
    assert sum(differing.values()) == 0, differing


def test_every_type_is_there_with_its_direction() -> None:
    assert [*RULES.types, *CANDLESTICKS.types] == [*SIGNALS]
    assert not set(SIGNALS) & set(PATTERNS.types)
    for detector in DETECTORS:
        events = all_events(first_bars(LONG, 3), detector)
        assert {type_id: each.direction for type_id, each in events.items()} == detector.types


def test_chart_patterns_are_signals_on_the_day_of_their_trigger() -> None:
    one_year = first_bars(LONG, 250)
    fired = {
        (each.type, each.symbol, np.datetime64(each.triggered_on))
        for each in chart_patterns_of(one_year)
        if each.triggered_on
    }
    symbols = np.repeat(one_year.symbols, 250)
    events = all_events(one_year, PATTERNS)
    assert fired == {
        (type_id, symbols[place], one_year.dates[place]) for type_id, each in events.items() for place in each.places
    }
    assert fired


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_a_history_that_grew_day_by_day_is_that_from_nothing(detector: Detector, tmp_path: Path) -> None:
    files = _kept(tmp_path, detector)
    series = LONG.of("S0001") if detector is PATTERNS else LONG
    for bars in (1, 300, 301, 600, 601, 602, 900):
        then = first_bars(series, bars)
        assert _update(files, then, detector)[0] == _as_plain(all_events(then, detector))


def test_only_what_changed_is_computed_again(tmp_path: Path) -> None:
    files = _kept(tmp_path)
    blocks = Blocks.of(LONG, RULES)
    assert _update(files, LONG)[1] == len(blocks) == 16
    assert _update(files, LONG)[1] == 0
    assert _update(files, first_bars(LONG, 899))[1] == 4, "the last year of each symbol"
    assert _update(files, LONG)[1] == 0, "what is known up to a later day stays"


def test_digests_do_not_depend_on_how_many_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = Blocks.of(LONG, RULES)
    together = blocks.digests(RULES).tolist()
    assert len(set(together)) == len(blocks)
    monkeypatch.setattr(history, "BLOCKS_AT_ONCE", 3)
    assert blocks.digests(RULES).tolist() == together
    assert not set(blocks.digests(RULES.only("breakout_20")).tolist()) & set(together)


def test_a_corrected_bar_is_computed_again_with_all_that_reads_it(tmp_path: Path) -> None:
    files = _kept(tmp_path)
    _update(files, LONG)
    close = LONG.close.copy()
    close[10] = LONG.low[10]
    mended = Series(
        LONG.symbols, LONG.starts, LONG.dates, LONG.open, LONG.high, LONG.low, close, LONG.volume, LONG.is_mended
    )
    found, computed = _update(files, mended)
    assert computed == 2
    assert found == _as_plain(all_events(mended, RULES))


def test_another_set_of_symbols_is_served_by_what_is_known(tmp_path: Path) -> None:
    files = _kept(tmp_path)
    _update(files, LONG)
    one = LONG.of("S0002")
    assert _update(files, one) == (_as_plain(all_events(one, RULES)), 0)
    assert _update(files, LONG)[1] == 0


@pytest.mark.parametrize("harm", ["lost", "cut", "changed", "empty"])
def test_a_lost_or_damaged_file_is_computed_again(harm: str, tmp_path: Path) -> None:
    files = _kept(tmp_path)
    before, _ = _update(files, LONG)
    path = sorted(files.folder.iterdir())[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if harm != "lost":
        path.write_bytes({"cut": bytes(content[:-40]), "changed": bytes(content), "empty": b""}[harm])
    assert _update(files, LONG) == (before, 4)
    assert _update(files, LONG) == (before, 0)


def test_a_folder_that_cannot_be_written_costs_time_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "everyone").write_text("no folder")
    found, computed = _update(_kept(tmp_path), LONG)
    assert (found, computed) == (_as_plain(all_events(LONG, RULES)), 16)
    assert "cannot be kept" in caplog.text


def test_formulas_of_another_version_have_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _update(_kept(tmp_path), LONG)
    older = _kept(tmp_path).folder
    for module in (event_files, history):
        monkeypatch.setattr(module, "FORMULA_VERSION", 1000)
    assert _update(_kept(tmp_path), LONG)[1] == 16
    assert not older.exists()


def test_no_file_is_named_by_what_is_no_id(tmp_path: Path) -> None:
    for name in ("..", "a/b", "", "x" * 101):
        with pytest.raises(ValueError, match="universe"):
            EventFiles.of(tmp_path, name, None, "signals")


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_the_company_of_other_symbols_does_not_matter(detector: Detector) -> None:
    alone = {symbol: _as_plain(all_events(LONG.of(symbol), detector)) for symbol in LONG.symbols}
    together = _as_plain(all_events(LONG, detector))
    for number, symbol in enumerate(LONG.symbols):
        begin, end = int(LONG.starts[number]), int(LONG.starts[number + 1])
        for type_id, places in together.items():
            assert [place - begin for place in places if begin <= place < end] == alone[symbol][type_id]


@settings(max_examples=12, deadline=None)
@given(kept=st.integers(1, 700), seed=st.integers(0, 3))
def test_later_bars_change_no_earlier_signal(kept: int, seed: int) -> None:
    series = drawn(1, 701, seed=seed)
    for detector in DETECTORS:
        then, now = all_events(first_bars(series, kept), detector), all_events(series, detector)
        for type_id, events in then.items():
            later = now[type_id].places
            assert events.places.tolist() == later[later < kept].tolist()


def test_an_unknown_type_is_not_found() -> None:
    assert detector_of("breakout_20") is RULES
    assert detector_of("cdl_doji") is CANDLESTICKS
    assert detector_of("double_top") is PATTERNS
    with pytest.raises(NotFound):
        detector_of("nonsense")
