from __future__ import annotations

import numpy as np
import pytest
import talib

from core.screener.candlesticks import CANDLESTICKS, Candles
from core.screener.series import Numbers, Series, cleaned
from tests.core.screener.made_panels import drawn_in_cents, panel_of, part_of, shipped_panel
from tests.core.screener.made_series import drawn


def test_sound_bars_stay_as_they_are_and_nothing_is_marked() -> None:
    made = drawn(3, 40)

    series = cleaned(panel_of(made))

    assert not series.is_mended.any()
    for name in ("starts", "dates", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(series, name), getattr(made, name))


@pytest.mark.parametrize("wrong", [np.nan, 0.0, -1.0, np.inf])
@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_a_bar_without_a_price_is_left_out_and_the_next_one_marked(column: str, wrong: float) -> None:
    panel = panel_of(drawn(2, 40))
    getattr(panel, column)[10] = wrong

    series = cleaned(panel)

    assert series.lengths.tolist() == [39, 40]
    assert np.flatnonzero(series.is_mended).tolist() == [10]


def test_bars_that_are_left_out_at_the_ends_of_symbols_mark_nobody_else() -> None:
    panel = panel_of(drawn(3, 40))
    panel.close[[39, 40, 41, 119]] = np.nan

    series = cleaned(panel)

    assert series.lengths.tolist() == [39, 38, 39]
    assert np.flatnonzero(series.is_mended).tolist() == [39], "the first bar of the second symbol"


def test_a_session_without_trade_is_no_mistake() -> None:
    panel = panel_of(drawn(1, 40))
    panel.volume[[3, 39]] = 0

    series = cleaned(panel)

    assert not series.is_mended.any()


def test_a_symbol_without_a_sound_bar_stays_with_none() -> None:
    panel = panel_of(drawn(3, 40))
    panel.open[40:80] = np.nan

    series = cleaned(panel)

    assert series.symbols == panel.symbols
    assert series.lengths.tolist() == [40, 0, 40]
    assert len(series.of("S0001")) == 0
    assert not series.is_mended.any()


def test_a_range_is_widened_to_hold_open_and_close_and_a_missing_volume_is_none() -> None:
    panel = panel_of(drawn(1, 5))
    panel.high[2], panel.low[3] = panel.close[2] / 2, panel.open[3] * 2
    panel.volume[[1, 4]] = [np.nan, -5.0]

    series = cleaned(panel)

    assert series.high[2] == max(panel.open[2], panel.close[2])
    assert series.low[3] == min(panel.open[3], panel.close[3])
    assert series.volume[[1, 4]].tolist() == [0.0, 0.0]
    assert series.is_mended.tolist() == [False, True, True, True, True]


def test_the_shipped_histories_hold_their_opens_and_closes_once_cleaned() -> None:
    series = cleaned(shipped_panel())

    assert (series.low <= np.minimum(series.open, series.close)).all()
    assert (series.high >= np.maximum(series.open, series.close)).all()
    assert np.count_nonzero(series.is_mended) == 78, "as conventions tell of this dataset"


def test_one_row_without_prices_silences_the_engine_used_naively_and_not_this() -> None:
    panel = panel_of(drawn_in_cents(1, 300))
    whole = _patterns(cleaned(panel))
    for column in (panel.open, panel.high, panel.low, panel.close):
        column[100] = np.nan

    naive = sum(
        np.count_nonzero(getattr(talib, f"CDL{name.upper()}")(panel.open, panel.high, panel.low, panel.close)[130:])
        for name in CANDLESTICKS
    )
    series = cleaned(panel)
    after = part_of(series, 116, 299)  # the engine looks back 14 bars, over the gap

    assert naive < whole[130:].sum() / 2
    assert np.array_equal(_patterns(series)[130:], whole[131:])
    assert np.array_equal(_patterns(after)[14:], whole[131:])


def test_parts_and_tails_are_the_same_bars() -> None:
    series = drawn(5, 30)

    parts = series.split(2)
    assert [symbol for part in parts for symbol in part.symbols] == list(series.symbols)
    assert np.array_equal(np.concatenate([part.close for part in parts]), series.close)
    tail = series.tail(7)
    assert tail.lengths.tolist() == [7] * 5
    assert np.array_equal(tail.of("S0003").close, series.of("S0003").close[-7:])
    assert series.tail(30) is series
    chosen = series.only(np.array([True, False, False, True, False]))
    assert chosen.symbols == ("S0000", "S0003")
    assert np.array_equal(chosen.of("S0003").high, series.of("S0003").high)


def _patterns(series: Series) -> Numbers:
    """How many patterns fire on each bar."""
    candles = Candles(series)
    fired: Numbers = np.sum([candles[name] != 0 for name in CANDLESTICKS], axis=0)
    return fired
