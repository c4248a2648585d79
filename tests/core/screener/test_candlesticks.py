from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.market.panel import Floats
from core.screener.candlesticks import CANDLESTICKS, REACH, Candles
from core.screener.series import Series
from tests.core.screener.made_panels import drawn_in_cents, in_cents, part_of, picked, shipped_series, with_prices
from tests.core.screener.made_series import drawn, first_bars, series_of


def test_every_pattern_of_the_engine_has_its_name_and_signs() -> None:
    engine = {name.removeprefix("CDL").lower() for name in dir(talib) if name.startswith("CDL")}
    series = shipped_series()
    candles = Candles(series)

    assert set(CANDLESTICKS) == engine
    assert len(engine) == 61
    for name, pattern in CANDLESTICKS.items():
        signs = set(np.sign(candles[name]).tolist()) - {0}
        assert signs <= {{"+": 1, "-": -1}[sign] for sign in pattern.signs}, name


def test_the_shipped_histories_have_the_patterns_that_the_engine_finds_symbol_by_symbol() -> None:
    series = shipped_series()
    candles = Candles(series)
    prices = [series.open, series.high, series.low, series.close]
    in_ticks = [np.rint(column * 1e8) for column in prices]
    found, differing = 0, 0
    for name in CANDLESTICKS:
        found += int(np.count_nonzero(candles[name]))
        assert np.array_equal(candles[name], _symbol_by_symbol(name, series, in_ticks)), name
        differing += int(np.count_nonzero(candles[name] != _symbol_by_symbol(name, series, prices)))

    # On prices as they are, a body of exactly a tenth of the average is a doji or none by the rounding of decimals.
    assert found == 232_950
    assert differing == 1_140, "ties, 0.5 %"


def test_a_tie_is_decided_by_the_prices_and_not_by_rounding() -> None:
    """Ten equal bodies of 0.1, then one of a tenth of that: a doji by the engine's rule, at every price."""
    for base in (1.0, 10.1, 33.3, 64.7, 1234.5):
        steady = [(base, base + 0.2, base - 0.2, base + 0.1)] * 10
        flat = (base, base + 0.2, base - 0.2, base + 0.04)
        series = series_of({"A": [*steady, flat]})
        rounded = in_cents(series)
        assert Candles(rounded)["doji"][-1] == 100, base


def test_the_tail_of_a_history_has_the_patterns_of_the_whole() -> None:
    series = drawn_in_cents(4, 400, seed=3)
    whole = {name: Candles(series)[name] for name in CANDLESTICKS}

    for end in (17, 18, 19, 100, 399, 400):
        known = first_bars(series, end)
        tail, last = Candles(known.tail(REACH)), np.arange(4) * 400 + end - 1
        for name in CANDLESTICKS:
            expected = whole[name][last]
            assert np.array_equal(tail[name][known.tail(REACH).starts[1:] - 1], expected), (name, end)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)), cut=st.integers(1, 5))
def test_patterns_are_the_same_whoever_stands_beside(seed: int, order: list[int], cut: int) -> None:
    series = drawn(6, 30, seed=seed)
    series = _with_prices_of_all_sizes(series)
    alone = {symbol: Candles(series.of(symbol)) for symbol in series.symbols}
    for chosen in (order[:cut], order[cut:]):
        together = picked(series, chosen)
        candles = Candles(together)
        for name in CANDLESTICKS:
            signs = candles[name]
            for number, symbol in enumerate(together.symbols):
                part = signs[together.starts[number] : together.starts[number + 1]]
                assert np.array_equal(part, alone[symbol][name]), (name, symbol)


def test_a_pattern_on_the_last_bars_of_a_symbol_is_not_confirmed_by_the_next_symbol() -> None:
    """A hikkake waits three bars for its confirmation: symbols are cut within these three."""
    series = drawn_in_cents(1, 2_000, seed=11)
    signs = Candles(series)["hikkake"]
    assert (np.abs(signs) == 200).any()
    for at in np.flatnonzero(np.abs(signs) == 100)[:20].tolist():
        halves = [part_of(series, 0, at + 1), part_of(series, at + 1, 2_000)]
        joined = replace(series, symbols=("A", "B"), starts=np.array([0, at + 1, 2_000]))
        for name in ("hikkake", "hikkakemod"):
            alone = np.concatenate([Candles(half)[name] for half in halves])
            assert np.array_equal(Candles(joined)[name], alone), (name, at)


@pytest.mark.parametrize("bars", [1, 2, 3, 14, 15])
def test_short_histories_have_the_patterns_that_need_no_more_bars(bars: int) -> None:
    series = drawn_in_cents(2, bars)
    candles = Candles(series)

    for name in CANDLESTICKS:
        function = getattr(talib, f"CDL{name.upper()}")
        part = series.of("S0001")
        assert np.array_equal(candles[name][bars:], function(part.open, part.high, part.low, part.close)), name


def test_no_bars_have_no_patterns() -> None:
    assert len(Candles(drawn(0, 5))["doji"]) == 0


def _with_prices_of_all_sizes(series: Series) -> Series:
    scale = np.repeat([1e-6, 1.0, 20.0, 12_000.0, 1e5, 0.01], series.lengths)
    return with_prices(series, lambda prices: prices * scale)


def _symbol_by_symbol(name: str, series: Series, columns: Sequence[Floats]) -> NDArray[np.int32]:
    function = getattr(talib, f"CDL{name.upper()}")
    bars = pairwise(series.starts.tolist())
    return np.concatenate([function(*(column[begin:end] for column in columns)) for begin, end in bars])
